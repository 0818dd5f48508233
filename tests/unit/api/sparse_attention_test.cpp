// The figures that follow from what choices did.
#include "engine/api/sparse_attention.hpp"

#include <gtest/gtest.h>

namespace fovea {
namespace {

// Two layers of two KV heads, 1,000 pairs a head; the second layer left out a page of 32 keys for 10 tokens in one head and
// scored 40 pages.
const AttentionWork kWork{.causal_pairs = 1000, .layers = {{}, {.choices = 4, .skipped = 10, .scored = 40, .remote = 8, .chosen = 2, .mass = 3.5}}};

TEST(AttentionWork, density_counts_all_layers) {
  EXPECT_EQ(attention_density({.causal_pairs = 1000}, 2), 1);
  EXPECT_EQ(attention_density({}, 2), 1);
  EXPECT_DOUBLE_EQ(attention_density(kWork, 2), (4000.0 - 320) / 4000);
}

TEST(AttentionWork, operations_count_the_choice) {
  EXPECT_EQ(attention_flops_ratio({.causal_pairs = 1000}, 2, {.scorer = PageScorer::quest}), 1);
  // Of the largest weights: every score, the values of those alone.
  const AttentionWork top{.causal_pairs = 1000, .layers = {}, .top_pairs = 300};
  EXPECT_DOUBLE_EQ(attention_density(top, 2), 0.3);
  EXPECT_DOUBLE_EQ(attention_flops_ratio(top, 2, {}), 0.65);
  EXPECT_EQ(top_keys(100, 0.07), 7u);
  EXPECT_EQ(top_keys(101, 0.07), 8u);
  EXPECT_EQ(top_keys(3, 0.000001), 1u);
  EXPECT_EQ(top_keys(3, 1), 3u);
  EXPECT_DOUBLE_EQ(attention_flops_ratio(kWork, 2, {.scorer = PageScorer::mean}), (2 * 3680.0 + 40) / 8000);
  EXPECT_DOUBLE_EQ(attention_flops_ratio(kWork, 2, {.scorer = PageScorer::quest}), (2 * 3680.0 + 80) / 8000);
  EXPECT_DOUBLE_EQ(attention_flops_ratio(kWork, 2, {}), (2 * 3680.0 + 80) / 8000);
  // A periphery: of the layer that left pages out all pages once more (2,000 pairs over 32) and the means of those left out.
  EXPECT_DOUBLE_EQ(attention_flops_ratio(kWork, 2, {.periphery = PagePeriphery::means}), (2 * 3680.0 + 80 + 2 * 62.5 + 10) / 8000);
}

TEST(SparseAttention, first_layers_read_what_suits_the_depth) {
  const SparseAttention given{.dense_layers = 1};
  EXPECT_EQ(fitted(given, 6), given);
  const SparseAttention by_depth{.by_depth = true};
  for (const std::uint32_t layers : {11u, 48u}) EXPECT_EQ(fitted(by_depth, layers), (SparseAttention{.dense_layers = 0, .layer_shares = {0.25, 0.75}})) << layers;
  for (const std::uint32_t layers : {2u, 10u}) {
    const SparseAttention shallow = fitted(by_depth, layers);
    EXPECT_EQ(shallow.layer_shares, (std::vector<double>{0.25, 0.75}));
    ASSERT_EQ(shallow.layer_rows.size(), layers);
    ASSERT_EQ(shallow.layer_samples.size(), layers);
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      EXPECT_EQ(shallow.rows_of(layer), layer == 0 ? 1u : 8u);
      EXPECT_EQ(shallow.samples_of(layer), layer == 0 ? 1u : layer == 1 ? 4u : 2u);
    }
    EXPECT_EQ(shallow.rows_of(layers), kChoiceRows);
  }
  EXPECT_EQ((SparseAttention{.layer_rows = {1, 2}, .layer_samples = {4, 4}}.samples_of(0)), 1u) << "no more than there are";
  EXPECT_EQ((SparseAttention{.layer_rows = {1, 2}, .layer_samples = {4, 4}}.samples_of(1)), 2u);
  EXPECT_EQ(fitted({.layer_rows = {16}, .by_depth = true}, 6).layer_rows, (std::vector<std::uint32_t>{16})) << "as given";
  EXPECT_EQ(fitted(by_depth, 1), (SparseAttention{.dense_layers = 0, .layer_shares = {0.25}, .layer_rows = {1}, .layer_samples = {1}}));
  EXPECT_EQ(fitted({.global = 0.8, .by_depth = true}, 2).layer_shares, (std::vector<double>{0.8, 0.8}));
  EXPECT_EQ(fitted({.global = 1, .by_depth = true}, 48).layer_shares, (std::vector<double>{1, 1}));
  EXPECT_EQ(fitted({.by_depth = true, .budget = PageBudget::adaptive, .target = 0.2}, 48).layer_shares, (std::vector<double>{0.2, 3 * 0.2}));
  for (const std::uint32_t layers : {6u, 48u}) EXPECT_EQ(fitted({.global = 0.05, .by_depth = true}, layers).layer_shares, (std::vector<double>{0.05, 3 * 0.05})) << layers;
  EXPECT_EQ(fitted(fitted(by_depth, 6), 48), fitted(by_depth, 6));
}

TEST(AttentionWork, adds_up_by_layer) {
  const AttentionWork both = AttentionFacts{.prefill = kWork, .decode = kWork}.both();
  EXPECT_EQ(both.causal_pairs, 2000);
  ASSERT_EQ(both.layers.size(), 2u);
  EXPECT_EQ(both.layers[1].skipped, 20u);
  EXPECT_EQ(both.layers[1].chosen, 4u);
  EXPECT_EQ(both.layers[1].mass, 7);
  EXPECT_DOUBLE_EQ(attention_density(both, 2), attention_density(kWork, 2));
  AttentionFacts facts;
  facts.decode = kWork;
  EXPECT_EQ(facts.both().layers.size(), 2u);
}

}  // namespace
}  // namespace fovea
