// Sparse attention by pages in the whole decoder: the invariants of the method, and the reference decoder with the same rule.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "tests/decoder/decoder_bench.hpp"
#include "tests/decoder/page_ties.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

constexpr Tolerance kLogits{.relative_l2 = 1e-4, .scaled_max = 2e-4};
// Where prompt attention multiplies halves: weights and queries are off by 2^-11 of themselves at most, their sums by less of a whole row,
// and by twice as much in the worst of its elements.
constexpr Tolerance kLogitsOfHalves{.relative_l2 = 1.0 / 2048, .scaled_max = 1.0 / 1024};

const ModelShape kShape{.name = "sparse", .architecture = "qwen3moe", .type = DType::F32, .width = 64, .head_width = 16, .query_heads = 4,
                        .kv_heads = 2, .hidden = 32, .experts = 8, .used = 2, .layers = 3, .context = 2048};
const ModelShape kShapeInQ8{.name = "sparse_kv_q8_0", .type = DType::F32, .width = 64, .head_width = 32, .query_heads = 6, .kv_heads = 2,
                            .hidden = 32, .kv = DType::Q8_0, .layers = 3, .context = 2048};
const SparseAttention kRule{.window = 100, .global = 0.25, .dense_layers = 1, .dense_below = 0, .heads_by_entropy = false, .decode_dense_below = 0};

class SparseDecoder : public DecoderTest {
 protected:
  void load_with(std::optional<SparseAttention> rule, ProductForm form = ProductForm::suits_device, const ModelShape& shape = kShape,
                 bool barrier_everywhere = false) {
    load(shape, {.context = 1024, .batch = 128, .sparse = rule, .barrier_everywhere = barrier_everywhere, .form = form});
  }
  // Pages read, by layer, KV head and first position of the tile.
  using Choices = std::map<std::array<std::size_t, 3>, std::vector<std::size_t>>;
  void keep_choices(const StepRecord& record, std::size_t dense_layers, Choices& choices) const {
    const PageViews& views = record.pages;
    const std::uint32_t kv_heads = decoder_->config().kv_heads;
    for (std::size_t layer = dense_layers; layer < decoder_->config().layers; ++layer)
      for (std::size_t tile = 0; tile * views.tile_rows < record.tokens; ++tile)
        for (std::size_t kv = 0; kv < kv_heads; ++kv) {
          const std::size_t at = (((layer - dense_layers) * views.tiles + tile) * kv_heads + kv) * views.choice_words + 1;
          std::vector<std::size_t>& pages = choices[{layer, kv, record.first_position + tile * views.tile_rows}];
          for (std::size_t page = 0; page < views.pages; ++page)
            if ((views.choices[at + page / 32] >> (page % 32) & 1) != 0) pages.push_back(page);
        }
  }
  // The reference decoder with a rule of tiles as the device takes them.
  static reference::ReferenceOptions judging(const SparseAttention& rule, const ModelShape& shape) {
    const reference::SparseRule same{.window = rule.window, .page = 32, .sinks = rule.sinks, .global = rule.global, .dense_below = rule.dense_below};
    return {.kv = shape.kv, .sparse = same, .dense_layers = rule.dense_layers, .layer_shares = rule.layer_shares, .tile = kChoiceRows, .layer_tiles = {rule.layer_rows.begin(), rule.layer_rows.end()},
            .layer_samples = {rule.layer_samples.begin(), rule.layer_samples.end()}, .ahead = rule.chooser == PageChooser::ahead, .every = rule.every_on(device().facts().cpu),
            .periphery = rule.periphery == PagePeriphery::means};
  }
  reference::ReferenceDecoder judge(const SparseAttention& rule, const ModelShape& shape = kShape) {
    return must(reference::ReferenceDecoder::create(*file_, judging(rule, shape)));
  }
  // The reference follows the device's choices, each of which must be one that rounding explains.
  void expect_the_reference(const ModelShape& shape, ProductForm form, std::uint32_t batch, const SparseAttention& rule = kRule) {
    load_with(rule, form, shape);
    const std::vector<std::int32_t> prompt = tokens(500, 1);
    std::vector<float> got;
    Choices choices;
    must(decoder_->begin(prompt, greedy(), {.measure_every = 1024}));
    while (decoder_->position() < prompt.size()) {
      const StepRecord record = must(decoder_->finish(must(decoder_->submit_prompt(batch, StepKind::logits))));
      got.insert(got.end(), record.logits.begin(), record.logits.end());
      keep_choices(record, rule.dense_layers, choices);
    }
    const bool halves = batch > 8 && (form == ProductForm::gpu || !device().facts().cpu);
    // Queries, bounds and weights are halves there. Before that, states are off by what logits may be.
    Tolerance tolerance = halves ? kLogitsOfHalves : kLogits;
    // A number on the border between two quants goes either way, by a 127th of its block's largest; the further states are off the more
    // numbers lie there.
    if (shape.kv == DType::Q8_0) tolerance = {tolerance.relative_l2 + 2e-4, tolerance.scaled_max + (halves ? 2e-3 : 1e-3)};
    reference::ReferenceOptions options = judging(rule, shape);
    options.settle = [&](const reference::ReferenceOptions::Choosing& asked, reference::PageChoice& choice) {
      const std::vector<std::size_t>& read = choices.at({asked.layer, asked.kv_head, asked.first});
      EXPECT_TRUE(allowed_choice(asked.sampled, shape.head_width, asked.rows, asked.first + 1, judging(rule, shape).rule_of(asked.layer), choice, read,
                                 tolerance.relative_l2 + (halves ? 1.0 / 2048 : 0) + (shape.kv == DType::Q8_0 ? 1.0 / 127 : 0)))
          << "layer " << asked.layer << ", KV head " << asked.kv_head << ", at " << asked.first;
      choice.pages = read;
    };
    reference::ReferenceDecoder reference = must(reference::ReferenceDecoder::create(*file_, options));
    std::vector<float> expected;
    for (std::size_t at = 0; at < prompt.size(); at += batch) {
      const std::vector<float> part = must(reference.extend(std::span(prompt).subspan(at, std::min<std::size_t>(batch, prompt.size() - at))));
      expected.insert(expected.end(), part.begin(), part.end());
    }
    EXPECT_TRUE(near_enough(got, expected, tolerance));
    EXPECT_LT(attention_density(must(decoder_->attention_facts()).prefill, decoder_->config().kv_heads), 0.95) << "a rule that skips nothing proves nothing";
  }
};

