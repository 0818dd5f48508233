// What a run records of its choices of pages: the pages that attention read, dense attention beside them, and no influence.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <string>

#include "engine/kernels/page_trace.hpp"
#include "engine/reference/sparse_attention.hpp"
#include "engine/tensor/half.hpp"
#include "tests/decoder/decoder_bench.hpp"

namespace fovea::test {
namespace {

const ModelShape kShape{.name = "sparse", .architecture = "qwen3moe", .type = DType::F32, .width = 64, .head_width = 16, .query_heads = 4,
                        .kv_heads = 2, .hidden = 32, .experts = 8, .used = 2, .layers = 3, .context = 2048};
const SparseAttention kRule{.window = 100, .global = 0.25, .dense_layers = 1, .dense_below = 0, .heads_by_entropy = false, .decode_dense_below = 0};

struct Step {
  std::uint32_t first = 0, tokens = 0;
  PageViews pages;  // over the vectors below
  std::vector<std::uint32_t> choices;
  std::vector<PageShare> shares;
  std::vector<std::uint16_t> rows;
  std::uint32_t rows_capacity = 0, row_stride = 0;
};

class PageCaptureTest : public DecoderTest {
 protected:
  void load_with(std::optional<SparseAttention> rule, ProductForm form, std::uint32_t batch = 128) {
    load(kShape, {.context = 1024, .batch = batch, .sparse = rule, .form = form});
  }
  struct Run {
    std::vector<std::int32_t> drawn;
    std::vector<Step> steps;
  };
  Run run(std::span<const std::int32_t> prompt, std::uint32_t count, const DecoderTrace& trace, std::uint32_t batch) {
    must(decoder_->begin(prompt, greedy(), trace));
    Run run;
    const auto take = [&](const StepRecord& record) {
      run.drawn.insert(run.drawn.end(), record.drawn.begin(), record.drawn.end());
      run.steps.push_back({record.first_position, record.tokens, record.pages, {record.pages.choices.begin(), record.pages.choices.end()},
                           {record.pages.shares.begin(), record.pages.shares.end()}, {record.rows.begin(), record.rows.end()},
                           record.rows_capacity, record.row_stride});
    };
    while (decoder_->position() < prompt.size()) {
      const std::uint32_t left = static_cast<std::uint32_t>(prompt.size()) - decoder_->position();
      take(must(decoder_->finish(must(decoder_->submit_prompt(std::min(left, batch), left <= batch ? StepKind::draw : StepKind::fill)))));
    }
    must(decode_tokens(*decoder_, {.tokens = count - 1, .group = 1}, [&](const StepRecord& record, double) {
      take(record);
      return std::nullopt;
    }));
    return run;
  }
};

// The reference decoder reads what the marks say, in prompts and decoding, with the steps of either kind of device.
TEST_F(PageCaptureTest, marks_are_the_pages_that_the_reference_reads) {
  for (const auto& [form, chooser] : {std::pair{ProductForm::cpu, PageChooser::own}, {ProductForm::gpu, PageChooser::own}, {ProductForm::cpu, PageChooser::ahead},
                                      {ProductForm::gpu, PageChooser::ahead}}) {
    const std::uint32_t batch = form == ProductForm::gpu ? 8 : 128;
    SparseAttention rule = kRule;
    rule.chooser = chooser;
    rule.layer_rows = {kChoiceRows, 8};
    load_with(rule, form, batch);
    const std::vector<std::int32_t> prompt = tokens(400, 1);
    const Run got = run(prompt, 20, {.measure_every = 64}, batch);
    const reference::SparseRule same{.window = kRule.window, .page = 32, .sinks = kRule.sinks, .global = kRule.global, .dense_below = 0};
    reference::ReferenceDecoder judge = must(reference::ReferenceDecoder::create(*file_, {.kv = kShape.kv, .sparse = same, .dense_layers = 1, .tile = kChoiceRows, .layer_tiles = {kChoiceRows, 8}, .ahead = chooser == PageChooser::ahead, .every = rule.every_on(device().facts().cpu)}));
    std::vector<std::int32_t> all = prompt;
    all.insert(all.end(), got.drawn.begin(), got.drawn.end());
    std::size_t left_out = 0;
    for (const Step& step : got.steps) {
      reference::ReferenceCapture capture;
      must(judge.extend(std::span(all).subspan(step.first, step.tokens), &capture));
      ASSERT_FALSE(step.choices.empty());
      for (std::uint32_t layer = 1; layer < 3; ++layer)
        for (std::uint32_t kv = 0; kv < 2; ++kv)
          for (std::uint32_t t = 0; t < step.tokens; ++t) {
            const std::size_t at = ((std::size_t{layer - 1} * step.pages.tiles + t / step.pages.tile_rows) * 2 + kv) * step.pages.choice_words;
            const float mass = std::bit_cast<float>(step.choices[at]);
            ASSERT_TRUE(mass > 0 && mass <= 1) << mass;
            const std::vector<float>& row = capture.attention_rows[(layer * 4 + kv * 2) * capture.tokens + t];
            for (std::uint32_t page = 0; page * 32 < row.size(); ++page) {
              const bool read = row[page * 32] > 0;
              ASSERT_EQ((step.choices[at + 1 + page / 32] >> (page % 32) & 1) != 0, read) << "layer " << layer << " query " << step.first + t << " page " << page;
              left_out += read ? 0 : 1;
            }
          }
    }
    EXPECT_GT(left_out, 1000u) << "a rule that skips nothing proves nothing";
  }
}

// Dense attention under the same queries: what its exact rows say too, which are recorded beside it.
TEST_F(PageCaptureTest, shares_are_those_of_the_dense_rows) {
  for (const std::optional<SparseAttention>& rule : {std::optional(kRule), std::optional<SparseAttention>()})
    for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
      load_with(rule, form);
      const Run got = run(tokens(300, 2), 12, {.heads = {{0, 1}, {2, 3}}, .row_positions = 512, .measure_every = 5}, 100);
      const std::vector<HeadId> order = decoder_->row_order();
      std::size_t compared = 0;
      for (const Step& step : got.steps) {
        EXPECT_EQ(step.choices.empty(), !rule);
        std::uint32_t i = 0;
        for (std::uint32_t t = 0; t < step.tokens; ++t) {
          const std::uint32_t query = step.first + t;
          if ((query + 1) % 5 != 0) continue;
          for (std::size_t slot = 0; slot < order.size(); ++slot) {
            std::vector<float> weights;
            for (std::uint32_t key = 0; key <= query; ++key)
              weights.push_back(half_to_float(step.rows[(slot * step.rows_capacity + t) * step.row_stride + key]));
            const std::vector<reference::PageShare> want = reference::page_shares(weights, 32);
            for (std::size_t page = 0; page < want.size(); ++page, ++compared) {
              const PageShare& share = step.shares[((std::size_t{order[slot].layer} * step.pages.rows + i) * 4 + order[slot].head) * step.pages.pages + page];
              ASSERT_NEAR(static_cast<double>(share.mass), want[page].mass, 1e-3 * want[page].mass + 1e-5);
              ASSERT_NEAR(static_cast<double>(share.log_mass), want[page].log_mass, 1e-2 * -want[page].log_mass + 1e-4);
            }
          }
          ++i;
        }
      }
      EXPECT_GT(compared, 500u);
    }
}

TEST_F(PageCaptureTest, facts_of_every_step_grow_to_those_of_the_run) {
  load_with(kRule, ProductForm::suits_device);
  const Run got = run(tokens(400, 3), 10, {.measure_every = 32}, 128);
  const AttentionFacts told = must(decoder_->attention_facts()), last = got.steps.back().pages.facts;
  EXPECT_EQ(last.prefill.causal_pairs, told.prefill.causal_pairs);
  EXPECT_EQ(last.decode.causal_pairs, told.decode.causal_pairs);
  EXPECT_EQ(attention_density(last.both(), 2), attention_density(told.both(), 2));
  EXPECT_EQ(got.steps.front().pages.facts.prefill.layers.back().choices, 8u * 2);
  EXPECT_EQ(last.decode.layers.back().choices, told.decode.layers.back().choices);
}

TEST_F(PageCaptureTest, does_not_change_what_is_said) {
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
    load_with(kRule, form);
    const std::vector<std::int32_t> prompt = tokens(300, 4);
    const Run plain = run(prompt, 30, {}, 128), recorded = run(prompt, 30, {.measure_every = 1}, 128), other = run(prompt, 30, {.measure_every = 100}, 128),
              again = run(prompt, 30, {}, 128);
    EXPECT_EQ(plain.drawn, recorded.drawn);
    EXPECT_EQ(plain.drawn, other.drawn);
    EXPECT_EQ(plain.drawn, again.drawn);
    EXPECT_TRUE(again.steps.front().shares.empty());
    EXPECT_EQ(again.steps.front().pages.every, 0u);
  }
}

}  // namespace
}  // namespace fovea::test
