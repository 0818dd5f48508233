// Which types experts are kept in under a budget: the cheapest steps, the budget itself, and budgets that cannot be.
#include "engine/session/expert_precision.hpp"

#include <gtest/gtest.h>

#include <random>
#include <span>
#include <vector>

#include "engine/tensor/dequantize.hpp"
#include "engine/tensor/quantize.hpp"

namespace fovea {
namespace {

TEST(ExpertPrecision, takes_the_step_of_the_least_price_for_a_byte_until_enough_is_saved) {
  const std::vector<PrecisionChoice> choices{{{{0, 0}, {1, 100}, {9, 150}}}, {{{0, 0}, {3, 100}, {4, 160}}}};
  const auto taken = [&](std::uint64_t wanted) { return cheapest_types(choices, wanted); };
  EXPECT_EQ(taken(0), (std::vector<std::size_t>{0, 0}));
  EXPECT_EQ(taken(1), (std::vector<std::size_t>{1, 0}));    // .01 a byte against .03 and .025
  EXPECT_EQ(taken(101), (std::vector<std::size_t>{1, 2}));  // .025 for both steps at once, before .03 for one and .16 for the other's next
  EXPECT_EQ(taken(261), (std::vector<std::size_t>{2, 2}));
  EXPECT_FALSE(taken(311));
}

class FittedExperts : public testing::Test {
 protected:
  static constexpr std::uint32_t kExperts = 3, kRows = 8;
  // Layer 1 has weights of few values, which fewer bits write exactly.
  void make(DType type, std::uint32_t columns) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 0.1f);
    config.layers = 2;
    config.experts = kExperts;
    config.experts_used = 2;
    weights.layers.assign(2, {});
    stored.clear();
    stored.reserve(6);
    for (std::size_t layer = 0; layer < 2; ++layer)
      for (const auto which : {&LayerWeights::gate, &LayerWeights::up, &LayerWeights::down}) {
        std::vector<float> values(std::size_t{kExperts} * kRows * columns);
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = layer == 0 ? normal(random) : static_cast<float>(static_cast<int>((i * 7) % 15) - 7) * 0.125f;
        std::vector<std::byte>& bytes = stored.emplace_back(std::size_t{kExperts} * kRows * row_bytes(type, columns));
        quantize(type, values, bytes);
        weights.layers[layer].*which = {.type = type, .columns = columns, .rows = kRows, .matrices = kExperts, .bytes = bytes};
      }
  }
  [[nodiscard]] std::uint64_t all_as(DType type) const { return 6ull * kExperts * kRows * row_bytes(type, weights.layers[0].gate.columns); }
  ModelConfig config;
  ModelWeights weights;
  std::vector<std::vector<std::byte>> stored;
};

TEST_F(FittedExperts, keep_the_budget_and_are_what_they_say) {
  make(DType::Q8_0, 256);
  for (const std::uint64_t budget : {all_as(DType::Q8_0) - 1, (all_as(DType::Q8_0) + all_as(DType::Q4_K)) / 2, all_as(DType::Q4_K)}) {
    const auto fit = fit_experts(weights, config, budget, std::nullopt, {});
    ASSERT_TRUE(fit) << fit.error().sentence();
    EXPECT_EQ(fit->facts.stored_bytes, all_as(DType::Q8_0));
    EXPECT_LE(fit->facts.bytes, budget);
    std::uint64_t bytes = 0;
    std::size_t at = 0;
    for (std::size_t layer = 0; layer < 2; ++layer) {
      const LayerWeights& of = fit->weights.layers[layer];
      EXPECT_EQ(of.gate.type, of.up.type);
      for (const auto which : {&LayerWeights::gate, &LayerWeights::up, &LayerWeights::down}) {
        const WeightView &now = of.*which, &before = weights.layers[layer].*which;
        ASSERT_EQ(now.bytes.size(), std::size_t{kExperts} * kRows * row_bytes(now.type, now.columns));
        bytes += now.bytes.size();
        const TensorPrecision& facts = fit->facts.tensors[at++];
        EXPECT_EQ(facts.taken, name(now.type));
        std::vector<float> old(std::size_t{kExperts} * kRows * now.columns), made(old.size());
        dequantize(before.type, before.bytes, old);
        dequantize(now.type, now.bytes, made);
        double off = 0, squares = 0;
        for (std::size_t i = 0; i < old.size(); ++i) {
          off += (static_cast<double>(made[i]) - static_cast<double>(old[i])) * (static_cast<double>(made[i]) - static_cast<double>(old[i]));
          squares += static_cast<double>(old[i]) * static_cast<double>(old[i]);
        }
        EXPECT_NEAR(facts.error, off / squares, 1e-12);
        EXPECT_TRUE(now.type != before.type || facts.error == 0);
      }
    }
    EXPECT_EQ(bytes, fit->facts.bytes);
  }
}

