// What a run records: attention rows and routing, equal to the reference's, and without influence on the run.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "engine/tensor/half.hpp"
#include "tests/decoder/decoder_bench.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

// The steps of either kind of device: those of a GPU keep rotated queries only where a row is recorded.
constexpr ProductForm kForms[]{ProductForm::cpu, ProductForm::gpu};

class Recording : public DecoderTest, public testing::WithParamInterface<ModelShape> {
 protected:
  void SetUp() override {
    DecoderTest::SetUp();
    if (!IsSkipped()) load(GetParam());
  }
  // Rows of both layers, given out of order and one of them twice.
  [[nodiscard]] DecoderTrace trace() const {
    const std::uint32_t last = decoder_->config().query_heads - 1;
    return {.routing = true, .heads = {{1, last}, {0, 1}, {1, 0}, {0, 1}}, .row_positions = 128};
  }
  // The reference's own view of prompt and drawn tokens.
  [[nodiscard]] reference::ReferenceCapture judge(const std::vector<std::int32_t>& prompt, const Generation& run) {
    std::vector<std::int32_t> all = prompt;
    all.insert(all.end(), run.drawn.begin(), run.drawn.end() - 1);
    reference::ReferenceCapture capture;
    must(reference_->logits(all, &capture));
    return capture;
  }
};

TEST_P(Recording, attention_rows_sum_to_one_and_equal_the_reference) {
  for (const ProductForm form : kForms) {
    SCOPED_TRACE("form " + std::to_string(static_cast<int>(form)));
    // Larger batches have tiles of halves on a GPU, whose rounding moves attention and, at near-ties, the experts.
    DecoderOptions options{.form = form};
    if (form == ProductForm::gpu) options.batch = 8;
    load(GetParam(), options);
    const std::vector<std::int32_t> prompt = tokens(44, 4);
    const Generation run = generate(*decoder_, prompt, 30, trace());
    const reference::ReferenceCapture expected = judge(prompt, run);
    const std::vector<HeadId> order = decoder_->row_order();
    ASSERT_EQ(order.size(), 3u);
    std::size_t rows = 0;
    for (const RecordedStep& step : run.steps)
      for (std::size_t slot = 0; slot < order.size(); ++slot)
        for (std::uint32_t t = 0; t < step.tokens; ++t, ++rows) {
          const std::uint32_t query = step.first + t;
          const std::size_t of_head = order[slot].layer * decoder_->config().query_heads + order[slot].head;
          const std::vector<float>& want = expected.attention_rows[of_head * expected.tokens + query];
          ASSERT_EQ(want.size(), query + 1);
          double sum = 0;
          for (std::uint32_t key = 0; key <= query; ++key) {
            const double got =
                static_cast<double>(half_to_float(step.rows[(slot * step.rows_capacity + t) * step.row_stride + key]));
            ASSERT_NEAR(got, static_cast<double>(want[key]), 2e-3 * static_cast<double>(want[key]) + 1e-5)
                << "layer " << order[slot].layer << " head " << order[slot].head << " query " << query << " key "
                << key;
            sum += got;
          }
          ASSERT_NEAR(sum, 1.0, 1e-3);
        }
    EXPECT_EQ(rows, 3u * (44 + 29));
  }
}

