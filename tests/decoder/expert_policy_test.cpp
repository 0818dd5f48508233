// Policies of experts in the whole decoder: the reference decoder with the same rule, and what must not change.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "engine/semantic_router/network.hpp"
#include "tests/decoder/decoder_bench.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

constexpr Tolerance kLogits{.relative_l2 = 1e-4, .scaled_max = 2e-4};

const ModelShape kNormalised{.name = "policy_normalised", .architecture = "qwen3moe", .type = DType::F32, .width = 64, .head_width = 16, .query_heads = 4,
                             .kv_heads = 2, .hidden = 32, .experts = 16, .used = 4, .layers = 3, .context = 1024};
const ModelShape kPlain{.name = "policy_plain", .architecture = "olmoe", .type = DType::Q8_0, .width = 64, .head_width = 16, .query_heads = 4,
                        .kv_heads = 4, .hidden = 32, .experts = 12, .used = 5, .layers = 2, .context = 1024};
const ModelShape kMixtral{.name = "policy_mixtral", .type = DType::Q5_0, .width = 64, .head_width = 16, .query_heads = 4, .kv_heads = 2, .hidden = 64,
                          .experts = 4, .used = 2, .layers = 2, .context = 1024};

struct Rules {
  ExpertRule policy;
  reference::ExpertRule judge;
};
Rules mass_rule(std::uint32_t used) {
  return {{.p = 0.6}, {.count = reference::CountRule::mass, .most = used, .threshold = static_cast<double>(0.6f)}};
}
Rules static_rule(std::uint32_t k) {
  return {{.count = ExpertCount::fixed, .kmax = k}, {.least = k, .most = k}};
}
Rules entropy_rule(std::uint32_t used) {
  return {{.count = ExpertCount::entropy, .kmin = 2, .c = 0.75}, {.count = reference::CountRule::entropy, .least = 2, .most = used, .threshold = 0.75}};
}
Rules balanced_rule(std::uint32_t used) {
  return {{.p = 0.75, .balance = ExpertBalance::headroom, .gamma = 0.5, .half_life = 128},
          {.count = reference::CountRule::mass, .most = used, .threshold = 0.75, .load = reference::LoadRule::headroom, .gamma = 0.5, .half_life = 128}};
}

class ExpertPolicy : public DecoderTest {
 protected:
  void load_with(const ModelShape& shape, std::optional<ExpertRule> rule, ProductForm form = ProductForm::suits_device,
                 ActivationType activations = ActivationType::f32) {
    load(shape, {.context = 1024, .batch = 128, .activation_type = activations, .experts = std::move(rule), .form = form});
  }
  void expect_the_reference(const ModelShape& shape, const Rules& rules, ProductForm form, std::uint32_t batch) {
    SCOPED_TRACE(std::string(shape.name) + ", form " + std::to_string(static_cast<int>(form)));
    load_with(shape, rules.policy, form);
    auto judge = must(reference::ReferenceDecoder::create(*file_, {.kv = shape.kv, .experts = rules.judge}));
    const std::vector<std::int32_t> prompt = tokens(300, 1);
    EXPECT_TRUE(near_enough(all_logits(*decoder_, prompt, batch), must(judge.logits(prompt)), kLogits));
    const LayerRouting sum = over_layers(must(decoder_->routing_facts()).both());
    EXPECT_EQ(sum.tokens, 300 * decoder_->config().layers);
    EXPECT_LT(sum.mean_experts(), 0.95 * shape.used) << "a rule that leaves nothing out proves nothing";
  }
};

TEST_F(ExpertPolicy, prompts_give_the_reference_logits) {
  for (const ModelShape& shape : {kNormalised, kPlain, kMixtral})
    for (const Rules& rules : {mass_rule(shape.used), static_rule(shape.used - 1)}) {
      expect_the_reference(shape, rules, ProductForm::cpu, 128);
      expect_the_reference(shape, rules, ProductForm::gpu, 8);  // too few for tiles of halves
    }
}
TEST_F(ExpertPolicy, prompts_give_the_reference_logits_by_entropy) { expect_the_reference(kNormalised, entropy_rule(4), ProductForm::cpu, 71); }
TEST_F(ExpertPolicy, prompts_give_the_reference_logits_by_load) { expect_the_reference(kNormalised, balanced_rule(4), ProductForm::cpu, 71); }