TEST_F(SparseDecoder, prompts_give_the_reference_logits) { expect_the_reference(kShape, ProductForm::suits_device, 128); }
TEST_F(SparseDecoder, prompts_of_a_q8_0_cache_give_the_reference_logits) { expect_the_reference(kShapeInQ8, ProductForm::suits_device, 128); }
// And with tiles of choice that are not the same in all layers.
TEST_F(SparseDecoder, prompts_in_odd_batches_give_the_reference_logits) {
  SparseAttention rule = kRule;
  rule.layer_rows = {kChoiceRows, 8, 4};
  rule.layer_samples = {1, 2};
  expect_the_reference(kShape, ProductForm::suits_device, 71, rule);
  rule.layer_rows = {kChoiceRows, 1, 2};
  expect_the_reference(kShape, ProductForm::suits_device, 71, rule);
}
// Batches too small for tiles of halves.
TEST_F(SparseDecoder, prompts_with_the_steps_of_a_gpu_give_the_reference_logits) { expect_the_reference(kShape, ProductForm::gpu, 8); }

TEST_F(SparseDecoder, prompts_that_see_a_periphery_give_the_reference_logits) {
  SparseAttention rule = kRule;
  rule.periphery = PagePeriphery::means;
  rule.global = 0.1;
  expect_the_reference(kShape, ProductForm::suits_device, 128, rule);
}

// Of a model without experts: where two of them are nearly as probable, rounding decides which a token takes.
TEST_F(SparseDecoder, prompts_of_layers_with_shares_of_their_own_give_the_reference_logits) {
  ModelShape shape = kShapeInQ8;
  shape.name = "sparse_plain";
  shape.kv = DType::F16;
  SparseAttention rule = kRule;
  rule.dense_layers = 0;
  rule.layer_shares = {0.4, 1};
  expect_the_reference(shape, ProductForm::suits_device, 128, rule);
}