TEST_F(FittedExperts, lose_bits_first_where_it_costs_least) {
  make(DType::Q8_0, 256);
  const auto fit = fit_experts(weights, config, (all_as(DType::Q8_0) + all_as(DType::Q4_K)) / 2, std::nullopt, {});
  ASSERT_TRUE(fit);
  for (const auto which : {&LayerWeights::gate, &LayerWeights::down}) EXPECT_EQ((fit->weights.layers[1].*which).type, DType::Q4_K);
  // A layer that calls more experts counts for more.
  make(DType::Q8_0, 256);
  weights.layers[1] = weights.layers[0];
  const auto by_use = fit_experts(weights, config, (all_as(DType::Q8_0) + all_as(DType::Q4_K)) / 2, ExpertRule{.count = ExpertCount::fixed, .layer_kmax = {2, 1}}, {});
  ASSERT_TRUE(by_use);
  const auto bytes = [](const LayerWeights& layer) { return layer.gate.bytes.size() + layer.up.bytes.size() + layer.down.bytes.size(); };
  EXPECT_GT(bytes(by_use->weights.layers[0]), bytes(by_use->weights.layers[1]));
}

TEST_F(FittedExperts, that_fit_stay_as_stored) {
  make(DType::Q8_0, 256);
  const auto fit = fit_experts(weights, config, all_as(DType::Q8_0), std::nullopt, {});
  ASSERT_TRUE(fit);
  EXPECT_TRUE(fit->made.empty());
  EXPECT_EQ(fit->weights.layers[1].down.bytes.data(), weights.layers[1].down.bytes.data());
}

TEST_F(FittedExperts, of_rows_that_large_blocks_do_not_divide_take_small_ones) {
  make(DType::Q8_0, 96);
  const auto fit = fit_experts(weights, config, all_as(DType::Q4_0), std::nullopt, {});
  ASSERT_TRUE(fit);
  EXPECT_EQ(fit->facts.bytes, all_as(DType::Q4_0));
}

TEST_F(FittedExperts, beyond_the_smallest_types_are_refused_with_a_sentence) {
  make(DType::Q8_0, 256);
  for (const std::uint64_t budget : {std::uint64_t{0}, std::uint64_t{1}, all_as(DType::Q4_K) - 1}) {
    const auto fit = fit_experts(weights, config, budget, std::nullopt, {});
    ASSERT_FALSE(fit);
    EXPECT_EQ(fit.error().code, ErrorCode::usage);
  }
  config.experts = config.experts_used = 0;
  const auto dense = fit_experts(weights, config, 1u << 30, std::nullopt, {});
  ASSERT_FALSE(dense);
  EXPECT_NE(dense.error().sentence().find("dense"), std::string::npos);
}

// A budget that nobody asked for: what is left of nine tenths of the device's memory.
TEST_F(FittedExperts, that_do_not_fit_the_device_get_what_it_has_left) {
  make(DType::Q8_0, 256);
  ModelSummary summary;
  summary.estimate = {.weights = 4000 + all_as(DType::Q8_0), .kv = 5000};
  gpu::DeviceFacts facts;
  const auto chosen = [&](std::uint64_t room, std::optional<std::uint64_t> asked) {
    facts.memory_bytes = room / 9 * 10;
    return chosen_precision(asked, weights, config, summary, facts, {}).value();
  };
  EXPECT_FALSE(chosen(9000 + all_as(DType::Q8_0) + 9, std::nullopt));
  const auto fit = chosen(9000 + all_as(DType::Q5_K), std::nullopt);
  ASSERT_TRUE(fit);
  EXPECT_LE(fit->facts.bytes, all_as(DType::Q5_K));
  EXPECT_FALSE(chosen(9000 + all_as(DType::Q5_K), 0)) << "a person said: as stored";
  EXPECT_FALSE(chosen(9000 + all_as(DType::Q4_K) / 2, std::nullopt)) << "what cannot be had is left to the device to say";
  const DeviceFit told = experts_fit(fit->facts, false);
  EXPECT_EQ(told.option, "--expert-budget");
  EXPECT_NE(why(told).find("MiB"), std::string::npos);
}

}  // namespace
}  // namespace fovea