// Decoding leaves no logits for the host: its choices of tokens are judged.
TEST_F(ExpertPolicy, decoded_tokens_are_those_of_highest_reference_logit) {
  for (const ModelShape& shape : {kNormalised, kPlain})
    for (const Rules& rules : {mass_rule(shape.used), balanced_rule(shape.used)})
      for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
        SCOPED_TRACE(std::string(shape.name) + ", form " + std::to_string(static_cast<int>(form)));
        load_with(shape, rules.policy, form);
        const std::vector<std::int32_t> prompt = tokens(24, 2);
        const Generation run = generate(*decoder_, prompt, 60, {}, greedy(), 8, 16);
        std::vector<std::int32_t> whole = prompt;
        whole.insert(whole.end(), run.drawn.begin(), run.drawn.end() - 1);
        auto judge = must(reference::ReferenceDecoder::create(*file_, {.kv = shape.kv, .experts = rules.judge}));
        const std::vector<float> expected = must(judge.logits(whole));
        const std::size_t vocabulary = decoder_->config().vocabulary;
        for (std::size_t i = 0; i < run.drawn.size(); ++i) {
          const auto row = std::span(expected).subspan((prompt.size() - 1 + i) * vocabulary, vocabulary);
          const float best = *std::ranges::max_element(row);
          ASSERT_NEAR(row[static_cast<std::size_t>(run.drawn[i])], best, 1e-3f * std::max(1.0f, std::abs(best))) << "drawn token " << i;
        }
      }
}

// Invariant of every policy: where it changes nothing, nothing changes.
TEST_F(ExpertPolicy, that_changes_nothing_is_the_models_own_routing_to_the_bit) {
  for (const ModelShape& shape : {kNormalised, kPlain, kMixtral})
    for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu})
      for (const ActivationType activations : {ActivationType::f32, ActivationType::q8_0}) {
        if (activations == ActivationType::q8_0 && shape.type != DType::Q8_0) continue;
        SCOPED_TRACE(std::string(shape.name) + ", form " + std::to_string(static_cast<int>(form)));
        load_with(shape, std::nullopt, form, activations);
        const std::vector<std::int32_t> prompt = tokens(90, 3);
        // Tiles of one more type are seconds of compiling to a CPU driver: there the third model's batches are too small for them.
        const std::uint32_t batch = device().facts().cpu && form == ProductForm::gpu && shape.type == DType::Q5_0 ? 8 : 71;
        const std::vector<float> logits = all_logits(*decoder_, prompt, batch);
        const std::vector<std::int32_t> drawn = generate(*decoder_, prompt, 40, {}, {.temperature = 1, .seed = 5}, batch, 16).drawn;
        // All three where experts are many and weights normalised; the rule that has most to leave alone elsewhere: each takes a model's pipelines.
        std::vector<ExpertRule> rules{ExpertRule{.p = 1, .balance = ExpertBalance::headroom, .gamma = 0}};
        if (std::string_view(shape.name) == kNormalised.name) rules.insert(rules.end(), {static_rule(shape.used).policy, ExpertRule{.p = 1}});
        for (const ExpertRule& rule : rules) {
          load_with(shape, rule, form, activations);
          EXPECT_EQ(all_logits(*decoder_, prompt, batch), logits);
          EXPECT_EQ(generate(*decoder_, prompt, 40, {}, {.temperature = 1, .seed = 5}, batch, 16).drawn, drawn);
        }
      }
}