// Decoding leaves no logits for the host: its choices of tokens are judged.
TEST_F(SparseDecoder, decoded_tokens_are_those_of_highest_reference_logit) {
  std::vector<std::int32_t> by_own;
  for (const auto& [shape, chooser] : {std::pair{kShape, PageChooser::own}, {kShape, PageChooser::ahead}, {kShapeInQ8, PageChooser::own}, {kShapeInQ8, PageChooser::ahead}}) {
    std::vector<std::int32_t> drawn;
    for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
      SparseAttention rule = kRule;
      rule.chooser = chooser;
      load_with(rule, form, shape);
      const std::vector<std::int32_t> prompt = tokens(8 * 45, 2);
      const Generation run = generate(*decoder_, prompt, 70, {}, greedy(), 8, 16);
      EXPECT_LT(attention_density(must(decoder_->attention_facts()).decode, decoder_->config().kv_heads), 0.8);
      if (form == ProductForm::gpu) {
        EXPECT_EQ(run.drawn, drawn) << "the steps of a GPU give the same tokens";
        continue;
      }
      reference::ReferenceDecoder reference = judge(rule, shape);
      std::vector<float> logits;
      for (std::size_t at = 0; at < prompt.size(); at += 8) logits = must(reference.extend(std::span(prompt).subspan(at, 8)));
      const std::size_t vocabulary = decoder_->config().vocabulary;
      for (std::size_t i = 0; i < run.drawn.size(); ++i) {
        const std::span<const float> row = std::span(logits).last(vocabulary);
        const float highest = *std::ranges::max_element(row);
        ASSERT_GE(row[static_cast<std::size_t>(run.drawn[i])], highest - 1e-3f * std::abs(highest)) << shape.name << " draw " << i;
        const std::int32_t next = run.drawn[i];
        logits = must(reference.extend({&next, 1}));
      }
      drawn = run.drawn;
    }
    if (chooser == PageChooser::own)
      by_own = drawn;
    else
      EXPECT_NE(drawn, by_own) << "other choices that change nothing prove nothing";
  }
}

// The logits of decoding, token by token: of choices by the token's own queries, by those of the token before, and of those that
// serve the tokens behind them.
TEST_F(SparseDecoder, decoded_tokens_give_the_reference_logits) {
  struct Case {
    PageChooser chooser;
    PagePeriphery periphery = PagePeriphery::off;
    std::uint32_t every = 1;
  };
  for (const auto& [chooser, periphery, every] : {Case{PageChooser::own}, {PageChooser::ahead}, {PageChooser::ahead, PagePeriphery::off, 8}, {PageChooser::ahead, PagePeriphery::means, 2}})
    for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
      SparseAttention rule = kRule;
      rule.chooser = chooser;
      rule.every = every;
      rule.periphery = periphery;
      load_with(rule, form);
      reference::ReferenceDecoder reference = judge(rule);
      const std::vector<std::int32_t> text = tokens(8 * 45 + 60, 15);
      must(decoder_->begin(text, greedy(), {}));
      std::vector<float> got(decoder_->config().vocabulary);
      for (std::size_t at = 0; at < text.size();) {
        const std::uint32_t batch = at < std::size_t{8} * 45 ? 8 : 1;
        const std::vector<float> expected = must(reference.extend(std::span(text).subspan(at, batch)));
        if (batch > 1) {
          must(decoder_->finish(must(decoder_->submit_prompt(batch, StepKind::fill))));
        } else {
          must(decoder_->finish(must(decoder_->submit_given(text[at]))));
          must(decoder_->logits_of_step(got));
          ASSERT_TRUE(near_enough(got, expected, kLogits)) << "position " << at << ", " << name(chooser) << ", periphery " << name(periphery) << ", form " << static_cast<int>(form);
        }
        at += batch;
      }
      const AttentionFacts facts = must(decoder_->attention_facts());
      EXPECT_EQ(facts.decode.layers.back().choices, (60 + every - 1) / every * every * 2) << "those that the last choice was for are counted too";
      EXPECT_EQ(facts.decode.layers.back().whole, 0u);
      EXPECT_LT(attention_density(facts.decode, decoder_->config().kv_heads), 0.8);
    }
}

