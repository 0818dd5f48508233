// Drawing on the device against the reference, and the reference against hand-computed cases.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "engine/kernels/sample.hpp"
#include "engine/reference/sample.hpp"
#include "shaders/interface/sample.h"
#include "shaders/interface/step_state.h"

namespace fovea {
namespace {

using reference::SampleSettings;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Everything that does not filter: a draw from the plain softmax.
constexpr SampleSettings kOff{.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .repeat_penalty = 1, .repeat_last_n = 0};

// One device for all cases; nullptr where there is none.
gpu::Device* device() {
  static const auto made = gpu::Device::create();
  return made ? made->get() : nullptr;
}

// The buffers and the recorded plan of one vocabulary.
class Sampler {
 public:
  // draw_width 0: as record_sample chooses; else the drawing workgroup's size. `draws`: tokens per submission.
  // keyed: another step leaves the keys of the logits as they are, as the product before does on a CPU driver.
  Sampler(std::uint32_t vocabulary, std::uint32_t positions, std::uint32_t draw_width = 0, std::uint32_t draws = 1, bool keyed = false)
      : vocabulary_(vocabulary), positions_(positions) {
    using gpu::MemoryUse;
    state_ = make(sizeof(shader::StepState), MemoryUse::upload);
    parameters_ = make(sizeof(shader::SampleParameters), MemoryUse::upload);
    history_ = make((std::uint64_t{positions} + 1) * 4, MemoryUse::upload);
    logits_ = make(std::uint64_t{vocabulary} * 4, MemoryUse::compute);
    ring_ = make(shader::kTokenRing * 4, MemoryUse::readback);
    scratch_ = make(sample_scratch_bytes(vocabulary), MemoryUse::compute);
    auto recorder = device()->record();
    EXPECT_TRUE(recorder.has_value());
    KernelRecorder kernels(*device(), *recorder);
    const SampleBuffers buffers{.state = state_.address(), .parameters = parameters_.address(), .history = history_.address(),
                                .logits = logits_.address(), .ring = ring_.address(), .scratch = scratch_.address(),
                                .keyed = keyed, .vocabulary = vocabulary};
    for (std::uint32_t i = 0; i < draws; ++i) {
      if (keyed) {
        plain_ = make(sizeof(shader::SampleParameters), MemoryUse::upload);
        const shader::SampleParameters plain{.repeat_penalty = 1};
        put(plain_, std::span(&plain, 1));
        const shader::SamplePush push{.state = buffers.state, .parameters = plain_.address(), .logits = buffers.logits, .chunks = buffers.scratch, .vocabulary = vocabulary, .chunk_shift = 3};
        EXPECT_TRUE(takes_keys(vocabulary) && kernels.dispatch(ShaderId::sample_chunks, {64}, push, (vocabulary + 64 * shader::kSampleRun - 1) / (64 * shader::kSampleRun)).has_value());
        recorder->barrier();
      }
      const auto recorded = draw_width == 0 ? record_sample(kernels, buffers) : record_wide(kernels, buffers, draw_width);
      EXPECT_TRUE(recorded.has_value()) << recorded.error().sentence();
      recorder->barrier();
    }
    auto plan = recorder->finish();
    EXPECT_TRUE(plan.has_value()) << plan.error().sentence();
    plan_ = std::move(*plan);
  }