TEST_F(ExpertPolicy, recorded_routing_has_what_was_counted) {
  load_with(kNormalised, balanced_rule(4).policy);
  const Generation run = generate(*decoder_, tokens(50, 4), 30, {.routing = true});
  const RoutingFacts facts = must(decoder_->routing_facts());
  RoutingWork prompt(3), decoded(3);
  for (RoutingWork* work : {&prompt, &decoded})
    for (LayerRouting& layer : *work) layer.counts.resize(4), layer.calls.resize(16);
  for (const RecordedStep& step : run.steps)
    for (std::uint32_t l = 0; l < 3; ++l)
      for (std::uint32_t t = 0; t < step.tokens; ++t) {
        LayerRouting& layer = (step.first < 50 ? prompt : decoded)[l];
        const std::size_t at = (std::size_t{l} * step.plan_tokens + t) * 4;
        std::set<std::uint32_t> distinct;
        float sum = 0;
        for (std::size_t slot = at; slot < at + 4; ++slot) {
          sum += step.weights[slot];
          if (step.experts[slot] == shader::kNoExpert) {
            EXPECT_EQ(step.weights[slot], 0.0f);
            continue;
          }
          EXPECT_EQ(distinct.size(), slot - at) << "used slots come first, and an expert is called once";
          distinct.insert(step.experts[slot]);
          ++layer.calls[step.experts[slot]];
        }
        EXPECT_NEAR(sum, 1.0f, 1e-5f);
        ++layer.tokens;
        ++layer.counts[distinct.size() - 1];
      }
  for (std::uint32_t l = 0; l < 3; ++l)
    for (const auto& [counted, recorded] : {std::pair{&facts.prefill[l], &prompt[l]}, std::pair{&facts.decode[l], &decoded[l]}}) {
      EXPECT_EQ(counted->tokens, recorded->tokens);
      EXPECT_EQ(counted->counts, recorded->counts);
      EXPECT_EQ(counted->calls, recorded->calls);
      EXPECT_LE(counted->kept_mass, counted->moved_mass);
    }
}

// A state of its own for every run: what ran before changes nothing, nor does how many tokens a submission decodes.
TEST_F(ExpertPolicy, of_a_session_and_frozen_give_the_same_tokens_whatever_ran_before) {
  ExpertRule session = balanced_rule(4).policy, frozen{.p = 0.7, .reset = LoadReset::frozen};
  session.target_k = 2;
  Seeded random(9);
  frozen.bias = random.normals(std::size_t{3} * 16, 0.3);
  for (const ExpertRule& rule : {session, frozen}) {
    load_with(kNormalised, rule);
    const std::vector<std::int32_t> first = generate(*decoder_, tokens(70, 5), 50, {}, greedy(), 1u << 20, 16).drawn;
    (void)generate(*decoder_, tokens(200, 6), 40);
    EXPECT_EQ(generate(*decoder_, tokens(70, 5), 50, {.routing = true}).drawn, first);
    must(decoder_->warm_up());
    EXPECT_EQ(generate(*decoder_, tokens(70, 5), 50, {}, greedy(), 1u << 20, 3).drawn, first);
  }
}

TEST_F(ExpertPolicy, that_is_chosen_later_is_the_one_that_was_there_from_the_start) {
  std::vector<std::int32_t> prompt;
  const auto drawn = [&] { return generate(*decoder_, prompt, 40, {}, greedy(), 1u << 20, 16).drawn; };
  const ExpertRule rule = balanced_rule(4).policy;
  load_with(kNormalised, rule);
  prompt = tokens(70, 11);
  const std::vector<std::int32_t> under_rule = drawn();
  load_with(kNormalised, std::nullopt);
  const std::vector<std::int32_t> own = drawn();
  EXPECT_NE(under_rule, own);
  must(decoder_->choose_experts(rule));
  EXPECT_EQ(drawn(), under_rule);
  EXPECT_FALSE(decoder_->choose_experts(ExpertRule{.kmax = 5}));
  EXPECT_FALSE(decoder_->choose_experts(ExpertRule{.escort = ExpertEscort{}})) << "its weights are not there";
  EXPECT_EQ(drawn(), under_rule) << "a rule that is refused changes nothing";
  must(decoder_->choose_experts(std::nullopt));
  EXPECT_EQ(drawn(), own);
  EXPECT_TRUE(must(decoder_->routing_facts()).both().empty());
}

// A semantic router of random weights, for kNormalised.
ExpertPrior random_prior(double weight) {
  const RouterShape shape{.input = 64, .width = 16, .first_layer = 1, .layers = 3, .experts = 16, .experts_used = 4, .domains = 2};
  Seeded random(17);
  return {.input = shape.input, .width = shape.width, .first_layer = shape.first_layer, .layers = shape.layers, .experts = shape.experts,
          .experts_used = shape.experts_used, .domains = shape.domains, .parameters = random.normals(shape.parameters(), 0.4), .need_mean = 2.5, .weight = weight};
}