// Invariant 1: with all pages, or where all is near, to the bit what dense attention gives.
TEST_F(SparseDecoder, invariant_1_all_pages_are_dense_attention_to_the_bit) {
  SparseAttention all = kRule, wide = kRule, brief = kRule, late = kRule, none = kRule;
  all.global = 1;
  all.heads_by_entropy = true;
  all.layer_rows = {kChoiceRows, 4};
  wide.window = 400;  // and sinks and two pages: 496
  wide.periphery = PagePeriphery::means;
  brief.dense_below = 1024;
  late.dense_layers = 1;
  late.layer_shares = {0, 1, 1};
  none.dense_layers = 3;
  // Of a GPU small batches, which are computed in float, and such as take tiles of halves.
  for (const auto& [form, batch] : {std::pair{ProductForm::cpu, 128u}, {ProductForm::gpu, 8u}, {ProductForm::gpu, 128u}}) {
    load_with(std::nullopt, form);
    const std::vector<std::int32_t> prompt = tokens(400, 3);
    const std::vector<float> dense = all_logits(*decoder_, prompt, batch);
    const std::vector<std::int32_t> drawn = generate(*decoder_, prompt, 90, {}, greedy(), batch).drawn;
    for (const SparseAttention& rule : {all, wide, brief, late, none}) {
      if (rule.dense_layers == 3 && form == ProductForm::gpu) continue;  // whatever the form
      // A window and a length are pipelines of their own, seconds of compiling to a CPU driver, and the same code in both forms.
      if (device().facts().cpu && form == ProductForm::gpu && (rule.window != kRule.window || rule.dense_below > 0)) continue;
      load_with(rule, form);
      EXPECT_TRUE(all_logits(*decoder_, prompt, batch) == dense);
      EXPECT_EQ(generate(*decoder_, prompt, 90, {}, greedy(), batch).drawn, drawn);
      const AttentionFacts facts = must(decoder_->attention_facts());
      EXPECT_EQ(attention_density(facts.prefill, decoder_->config().kv_heads), 1);
      EXPECT_EQ(attention_density(facts.decode, decoder_->config().kv_heads), 1);
    }
    load_with(kRule, form);
    EXPECT_FALSE(all_logits(*decoder_, prompt, batch) == dense) << "a rule that changes nothing proves nothing";
  }
}

// Below the length from which on a choice pays: tokens are those of choices of everything, and counted as such.
TEST_F(SparseDecoder, decoded_tokens_read_everything_below_a_length_of_their_own) {
  SparseAttention rule = kRule;
  rule.decode_dense_below = 400;
  rule.every = 1;  // a choice counts for all that it may serve, decoded or not
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
    load_with(rule, form);
    const std::vector<std::int32_t> prompt = tokens(330, 9);
    const std::vector<std::int32_t> drawn = generate(*decoder_, prompt, 90, {}, greedy(), 128, 16).drawn;
    const PageChoices layer = must(decoder_->attention_facts()).decode.layers.back();
    EXPECT_EQ(layer.choices, 89u * 2);
    EXPECT_EQ(layer.whole, 69u * 2) << "positions 330 to 398";
    EXPECT_GT(layer.chosen, 0u);
    // Where pages are recorded every token chooses.
    EXPECT_EQ(generate(*decoder_, prompt, 90, {.measure_every = 256}).drawn, drawn);
    const PageChoices recorded = must(decoder_->attention_facts()).decode.layers.back();
    EXPECT_EQ(recorded.choices, layer.choices);
    EXPECT_EQ(recorded.whole, layer.whole);
    EXPECT_EQ(recorded.skipped, layer.skipped);
  }
}

// Invariant 2: what comes later changes nothing. Queries of a tile choose together, so later begins with the next tile, or
// the next batch; pages end at any of these tokens or within them.
TEST_F(SparseDecoder, invariant_2_later_tokens_change_nothing) {
  load_with(kRule);
  const std::vector<std::int32_t> prompt = tokens(500, 4), other = tokens(500, 5);
  const std::size_t vocabulary = decoder_->config().vocabulary;
  for (const std::uint32_t batch : {128u, 100u}) {
    const std::vector<float> whole = all_logits(*decoder_, prompt, batch);
    for (const std::size_t from : {std::size_t{3} * batch, std::size_t{3} * batch + 16, std::size_t{2} * batch + 80}) {
      std::vector<std::int32_t> changed = prompt;
      std::copy(other.begin() + static_cast<std::ptrdiff_t>(from), other.end(), changed.begin() + static_cast<std::ptrdiff_t>(from));
      const std::vector<float> logits = all_logits(*decoder_, changed, batch);
      EXPECT_TRUE(std::equal(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(from * vocabulary), logits.begin())) << batch << ' ' << from;
      EXPECT_FALSE(whole == logits);
    }
  }
}

