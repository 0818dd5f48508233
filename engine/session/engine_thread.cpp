#include "engine/session/engine_thread.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "engine/session/engine.hpp"
#include "engine/session/expert_calibration.hpp"
#include "engine/session/length_sweep.hpp"
#include "engine/session/policy_scoring.hpp"
#include "engine/session/run_record.hpp"

namespace fovea {

namespace {

// Every command has a stop of its own, so that a Cancel also reaches those that still wait their turn.
struct Queued {
  Command command;
  std::stop_source stop;
};

}  // namespace

struct EngineThread::State {
  explicit State(std::function<void()> wake_owner) : wake(std::move(wake_owner)) {}

  // Both queues are held for a few pointer moves at a time, so neither side ever waits for work of the other.
  std::mutex mutex;
  std::condition_variable_any arrived;
  std::deque<Queued> commands;
  std::vector<Event> events;
  bool woken = false;            // wake() was called and drain() has not been since
  bool closing = false;          // nobody is to be woken any more
  std::stop_source current;      // of the command in progress
  std::atomic<bool> time_kernels = false;  // read before every submission

  std::function<void()> wake;
  std::unique_ptr<Engine> engine;  // engine thread only
  std::jthread thread;             // last: joined before anything above goes

  void send(Event event);
  void run(const std::stop_token& stop);
  void load(const LoadModel& command, const std::stop_token& stop);
  void generate(const Generate& command, const std::stop_token& stop);
  void choose_policy(const ChoosePolicy& command);
  void score(const ScorePair& command, const std::stop_token& stop);
  void measure(const MeasureFrontier& command, const std::stop_token& stop);
  void measure(const MeasureLengths& command, const std::stop_token& stop);
  void inspect_model(const InspectModel& command);
  void calibrate(const CalibrateExperts& command, const std::stop_token& stop);
  // The open model, for policies that get one of their own; nullopt: none is open, which was told.
  [[nodiscard]] std::optional<ScoringModel> scoring_model(RequestId id);
};

void EngineThread::State::send(Event event) {
  bool call = false;
  {
    const std::lock_guard lock(mutex);
    // A snapshot or a progress mark that nobody has seen yet is replaced by the newer one.
    if (!events.empty() && events.back().index() == event.index() &&
        (std::holds_alternative<TraceAdvanced>(event) || std::holds_alternative<LoadProgress>(event) ||
         std::holds_alternative<ScoresAdvanced>(event))) {
      events.back() = std::move(event);
    } else {
      if (std::holds_alternative<TraceAdvanced>(event))
        std::erase_if(events, [](const Event& old) { return std::holds_alternative<TraceAdvanced>(old); });
      events.push_back(std::move(event));
    }
    call = !std::exchange(woken, true) && !closing;
  }
  if (call && wake) wake();
}

void EngineThread::State::run(const std::stop_token& stop) {
  for (;;) {
    std::optional<Command> command;
    std::stop_token stop_current;
    {
      std::unique_lock lock(mutex);
      if (!arrived.wait(lock, stop, [this] { return !commands.empty(); })) return;
      command = std::move(commands.front().command);
      current = std::move(commands.front().stop);
      commands.pop_front();
      stop_current = current.get_token();
      if (stop.stop_requested()) return;
    }
    if (const auto* load_model = std::get_if<LoadModel>(&*command)) load(*load_model, stop_current);
    if (const auto* choice = std::get_if<ChoosePolicy>(&*command)) choose_policy(*choice);
    if (const auto* request = std::get_if<Generate>(&*command)) generate(*request, stop_current);
    if (const auto* pair = std::get_if<ScorePair>(&*command)) score(*pair, stop_current);
    if (const auto* frontier = std::get_if<MeasureFrontier>(&*command)) measure(*frontier, stop_current);
    if (const auto* lengths = std::get_if<MeasureLengths>(&*command)) measure(*lengths, stop_current);
    if (const auto* inspected = std::get_if<InspectModel>(&*command); inspected != nullptr && !stop_current.stop_requested()) inspect_model(*inspected);
    if (const auto* calibration = std::get_if<CalibrateExperts>(&*command)) calibrate(*calibration, stop_current);
  }
}

void EngineThread::State::load(const LoadModel& command, const std::stop_token& stop) {
  // The model in use stays until its successor is ready, unless both do not fit: then it goes and the load is tried again.
  const auto attempt = [&] {
    return Engine::load(command.path,
                        {.device = command.device, .context = command.context, .kv = command.kv, .kv_tiers = command.kv_tiers, .activations = command.activations,
                         .attention = command.attention, .experts = command.experts},
                        [this](const LoadProgress& progress) { send(progress); }, stop);
  };
  auto loaded = attempt();
  if (!loaded && loaded.error().code == ErrorCode::memory && engine) {
    engine.reset();
    loaded = attempt();
  }
  if (!loaded) {
    send(LoadFailed{command.path, std::move(loaded).error(), engine != nullptr});
    return;
  }
  engine = std::move(*loaded);
  send(ModelLoaded{std::make_shared<const ModelSummary>(engine->summary())});
}

void EngineThread::State::choose_policy(const ChoosePolicy& command) {
  if (!engine) {
    send(LoadFailed{"", Error{ErrorCode::usage, "the policy", "no model is open", "open a model first"}, false});
    return;
  }
  const std::optional<SparseAttention> before = engine->summary().attention;
  auto done = engine->choose_attention(command.attention);
  if (done) {
    done = engine->choose_experts(fitted(command.experts, engine->summary().experts_used));
    if (!done) (void)engine->choose_attention(before);  // both or neither
  }
  if (!done) {
    send(LoadFailed{engine->summary().path, std::move(done).error(), true});
    return;
  }
  send(ModelLoaded{std::make_shared<const ModelSummary>(engine->summary())});
}

void EngineThread::State::generate(const Generate& command, const std::stop_token& stop) {
  if (!engine) {
    send(RunFailed{command.id, Error{ErrorCode::usage, "the run", "no model is open", "open a model first"}});
    return;
  }
  const RunObserver observer{.tokenized = [this](const PromptTokenized& event) { send(event); },
                             .prefill = [this](const PrefillProgress& event) { send(event); },
                             .tokens = [this](const TokensGenerated& event) { send(event); },
                             .trace = [this](const TraceAdvanced& event) { send(event); },
                             .time_kernels = [this] { return time_kernels.load(std::memory_order_relaxed); }};
  auto result = engine->generate(command, observer, stop);
  if (!result) {
    const bool lost = result.error().code == ErrorCode::device;
    send(RunFailed{command.id, std::move(result).error()});
    if (lost) {
      // Nothing on a lost device can be used again; the window stays and a model can be opened anew.
      const std::string path = engine->summary().path;
      engine.reset();
      send(LoadFailed{path, Error{ErrorCode::device, "the model", "its device was lost", "open the model again"}, false});
    }
    return;
  }
  send(RunFinished{command.id, result->reason, result->timings, result->trace,
                   std::make_shared<const RunRecord>(record_of(engine->summary(), command, *result))});
}

std::optional<ScoringModel> EngineThread::State::scoring_model(RequestId id) {
  if (engine) return ScoringModel{engine->summary().path, static_cast<std::int32_t>(engine->summary().device.index), engine->summary().context};
  send(ScoresFailed{id, Error{ErrorCode::usage, "the comparison", "no model is open", "open a model first"}});
  return std::nullopt;
}

void EngineThread::State::score(const ScorePair& command, const std::stop_token& stop) {
  const auto model = scoring_model(command.id);
  if (!model) return;
  const auto tell = [&](const char* doing, double fraction) { send(ScoresAdvanced{command.id, doing, fraction}); };
  auto scores = score_policies(*model, command.text, command.a, command.b, tell, stop);
  if (scores)
    send(PairScored{command.id, std::make_shared<const PairScores>(std::move(*scores))});
  else
    send(ScoresFailed{command.id, std::move(scores).error()});
}

void EngineThread::State::measure(const MeasureFrontier& command, const std::stop_token& stop) {
  const auto model = scoring_model(command.id);
  if (!model) return;
  const auto tell = [&](const char* doing, double fraction) { send(ScoresAdvanced{command.id, doing, fraction}); };
  const auto show = [&](const Frontier& so_far) { send(FrontierMeasured{command.id, std::make_shared<const Frontier>(so_far), false}); };
  auto frontier = measure_frontier(*model, command.text, command.base, command.policies, tell, show, stop);
  if (frontier)
    send(FrontierMeasured{command.id, std::make_shared<const Frontier>(std::move(*frontier)), true});
  else
    send(ScoresFailed{command.id, std::move(frontier).error()});
}

void EngineThread::State::measure(const MeasureLengths& command, const std::stop_token& stop) {
  const auto model = scoring_model(command.id);
  if (!model) return;
  PolicyText sparse = policy_text(engine->summary());
  if (!engine->summary().attention) sparse.attention = "sparse";
  PolicyText dense = sparse;
  dense.attention = "dense";
  const auto tell = [&](const char* doing, double fraction) { send(ScoresAdvanced{command.id, doing, fraction}); };
  const auto show = [&](const LengthSweep& so_far) { send(LengthsMeasured{command.id, std::make_shared<const LengthSweep>(so_far), false}); };
  auto sweep = measure_lengths(*model, {.file = command.file, .windows = 1}, command.longest, dense, sparse, tell, show, stop);
  if (sweep)
    send(LengthsMeasured{command.id, std::make_shared<const LengthSweep>(std::move(*sweep)), true});
  else
    send(ScoresFailed{command.id, std::move(sweep).error()});
}

void EngineThread::State::inspect_model(const InspectModel& command) {
  auto summary = inspect(command.path, command.context, command.kv, command.attention, std::nullopt, std::nullopt, command.kv_tiers, command.device);
  if (summary)
    send(ModelInspected{command.id, std::make_shared<const ModelSummary>(std::move(*summary))});
  else
    send(InspectFailed{command.id, std::move(summary).error()});
}

void EngineThread::State::calibrate(const CalibrateExperts& command, const std::stop_token& stop) {
  if (!engine) {
    send(ScoresFailed{command.id, Error{ErrorCode::usage, "the calibration", "no model is open", "open a model first"}});
    return;
  }
  const auto tell = [&](const char* doing, double fraction) { send(ScoresAdvanced{command.id, doing, fraction}); };
  auto done = calibrate_on_file(*engine, {.file = command.file, .windows = command.windows, .bias_file = command.bias_file}, command.goal, tell, stop);
  if (done)
    send(ExpertsCalibrated{command.id, std::make_shared<const ExpertCalibration>(std::move(*done))});
  else
    send(ScoresFailed{command.id, std::move(done).error()});
}

EngineThread::EngineThread(std::function<void()> wake) : state_(std::make_unique<State>(std::move(wake))) {
  state_->thread = std::jthread([state = state_.get()](const std::stop_token& stop) { state->run(stop); });
}

EngineThread::~EngineThread() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->commands.clear();
    state_->closing = true;
    state_->thread.request_stop();
    state_->current.request_stop();
  }
  state_->thread.join();
}

void EngineThread::post(Command command) {
  if (const auto* timing = std::get_if<TimeKernels>(&command)) {
    state_->time_kernels.store(timing->on, std::memory_order_relaxed);
    return;
  }
  const std::lock_guard lock(state_->mutex);
  if (std::holds_alternative<Cancel>(command)) {
    state_->current.request_stop();
    for (Queued& queued : state_->commands) queued.stop.request_stop();
    return;
  }
  state_->commands.push_back({std::move(command), {}});
  state_->arrived.notify_one();
}

std::vector<Event> EngineThread::drain() {
  const std::lock_guard lock(state_->mutex);
  state_->woken = false;
  return std::exchange(state_->events, {});
}

}  // namespace fovea
