// What the window knows: the loaded model, the run in progress and the newest snapshot, fed by the engine's events.
#pragma once

#include <QObject>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/api/event.hpp"
#include "engine/api/throughput.hpp"
#include "ui/state/selection.hpp"

namespace fovea {

enum class RunPhase { none, starting, prefill, decoding, finished, failed };

class WorkbenchState : public QObject {
  Q_OBJECT
 public:
  explicit WorkbenchState(QObject* parent = nullptr);

  // Takes the engine's events in order; those of an older run than the current one are dropped.
  void take(const std::vector<Event>& events);
  // A load or a run was asked for; its events follow.
  void begin_loading(const QString& path);
  void begin_run(const Generate& request);
  // Of a measurement that is asked for; no two are alike, so that who asked knows the answers.
  [[nodiscard]] RequestId next_measurement() { return ++measurements_; }

  [[nodiscard]] Selection& selection() const { return *selection_; }
  [[nodiscard]] const std::shared_ptr<const ModelSummary>& model() const { return model_; }
  [[nodiscard]] std::uint32_t heads_of_group() const;  // query heads of a KV head; 1 without a model
  // What is known of pages; null: nothing was recorded.
  [[nodiscard]] const PageTrace* pages() const { return trace_ ? trace_->pages.get() : nullptr; }
  [[nodiscard]] bool loading() const { return loading_; }
  [[nodiscard]] const LoadProgress& load_progress() const { return load_progress_; }
  [[nodiscard]] const QString& loading_path() const { return loading_path_; }

  [[nodiscard]] RunPhase phase() const { return phase_; }
  [[nodiscard]] bool running() const;
  [[nodiscard]] const Generate& request() const { return request_; }
  [[nodiscard]] const std::vector<TokenText>& tokens() const { return tokens_; }  // prompt first
  [[nodiscard]] std::uint32_t token_count() const { return static_cast<std::uint32_t>(tokens_.size()); }
  [[nodiscard]] std::uint32_t prompt_tokens() const { return prompt_tokens_; }
  [[nodiscard]] std::optional<std::uint64_t> seed() const { return seed_; }  // in use, once known
  [[nodiscard]] const PrefillProgress& prefill() const { return prefill_; }
  [[nodiscard]] const std::shared_ptr<const TraceSnapshot>& trace() const { return trace_; }  // null: nothing yet
  [[nodiscard]] const std::optional<RunFinished>& finished() const { return finished_; }

  // Decoding speed over the last second, from the engine's own step times; nullopt before there are any.
  [[nodiscard]] std::optional<PhaseSpeed> live_speed() const;

 Q_SIGNALS:
  void model_changed();
  void load_changed();  // started, went on, or ended
  void load_failed(const fovea::LoadFailed& failure);
  void run_started();
  void prompt_tokenized();
  void tokens_appended(int first);  // tokens() from there on are new
  void prefill_advanced();
  void trace_changed();
  void run_ended();  // phase is finished or failed
  void run_failed(const fovea::Error& error);
  void scores_told(const fovea::Event& event);  // of policies on one text; for whoever asked for it
  void inspection_told(const fovea::Event& event);  // of a file; likewise

 private:
  void on(const LoadProgress& event);
  void on(const ModelLoaded& event);
  void on(const LoadFailed& event);
  void on(const PromptTokenized& event);
  void on(const PrefillProgress& event);
  void on(const TokensGenerated& event);
  void on(const TraceAdvanced& event);
  void on(const RunFinished& event);
  void on(const RunFailed& event);
  void on(const ScoresAdvanced& event) { Q_EMIT scores_told(event); }
  void on(const PairScored& event) { Q_EMIT scores_told(event); }
  void on(const FrontierMeasured& event) { Q_EMIT scores_told(event); }
  void on(const LengthsMeasured& event) { Q_EMIT scores_told(event); }
  void on(const ExpertsCalibrated& event) { Q_EMIT scores_told(event); }
  void on(const ScoresFailed& event) { Q_EMIT scores_told(event); }
  void on(const ModelInspected& event) { Q_EMIT inspection_told(event); }
  void on(const InspectFailed& event) { Q_EMIT inspection_told(event); }
  void forget_run();

  Selection* selection_;
  std::shared_ptr<const ModelSummary> model_;
  bool loading_ = false;
  LoadProgress load_progress_;
  QString loading_path_;
  RunPhase phase_ = RunPhase::none;
  Generate request_;
  std::vector<TokenText> tokens_;
  std::uint32_t prompt_tokens_ = 0;
  std::optional<std::uint64_t> seed_;
  PrefillProgress prefill_;
  std::shared_ptr<const TraceSnapshot> trace_;
  std::optional<RunFinished> finished_;
  RequestId measurements_ = 0;
};

}  // namespace fovea