  void set_logits(std::span<const float> logits) { put(logits_, logits); }
  void set_history(std::span<const std::uint32_t> tokens) { put(history_, tokens); }
  void set_settings(const SampleSettings& s, std::uint32_t vocabulary = 0) {
    const shader::SampleParameters parameters{.temperature = s.temperature, .top_k = s.top_k, .top_p = s.top_p, .min_p = s.min_p,
                                              .repeat_penalty = s.repeat_penalty, .repeat_last_n = s.repeat_last_n,
                                              .vocabulary = vocabulary};
    put(parameters_, std::span(&parameters, 1));
  }
  void set_state(std::uint32_t position, std::uint32_t tokens, std::uint32_t drawn, std::uint64_t seed) {
    const shader::StepState state{.position = position, .tokens = tokens, .drawn = drawn,
                                  .seed_low = static_cast<std::uint32_t>(seed), .seed_high = static_cast<std::uint32_t>(seed >> 32)};
    put(state_, std::span(&state, 1));
  }
  void run() {
    const auto value = device()->submit(plan_);
    ASSERT_TRUE(value.has_value()) << value.error().sentence();
    const auto waited = device()->wait(*value);
    ASSERT_TRUE(waited.has_value()) << waited.error().sentence();
  }
  // History, settings and seed as given; the history is one batch.
  std::uint32_t draw(std::span<const std::uint32_t> history, const SampleSettings& settings, std::uint64_t seed, std::uint32_t drawn) {
    set_history(history);
    set_settings(settings);
    set_state(0, static_cast<std::uint32_t>(history.size()), drawn, seed);
    run();
    return ring()[drawn % shader::kTokenRing];
  }

  shader::StepState state() { return get<shader::StepState>(state_, 1).front(); }
  std::vector<std::uint32_t> ring() { return get<std::uint32_t>(ring_, shader::kTokenRing); }
  std::vector<std::uint32_t> history() { return get<std::uint32_t>(history_, positions_ + 1); }
  std::vector<float> logits() { return get<float>(logits_, vocabulary_); }

 private:
  static gpu::Buffer make(std::uint64_t bytes, gpu::MemoryUse use) {
    auto buffer = device()->create_buffer(bytes, use);
    EXPECT_TRUE(buffer.has_value()) << buffer.error().sentence();
    return std::move(*buffer);
  }
  template <class T>
  static void put(const gpu::Buffer& to, std::span<T> values) {
    if (!values.empty()) {
      EXPECT_TRUE(device()->upload(to, 0, std::as_bytes(values)).has_value());
    }
  }
  template <class T>
  static std::vector<T> get(const gpu::Buffer& from, std::size_t count) {
    std::vector<T> values(count);
    EXPECT_TRUE(device()->download(from, 0, std::as_writable_bytes(std::span(values))).has_value());
    return values;
  }
  static Result<void> record_wide(KernelRecorder& kernels, const SampleBuffers& b, std::uint32_t width) {
    const shader::SamplePush push{.state = b.state, .parameters = b.parameters, .history = b.history, .logits = b.logits,
                                  .ring = b.ring, .chunks = b.scratch, .vocabulary = b.vocabulary,
                                  .chunk_shift = b.vocabulary <= 32768 ? 3u : 6u};
    const std::uint32_t tile = 256 * shader::kSampleRun;
    FOVEA_TRY(kernels.dispatch(ShaderId::sample_chunks, {256}, push, (b.vocabulary + tile - 1) / tile));
    kernels.plan().barrier();
    return kernels.dispatch(ShaderId::sample_draw, {width}, push, 1);
  }

