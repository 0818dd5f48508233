// Commands in, events out: their order, and what a Cancel, a failed load or the end of the window does.
#include "engine/session/engine_thread.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>

#include "engine/gpu/device.hpp"

namespace fovea {
namespace {

using namespace std::chrono_literals;

const std::string kFolder = (std::filesystem::path(FOVEA_TEST_DATA) / "stories260K").string();
const std::string kModel = kFolder + "/stories260K-F16.gguf";

// The owner's side: wakes are counted, events are drained as a window would.
class Threads : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto devices = gpu::list_devices(); !devices) GTEST_SKIP() << devices.error().sentence();
    thread_.emplace([this] {
      const std::lock_guard lock(mutex_);
      ++wakes_;
      woken_.notify_all();
    });
  }
  // Drains until an event satisfies `enough` or a minute has passed.
  bool wait_for(const std::function<bool(const Event&)>& enough) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    for (;;) {
      bool found = false;
      for (Event& event : thread_->drain()) {
        found = found || enough(event);
        events_.push_back(std::move(event));
      }
      if (found) return true;
      std::unique_lock lock(mutex_);
      if (!woken_.wait_until(lock, deadline, [this] { return wakes_ > 0; })) return false;
      wakes_ = 0;
    }
  }
  template <class T>
  bool wait_for() {
    return wait_for([](const Event& event) { return std::holds_alternative<T>(event); });
  }
  void load() {
    thread_->post(LoadModel{.path = kModel});
    ASSERT_TRUE(wait_for<ModelLoaded>());
    events_.clear();
  }
  static Generate request(RequestId id, std::uint32_t tokens) {
    return {.id = id, .prompt = "Once upon a time", .max_tokens = tokens, .sampling = {.temperature = 0, .seed = 0}};
  }
  template <class T>
  const T* last() const {
    const T* found = nullptr;
    for (const Event& event : events_)
      if (const T* it = std::get_if<T>(&event)) found = it;
    return found;
  }
  template <class T>
  std::ptrdiff_t first_index() const {
    return std::ranges::find_if(events_, [](const Event& event) { return std::holds_alternative<T>(event); }) -
           events_.begin();
  }
  std::size_t shown_tokens() const {
    std::size_t count = 0;
    for (const Event& event : events_)
      if (const auto* tokens = std::get_if<TokensGenerated>(&event)) count += tokens->tokens.size();
    return count;
  }

  std::mutex mutex_;
  std::condition_variable woken_;
  int wakes_ = 0;
  std::vector<Event> events_;
  std::optional<EngineThread> thread_;  // last: gone before what its wake touches
};

TEST_F(Threads, hold_two_policies_against_each_other_on_a_runs_tokens) {
  load();
  thread_->post(request(1, 20));
  ASSERT_TRUE(wait_for<RunFinished>());
  const auto record = last<RunFinished>()->record;
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->tokens().size(), 25u);
  EXPECT_EQ(record->policy.attention, "dense");
  EXPECT_GT(record->token_bytes.value_or(0), 0);
  ScorePair pair{.id = 2, .text = {.name = "the tokens of A", .file = {}, .tokens = {}, .first = record->prompt_tokens()}, .a = record->policy, .b = record->policy};
  for (const TokenText& token : record->tokens()) pair.text.tokens.push_back(token.id);
  thread_->post(pair);
  ASSERT_TRUE(wait_for<PairScored>());
  const PairScores& same = *last<PairScored>()->scores;
  EXPECT_EQ(same.count(), 20u);
  EXPECT_EQ(pair_figures(same)->kl_mean, 0) << "to the bit";
  EXPECT_EQ(pair_figures(same)->delta_ppl_percent, 0);
  pair.id = 3;
  pair.b.kv = "q8_0";
  thread_->post(pair);
  ASSERT_TRUE(wait_for<PairScored>());
  EXPECT_GT(pair_figures(*last<PairScored>()->scores)->kl_mean, 0);
  pair.id = 4;
  pair.b.moe = "dynamic:reset=frozen,bias=/etc/passwd";
  thread_->post(pair);
  ASSERT_TRUE(wait_for<ScoresFailed>());
  EXPECT_NE(last<ScoresFailed>()->error.why.find("a run does not carry"), std::string::npos);
  thread_->post(MeasureFrontier{.id = 5, .text = pair.text, .base = {}, .policies = {}});
  ASSERT_TRUE(wait_for([](const Event& event) { return std::holds_alternative<ScoresFailed>(event) && std::get<ScoresFailed>(event).id == 5; }));
  EXPECT_NE(last<ScoresFailed>()->error.why.find("dense"), std::string::npos);
}

