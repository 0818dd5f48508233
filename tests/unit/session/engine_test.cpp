// A loaded model from prompt to text: golden stories, seeds, whole characters, ends of runs, traces.
#include "engine/session/engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/gpu/device.hpp"
#include "engine/text/utf8.hpp"

namespace fovea {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(FOVEA_TEST_DATA) / "stories260K";
const std::filesystem::path kModel = kFolder / "stories260K-F16.gguf";

// One engine for all cases; runs must not depend on one another anyway.
Engine* engine() {
  static const auto loaded = Engine::load(kModel, {});
  return loaded ? loaded->get() : nullptr;
}

class Stories : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto devices = gpu::list_devices(); !devices) GTEST_SKIP() << devices.error().sentence();
    ASSERT_NE(engine(), nullptr);
  }
  static RunResult run(const Generate& request, const RunObserver& observer = {}, std::stop_token stop = {}) {
    auto result = engine()->generate(request, observer, std::move(stop));
    EXPECT_TRUE(result) << (result ? "" : result.error().sentence());
    return result ? std::move(*result) : RunResult{};
  }
  static Generate greedy(const std::string& prompt, std::uint32_t tokens) {
    return {.id = 5, .prompt = prompt, .max_tokens = tokens, .sampling = {.temperature = 0, .seed = 0}};
  }
  static std::vector<TokenId> ids(const RunResult& result) {
    std::vector<TokenId> all;
    for (const TokenText& token : result.tokens) all.push_back(token.id);
    return all;
  }
};

TEST_F(Stories, are_told_to_the_letter) {
  for (const auto& [prompt, name] :
       {std::pair{"Once upon a time", "Once_upon_a_time"}, {"The little dog", "The_little_dog"}, {"", "empty"}}) {
    std::ifstream golden(kFolder / ("stories260K.golden.t0.n200." + std::string(name) + ".txt"));
    std::stringstream expected;
    expected << golden.rdbuf();
    ASSERT_GT(expected.str().size(), 100u);
    // The golden text holds 200 tokens after the beginning-of-text token, the prompt's among them.
    const std::uint32_t prompt_tokens =
        static_cast<std::uint32_t>(std::max<std::size_t>(engine()->tokenizer().encode(prompt).size(), 1));
    const RunResult result = run(greedy(prompt, 201 - prompt_tokens));
    EXPECT_EQ(result.prompt_tokens, prompt_tokens);
    EXPECT_EQ(result.reason, StopReason::length);
    EXPECT_EQ(result.timings.generated_tokens, 201 - prompt_tokens);
    EXPECT_EQ(prompt + result.text + "\n", expected.str()) << name;
  }
}

TEST_F(Stories, of_one_seed_are_one_story) {
  Generate request = greedy("Once", 60);
  request.sampling = {.temperature = 1.2f, .seed = 77};
  const RunResult first = run(request), second = run(request);
  EXPECT_EQ(first.seed, 77u);
  EXPECT_EQ(ids(first), ids(second));
  EXPECT_EQ(first.text, second.text);
  request.sampling.seed = 78;
  EXPECT_NE(ids(run(request)), ids(first));
  // A random seed is reported, and typing it gives the same story.
  request.sampling.seed = -1;
  const RunResult random = run(request);
  request.sampling.seed = static_cast<std::int64_t>(random.seed);
  EXPECT_EQ(ids(run(request)), ids(random));
}

TEST_F(Stories, never_show_half_a_character) {
  // So hot that every token is as likely as any other, and most are single bytes.
  Generate request = greedy("Once", 400);
  request.sampling = {.temperature = 1000, .top_k = 0, .top_p = 1, .min_p = 0, .seed = 3};
  std::string shown;
  std::size_t silent = 0;
  const RunObserver observer{.tokens = [&](const TokensGenerated& event) {
    for (const TokenText& token : event.tokens) {
      EXPECT_TRUE(token.text.empty() || is_utf8(token.text)) << token.piece;
      silent += token.text.empty() ? 1 : 0;
      shown += token.text;
    }
  }};
  const RunResult result = run(request, observer);
  EXPECT_EQ(shown, result.text);
  EXPECT_TRUE(is_utf8(result.text));
  EXPECT_GT(silent, 0u) << "no token ended inside a character: the case proves nothing";
}