// Invariant 4: no more pages than the budget allows, and more with every larger share.
TEST_F(SparseDecoder, invariant_4_choices_keep_to_the_budget) {
  double last = 0;
  for (const double global : {0.0, 0.1, 0.25, 0.7, 1.0}) {
    if (device().facts().cpu && global == 0.7) continue;  // each is pipelines of its own
    SparseAttention rule = kRule;
    rule.global = global;
    rule.every = 1;
    rule.heads_by_entropy = global > 0.2;  // the heads' sum is the same
    load_with(rule);
    generate(*decoder_, tokens(450, 6), 40);
    const AttentionFacts facts = must(decoder_->attention_facts());
    for (const AttentionWork* work : {&facts.prefill, &facts.decode})
      for (const PageChoices& layer : work->layers) {
        EXPECT_LE(layer.chosen, global * static_cast<double>(layer.remote) + static_cast<double>(layer.choices));
        EXPECT_GE(layer.chosen, global * static_cast<double>(layer.remote));
        EXPECT_LE(layer.mass, static_cast<double>(layer.choices));
      }
    EXPECT_EQ(facts.decode.layers.front().choices, 0u) << "a dense layer chooses nothing";
    EXPECT_EQ(facts.decode.layers.back().choices, 39u * 2);
    EXPECT_GT(attention_density(facts.decode, 2), last);
    last = attention_density(facts.decode, 2);
  }
  EXPECT_EQ(last, 1);
}

// The share of the remote pages that was read, all sparse layers of a phase.
double chosen_share(const AttentionWork& work) {
  double remote = 0, chosen = 0;
  for (const PageChoices& layer : work.layers) {
    remote += static_cast<double>(layer.remote);
    chosen += static_cast<double>(layer.chosen);
  }
  return chosen / remote;
}

TEST_F(SparseDecoder, an_adaptive_budget_is_brought_to_its_target) {
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu})
    for (const double target : {0.15, 0.35}) {
      SparseAttention rule = kRule;
      rule.window = 40;
      rule.budget = PageBudget::adaptive;
      rule.most = 0.6;
      rule.least = 0.02;
      load_with(rule, form);
      generate(*decoder_, tokens(900, 9), 60);
      const double free = chosen_share(must(decoder_->attention_facts()).both());
      rule.target = target;
      load_with(rule, form);
      generate(*decoder_, tokens(900, 9), 60);
      const double share = chosen_share(must(decoder_->attention_facts()).both());
      EXPECT_NEAR(share, target, 0.05);
      EXPECT_LT(std::abs(share - target), std::abs(free - target)) << "without the controller " << free;
    }
}

TEST_F(SparseDecoder, heads_by_entropy_read_as_much_together) {
  SparseAttention rule = kRule;
  load_with(rule);
  generate(*decoder_, tokens(900, 10), 40);
  const AttentionFacts even = must(decoder_->attention_facts());
  rule.heads_by_entropy = true;
  load_with(rule);
  generate(*decoder_, tokens(900, 10), 40);
  const AttentionFacts by_entropy = must(decoder_->attention_facts());
  EXPECT_NEAR(chosen_share(by_entropy.both()), chosen_share(even.both()), 0.02);
}

TEST_F(SparseDecoder, first_layers_read_the_shares_that_they_are_given) {
  for (const PageBudget budget : {PageBudget::strict, PageBudget::adaptive}) {
    SparseAttention rule = kRule;
    rule.budget = budget;
    rule.most = 0.2;
    rule.global = 0.2;
    rule.dense_layers = 0;
    rule.layer_shares = {0, 0.6};
    rule.heads_by_entropy = true;
    load_with(rule);
    generate(*decoder_, tokens(900, 10), 40);
    const AttentionWork work = must(decoder_->attention_facts()).both();
    const auto share = [&](std::size_t layer) { return static_cast<double>(work.layers[layer].chosen) / static_cast<double>(work.layers[layer].remote); };
    EXPECT_EQ(share(0), 0);
    EXPECT_NEAR(share(1), 0.6, 0.05);
    EXPECT_LT(share(2), 0.25);
  }
  SparseAttention rule = kRule;
  rule.layer_shares = {1, 1, 1, 1};
  load(kShape, {.context = 1024, .batch = 128});
  EXPECT_NE(decoder_->choose_attention(rule).error().why.find("numbers for 4 layers and the model has 3"), std::string::npos);
}