TEST_F(Threads, measure_dense_and_sparse_attention_at_the_lengths_asked_for) {
  load();
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / "fovea_lengths.txt";
  const auto write = [&](int sentences) {
    std::ofstream text(file);
    for (int i = 0; i < sentences; ++i) text << "Once upon a time there was a little girl who liked to play with a red ball. ";
  };
  write(20);
  thread_->post(MeasureLengths{.id = 6, .file = file.string(), .longest = 128});
  ASSERT_TRUE(wait_for([](const Event& event) {
    const auto* measured = std::get_if<LengthsMeasured>(&event);
    return (measured != nullptr && measured->complete) || std::holds_alternative<ScoresFailed>(event);
  }));
  ASSERT_NE(last<LengthsMeasured>(), nullptr) << last<ScoresFailed>()->error.sentence();
  const LengthSweep& sweep = *last<LengthsMeasured>()->sweep;
  EXPECT_EQ(sweep.limit, LengthLimit::asked);
  EXPECT_EQ(sweep.lengths, std::vector<std::uint32_t>{128}) << "shorter than the first of the doublings: at that length alone";
  EXPECT_EQ(sweep.a.attention, "dense");
  EXPECT_TRUE(sweep.b.attention.starts_with("sparse")) << sweep.b.attention;
  for (const auto* points : {&sweep.of_a, &sweep.of_b}) {
    ASSERT_EQ(points->size(), sweep.lengths.size());
    for (std::size_t i = 0; i < points->size(); ++i) {
      EXPECT_EQ((*points)[i].context, sweep.lengths[i]);
      EXPECT_GT((*points)[i].seconds, 0);
      EXPECT_GT((*points)[i].decode_ms, 0);
      EXPECT_GT((*points)[i].perplexity, 1);
      EXPECT_GT((*points)[i].kv_bytes, 0u);
    }
  }
  EXPECT_NE(last<ScoresAdvanced>(), nullptr);
  write(1);
  thread_->post(MeasureLengths{.id = 7, .file = file.string(), .longest = 128});
  ASSERT_TRUE(wait_for<ScoresFailed>());
  EXPECT_NE(last<ScoresFailed>()->error.why.find("do not fill"), std::string::npos) << last<ScoresFailed>()->error.sentence();
  write(20);
  thread_->post(MeasureLengths{.id = 8, .file = file.string(), .longest = 128});
  thread_->post(Cancel{});
  ASSERT_TRUE(wait_for([](const Event& event) { return std::holds_alternative<ScoresFailed>(event) && std::get<ScoresFailed>(event).id == 8; }));
  EXPECT_EQ(last<ScoresFailed>()->error.code, ErrorCode::cancelled);
  std::filesystem::remove(file);
}

TEST_F(Threads, tell_of_a_load_and_a_run_in_order) {
  thread_->post(LoadModel{.path = kModel});
  thread_->post(request(3, 20));
  ASSERT_TRUE(wait_for<RunFinished>());
  double fraction = 0;
  for (const Event& event : events_)
    if (const auto* progress = std::get_if<LoadProgress>(&event)) {
      EXPECT_GE(progress->fraction, fraction);
      fraction = progress->fraction;
    }
  EXPECT_LT(first_index<ModelLoaded>(), first_index<PromptTokenized>());
  EXPECT_LT(first_index<PromptTokenized>(), first_index<TokensGenerated>());
  EXPECT_LT(first_index<TokensGenerated>(), first_index<RunFinished>());
  EXPECT_TRUE(std::holds_alternative<RunFinished>(events_.back()));
  EXPECT_EQ(last<ModelLoaded>()->model->path, kModel);
  EXPECT_EQ(last<PromptTokenized>()->id, 3u);
  EXPECT_EQ(last<PromptTokenized>()->tokens->size(), 5u);
  EXPECT_EQ(shown_tokens(), 20u);
  const RunFinished& finished = *last<RunFinished>();
  EXPECT_EQ(finished.id, 3u);
  EXPECT_EQ(finished.reason, StopReason::length);
  ASSERT_NE(finished.trace, nullptr);
  EXPECT_EQ(finished.trace->tokens->size(), 25u);
}

