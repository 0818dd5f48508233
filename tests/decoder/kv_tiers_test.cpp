// A KV cache in tiers in the whole decoder.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/decoder/kv_tiers.hpp"
#include "tests/decoder/decoder_bench.hpp"

namespace fovea::test {
namespace {

const ModelShape kShape{.name = "tiers", .architecture = "qwen3moe", .type = DType::F32, .width = 64, .head_width = 64, .query_heads = 4,
                        .kv_heads = 2, .hidden = 32, .experts = 8, .used = 2, .layers = 2, .context = 4096};
// Where a rounding changes no choice of experts.
const ModelShape kDense{.name = "tiers_dense", .type = DType::F32, .width = 64, .head_width = 64, .query_heads = 4, .kv_heads = 2, .hidden = 96, .layers = 2, .context = 4096};
const KvTiers kTiers{.hot = 0.25, .window = 64, .sinks = 32};

class TieredDecoder : public DecoderTest {
 protected:
  void load_with(std::optional<KvTiers> tiers, std::uint32_t context = 1024, ProductForm form = ProductForm::suits_device,
                 std::optional<SparseAttention> sparse = std::nullopt, bool barrier_everywhere = false, std::uint32_t batch = 128) {
    load(kShape, {.context = context, .batch = batch, .tiers = tiers, .sparse = sparse, .barrier_everywhere = barrier_everywhere, .form = form});
  }
};

// Distance of two arrays over the length of the first.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0, all = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    all += std::pow(static_cast<double>(a[i]), 2);
  }
  return std::sqrt(sum / all);
}

TEST_F(TieredDecoder, what_fits_into_window_and_sinks_is_f16_to_the_bit) {
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
    load_with(std::nullopt, 1024, form);
    const std::vector<std::int32_t> prompt = tokens(150, 1);
    const std::vector<float> f16 = all_logits(*decoder_, prompt, 128);
    const Generation run = generate(*decoder_, prompt, 40);
    load_with(KvTiers{.window = 512}, 1024, form);
    EXPECT_TRUE(all_logits(*decoder_, prompt, 128) == f16);
    EXPECT_EQ(generate(*decoder_, prompt, 40).drawn, run.drawn);
  }
}

TEST_F(TieredDecoder, a_context_shorter_than_the_window_is_f16) {
  load_with(std::nullopt, 100);
  const std::vector<std::int32_t> prompt = tokens(80, 2);
  const Generation run = generate(*decoder_, prompt, 19);
  load_with(KvTiers{}, 100);
  EXPECT_EQ(generate(*decoder_, prompt, 19).drawn, run.drawn);
}

TEST_F(TieredDecoder, logits_stay_close_to_those_of_f16_and_closer_the_more_is_hot) {
  load(kDense, {.context = 1024, .batch = 128});
  const std::vector<std::int32_t> prompt = tokens(700, 3);
  const std::vector<float> f16 = all_logits(*decoder_, prompt, 128);
  double before = 0.05;
  for (const double hot : {0.0, 0.5, 1.0}) {
    load(kDense, {.context = 1024, .batch = 128, .tiers = KvTiers{.hot = hot, .window = 64}});
    const double off = distance(f16, all_logits(*decoder_, prompt, 128));
    EXPECT_LT(off, before) << hot << " hot";
    EXPECT_GT(off, 0) << "nothing was far, which proves nothing";
    before = off;
  }
  EXPECT_LT(before, 7e-3) << "all values and the widest keys in eight bits";
}

TEST_F(TieredDecoder, takes_the_allocators_bytes_that_its_shape_says_and_at_most_42_percent_of_f16) {
  constexpr std::uint32_t kContext = 2048;
  const KvTiers tiers{.hot = 0.25, .window = 32, .sinks = 32};
  const std::uint64_t none = device().memory().kv;
  load_with(std::nullopt, kContext);
  const std::vector<std::int32_t> prompt = tokens(kContext - 1, 4);
  generate(*decoder_, prompt, 1);
  const std::uint64_t f16 = device().memory().kv - none;
  decoder_.reset();
  load_with(tiers, kContext);
  const std::uint64_t small = device().memory().kv - none;
  generate(*decoder_, prompt, 1);
  const std::uint64_t tiered = device().memory().kv - none;
  const TierShape shape(decoder_->config(), kContext, tiers);
  EXPECT_LE(tiered * 100, f16 * 42) << tiered << " of " << f16;
  EXPECT_GE(tiered, shape.bytes());
  EXPECT_LE(tiered, shape.bytes() + shape.bytes() / 100);
  EXPECT_LT(small, tiered / 2) << "the cache starts small";
  const KvTierFacts facts = must(decoder_->tier_facts(true)).value();
  const std::uint64_t sum = facts.fresh_bytes + facts.far_bytes + facts.refinement_bytes + facts.ranking_bytes;
  EXPECT_LE(sum, tiered);
  EXPECT_LE(tiered, sum + sum / 100) << "the allocator's bytes are the sum of the tiers'";
}