TEST_F(SparseDecoder, positions_of_a_template_are_always_read) {
  SparseAttention rule = kRule;
  rule.window = 40;
  rule.global = 0;
  load_with(rule);
  const std::vector<std::int32_t> prompt = tokens(600, 11);
  const auto run = [&](std::vector<PositionRange> always) {
    load_with(rule);
    must(decoder_->begin(prompt, greedy(), {}));
    must(decoder_->always_read(always));
    while (decoder_->position() < prompt.size()) must(decoder_->finish(must(decoder_->submit_prompt(128, StepKind::fill))));
    return must(decoder_->attention_facts()).prefill;
  };
  const AttentionWork none = run({}), some = run({{64, 96}, {150, 161}, {5000, 6000}});
  for (std::size_t layer = 1; layer < none.layers.size(); ++layer) {
    EXPECT_EQ(none.layers[layer].chosen, 0u);
    // Of a choice that has them all among its remote pages three pages (2, 4 and 5), and each head's best beside them.
    const std::uint64_t choices = some.layers[layer].choices - some.layers[layer].whole;
    EXPECT_GT(some.layers[layer].chosen, choices * 2);
    EXPECT_LE(some.layers[layer].chosen, choices * (3 + 2 * 4));
  }
}

TEST_F(SparseDecoder, gives_the_same_whatever_ran_before_and_wherever_barriers_are) {
  const auto run = [&] { return generate(*decoder_, tokens(300, 7), 60, {}, greedy(), 128, 16).drawn; };
  for (const PageChooser chooser : {PageChooser::own, PageChooser::ahead})
    for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
      SparseAttention rule = kRule;
      rule.chooser = chooser;
      rule.every = 8;
      load_with(rule, form);
      const std::vector<std::int32_t> drawn = run();
      EXPECT_EQ(generate(*decoder_, tokens(300, 7), 60, {}, greedy(), 128, 1).drawn, drawn) << "tokens one by one and in groups";
      generate(*decoder_, tokens(900, 8), 50);
      EXPECT_EQ(run(), drawn);
      load_with(rule, form, kShape, true);
      EXPECT_EQ(run(), drawn);
      SparseAttention guided = rule;
      guided.window = 40;  // this and the bounds of the budget as above: the same pipelines
      guided.budget = PageBudget::adaptive;
      guided.most = 0.6;
      guided.least = 0.02;
      guided.target = 0.2;
      guided.heads_by_entropy = true;
      guided.widen = 0.5;
      guided.flat = 0.7;
      guided.periphery = PagePeriphery::means;
      load_with(guided, form);
      const std::vector<std::int32_t> of_guided = run();
      generate(*decoder_, tokens(900, 8), 50);
      EXPECT_EQ(run(), of_guided);
    }
}

// A prompt of which all but the last token is in the cache from the sequence before: no queries of its own are kept there, those of
// other tokens are, and the token chooses by its own. What ran in between changes nothing.
TEST_F(SparseDecoder, ahead_takes_no_queries_of_another_sequence) {
  SparseAttention rule = kRule;
  rule.chooser = PageChooser::ahead;
  rule.every = 8;
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
    load_with(rule, form);
    const std::vector<std::int32_t> prompt = tokens(500, 13);
    const auto again = [&] {
      must(decoder_->begin(prompt, greedy(), {}, 499));
      std::vector<std::int32_t> drawn = must(decoder_->finish(must(decoder_->submit_prompt(1, StepKind::draw)))).drawn;
      must(decode_tokens(*decoder_, {.tokens = 40, .group = 16}, [&](const StepRecord& record, double) {
        drawn.insert(drawn.end(), record.drawn.begin(), record.drawn.end());
        return std::nullopt;
      }));
      return drawn;
    };
    generate(*decoder_, prompt, 1);  // leaves the prompt's last queries
    const std::vector<std::int32_t> first = again();
    EXPECT_EQ(again(), first) << "behind a run that left the queries of its own last token";
    must(decoder_->profile(1));
    EXPECT_EQ(again(), first) << "behind a step that was only measured";
  }
}

}  // namespace
}  // namespace fovea::test
