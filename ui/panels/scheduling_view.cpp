#include "ui/panels/scheduling_view.hpp"

#include <QEvent>
#include <QGridLayout>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/text/device_words.hpp"
#include "ui/text/format.hpp"
#include "ui/widgets/scroll_column.hpp"

namespace fovea {

namespace {
constexpr int kRowHeight = 26;
constexpr std::size_t kRouter = 0, kBalance = 1, kDevice = 2;

QString percent(double share) { return shown_percent(share); }
}  // namespace

SchedulingView::SchedulingView(WorkbenchState& state, const Theme& theme, QWidget* parent)
    : QWidget(parent), state_(state), theme_(theme), policy_(new QToolButton), device_(new QToolButton) {
  // What each layer is and whether it is in use stands above; what is known of it below, as far as there is room.
  auto* heads = new QGridLayout;
  heads->setHorizontalSpacing(12);
  heads->setVerticalSpacing(2);
  heads->setColumnStretch(1, 1);
  auto* content = new QWidget;
  auto* column = new QVBoxLayout(content);
  column->setContentsMargins(0, 4, 12, 4);
  column->setSpacing(6);
  for (std::size_t i = 0; i < kLayers; ++i) {
    Layer& layer = layers_[i];
    layer = {new QLabel, new QLabel, new QLabel};
    layer.state->setTextFormat(Qt::RichText);
    layer.state->setWordWrap(true);
    layer.text->setTextFormat(Qt::RichText);
    layer.text->setWordWrap(true);
    layer.text->setTextInteractionFlags(Qt::TextSelectableByMouse);
    const int row = static_cast<int>(i);
    heads->setRowMinimumHeight(row, kRowHeight);
    heads->addWidget(layer.title, row, 0);
    heads->addWidget(layer.state, row, 1);
    column->addWidget(layer.text);
    if (i == kBalance) column->addWidget(policy_, 0, Qt::AlignLeft);
    if (i == kDevice) column->addWidget(device_, 0, Qt::AlignLeft);
  }
  column->addStretch(1);
  QScrollArea* scroll = scroll_column(content);
  auto* rule = new QFrame;
  rule->setObjectName(QStringLiteral("separator"));
  rule->setFixedHeight(1);
  auto* all = new QVBoxLayout(this);
  all->setContentsMargins(4, 0, 0, 0);
  setMinimumSize(120, 90);  // as the plots
  all->setSpacing(4);
  all->addLayout(heads);
  all->addWidget(rule);
  all->addWidget(scroll, 1);
  for (QToolButton* button : {policy_, device_}) button->setFixedHeight(kRowHeight);
  for (QToolButton* button : {policy_, device_}) button->setFocusPolicy(Qt::StrongFocus);
  connect(policy_, &QToolButton::clicked, this, &SchedulingView::policy_requested);
  connect(device_, &QToolButton::clicked, this, &SchedulingView::device_requested);
  connect(&state, &WorkbenchState::model_changed, this, &SchedulingView::refresh);
  connect(&theme, &Theme::changed, this, &SchedulingView::refresh);
  retranslate();
}

void SchedulingView::show_use(const std::optional<LayersUtilization>& prefill, const std::optional<LayersUtilization>& decode) {
  prefill_ = prefill;
  decode_ = decode;
  say_balance();
}

void SchedulingView::say(std::size_t layer, bool used, const QString& state, const QStringList& lines) {
  const ThemeColors& colors = theme_.colors();
  Layer& shown = layers_[layer];
  shown.state->setText(QStringLiteral("<span style='color:%1'>%2</span> %3").arg((used ? colors.gain : colors.dim).name(), used ? QStringLiteral("●") : QStringLiteral("○"), state));
  QStringList written;
  for (const QString& line : lines) written << line.toHtmlEscaped();
  shown.text->setText(QStringLiteral("<span style='color:%1'>%2</span><br><span style='color:%3'>%4</span>")
                          .arg(colors.text.name(), shown.title->text(), colors.dim.name(), written.join(QStringLiteral("<br>"))));
  shown.text->setVisible(!lines.isEmpty());
  shown.text->setFont(theme_.sans(12));
  QFont title = theme_.sans(13);
  title.setWeight(QFont::DemiBold);
  shown.title->setFont(title);
}

void SchedulingView::say_router() {
  const auto& model = state_.model();
  if (!model) return say(kRouter, false, tr("no model is open"), {});
  if (model->experts == 0) return say(kRouter, false, tr("not applicable"), {tr("The model is dense: there are no experts to predict.")});
  if (!model->semantic_router_problem.empty())
    return say(kRouter, false, tr("none that fits"), {QString::fromStdString(model->semantic_router_problem)});
  if (!model->semantic_router)
    return say(kRouter, false, tr("none"), {tr("No side file NAME.router is beside the model; fovea-cli train-router makes one.")});
  const SemanticRouterFacts& router = *model->semantic_router;
  const RouterAccuracy& held_out = router.held_out;
  QStringList lines{tr("%1 parameters, %2 of the model's bytes; learned from %3 tokens in %4 domains.")
                        .arg(shown_short(router.parameters), percent(router.model_bytes > 0 ? static_cast<double>(router.bytes) / static_cast<double>(router.model_bytes) : 0),
                             shown_count(router.tokens))
                        .arg(router.domains.size())};
  if (held_out.tokens > 0) {
    lines << tr("On %1 tokens that it did not learn from: %2 of a token's experts predicted (the most used of each layer: %3); domain right for %4 (the largest: %5).")
                 .arg(shown_count(held_out.tokens), percent(held_out.recall), percent(held_out.recall_baseline), percent(held_out.domain), percent(held_out.domain_baseline));
    QStringList layers;
    for (const RouterLayerAccuracy& layer : held_out.layers) layers << tr("%1: %2 (%3)").arg(layer.layer).arg(percent(layer.recall), percent(layer.baseline));
    if (!layers.isEmpty()) lines << tr("By layer: %1").arg(layers.join(tr("; ")));
    QStringList prefetch;
    for (const RouterPrefetch& memory : held_out.prefetch) prefetch << tr("%1 experts hold %2 (last called: %3)").arg(memory.size).arg(percent(memory.predicted), percent(memory.recent));
    if (!prefetch.isEmpty()) lines << tr("As prefetch: %1").arg(prefetch.join(tr("; ")));
    lines << (held_out.need_tokens > 0 ? tr("How many experts a token needs: off by %1 on average (always the median: %2).").arg(shown_number(held_out.need_error), shown_number(held_out.need_error_baseline))
                                       : tr("How many experts a token needs was not measured."));
  }
  const auto& rule = model->experts_rule;
  const bool asked = rule && rule->prior;
  if (!asked)
    lines.prepend(tr("The policy does not ask it: the experts' part of a policy does with prior=semantic."));
  else if (rule->prior->weight == 0)
    lines.prepend(tr("Asked behind its layer in every run: what it predicts is counted as prefetch; experts stay those of the rule."));
  else
    lines.prepend(tr("Asked behind its layer in every run: the need that it predicts moves how many experts a token gets, with weight %1.").arg(rule->prior->weight));
  say(kRouter, asked, !asked ? tr("trained, not in use") : rule->prior->weight == 0 ? tr("on: predicts") : tr("on: moves the number of experts"), lines);
}

void SchedulingView::say_balance() {
  const auto& model = state_.model();
  if (!model) return say(kBalance, false, tr("no model is open"), {});
  if (model->experts == 0) return say(kBalance, false, tr("not applicable"), {tr("The model is dense: there is no load to even.")});
  const auto& rule = model->experts_rule;
  QStringList lines;
  QString state = tr("off");
  bool used = false;
  if (rule && rule->reset == LoadReset::frozen) {
    used = true;
    state = rule->priced ? tr("on: frozen prices") : tr("on: frozen bias");
    lines << (rule->priced ? tr("Prices that were measured before are taken from the router's scores; the same text always gets the same experts.")
                           : tr("A bias that was measured before is added to the router's scores; the same text always gets the same experts."));
  } else if (rule && rule->balance != ExpertBalance::off) {
    used = true;
    state = rule->balance == ExpertBalance::seed       ? tr("on: seed")
            : rule->balance == ExpertBalance::headroom ? tr("on: headroom")
            : rule->balance == ExpertBalance::price    ? tr("on: price")
                                                       : tr("on: locality");
    lines << (rule->balance == ExpertBalance::seed ? tr("An expert's score is multiplied by 1 less its load.")
              : rule->balance == ExpertBalance::headroom
                  ? tr("The busiest experts lose score, as far as enough of the router's mass is kept; the best expert of a token always stays.")
              : rule->balance == ExpertBalance::price
                  ? tr("Busy experts cost a price that is taken off their score, as far as enough of the router's mass is kept; the best expert of a token always stays.")
                  : tr("The busiest experts gain score, so that fewer are read; the best expert of a token always stays."));
  } else {
    lines << tr("Experts are called as the router chooses.");
  }
  const auto figures = [](const QString& phase, const LayersUtilization& use) {
    return tr("%1: CV %2 (chance %3), U %4, H %5; means of the layers")
        .arg(phase, shown_number(use.mean.cv), shown_number(use.mean.cv_floor), shown_number(use.mean.utilization), shown_number(use.mean.entropy));
  };
  if (prefill_) lines << figures(tr("This run, prefill"), *prefill_);
  if (decode_) lines << figures(tr("This run, decode"), *decode_);
  if (!prefill_ && !decode_) lines << tr("How even the load is, is counted when something runs.");
  say(kBalance, used, state, lines);
}

void SchedulingView::say_device() {
  const auto& model = state_.model();
  if (!model) return say(kDevice, false, tr("no model is open"), {});
  QStringList lines;
  for (const DeviceFit& fit : model->fits) lines << tr("%1: %2").arg(fit_name(fit), fit_taken(fit));
  const auto asked = std::ranges::count_if(model->fits, &DeviceFit::asked);
  say(kDevice, true, asked > 0 ? tr("on; %1 overruled by you").arg(asked) : tr("on"), lines);
}

QString SchedulingView::layer_text(std::size_t layer) const {
  return QStringList{layers_[layer].title->text(), layers_[layer].state->text(), layers_[layer].text->text()}.join(QLatin1Char('\n'));
}

void SchedulingView::refresh() {
  say_router();
  say_balance();
  say_device();
}

void SchedulingView::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QWidget::changeEvent(event);
}

void SchedulingView::retranslate() {
  layers_[kRouter].title->setText(tr("1  Semantic router"));
  layers_[kRouter].title->setToolTip(tr("Predicts domain and experts from the first layers, before the others run"));
  layers_[kBalance].title->setText(tr("2  Load balance"));
  layers_[kBalance].title->setToolTip(tr("Moves choices away from, or towards, experts that are called often"));
  layers_[kDevice].title->setText(tr("3  Hardware adaptation"));
  layers_[kDevice].title->setToolTip(tr("KV type, batches and kernels by what the device can do"));
  policy_->setText(tr("Policy…"));
  policy_->setToolTip(tr("Choose how experts are chosen"));
  device_->setText(tr("Reasons…"));
  device_->setToolTip(tr("Why each was taken, and choices for the next load"));
  refresh();
}

}  // namespace fovea