// Invariant 7: what is hot is counted, is behind the window and is not among the first pages.
TEST_F(TieredDecoder, tells_which_pages_are_hot_and_none_of_the_window_or_the_sinks_is) {
  load_with(kTiers);
  EXPECT_EQ(must(decoder_->tier_facts(true)).value().far, 0u);
  generate(*decoder_, tokens(700, 9), 10);
  const KvTierFacts facts = must(decoder_->tier_facts(true)).value();
  EXPECT_EQ(facts.pages, (709 + 31) / 32u);
  EXPECT_EQ(facts.first_far, 1u);
  EXPECT_EQ(facts.far, 709 / 32u - 2 - 1);
  EXPECT_EQ(facts.hot, facts.far / 4);
  EXPECT_EQ(facts.told, facts.far);
  ASSERT_EQ(facts.hot_pages.size(), 2u);
  for (const auto& pages : facts.hot_pages) {
    EXPECT_EQ(pages.size(), facts.hot);
    for (const std::uint32_t page : pages) EXPECT_TRUE(page >= facts.first_far && page < facts.first_far + facts.far) << page;
  }
  EXPECT_TRUE(must(decoder_->tier_facts(false)).value().hot_pages.empty());
  load_with(std::nullopt);
  EXPECT_FALSE(must(decoder_->tier_facts(true)));
}

TEST_F(TieredDecoder, is_repeated_to_the_bit_whatever_ran_before_and_however_tokens_are_grouped) {
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
    load_with(kTiers, 1024, form);
    const std::vector<std::int32_t> prompt = tokens(500, 5);
    const Generation run = generate(*decoder_, prompt, 120);
    generate(*decoder_, tokens(900, 6), 3);
    EXPECT_EQ(generate(*decoder_, prompt, 120, {}, greedy(), 1u << 20, 16).drawn, run.drawn);
    load_with(kTiers, 1024, form, std::nullopt, true);
    EXPECT_EQ(generate(*decoder_, prompt, 120).drawn, run.drawn) << "with a barrier before every dispatch";
  }
}

TEST_F(TieredDecoder, all_pages_chosen_are_dense_attention_to_the_bit) {
  load_with(kTiers);
  const std::vector<std::int32_t> prompt = tokens(600, 7);
  const std::vector<float> dense = all_logits(*decoder_, prompt, 128);
  const Generation run = generate(*decoder_, prompt, 50);
  load_with(kTiers, 1024, ProductForm::suits_device, SparseAttention{.window = 64, .global = 1.0, .dense_layers = 0, .dense_below = 0, .decode_dense_below = 0});
  EXPECT_TRUE(all_logits(*decoder_, prompt, 128) == dense);
  EXPECT_EQ(generate(*decoder_, prompt, 50).drawn, run.drawn);
}

// Editing a prompt: what is still in the window stays, and what has left it does not come back.
TEST_F(TieredDecoder, is_cut_back_to_what_the_window_holds_and_no_further) {
  load_with(kTiers);
  const std::vector<std::int32_t> prompt = tokens(600, 8);
  const Generation run = generate(*decoder_, prompt, 20);
  EXPECT_EQ(decoder_->most_kept(600), 600u);
  EXPECT_EQ(decoder_->most_kept(500), 0u) << "a page that is far";
  must(decoder_->begin(prompt, greedy(), {}, 599));
  const Step step = must(decoder_->submit_prompt(1, StepKind::draw));
  EXPECT_EQ(must(decoder_->finish(step)).drawn.size(), 1u);
  const auto refused = decoder_->begin(prompt, greedy(), {}, 500);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::usage);
  EXPECT_EQ(generate(*decoder_, prompt, 20).drawn, run.drawn) << "from the start as if nothing had been";
}

TEST_F(TieredDecoder, refuses_tiers_out_of_range) {
  load_with(kTiers);
  const ModelConfig config = decoder_->config();
  for (const KvTiers& tiers : {KvTiers{.hot = -0.1}, KvTiers{.hot = 1.5}, KvTiers{.hot = std::nan("")}, KvTiers{.window = 0}})
    EXPECT_FALSE(KvCache::create_tiered(device(), config, 1024, tiers));
}

TEST(TierShape, NeverLetsGoOfTheWindowOrTheSinks) {
  ModelConfig config;
  config.layers = 2, config.kv_heads = 2, config.head_width = 64;
  for (const std::uint32_t window : {1u, 64u, 512u})
    for (const std::uint32_t sinks : {0u, 32u, 100u}) {
      const TierShape shape(config, 4096, {.hot = 0.25, .window = window, .sinks = sinks});
      for (std::uint32_t positions = 0; positions <= 4096; ++positions) {
        const std::uint32_t settled = shape.settled(positions);
        ASSERT_GE(settled * 32, sinks);
        ASSERT_TRUE(settled == shape.sinks || settled * 32 + window <= positions);
        // The page of the next token has a slot that no page of the window has.
        ASSERT_LE(std::min(positions / 32 + 1, shape.pages), settled + shape.ring);
      }
    }
}

}  // namespace
}  // namespace fovea::test