TEST_F(ExpertPolicy, with_a_semantic_router_of_no_weight_only_tells_what_it_predicts) {
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
    const ExpertRule plain{.p = 0.7};
    ExpertRule with = plain;
    with.prior = random_prior(0);
    load_with(kNormalised, plain, form);
    const std::vector<std::int32_t> prompt = tokens(90, 3);
    const std::vector<float> logits = all_logits(*decoder_, prompt, 71);
    const std::vector<std::int32_t> drawn = generate(*decoder_, prompt, 40, {}, greedy(), 71, 16).drawn;
    EXPECT_FALSE(predicted_hits(must(decoder_->routing_facts())));
    load_with(kNormalised, with, form);
    EXPECT_EQ(all_logits(*decoder_, prompt, 71), logits);
    EXPECT_EQ(generate(*decoder_, prompt, 40, {}, greedy(), 71, 16).drawn, drawn);
    const RoutingFacts facts = must(decoder_->routing_facts());
    EXPECT_EQ(facts.prefetch.size, 8u);
    EXPECT_EQ(facts.prefetch.first_layer, 1u);
    EXPECT_EQ(facts.prefill[0].predicted + facts.decode[0].predicted, 0u) << "nothing is predicted of the layers before";
    for (const RoutingWork& work : {facts.prefill, facts.decode})
      for (std::uint32_t layer = 1; layer < 3; ++layer) {
        EXPECT_GT(work[layer].predicted, 0u);
        EXPECT_LT(work[layer].predicted, work[layer].total_calls());
      }
  }
}

// What is predicted hangs on the sequence, not on its batches nor on how many tokens a submission decodes, and moves choices.
TEST_F(ExpertPolicy, with_a_semantic_router_hangs_on_no_batches) {
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
    ExpertRule rule{.p = 0.6};
    load_with(kNormalised, rule, form);
    const std::vector<std::int32_t> prompt = tokens(90, 3);
    (void)generate(*decoder_, prompt, 40);
    const RoutingWork plain = must(decoder_->routing_facts()).prefill;
    rule.prior = random_prior(2);
    load_with(kNormalised, rule, form);
    const std::vector<std::int32_t> drawn = generate(*decoder_, prompt, 40, {}, greedy(), 1u << 20, 16).drawn;
    const RoutingWork prompted = must(decoder_->routing_facts()).prefill, whole = must(decoder_->routing_facts()).both();
    EXPECT_EQ(prompted[0].counts, plain[0].counts) << "the layers before are chosen as ever";
    EXPECT_NE(prompted[1].counts, plain[1].counts);
    (void)generate(*decoder_, tokens(60, 8), 20);  // nothing stays of a run before
    EXPECT_EQ(generate(*decoder_, prompt, 40, {}, greedy(), 64, 1).drawn, drawn);
    const RoutingWork parts = must(decoder_->routing_facts()).both();
    for (std::uint32_t layer = 0; layer < 3; ++layer) {
      EXPECT_EQ(parts[layer].counts, whole[layer].counts);
      EXPECT_EQ(parts[layer].predicted, whole[layer].predicted);
    }
  }
}

TEST_F(ExpertPolicy, holds_means_and_masses_of_each_layer) {
  load_with(kNormalised, ExpertRule{.layer_target_k = {3.5, 1.5, 2.5}});
  (void)all_logits(*decoder_, tokens(1000, 7), 128);
  const RoutingWork held = must(decoder_->routing_facts()).prefill;
  EXPECT_NEAR(held[0].mean_experts(), 3.5, 0.2);
  EXPECT_NEAR(held[1].mean_experts(), 1.5, 0.2);
  EXPECT_NEAR(held[2].mean_experts(), 2.5, 0.2);
  load_with(kNormalised, ExpertRule{.layer_p = {1, 0, 0.6}});
  (void)all_logits(*decoder_, tokens(100, 7), 128);
  const RoutingWork work = must(decoder_->routing_facts()).prefill;
  EXPECT_EQ(work[0].mean_experts(), 4);
  EXPECT_EQ(work[1].mean_experts(), 1);
  EXPECT_GT(work[2].mean_experts(), 1);
  EXPECT_LT(work[2].mean_experts(), 4);
}

