#include "app/workbench/status_line.hpp"

#include <QLayout>
#include <QResizeEvent>
#include <QStringList>
#include <algorithm>

#include "ui/text/format.hpp"

namespace fovea {

StatusLine::StatusLine(WorkbenchState& state, QWidget* parent)
    : QStatusBar(parent),
      state_(state),
      doing_(new QLabel),
      tokens_(new QLabel),
      speed_(new QLabel),
      first_(new QLabel),
      recording_(new QLabel),
      seed_(new QLabel),
      clock_(
          100, [this] { refresh(); }, this) {
  setSizeGripEnabled(false);
  addWidget(doing_, 1);
  for (QLabel* label : {tokens_, speed_, first_, recording_, seed_}) addPermanentWidget(label);
  for (QLabel* label : {doing_, tokens_, speed_, first_, recording_, seed_}) label->setMinimumWidth(1);  // so that words never keep the window from becoming narrow
  for (const auto signal :
       {&WorkbenchState::model_changed, &WorkbenchState::load_changed, &WorkbenchState::run_started,
        &WorkbenchState::prompt_tokenized, &WorkbenchState::prefill_advanced, &WorkbenchState::trace_changed})
    connect(&state, signal, &clock_, &RefreshClock::request);
  connect(&state, &WorkbenchState::tokens_appended, &clock_, &RefreshClock::request);
  connect(&state, &WorkbenchState::run_ended, this, &StatusLine::refresh);
  refresh();
}

void StatusLine::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) refresh();
  QStatusBar::changeEvent(event);
}

QString StatusLine::doing() const {
  if (state_.loading()) return tr("Opening the model");
  switch (state_.phase()) {
    case RunPhase::none:
      if (!state_.model()) return tr("No model is open");
      return router_left_out_ ? tr("Ready. The policy's semantic router is left out: it was trained for a model of another shape.") : tr("Ready");
    case RunPhase::starting:
      return tr("Starting");
    case RunPhase::prefill:
      return state_.prefill().total > 0
                 ? tr("Reading the prompt: %1 of %2 tokens")
                       .arg(shown_count(state_.prefill().done), shown_count(state_.prefill().total))
                 : tr("Reading the prompt");
    case RunPhase::decoding:
      return tr("Writing");
    case RunPhase::failed:
      return tr("The run failed");
    case RunPhase::finished:
      break;
  }
  if (!state_.finished()) return {};
  switch (state_.finished()->reason) {
    case StopReason::length:
      return tr("Done: as many tokens as asked for");
    case StopReason::end_of_text:
      return tr("Done: the model ended the text");
    case StopReason::cancelled:
      return tr("Stopped");
    case StopReason::context_full:
      return tr("Done: the context is full");
  }
  return {};
}

QString StatusLine::recording() const {
  const TracePlan& plan = state_.request().trace;
  if (plan.all_heads) return tr("recording all heads");
  if (plan.heads.size() == 1) return tr("recording layer %1 head %2").arg(plan.heads[0].layer).arg(plan.heads[0].head);
  return plan.heads.empty() ? tr("recording no attention") : tr("recording %1 heads").arg(plan.heads.size());
}

void StatusLine::show_speed() {
  double speed = 0;
  bool recorded = false, timed = false;
  if (const auto& finished = state_.finished()) {
    speed = finished->timings.decode_tps();
    recorded = finished->timings.recording;
    timed = finished->timings.timing;
  } else if (const auto live = state_.live_speed()) {
    speed = live->tokens_per_second;
    recorded = live->recording;
    timed = live->timing;
  }
  const QString shown = shown_rate(speed);
  speed_->setText(!(speed > 0)        ? QString()
                  : recorded && timed ? tr("%1 while recording and timing").arg(shown)
                  : recorded          ? tr("%1 while recording").arg(shown)
                  : timed             ? tr("%1 while timing kernels").arg(shown)
                                      : shown);
  speed_->setToolTip(tr("Decoding speed, by the engine's own clock"));
}

void StatusLine::refresh() {
  doing_->setText(doing());
  const bool run = state_.phase() != RunPhase::none;
  const std::uint32_t all = state_.token_count(), prompt = std::min(state_.prompt_tokens(), all);
  // Nothing to say is no text.
  tokens_->setText(run && all > 0 ? tr("%1 prompt + %2 new tokens").arg(shown_count(prompt), shown_count(all - prompt)) : QString());
  show_speed();
  const auto& finished = state_.finished();
  first_->setText(finished && finished->timings.first_token_ms > 0 ? tr("first token %1").arg(shown_duration(finished->timings.first_token_ms)) : QString());
  recording_->setText(run ? recording() : QString());
  seed_->setText(run && state_.seed() ? tr("seed %1").arg(*state_.seed()) : QString());
  fit();
}

void StatusLine::set_router_left_out(bool left_out) {
  router_left_out_ = left_out;
  refresh();
}

void StatusLine::resizeEvent(QResizeEvent* event) {
  QStatusBar::resizeEvent(event);
  fit();
}

void StatusLine::fit() {
  const QMargins around = layout()->contentsMargins();
  const auto width_of = [&](const QLabel* label) { return label->text().isEmpty() ? 0 : label->sizeHint().width() + std::max(0, layout()->spacing()); };
  int wished = around.left() + around.right() + 2 * std::max(0, layout()->spacing());
  for (const QLabel* label : {doing_, tokens_, speed_, first_, recording_, seed_}) wished += width_of(label);
  bool cut = false;
  // What other places of the window say too goes first.
  for (QLabel* label : {recording_, first_, seed_, tokens_, speed_}) {
    const bool goes = wished > width() && !label->text().isEmpty();
    if (goes) wished -= width_of(label);
    cut = cut || goes;
    label->setVisible(!goes && !label->text().isEmpty());
  }
  cut = cut || wished > width();
  setToolTip(cut ? text() : QString());
}

QString StatusLine::text() const {
  QStringList parts;
  for (const QLabel* label : {doing_, tokens_, speed_, first_, recording_, seed_})
    if (!label->text().isEmpty()) parts << label->text();
  return parts.join(QStringLiteral(" · "));
}

}  // namespace fovea