  std::uint32_t vocabulary_, positions_;
  gpu::Buffer plain_, state_, parameters_, history_, logits_, ring_, scratch_;
  gpu::CommandPlan plan_;
};

class SampleKernel : public ::testing::Test {
 protected:
  void SetUp() override {
    if (device() == nullptr) GTEST_SKIP() << "there is no Vulkan device here";
  }
};

enum class Shape { flat, normal, peaked, ties, equal, broken, none, negative, huge, count };

std::vector<float> make_logits(Shape shape, std::uint32_t vocabulary, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> logits(vocabulary);
  for (std::uint32_t i = 0; i < vocabulary; ++i) {
    const float x = normal(random);
    switch (shape) {
      case Shape::flat: logits[i] = 0.01f * x; break;
      case Shape::normal: logits[i] = 2.5f * x; break;
      case Shape::peaked: logits[i] = random() % 97 == 0 ? 12.0f + 2.0f * x : x; break;
      case Shape::ties: logits[i] = std::floor(1.5f * x); break;
      case Shape::equal: logits[i] = -3.5f; break;
      case Shape::broken: {
        const float extremes[] = {kNan, -kInfinity, kInfinity, -0.0f, 0.0f, 1e-42f};
        logits[i] = random() % 3 == 0 ? extremes[random() % (random() % 64 == 0 ? 6 : 2)] : x;
        break;
      }
      case Shape::none: logits[i] = i % 2 == 0 ? kNan : -kInfinity; break;
      case Shape::negative: logits[i] = -40.0f + 3.0f * x; break;
      case Shape::huge: logits[i] = 1e37f * x * x * x; break;
      case Shape::count: break;
    }
  }
  return logits;
}

std::vector<SampleSettings> settings_grid() {
  std::vector<SampleSettings> grid{SampleSettings{}, kOff};
  const auto add = [&](float temperature, int top_k, float top_p, float min_p, float penalty = 1, int last_n = 64) {
    grid.push_back({temperature, top_k, top_p, min_p, penalty, last_n});
  };
  add(0, 40, 0.95f, 0.05f);
  add(0, 0, 1, 0, 1.3f);
  add(1e-8f, 40, 0.95f, 0.05f);
  add(1, 1, 1, 0);
  add(1, 40, 1, 0);
  add(1.7f, 40, 0.5f, 0);
  add(1, 300, 0.95f, 0);
  add(1, 3000, 0.8f, 0.001f);
  add(1, 1 << 30, 1, 0.02f);
  add(1, 0, 0.95f, 0.05f);
  add(1, 0, 0.95f, 0);
  add(1, 0, 0.1f, 0);
  add(1, 0, 0, 0);
  add(1, 7, 0, 0.5f);
  add(5, -1, 1, 0.3f);
  add(1, 40, 1, 1);
  add(0.8f, 40, 0.95f, 0.05f, 1.5f, 64);
  add(0.8f, 40, 0.95f, 0.05f, 0.7f, 3);
  add(0.8f, 0, 1, 0, 1.1f, 1 << 20);
  return grid;
}

TEST_F(SampleKernel, by_keys_that_are_left_for_it_draws_and_penalises_to_the_bit) {
  for (const std::uint32_t vocabulary : {3u, 8u, 333u, 4099u}) {
    Sampler plain(vocabulary, 600), keyed(vocabulary, 600, 0, 1, true);
    std::vector<std::uint32_t> history(500);
    for (std::uint32_t i = 0; i < history.size(); ++i) history[i] = i * i % 97 % vocabulary;  // many twice and more
    for (const Shape shape : {Shape::normal, Shape::ties, Shape::broken}) {
      const std::vector<float> logits = make_logits(shape, vocabulary, vocabulary);
      std::uint32_t drawn = 0;
      for (const SampleSettings& settings : settings_grid())
        for (const std::uint32_t candidates : {0u, vocabulary - vocabulary / 3}) {
          for (Sampler* sampler : {&plain, &keyed}) {
            sampler->set_logits(logits);
            sampler->set_history(history);
            sampler->set_settings(settings, candidates);
            sampler->set_state(200, 300, drawn, 11);
            sampler->run();
          }
          ASSERT_EQ(keyed.ring()[drawn], plain.ring()[drawn]) << vocabulary << " tokens, draw " << drawn;
          const std::vector<float> left = keyed.logits(), expected = plain.logits();
          ASSERT_EQ(std::memcmp(left.data(), expected.data(), left.size() * sizeof(float)), 0) << vocabulary << " tokens, draw " << drawn;
          ++drawn;
        }
    }
  }
}

// A disagreement is excused where the reference itself was this near to another outcome.
constexpr double kNearMiss = 1e-6;

struct Tally {
  int draws = 0, excused = 0;
};

void compare(Sampler& sampler, Shape shape, std::uint32_t vocabulary, std::span<const std::uint32_t> history, int seeds, Tally& tally) {
  const std::vector<float> logits = make_logits(shape, vocabulary, vocabulary + static_cast<std::uint64_t>(shape));
  bool fresh = false;
  int at = 0;
  for (const SampleSettings& settings : settings_grid()) {
    ++at;
    for (int s = 0; s < seeds; ++s) {
      if (!fresh) sampler.set_logits(logits);
      fresh = settings.repeat_penalty == 1.0f;
      const std::uint64_t seed = 0x9E3779B97F4A7C15u * static_cast<std::uint64_t>(s + 100 * at);
      const auto drawn = static_cast<std::uint32_t>(s * 1000 + at);
      const reference::Sample want = reference::sample(logits, history, settings, seed, drawn);
      const std::uint32_t got = sampler.draw(history, settings, seed, drawn);
      ++tally.draws;
      if (got == want.token) continue;
      EXPECT_LT(want.margin, kNearMiss) << "vocabulary " << vocabulary << ", shape " << static_cast<int>(shape) << ", setting "
                                        << at << ", seed " << s << ": " << got << " where the reference drew " << want.token
                                        << " of " << want.kept.size();
      EXPECT_LT(got, vocabulary);
      ++tally.excused;
    }
  }
}

class SampleAgainstReference : public SampleKernel, public ::testing::WithParamInterface<std::uint32_t> {};

TEST_P(SampleAgainstReference, DrawsTheSameTokens) {
  const std::uint32_t vocabulary = GetParam();
  const int seeds = vocabulary > 100000 ? 1 : vocabulary > 10000 ? 2 : 6;
  std::vector<std::uint32_t> history;
  for (std::uint32_t i = 0; i < 150; ++i) history.push_back((i * i * 7919) % std::min(vocabulary, 1000u));
  history[149] = history[140];
  history[148] = 0xFFFFFFFFu;  // not a token: counts for nothing
  Sampler sampler(vocabulary, 200);
  Tally tally;
  for (int shape = 0; shape < static_cast<int>(Shape::count); ++shape)
    compare(sampler, static_cast<Shape>(shape), vocabulary, history, seeds, tally);
  EXPECT_LE(tally.excused * 100, tally.draws) << tally.excused << " of " << tally.draws << " draws were near misses";
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, SampleAgainstReference, ::testing::Values(1u, 7u, 512u, 1025u, 16384u, 151936u));

TEST_F(SampleKernel, WorkgroupSizeDoesNotMatter) {
  const std::uint32_t vocabulary = 3000;
  std::map<std::uint32_t, std::vector<std::uint32_t>> tokens;
  const std::uint32_t subgroup = device()->facts().subgroup;
  for (const std::uint32_t width : {0u, subgroup, 2 * subgroup, 16 * subgroup}) {
    Sampler sampler(vocabulary, 4, width);
    for (int shape = 0; shape < static_cast<int>(Shape::count); ++shape) {
      sampler.set_logits(make_logits(static_cast<Shape>(shape), vocabulary, 5));
      for (const SampleSettings& settings : settings_grid())
        if (settings.repeat_penalty == 1.0f) tokens[width].push_back(sampler.draw({}, settings, 77, 3));
    }
    EXPECT_EQ(tokens[width], tokens[0]) << width;
  }
}

TEST_F(SampleKernel, StepsToTheNextToken) {
  Sampler sampler(512, 64);
  const std::vector<float> logits = make_logits(Shape::normal, 512, 1);
  const std::vector<std::uint32_t> prompt{5, 6, 7, 8, 9};
  sampler.set_logits(logits);
  sampler.set_history(prompt);
  sampler.set_settings({});
  sampler.set_state(2, 3, 254, 42);  // a batch of three behind two
  for (std::uint32_t step = 0; step < 4; ++step) {
    sampler.run();
    const shader::StepState state = sampler.state();
    EXPECT_EQ(state.position, 5 + step);
    EXPECT_EQ(state.tokens, 1u);
    EXPECT_EQ(state.drawn, 255 + step);
    EXPECT_EQ(state.seed_low, 42u);
    const std::uint32_t token = sampler.ring()[(254 + step) % shader::kTokenRing];
    EXPECT_EQ(token, reference::sample(logits, {}, {}, 42, 254 + step).token);
    EXPECT_EQ(sampler.history()[5 + step], token);
    EXPECT_EQ(sampler.history()[4], 9u);
  }
}

TEST_F(SampleKernel, PenaltyIsAppliedOncePerDistinctTokenOfTheWindow) {
  Sampler sampler(4, 16);
  const std::vector<float> logits{2.0f, -1.0f, 3.0f, 4.0f};
  sampler.set_logits(logits);
  const std::vector<std::uint32_t> history{3, 0, 1, 0, 1, 0};
  SampleSettings settings = kOff;
  settings.repeat_penalty = 2;
  settings.repeat_last_n = 5;
  (void)sampler.draw(history, settings, 1, 0);
  EXPECT_EQ(sampler.logits(), (std::vector<float>{1.0f, -2.0f, 3.0f, 4.0f}));
}

TEST_F(SampleKernel, TokensBehindTheParametersVocabularyAreNeverDrawn) {
  Sampler sampler(300, 4);
  std::vector<float> logits(300, 0.0f);
  for (std::size_t i = 130; i < 300; ++i) logits[i] = 50.0f;
  sampler.set_logits(logits);
  for (const SampleSettings& settings : {SampleSettings{}, kOff, SampleSettings{.temperature = 0}})
    for (std::uint32_t drawn = 0; drawn < 20; ++drawn) {
      sampler.set_settings(settings, 130);
      sampler.set_state(0, 1, drawn, 9);
      sampler.run();
      EXPECT_LT(sampler.ring()[drawn], 130u);
    }
}

TEST_F(SampleKernel, SameSeedSameTokensAndAnotherSeedOthers) {
  const auto tokens = [](std::uint64_t seed) {
    Sampler sampler(16384, 128, 0, 100);
    sampler.set_logits(make_logits(Shape::normal, 16384, 8));
    sampler.set_settings({});
    sampler.set_state(0, 1, 0, seed);
    sampler.run();
    return sampler.ring();
  };
  const auto first = tokens(1);
  EXPECT_EQ(first, tokens(1));
  EXPECT_NE(first, tokens(2));
  EXPECT_NE(first, tokens(1ull << 32));
  EXPECT_GT(std::set<std::uint32_t>(first.begin(), first.begin() + 100).size(), 5u);
}

TEST_F(SampleKernel, FrequenciesFollowTheDistribution) {
  const std::vector<double> probabilities{0.4, 0.25, 0.0, 0.15, 0.1, 0.06, 0.03, 0.01};
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  constexpr std::uint32_t kDraws = 20000, kBatch = 250;
  Sampler sampler(8, kDraws + 1, 0, kBatch);
  sampler.set_logits(logits);
  sampler.set_settings(kOff);
  sampler.set_state(0, 1, 0, 2024);
  for (std::uint32_t i = 0; i < kDraws / kBatch; ++i) sampler.run();
  std::vector<std::uint32_t> counts(8);
  const auto history = sampler.history();
  for (std::uint32_t i = 1; i <= kDraws; ++i) ++counts.at(history[i]);
  for (std::size_t token = 0; token < 8; ++token) {
    const double expected = kDraws * probabilities[token];
    // Four standard deviations: one honest generator in a thousand would fail, and this one's seed is fixed.
    EXPECT_NEAR(counts[token], expected, 4 * std::sqrt(expected * (1 - probabilities[token])) + 1e-9) << token;
  }
}

TEST_F(SampleKernel, RefusesAnImpossibleVocabulary) {
  auto recorder = device()->record();
  ASSERT_TRUE(recorder.has_value());
  KernelRecorder kernels(*device(), *recorder);
  EXPECT_FALSE(record_sample(kernels, {.vocabulary = 0}).has_value());
  EXPECT_FALSE(record_sample(kernels, {.vocabulary = 1u << 21}).has_value());
}

// ---- The judge judged.

std::vector<std::uint32_t> tokens_kept(const std::vector<float>& logits, const SampleSettings& settings) {
  std::vector<std::uint32_t> tokens;
  for (const auto& candidate : reference::sample(logits, {}, settings, 1, 0).kept) tokens.push_back(candidate.token);
  return tokens;
}

SampleSettings with(int top_k, float top_p, float min_p, float temperature = 1) {
  return {.temperature = temperature, .top_k = top_k, .top_p = top_p, .min_p = min_p, .repeat_penalty = 1, .repeat_last_n = 0};
}

std::vector<float> logs(std::initializer_list<double> probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)) + 3.0f);
  return logits;
}