TEST_F(Stories, stop_within_one_token_when_told_to) {
  std::stop_source stop;
  std::uint32_t told = 0;
  const RunObserver observer{.tokens = [&](const TokensGenerated& event) {
    told += static_cast<std::uint32_t>(event.tokens.size());
    if (told == 7) stop.request_stop();
  }};
  const RunResult result = run(greedy("Once upon a time", 300), observer, stop.get_token());
  EXPECT_EQ(result.reason, StopReason::cancelled);
  EXPECT_EQ(told, 7u);
  EXPECT_EQ(result.tokens.size(), result.prompt_tokens + 7);

  const RunResult before = run(greedy("Once upon a time", 300), {}, stop.get_token());  // stopped already
  EXPECT_EQ(before.reason, StopReason::cancelled);
  EXPECT_EQ(before.timings.generated_tokens, 0u);
}

TEST_F(Stories, end_when_the_context_is_full) {
  const std::uint32_t context = engine()->summary().context;
  const RunResult result = run(greedy("Once upon a time", 100'000));
  EXPECT_TRUE(result.reason == StopReason::context_full || result.reason == StopReason::end_of_text);
  if (result.reason == StopReason::context_full) {
    EXPECT_EQ(result.tokens.size(), context + 1u);  // one is drawn from the last position
  }
  std::string longest;
  while (engine()->tokenizer().encode(longest).size() <= context) longest += "Once upon a time ";
  const auto refused = engine()->generate(greedy(longest, 5));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::usage);
}

TEST_F(Stories, of_no_tokens_read_the_prompt_and_end) {
  const RunResult result = run(greedy("Once upon a time", 0));
  EXPECT_EQ(result.reason, StopReason::length);
  EXPECT_EQ(result.tokens.size(), result.prompt_tokens);
  EXPECT_TRUE(result.text.empty());
}

TEST_F(Stories, are_the_same_whether_every_token_is_watched_or_none) {
  Generate request = greedy("Once upon a time", 101);
  request.sampling = {.temperature = 0.9f, .repeat_penalty = 1.1f, .seed = 21};
  std::size_t published = 0;
  const RunResult watched = run(request, {.trace = [&](const TraceAdvanced&) { ++published; }}), alone = run(request);
  EXPECT_EQ(ids(alone), ids(watched));
  EXPECT_EQ(alone.reason, watched.reason);
  EXPECT_GT(published, 0u);
  const auto decoded = [](const RunResult& result) {
    std::uint32_t tokens = 0;
    for (const StepTiming& step : result.trace->steps) tokens += step.prefill ? 0 : step.tokens;
    return tokens;
  };
  EXPECT_EQ(decoded(alone), 100u);
  EXPECT_EQ(decoded(watched), 100u);
  for (const StepTiming& step : watched.trace->steps) EXPECT_TRUE(step.prefill || step.tokens == 1) << step.first_token;
  EXPECT_EQ(alone.trace->memory.back().tokens, watched.trace->memory.back().tokens);
}

TEST_F(Stories, that_are_stopped_anywhere_leave_nothing_to_the_next) {
  Generate request = greedy("Once upon a time", 60);
  request.sampling = {.temperature = 0.9f, .repeat_penalty = 1.3f, .repeat_last_n = -1, .seed = 22};
  const RunResult whole = run(request);
  for (const std::uint32_t last : {1u, 9u, 22u, 23u, 59u}) {
    std::stop_source stop;
    std::uint32_t told = 0;
    const RunResult part = run(request, {.tokens = [&](const TokensGenerated& event) {
                                 told += static_cast<std::uint32_t>(event.tokens.size());
                                 if (told >= last) stop.request_stop();
                               }},
                               stop.get_token());
    EXPECT_EQ(told, last);
    EXPECT_EQ(part.timings.generated_tokens, last);
    const std::vector<TokenId> all = ids(whole), some = ids(part);
    EXPECT_EQ(some, std::vector(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(some.size()))) << last;
    EXPECT_EQ(ids(run(request)), all) << "after a stop at " << last;
  }
}

TEST_F(Stories, leave_a_trace_of_the_heads_asked_for) {
  Generate request = greedy("Once upon a time", 40);
  request.trace.heads = {{1, 2}, {0, 0}};
  const RunResult result = run(request), plain = run(greedy("Once upon a time", 40));
  EXPECT_EQ(ids(result), ids(plain)) << "recording changes nothing";
  EXPECT_TRUE(plain.trace->heads.empty());
  ASSERT_NE(result.trace->head({1, 2}), nullptr);
  EXPECT_EQ(result.trace->head({1, 1}), nullptr);
  EXPECT_TRUE(result.timings.recording);
  EXPECT_EQ(result.trace->tokens->size(), result.tokens.size());
  // The last token is drawn, but never fed: it has no row of its own.
  const std::uint32_t last = static_cast<std::uint32_t>(result.tokens.size()) - 2;
  EXPECT_EQ(result.trace->head({1, 2})->row(last).size(), last + 1);
  EXPECT_TRUE(result.trace->head({1, 2})->row(last + 1).empty());
  EXPECT_EQ(result.trace->routing.experts, 0u);
  EXPECT_GT(result.memory.weights, 500'000u);
  EXPECT_GE(result.memory_peak, result.memory.total());
}

TEST_F(Stories, with_timed_kernels_are_the_same_stories) {
  if (!engine()->summary().device.timestamps) GTEST_SKIP() << "this device has no timestamps";
  Generate request = greedy("Once upon a time", 40);
  request.sampling = {.temperature = 1.1f, .seed = 9};
  const RunResult plain = run(request);
  const RunResult timed = run(request, {.time_kernels = [] { return true; }});
  EXPECT_EQ(ids(timed), ids(plain)) << "timing changes nothing";
  EXPECT_FALSE(plain.timings.timing);
  EXPECT_FALSE(plain.trace->prefill_kernels || plain.trace->decode_kernels);
  EXPECT_TRUE(timed.timings.timing);
  ASSERT_TRUE(timed.trace->prefill_kernels && timed.trace->decode_kernels);
  EXPECT_EQ(timed.trace->prefill_kernels->tokens, timed.prompt_tokens);
  EXPECT_EQ(timed.trace->decode_kernels->steps, 39u);  // the first token comes with the prompt
  const auto kernels = longest_first(timed.trace->decode_kernels->kernels);
  ASSERT_GT(kernels.size(), 6u);
  EXPECT_GT(kernels.front().microseconds, 0);
  const auto attention = std::ranges::find(kernels, "attention", &KernelTime::kernel);
  ASSERT_NE(attention, kernels.end());
  EXPECT_EQ(attention->count, 39 * engine()->summary().layers);
  // What the device says cannot be longer than what the host waited for, give or take the clocks.
  EXPECT_LT(timed.trace->decode_kernels->microseconds(), 1.5e3 * timed.timings.decode_ms + 1e4);
  EXPECT_EQ(ids(run(request)), ids(plain)) << "nothing of it stays";
  EXPECT_EQ(engine()->validation_messages(), 0u);
}

TEST_F(Stories, can_be_timed_from_the_middle_on_and_while_recording) {
  if (!engine()->summary().device.timestamps) GTEST_SKIP() << "this device has no timestamps";
  Generate request = greedy("Once upon a time", 40);
  request.trace.all_heads = true;
  std::uint32_t asked = 0;
  const RunResult result = run(request, {.time_kernels = [&] { return ++asked > 10 && asked <= 20; }});
  EXPECT_EQ(ids(result), ids(run(greedy("Once upon a time", 40))));
  EXPECT_FALSE(result.trace->prefill_kernels);
  ASSERT_TRUE(result.trace->decode_kernels);
  EXPECT_EQ(result.trace->decode_kernels->steps, 10u);
  std::size_t timed = 0;
  for (const StepTiming& step : result.trace->steps) {
    timed += step.timing ? 1 : 0;
    EXPECT_TRUE(step.recording);
  }
  EXPECT_EQ(timed, 10u);
  const auto rows = std::ranges::find(result.trace->decode_kernels->kernels, "attention rows", &KernelTime::kernel);
  EXPECT_NE(rows, result.trace->decode_kernels->kernels.end()) << "recording is a kernel like any other";
}

TEST_F(Stories, touch_the_bytes_that_were_counted) {
  const auto& counted = engine()->summary().token_bytes;
  ASSERT_TRUE(counted);
  EXPECT_GT(counted->weights, 400'000u);
  // Keys and values of 5 layers, 4 heads of 8, in halves.
  EXPECT_EQ(counted->position,
            2u * engine()->summary().layers * engine()->summary().kv_heads * engine()->summary().head_width * 2);
  const auto sample = engine()->bench({.generate = 5, .depth = 8});
  ASSERT_TRUE(sample);
  EXPECT_DOUBLE_EQ(sample->bytes_per_token, counted->at(10));
}

// A benchmark behind a depth fills it once, until something else takes the cache.
TEST_F(Stories, keep_the_depth_of_a_benchmark) {
  const auto filled = [&](const BenchTest& test) { return engine()->bench(test)->attention.prefill.causal_pairs; };
  const std::vector<TokenId> tokens = engine()->tokenizer().encode("Once upon a time");
  ASSERT_TRUE(engine()->logits(tokens, 0, [](std::uint32_t, std::span<const float>) {}));
  EXPECT_EQ(filled({.generate = 3, .depth = 40}), 40 * 20.5);
  EXPECT_EQ(filled({.generate = 3, .depth = 40}), 0) << "its last token is decoded again";
  EXPECT_EQ(filled({.prompt = 5, .depth = 40}), 5 * 43.0);
  EXPECT_EQ(filled({.prompt = 5, .depth = 50}), 15 * 48.0);
  ASSERT_TRUE(engine()->logits(tokens, 0, [](std::uint32_t, std::span<const float>) {}));
  EXPECT_EQ(filled({.prompt = 5, .depth = 40}), 45 * 23.0);
}

TEST_F(Stories, give_logits_from_the_first_position_scored) {
  const std::vector<TokenId> tokens = engine()->tokenizer().encode("Once upon a time, there was a little girl");
  std::vector<std::uint32_t> positions;
  std::vector<float> last, alone;
  const auto keep = [&](std::vector<float>& to) {
    return [&](std::uint32_t position, std::span<const float> row) {
      positions.push_back(position);
      to.assign(row.begin(), row.end());
    };
  };
  ASSERT_TRUE(engine()->logits(tokens, 0, keep(last)));
  EXPECT_EQ(positions.size(), tokens.size());
  positions.clear();
  const auto end = static_cast<std::uint32_t>(tokens.size());
  ASSERT_TRUE(engine()->logits(tokens, end - 1, keep(alone)));
  EXPECT_EQ(positions, std::vector{end - 1});
  ASSERT_EQ(last.size(), engine()->summary().vocabulary);
  for (std::size_t i = 0; i < last.size(); ++i) ASSERT_NEAR(last[i], alone[i], 1e-3f);
  EXPECT_FALSE(engine()->logits(std::vector<TokenId>{1, 512}, 0, keep(last)));
  EXPECT_FALSE(engine()->logits(std::vector<TokenId>{-1}, 0, keep(last)));
}

TEST_F(Stories, in_chat_need_a_chat_format) {
  Generate request = greedy("Hello", 5);
  request.chat = true;
  const auto refused = engine()->generate(request);
  ASSERT_FALSE(refused);
  EXPECT_FALSE(refused.error().advice.empty());
}

TEST_F(Stories, are_the_same_with_barriers_everywhere) {
  const auto fenced = Engine::load(kModel, {.barrier_everywhere = true});
  ASSERT_TRUE(fenced) << fenced.error().sentence();
  const auto told = (*fenced)->generate(greedy("The little dog", 60));
  ASSERT_TRUE(told);
  EXPECT_EQ(ids(*told), ids(run(greedy("The little dog", 60))));
}

TEST_F(Stories, need_a_file_a_context_and_a_device_that_are_there) {
  EXPECT_EQ(Engine::load(kFolder / "missing.gguf", {}).error().code, ErrorCode::file);
  EXPECT_EQ(Engine::load(kFolder / "NOTICE", {}).error().code, ErrorCode::format);
  EXPECT_EQ(Engine::load(kModel, {.context = 1 << 20}).error().code, ErrorCode::usage);
  EXPECT_FALSE(Engine::load(kModel, {.device = 99}));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(Engine::load(kModel, {}, {}, stop.get_token()).error().code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace fovea