TEST_F(ExpertPolicy, holds_a_wished_mean_in_every_layer) {
  load_with(kNormalised, ExpertRule{.target_k = 2.5});
  (void)all_logits(*decoder_, tokens(1000, 7), 128);
  for (const LayerRouting& layer : must(decoder_->routing_facts()).prefill) EXPECT_NEAR(layer.mean_experts(), 2.5, 0.2);
}

// Routers remember at the ends of blocks while tokens are decoded, too, and every token is counted once, also where all layers are one step.
TEST_F(ExpertPolicy, holds_means_of_each_layer_while_decoding) {
  const ModelShape wide{.name = "policy_wide", .architecture = "qwen3moe", .type = DType::Q8_0, .width = 512, .head_width = 64, .query_heads = 8, .kv_heads = 2,
                        .hidden = 256, .experts = 16, .used = 4, .layers = 3, .context = 1024};
  constexpr std::uint32_t kTokens = 700;
  for (const ModelShape& shape : {kNormalised, wide}) {
    SCOPED_TRACE(shape.name);
    load_with(shape, ExpertRule{.layer_target_k = {3.5, 1.5, 2.5}});
    const Generation run = generate(*decoder_, tokens(24, 2), kTokens, {}, {.temperature = 1, .seed = 5}, 24, 16);
    ASSERT_EQ(run.drawn.size(), kTokens);
    const RoutingWork held = must(decoder_->routing_facts()).decode;
    for (const LayerRouting& layer : held) EXPECT_EQ(layer.tokens, kTokens - 1);  // the prompt drew the first
    EXPECT_NEAR(held[0].mean_experts(), 3.5, 0.2);
    EXPECT_NEAR(held[1].mean_experts(), 1.5, 0.2);
    EXPECT_NEAR(held[2].mean_experts(), 2.5, 0.2);
  }
}

TEST_F(ExpertPolicy, gives_layers_budgets_of_their_own) {
  load_with(kNormalised, ExpertRule{.count = ExpertCount::fixed, .layer_kmax = {4, 1, 3}});
  (void)all_logits(*decoder_, tokens(40, 8), 128);
  const RoutingWork work = must(decoder_->routing_facts()).prefill;
  EXPECT_EQ(work[0].mean_experts(), 4);
  EXPECT_EQ(work[1].mean_experts(), 1);
  EXPECT_EQ(work[2].mean_experts(), 3);
}

TEST_F(ExpertPolicy, out_of_range_is_refused_with_a_sentence) {
  const GgufFile file = must(seeded_model(kNormalised).open());
  const ModelConfig config = must(read_model_config(file));
  for (const ExpertRule& rule : {ExpertRule{.kmax = 5}, ExpertRule{.kmin = 0}, ExpertRule{.kmin = 3, .kmax = 2}, ExpertRule{.p = 1.5}, ExpertRule{.layer_kmax = {1, 2}},
                                 ExpertRule{.layer_kmax = {1, 2, 9}}, ExpertRule{.layer_p = {0.5, 0.5}}, ExpertRule{.layer_p = {0.5, 0.5, 2}}, ExpertRule{.layer_target_k = {2, 2, 9}}, ExpertRule{.reset = LoadReset::frozen}, ExpertRule{.target_k = -1}})
    EXPECT_FALSE(ExpertRouting::create(device(), config, 8, rule));
  ExpertRule foreign{.p = 0.7, .prior = random_prior(1)};
  EXPECT_TRUE(ExpertRouting::create(device(), config, 8, foreign));
  foreign.prior->input = 32;
  EXPECT_FALSE(ExpertRouting::create(device(), config, 8, foreign));
  const auto dense = seeded_model({.name = "policy_dense", .type = DType::F32}).open();
  EXPECT_FALSE(ExpertRouting::create(device(), must(read_model_config(*dense)), 8, ExpertRule{}));
}

}  // namespace
}  // namespace fovea::test