using Tokens = std::vector<std::uint32_t>;

TEST(SampleReference, FiltersKeepWhatTheyShould) {
  const std::vector<float> logits = logs({0.15, 0.5, 0.05, 0.3});
  EXPECT_EQ(tokens_kept(logits, with(0, 1, 0)), (Tokens{0, 1, 2, 3}));
  EXPECT_EQ(tokens_kept(logits, with(2, 1, 0)), (Tokens{1, 3}));
  EXPECT_EQ(tokens_kept(logits, with(0, 0.75f, 0)), (Tokens{1, 3}));
  EXPECT_EQ(tokens_kept(logits, with(0, 0.85f, 0)), (Tokens{0, 1, 3}));
  EXPECT_EQ(tokens_kept(logits, with(0, 0, 0)), (Tokens{1}));
  EXPECT_EQ(tokens_kept(logits, with(0, 1, 0.2f)), (Tokens{0, 1, 3}));
  // top-p counts the mass of what top-k left: 0.5 / 0.8 = 0.625.
  EXPECT_EQ(tokens_kept(logits, with(2, 0.6f, 0)), (Tokens{1}));
  EXPECT_EQ(tokens_kept(logits, with(0, 0.6f, 0)), (Tokens{1, 3}));
  EXPECT_EQ(tokens_kept({1, 5, 5, 5, 1}, with(2, 1, 0)), (Tokens{1, 2}));
  EXPECT_EQ(tokens_kept({1, 5, 5, 5, 1}, with(0, 1, 1)), (Tokens{1, 2, 3}));
}