// What a semantic router learns from: in prompts and, token after token, in decoding.
TEST_P(Recording, early_states_equal_the_reference_and_change_nothing) {
  for (const ProductForm form : kForms) {
    SCOPED_TRACE("form " + std::to_string(static_cast<int>(form)));
    load(GetParam(), {.batch = 8, .form = form});
    const ModelConfig& config = decoder_->config();
    const std::vector<std::int32_t> prompt = tokens(13, 8);
    const Generation plain = generate(*decoder_, prompt, 6);
    for (const std::uint32_t layers : {1u, config.layers}) {
      std::vector<std::int32_t> drawn, all = prompt;
      std::vector<float> hidden, router;
      must(decoder_->begin(prompt, greedy(), {.early_layers = layers}));
      while (drawn.size() < 6) {
        const bool decode = !drawn.empty(), last = !decode && prompt.size() - decoder_->position() <= 8;
        const Step step = must(decode ? decoder_->submit_decode() : decoder_->submit_prompt(8, last ? StepKind::draw : StepKind::fill));
        const StepRecord record = must(decoder_->finish(step));
        drawn.insert(drawn.end(), record.drawn.begin(), record.drawn.end());
        for (std::uint32_t t = 0; t < record.tokens; ++t) {
          const auto row = record.hidden.subspan(std::size_t{t} * record.hidden_stride, config.width);
          hidden.insert(hidden.end(), row.begin(), row.end());
          ASSERT_EQ(record.router_logits.empty(), !config.mixture());
          for (std::uint32_t layer = 0; layer < config.layers && config.mixture(); ++layer) {
            const auto logits = record.router_logits.subspan((std::size_t{layer} * record.plan_tokens + t) * record.router_stride, config.experts);
            router.insert(router.end(), logits.begin(), logits.end());
          }
        }
      }
      EXPECT_EQ(drawn, plain.drawn);
      all.insert(all.end(), drawn.begin(), drawn.end() - 1);
      reference::ReferenceCapture expected{.early_layers = layers};
      must(reference_->logits(all, &expected));
      ASSERT_EQ(hidden.size(), all.size() * config.width);
      EXPECT_TRUE(near_enough(hidden, expected.hidden, {5e-3, 5e-3}));
      for (std::size_t t = 0; t < all.size() && config.mixture(); ++t)
        for (std::uint32_t layer = 0; layer < config.layers; ++layer) {
          const auto logits = std::span<const float>(router).subspan((t * config.layers + layer) * config.experts, config.experts);
          EXPECT_EQ(reference::route(logits, config.experts_used, true).experts, expected.routings[layer * expected.tokens + t].experts) << "token " << t << " layer " << layer;
        }
    }
    const Generation again = generate(*decoder_, prompt, 6);
    EXPECT_EQ(again.drawn, plain.drawn);
  }
}

class RecordedRouting : public Recording {};

TEST_P(RecordedRouting, equals_the_reference) {
  const std::vector<std::int32_t> prompt = tokens(44, 5);
  const Generation run = generate(*decoder_, prompt, 30, {.routing = true}, greedy(), 7);  // exact on a GPU too
  const reference::ReferenceCapture expected = judge(prompt, run);
  const std::uint32_t used = decoder_->config().experts_used;
  for (const RecordedStep& step : run.steps)
    for (std::uint32_t layer = 0; layer < decoder_->config().layers; ++layer)
      for (std::uint32_t t = 0; t < step.tokens; ++t) {
        const reference::Routing& want = expected.routings[layer * expected.tokens + step.first + t];
        const auto at = static_cast<std::ptrdiff_t>((std::size_t{layer} * step.plan_tokens + t) * used);
        ASSERT_EQ(std::vector(step.experts.begin() + at, step.experts.begin() + at + used), want.experts)
            << "layer " << layer << " token " << step.first + t;
        ASSERT_TRUE(near_enough(std::vector(step.weights.begin() + at, step.weights.begin() + at + used), want.weights,
                                {1e-3, 1e-3}));
      }
}

TEST_P(Recording, does_not_change_what_is_said) {
  for (const ProductForm form : kForms) {
    SCOPED_TRACE("form " + std::to_string(static_cast<int>(form)));
    load(GetParam(), {.form = form});
    const std::vector<std::int32_t> prompt = tokens(37, 6);
    const SamplingOptions sampling{.temperature = 1.5f, .top_k = 0, .top_p = 1, .min_p = 0, .seed = 9};
    const Generation plain = generate(*decoder_, prompt, 25, {}, sampling);
    const Generation recorded = generate(*decoder_, prompt, 25, trace(), sampling);
    const Generation again = generate(*decoder_, prompt, 25, {}, sampling);
    EXPECT_EQ(plain.drawn, recorded.drawn);
    EXPECT_EQ(plain.drawn, again.drawn);
    EXPECT_TRUE(plain.steps.front().rows.empty());
    EXPECT_TRUE(plain.steps.front().experts.empty());
  }
}

std::vector<ModelShape> some_shapes(bool dense) {
  std::vector<ModelShape> result;
  for (const ModelShape& shape : model_shapes())
    if (const std::string name = shape.name;
        (dense && name == "llama_q4_0") || name == "qwen3moe_f16" || name == "olmoe_q8_0" || name == "mixtral_q5_0" ||
        (dense && name == "llama_q4_0_kv_q8_0") || name == "qwen3moe_f16_heads_of_80_kv_q8_0")
      result.push_back(shape);
  return result;
}

std::string shape_name(const testing::TestParamInfo<ModelShape>& entry) { return entry.param.name; }

INSTANTIATE_TEST_SUITE_P(Models, Recording, testing::ValuesIn(some_shapes(true)), shape_name);
INSTANTIATE_TEST_SUITE_P(Models, RecordedRouting, testing::ValuesIn(some_shapes(false)), shape_name);

}  // namespace
}  // namespace fovea::test
