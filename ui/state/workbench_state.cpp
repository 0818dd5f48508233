#include "ui/state/workbench_state.hpp"

namespace fovea {

WorkbenchState::WorkbenchState(QObject* parent) : QObject(parent), selection_(new Selection(this)) {}

bool WorkbenchState::running() const {
  return phase_ == RunPhase::starting || phase_ == RunPhase::prefill || phase_ == RunPhase::decoding;
}

std::uint32_t WorkbenchState::heads_of_group() const {
  return model_ && model_->kv_heads > 0 ? model_->query_heads / model_->kv_heads : 1;
}

void WorkbenchState::take(const std::vector<Event>& events) {
  for (const Event& event : events) std::visit([this](const auto& e) { on(e); }, event);
}

void WorkbenchState::begin_loading(const QString& path) {
  loading_ = true;
  loading_path_ = path;
  load_progress_ = {};
  Q_EMIT load_changed();
}

void WorkbenchState::forget_run() {
  tokens_.clear();
  prompt_tokens_ = 0;
  seed_.reset();
  prefill_ = {};
  trace_.reset();
  finished_.reset();
  selection_->hover_token(std::nullopt);
  selection_->select_token(std::nullopt);
}

void WorkbenchState::begin_run(const Generate& request) {
  forget_run();
  request_ = request;
  phase_ = RunPhase::starting;
  Q_EMIT run_started();
}

void WorkbenchState::on(const LoadProgress& event) {
  loading_ = true;
  load_progress_ = event;
  Q_EMIT load_changed();
}

void WorkbenchState::on(const ModelLoaded& event) {
  loading_ = false;
  model_ = event.model;
  forget_run();
  phase_ = RunPhase::none;
  const HeadId head = selection_->head();
  if (head.layer >= model_->layers || head.head >= model_->query_heads) selection_->select_head({});
  // The first layer that chooses says more of a sparse run than a dense one.
  if (const auto& sparse = model_->attention; sparse && head == HeadId{} && sparse->dense_layers < model_->layers)
    selection_->select_head({sparse->dense_layers, 0});
  Q_EMIT load_changed();
  Q_EMIT model_changed();
  Q_EMIT run_started();  // the views of the old model's run empty themselves
}

void WorkbenchState::on(const LoadFailed& event) {
  loading_ = false;
  if (!event.kept && model_) {
    model_.reset();
    forget_run();
    phase_ = RunPhase::none;
    Q_EMIT model_changed();
    Q_EMIT run_started();
  }
  Q_EMIT load_changed();
  Q_EMIT load_failed(event);
}

void WorkbenchState::on(const PromptTokenized& event) {
  if (event.id != request_.id || !running()) return;
  tokens_ = event.tokens ? *event.tokens : std::vector<TokenText>{};
  prompt_tokens_ = token_count();
  seed_ = event.seed;
  phase_ = RunPhase::prefill;
  Q_EMIT prompt_tokenized();
  Q_EMIT tokens_appended(0);
}

void WorkbenchState::on(const PrefillProgress& event) {
  if (event.id != request_.id || !running()) return;
  prefill_ = event;
  Q_EMIT prefill_advanced();
}

void WorkbenchState::on(const TokensGenerated& event) {
  if (event.id != request_.id || !running() || event.tokens.empty()) return;
  phase_ = RunPhase::decoding;
  const int first = static_cast<int>(tokens_.size());
  tokens_.insert(tokens_.end(), event.tokens.begin(), event.tokens.end());
  Q_EMIT tokens_appended(first);
}

void WorkbenchState::on(const TraceAdvanced& event) {
  if (event.id != request_.id || !running()) return;
  trace_ = event.trace;
  Q_EMIT trace_changed();
}

void WorkbenchState::on(const RunFinished& event) {
  if (event.id != request_.id || !running()) return;
  phase_ = RunPhase::finished;
  finished_ = event;
  if (event.trace) {
    trace_ = event.trace;
    Q_EMIT trace_changed();
  }
  Q_EMIT run_ended();
}

void WorkbenchState::on(const RunFailed& event) {
  if (event.id != request_.id || !running()) return;
  phase_ = RunPhase::failed;
  Q_EMIT run_ended();
  Q_EMIT run_failed(event.error);
}

std::optional<PhaseSpeed> WorkbenchState::live_speed() const {
  return trace_ ? phase_speed(trace_->steps, false, kSpeedWindowMs) : std::nullopt;
}

}  // namespace fovea