TEST(SampleReference, TemperatureActsLast) {
  const auto sample = reference::sample(logs({0.64, 0.36}), {}, with(0, 1, 0, 2), 1, 0);
  ASSERT_EQ(sample.kept.size(), 2u);
  EXPECT_NEAR(sample.kept[0].probability, 0.8 / 1.4, 1e-6);
  EXPECT_NEAR(sample.kept[1].probability, 0.6 / 1.4, 1e-6);
  // A hot temperature does not bring back what min-p dropped before it.
  EXPECT_EQ(tokens_kept(logs({0.9, 0.1}), with(0, 1, 0.2f, 100)), (Tokens{0}));
}

TEST(SampleReference, GreedyTakesTheFirstOfTheHighest) {
  EXPECT_EQ(reference::sample(std::vector<float>{1, 7, kNan, 7}, {}, with(0, 1, 0, 0), 1, 0).token, 1u);
  EXPECT_EQ(reference::sample(std::vector<float>{1, 7, kInfinity, 7}, {}, with(0, 1, 0, 0), 1, 0).token, 2u);
  EXPECT_EQ(reference::sample(std::vector<float>{kNan, -kInfinity}, {}, SampleSettings{}, 1, 0).token, 0u);
}

TEST(SampleReference, PenaltyCountsDistinctTokensOfTheWindow) {
  const std::vector<float> logits{2, -1, 0, 8};
  SampleSettings settings;
  settings.repeat_penalty = 2;
  settings.repeat_last_n = 4;
  EXPECT_EQ(reference::penalized(logits, Tokens{3, 0, 1, 0, 9}, settings), (std::vector<float>{1, -2, 0, 8}));
}

TEST(SampleReference, PhiloxGivesThePublishedNumbers) {
  using Words = std::array<std::uint32_t, 4>;
  constexpr std::uint32_t kOnes = 0xFFFFFFFFu;
  EXPECT_EQ(reference::philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(reference::philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(reference::philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(SampleReference, DrawFollowsTheRandomNumber) {
  const std::vector<float> logits = logs({0.3, 0.0, 0.7});
  int low = 0;
  for (std::uint32_t drawn = 0; drawn < 1000; ++drawn) {
    const auto sample = reference::sample(logits, {}, with(0, 1, 0), 5, drawn);
    EXPECT_EQ(sample.token, reference::uniform_draw(5, drawn) < 0.3 ? 0u : 2u);
    low += sample.token == 0 ? 1 : 0;
  }
  EXPECT_NEAR(low, 300, 60);
}

}  // namespace
}  // namespace fovea