TEST_F(Threads, refuse_a_run_without_a_model) {
  thread_->post(request(9, 5));
  ASSERT_TRUE(wait_for<RunFailed>());
  EXPECT_EQ(last<RunFailed>()->id, 9u);
  EXPECT_EQ(last<RunFailed>()->error.code, ErrorCode::usage);
}

TEST_F(Threads, stop_a_run_when_told_to_and_do_the_next) {
  load();
  thread_->post(request(1, 100'000));
  ASSERT_TRUE(wait_for<TokensGenerated>());
  thread_->post(Cancel{});
  ASSERT_TRUE(wait_for<RunFinished>());
  EXPECT_EQ(last<RunFinished>()->reason, StopReason::cancelled);
  EXPECT_EQ(last<RunFinished>()->trace->tokens->size(), 5 + shown_tokens()) << "what was produced stays";
  thread_->post(request(2, 10));
  ASSERT_TRUE(wait_for([](const Event& event) {
    return std::holds_alternative<RunFinished>(event) && std::get<RunFinished>(event).id == 2;
  }));
  EXPECT_EQ(last<RunFinished>()->reason, StopReason::length);
}

TEST_F(Threads, stop_all_that_was_asked_for_before_the_cancel_and_nothing_after) {
  load();
  thread_->post(request(1, 100'000));
  thread_->post(request(2, 100'000));
  thread_->post(Cancel{});
  thread_->post(request(3, 4));
  ASSERT_TRUE(wait_for([](const Event& event) {
    return std::holds_alternative<RunFinished>(event) && std::get<RunFinished>(event).id == 3;
  }));
  std::vector<StopReason> reasons;
  for (const Event& event : events_)
    if (const auto* finished = std::get_if<RunFinished>(&event)) reasons.push_back(finished->reason);
  EXPECT_EQ(reasons, (std::vector{StopReason::cancelled, StopReason::cancelled, StopReason::length}));
}

TEST_F(Threads, time_kernels_from_the_moment_they_are_told_to) {
  load();
  thread_->post(request(1, 100'000));
  ASSERT_TRUE(wait_for<TokensGenerated>());
  thread_->post(TimeKernels{true});
  const auto timed = [](const Event& event) {
    const auto* trace = std::get_if<TraceAdvanced>(&event);
    return trace != nullptr && trace->trace->decode_kernels != nullptr;
  };
  ASSERT_TRUE(wait_for([&](const Event& event) { return timed(event) || std::holds_alternative<RunFinished>(event); }));
  thread_->post(Cancel{});
  if (last<RunFinished>() == nullptr) {
    ASSERT_TRUE(wait_for<RunFinished>());
  }
  const RunFinished& first = *last<RunFinished>();
  EXPECT_TRUE(first.timings.timing) << "also a run that was going on already";
  EXPECT_FALSE(first.trace->prefill_kernels) << "which had read its prompt untimed";
  thread_->post(TimeKernels{false});
  thread_->post(request(2, 5));
  ASSERT_TRUE(wait_for<RunFinished>());
  EXPECT_FALSE(last<RunFinished>()->timings.timing);
}

TEST_F(Threads, load_while_generating_after_the_run) {
  load();
  thread_->post(request(1, 60));
  ASSERT_TRUE(wait_for<TokensGenerated>());
  thread_->post(LoadModel{.path = kModel, .context = 128});
  ASSERT_TRUE(wait_for<ModelLoaded>());
  EXPECT_LT(first_index<RunFinished>(), first_index<ModelLoaded>());
  EXPECT_EQ(last<RunFinished>()->reason, StopReason::length);
  EXPECT_EQ(last<ModelLoaded>()->model->context, 128u);
  thread_->post(request(2, 10));
  ASSERT_TRUE(wait_for<RunFinished>());
}

TEST_F(Threads, load_under_the_policy_of_the_command) {
  const std::string blocks = FOVEA_SHARED "/fixtures/logits/mixtral-q5_k.gguf";
  if (!std::filesystem::exists(blocks)) GTEST_SKIP() << "the mixtures of random weights are not here: " << blocks;
  thread_->post(LoadModel{.path = blocks, .kv = KvType::q8_0, .activations = ActivationType::q8_0});
  ASSERT_TRUE(wait_for<ModelLoaded>());
  const ModelSummary& model = *last<ModelLoaded>()->model;
  EXPECT_EQ(model.kv, KvType::q8_0);
  EXPECT_EQ(model.activations == ActivationType::q8_0, model.device.integer_dot && model.device.subgroup >= 8);
}

TEST_F(Threads, choose_attention_without_another_load) {
  thread_->post(ChoosePolicy{SparseAttention{}, {}});
  ASSERT_TRUE(wait_for<LoadFailed>());
  EXPECT_FALSE(last<LoadFailed>()->kept);
  events_.clear();
  thread_->post(LoadModel{.path = kModel});
  const SparseAttention narrow{.window = 32, .global = 0.25, .sinks = 0, .dense_layers = 1, .dense_below = 0};
  thread_->post(ChoosePolicy{narrow, ExpertRule{}});
  Generate measured = request(4, 150);
  measured.trace.measure_every = 8;
  thread_->post(measured);
  ASSERT_TRUE(wait_for<RunFinished>());
  EXPECT_EQ(last<ModelLoaded>()->model->attention, narrow);
  EXPECT_EQ(last<ModelLoaded>()->model->experts_rule, std::nullopt) << "a dense model has no experts to choose";
  EXPECT_GT(last<ModelLoaded>()->model->measured.kv, 0u);
  const auto pages = last<RunFinished>()->trace->pages;
  ASSERT_NE(pages, nullptr);
  EXPECT_EQ(pages->policy, narrow);
  EXPECT_EQ(pages->rows.size(), 154u / 8);
  EXPECT_TRUE(pages->choice(2, 0, 140));
  EXPECT_LT(attention_density(pages->facts.both(), pages->kv_heads), 0.9);
  // A policy that cannot be leaves the one that is.
  events_.clear();
  thread_->post(ChoosePolicy{SparseAttention{.window = 0}, {}});
  ASSERT_TRUE(wait_for<LoadFailed>());
  EXPECT_TRUE(last<LoadFailed>()->kept);
  thread_->post(ChoosePolicy{});
  thread_->post(request(5, 20));
  ASSERT_TRUE(wait_for<RunFinished>());
  EXPECT_EQ(last<ModelLoaded>()->model->attention, std::nullopt);
  EXPECT_EQ(last<RunFinished>()->trace->pages, nullptr);
}

TEST_F(Threads, choose_experts_without_another_load) {
  const std::string mixture = FOVEA_SHARED "/fixtures/logits/qwen3moe-q4_k.gguf";
  if (!std::filesystem::exists(mixture)) GTEST_SKIP() << "the mixtures of random weights are not here: " << mixture;
  const auto run = [&](const std::optional<ExpertRule>& rule, RequestId id) {
    events_.clear();
    thread_->post(ChoosePolicy{std::nullopt, rule});
    thread_->post(request(id, 40));
    EXPECT_TRUE(wait_for<RunFinished>());
    return last<RunFinished>()->trace->routing;
  };
  thread_->post(LoadModel{.path = mixture, .experts = ExpertRule{.count = ExpertCount::fixed, .kmax = 100}});
  ASSERT_TRUE(wait_for<ModelLoaded>());
  const ModelSummary model = *last<ModelLoaded>()->model;
  EXPECT_EQ(model.experts_rule, std::nullopt) << "more than the model takes is what it takes";
  const auto used = [](const RoutingTrace& routing) { return routing.chosen(20, 0).size(); };
  const RoutingTrace own = run(std::nullopt, 1);
  EXPECT_EQ(used(own), model.experts_used);
  EXPECT_EQ(used(run(ExpertRule{.count = ExpertCount::fixed, .kmax = 1}, 2)), 1u);
  EXPECT_EQ(last<ModelLoaded>()->model->experts_rule->kmax, 1u);
  EXPECT_EQ(last<ModelLoaded>()->model->experts_used, model.experts_used);
  // A rule that cannot be leaves both parts as they are.
  events_.clear();
  thread_->post(ChoosePolicy{SparseAttention{}, ExpertRule{.layer_kmax = {1}}});
  ASSERT_TRUE(wait_for<LoadFailed>());
  EXPECT_TRUE(last<LoadFailed>()->kept);
  EXPECT_EQ(used(run(ExpertRule{.count = ExpertCount::fixed, .kmax = 1}, 3)), 1u);
  EXPECT_EQ(last<ModelLoaded>()->model->attention, std::nullopt);
  const RoutingTrace again = run(std::nullopt, 4);
  ASSERT_EQ(again.chunks.size(), own.chunks.size());
  for (std::size_t i = 0; i < own.chunks.size(); ++i) EXPECT_EQ(again.chunks[i]->experts, own.chunks[i]->experts) << "to the bit";
}

TEST_F(Threads, even_the_load_of_experts_over_a_text_and_leave_the_policy_as_it_was) {
  const std::string mixture = FOVEA_SHARED "/fixtures/logits/qwen3moe-q4_k.gguf";
  if (!std::filesystem::exists(mixture)) GTEST_SKIP() << "the mixtures of random weights are not here: " << mixture;
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / "fovea_calibration.txt", bias = std::filesystem::path(testing::TempDir()) / "fovea_bias.json";
  std::ofstream(file) << std::string(300, 'a') + " once upon a time there was a little girl who liked to play. " + std::string(300, 'b');
  const ExpertRule two{.count = ExpertCount::fixed, .kmax = 2};
  thread_->post(LoadModel{.path = mixture, .context = 32, .experts = two});
  ASSERT_TRUE(wait_for<ModelLoaded>());
  const CalibrateExperts command{.id = 9, .file = file.string(), .bias_file = bias.string(), .goal = {.cv = 0.01, .retained = 0.5}, .windows = 2};
  thread_->post(command);
  ASSERT_TRUE(wait_for([](const Event& event) { return std::holds_alternative<ExpertsCalibrated>(event) || std::holds_alternative<ScoresFailed>(event); }));
  ASSERT_NE(last<ExpertsCalibrated>(), nullptr) << last<ScoresFailed>()->error.sentence();
  const ExpertCalibration& done = *last<ExpertsCalibrated>()->calibration;
  EXPECT_EQ(done.layers.size(), done.before.size());
  EXPECT_EQ(done.rule.reset, LoadReset::frozen);
  EXPECT_EQ(done.rule.kmax, 2u) << "the number of experts that was in force";
  EXPECT_TRUE(std::ranges::any_of(done.rule.bias, [](float b) { return b != 0; }));
  EXPECT_GT(done.perplexity_before, 1);
  EXPECT_TRUE(std::filesystem::exists(bias));
  thread_->post(ChoosePolicy{std::nullopt, done.rule});
  ASSERT_TRUE(wait_for<ModelLoaded>());
  EXPECT_EQ(last<ModelLoaded>()->model->experts_rule, done.rule) << "what was found can be used";
  thread_->post(command);
  ASSERT_TRUE(wait_for<ScoresFailed>());
  EXPECT_NE(last<ScoresFailed>()->error.why.find("already moves choices"), std::string::npos);
  thread_->post(ChoosePolicy{std::nullopt, two});
  thread_->post(command);
  thread_->post(Cancel{});
  events_.clear();
  ASSERT_TRUE(wait_for<ScoresFailed>());
  EXPECT_EQ(last<ScoresFailed>()->error.code, ErrorCode::cancelled);
  std::filesystem::remove(file);
  std::filesystem::remove(bias);
}

TEST_F(Threads, tell_what_a_file_would_take_before_it_is_opened) {
  thread_->post(InspectModel{.id = 3, .path = kModel, .context = 400, .kv = KvType::q8_0});
  ASSERT_TRUE(wait_for<ModelInspected>());
  EXPECT_EQ(last<ModelInspected>()->id, 3u);
  const ModelSummary& model = *last<ModelInspected>()->model;
  EXPECT_EQ(model.context, 400u);
  ASSERT_EQ(model.estimates.size(), 3u);
  EXPECT_EQ(model.estimates[1].second.total(), model.estimate.total()) << "of the type that was asked for";
  EXPECT_NE(model.estimates[1].second.kv, model.estimates[0].second.kv);
  EXPECT_GT(model.device_room, 0u);
  EXPECT_FALSE(model.device.name.empty());
  thread_->post(InspectModel{.id = 4, .path = kFolder + "/README.md"});
  ASSERT_TRUE(wait_for<InspectFailed>());
  EXPECT_EQ(last<InspectFailed>()->id, 4u);
}

TEST_F(Threads, keep_the_model_when_a_load_fails_or_is_stopped) {
  load();
  thread_->post(LoadModel{.path = kFolder + "/NOTICE"});
  ASSERT_TRUE(wait_for<LoadFailed>());
  EXPECT_TRUE(last<LoadFailed>()->kept);
  EXPECT_EQ(last<LoadFailed>()->error.code, ErrorCode::format);
  EXPECT_EQ(last<LoadFailed>()->path, kFolder + "/NOTICE");
  events_.clear();
  thread_->post(LoadModel{.path = kModel});
  thread_->post(Cancel{});
  ASSERT_TRUE(wait_for([](const Event& event) {
    return std::holds_alternative<LoadFailed>(event) || std::holds_alternative<ModelLoaded>(event);
  }));
  ASSERT_NE(last<LoadFailed>(), nullptr) << "a load that has just begun can be stopped";
  EXPECT_EQ(last<LoadFailed>()->error.code, ErrorCode::cancelled);
  EXPECT_TRUE(last<LoadFailed>()->kept);
  thread_->post(request(2, 10));
  ASSERT_TRUE(wait_for<RunFinished>());
  EXPECT_EQ(shown_tokens(), 10u);
}

TEST_F(Threads, say_that_nothing_is_kept_when_the_first_load_fails) {
  thread_->post(LoadModel{.path = kFolder + "/missing.gguf"});
  ASSERT_TRUE(wait_for<LoadFailed>());
  EXPECT_FALSE(last<LoadFailed>()->kept);
}

TEST_F(Threads, end_while_running_without_delay) {
  load();
  thread_->post(request(1, 100'000));
  thread_->post(request(2, 100'000));
  ASSERT_TRUE(wait_for<TokensGenerated>());
  const auto start = std::chrono::steady_clock::now();
  thread_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
}

TEST_F(Threads, end_while_loading_and_before_anything) {
  thread_->post(LoadModel{.path = kModel});
  thread_.reset();
  thread_.emplace([] {});
  thread_.reset();
}

TEST_F(Threads, give_up_a_model_whose_device_is_lost) {
  setenv("FOVEA_LOSE_DEVICE_AFTER", "12", 1);
  load();
  unsetenv("FOVEA_LOSE_DEVICE_AFTER");
  thread_->post(request(1, 100));
  ASSERT_TRUE(wait_for<LoadFailed>());
  ASSERT_NE(last<RunFailed>(), nullptr);
  EXPECT_EQ(last<RunFailed>()->error.code, ErrorCode::device);
  EXPECT_FALSE(last<LoadFailed>()->kept);
  thread_->post(request(2, 5));
  ASSERT_TRUE(wait_for<RunFailed>());
  EXPECT_EQ(last<RunFailed>()->error.code, ErrorCode::usage);
  load();
  thread_->post(request(3, 5));
  ASSERT_TRUE(wait_for<RunFinished>()) << "the model can be opened anew";
}

}  // namespace
}  // namespace fovea
