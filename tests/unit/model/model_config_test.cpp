#include "engine/model/model_config.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/unit/model/small_models.hpp"

namespace fovea {
namespace {

using test::config_refusal;
using test::says;
using test::small_model;
using test::SmallModel;

ModelConfig config_of(const SmallModel& model) {
  const auto file = model.open();
  EXPECT_TRUE(file) << file.error().sentence();
  const auto config = read_model_config(*file);
  EXPECT_TRUE(config) << config.error().sentence();
  return config ? *config : ModelConfig{};
}

SmallModel with(std::string key, decltype(SmallModel::keys)::mapped_type value,
                SmallModel model = small_model("llama", false)) {
  model.keys[key] = std::move(value);
  return model;
}

TEST(ModelConfig, DenseLlamaAndItsDefaults) {
  SmallModel model = small_model("llama", false);
  model.keys.erase(".attention.head_count_kv");
  const ModelConfig c = config_of(model);
  EXPECT_EQ(c.family, Family::llama);
  EXPECT_EQ(c.layers, 2u);
  EXPECT_EQ(c.kv_heads, 4u);  // as many as queries
  EXPECT_EQ(c.head_width, 16u);
  EXPECT_EQ(c.rope_width, 16u);
  EXPECT_EQ(c.rope_base, 10000.0f);
  EXPECT_EQ(c.rope_scale, 1.0f);
  EXPECT_EQ(c.rope_layout, RopeLayout::neighbours);
  EXPECT_EQ(c.qk_norm, QkNorm::none);
  EXPECT_EQ(c.vocabulary, 50u);
  EXPECT_FALSE(c.mixture());
  EXPECT_FALSE(c.tied_output);
  EXPECT_TRUE(c.name.starts_with("small_model"));  // the file's stem
}

TEST(ModelConfig, Families) {
  const ModelConfig mixtral = config_of(small_model("llama", true));
  EXPECT_TRUE(mixtral.mixture());
  EXPECT_TRUE(mixtral.normalize_expert_weights);
  EXPECT_EQ(mixtral.expert_feed_forward, 32u);
  const ModelConfig qwen = config_of(small_model("qwen3moe", true));
  EXPECT_EQ(qwen.family, Family::qwen3moe);
  EXPECT_EQ(qwen.rope_layout, RopeLayout::halves);
  EXPECT_EQ(qwen.qk_norm, QkNorm::per_head);
  EXPECT_TRUE(qwen.normalize_expert_weights);
  const ModelConfig olmoe = config_of(small_model("olmoe", true));
  EXPECT_EQ(olmoe.family, Family::olmoe);
  EXPECT_EQ(olmoe.rope_layout, RopeLayout::halves);
  EXPECT_EQ(olmoe.qk_norm, QkNorm::full_width);
  EXPECT_FALSE(olmoe.normalize_expert_weights);
}

TEST(ModelConfig, ExpertWidthDefaultsToTheFeedForwardWidth) {
  SmallModel model = small_model("llama", true);
  model.keys.erase(".expert_feed_forward_length");
  EXPECT_EQ(config_of(model).expert_feed_forward, 96u);
  model = small_model("llama", true);
  model.keys.erase(".feed_forward_length");
  EXPECT_EQ(config_of(model).feed_forward, 32u);
}

TEST(ModelConfig, NameAndTiedOutput) {
  SmallModel model = with("general.name", std::string("Tiny"));
  model.remove("output.weight");
  const ModelConfig c = config_of(model);
  EXPECT_EQ(c.name, "Tiny");
  EXPECT_TRUE(c.tied_output);
}

TEST(ModelConfig, LinearScalingIsReadInBothSpellings) {
  EXPECT_EQ(config_of(with(".rope.scaling.factor", 4.0f)).rope_scale, 4.0f);
  EXPECT_EQ(config_of(with(".rope.scale_linear", 2.0f)).rope_scale, 2.0f);
  EXPECT_EQ(config_of(with(".rope.scaling.factor", 0.0f)).rope_scale, 1.0f);
  EXPECT_EQ(config_of(with(".rope.scaling.type", std::string("none"), with(".rope.scaling.factor", 4.0f))).rope_scale,
            1.0f);
  EXPECT_TRUE(says(config_refusal(with(".rope.scaling.type", std::string("yarn"))), "scaled by 'yarn'"));
  EXPECT_TRUE(says(config_refusal(with(".rope.scaling.type", std::string("longrope"))), "only linear scaling"));
  EXPECT_TRUE(says(config_refusal(with(".rope.scaling.factor", -1.0f)), "out of range"));
}

TEST(ModelConfig, RopeFactorsAreReadAndChecked) {
  SmallModel model = small_model("llama", false);
  std::vector<float> factors{1, 1, 2, 2, 4, 4, 8, 8};
  auto& tensor = model.tensor("rope_freqs.weight");
  tensor.shape = {8};
  const auto store = [&] {
    tensor.data.resize(32);
    std::memcpy(tensor.data.data(), factors.data(), 32);
  };
  store();
  EXPECT_EQ(config_of(model).rope_factors, factors);
  for (const float bad : {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    factors[3] = bad;
    store();
    EXPECT_TRUE(says(config_refusal(model), "not a positive number"));
  }
  tensor.shape = {4};
  tensor.data.clear();
  EXPECT_TRUE(says(config_refusal(model), "is not 8 numbers"));
}

TEST(ModelConfig, UnknownFamiliesSayWhichOnesRun) {
  SmallModel model = small_model("qwen2", false);
  EXPECT_TRUE(says(config_refusal(model), "'qwen2' are not run"));
  EXPECT_TRUE(says(config_refusal(model), "llama (Mixtral included), qwen3moe or olmoe"));
  model.architecture.clear();
  EXPECT_TRUE(says(config_refusal(model), "general.architecture"));
}

TEST(ModelConfig, FilesThatAreNotAWholeModelSayWhatTheyAre) {
  EXPECT_TRUE(says(config_refusal(with("split.count", 3u)), "one of 3 parts"));
  EXPECT_TRUE(says(config_refusal(with("general.type", std::string("adapter"))), "holds 'adapter', not a model"));
  SmallModel empty = small_model("llama", false);
  empty.tensors.clear();
  EXPECT_TRUE(says(config_refusal(empty), "a vocabulary and no weights"));
  SmallModel headless = small_model("llama", false);
  headless.remove("token_embd.weight");
  EXPECT_TRUE(says(config_refusal(headless), "'token_embd.weight' is missing"));
}

// Zero, missing and huge hyper-parameters: division by zero and arrays of fixed size elsewhere (CVE-2024-8063,
// llama.cpp #25821).
TEST(ModelConfigKnownBugs, HyperParametersAreRequiredAndInRange) {
  for (const char* key :
       {".block_count", ".embedding_length", ".context_length", ".attention.head_count", ".feed_forward_length"}) {
    EXPECT_TRUE(says(config_refusal(with(key, 0u)), "llama" + std::string(key) + " is 0, outside")) << key;
    EXPECT_TRUE(says(config_refusal(with(key, 0xffffffffu)), "outside")) << key;
    EXPECT_TRUE(says(config_refusal(with(key, 1.5f)), "not a whole number")) << key;
    SmallModel model = small_model("llama", false);
    model.keys.erase(key);
    EXPECT_TRUE(says(config_refusal(model), "lacks llama" + std::string(key))) << key;
  }
  EXPECT_TRUE(says(config_refusal(with(".block_count", 1025u)), "outside 1 to 1024"));
}

TEST(ModelConfigKnownBugs, Cve_2024_8063_HeadCountsThatDivideByZero) {
  EXPECT_TRUE(says(config_refusal(with(".attention.head_count_kv", 0u)), "outside"));
  EXPECT_TRUE(says(config_refusal(with(".attention.head_count_kv", 3u)), "not a multiple"));
  EXPECT_TRUE(says(config_refusal(with(".attention.head_count", 64u)), "wide"));  // heads of one
  EXPECT_TRUE(says(config_refusal(with(".attention.key_length", 15u)), "15 wide"));
}

// More tokens than rows of the embedding: ids that index past the matrix.
TEST(ModelConfigKnownBugs, LlamaCpp25969_TokenIdsBeyondTheEmbedding) {
  SmallModel model = small_model("llama", false);
  model.vocabulary.assign(51, "t");
  EXPECT_TRUE(says(config_refusal(model), "51 tokens but the embedding only 50 rows"));
  model.vocabulary.assign(50, "t");
  EXPECT_EQ(config_refusal(model), "accepted");
}

TEST(ModelConfig, WidthsThatDoNotFitAreNamed) {
  EXPECT_TRUE(says(config_refusal(with(".attention.value_length", 32u)), "different widths"));
  EXPECT_TRUE(says(config_refusal(with(".rope.dimension_count", 18u)), "rope.dimension_count is 18"));
  EXPECT_TRUE(says(config_refusal(with(".rope.dimension_count", 7u)), "rope.dimension_count is 7"));
  EXPECT_EQ(config_of(with(".rope.dimension_count", 8u)).rope_width, 8u);
}

TEST(ModelConfig, ExpertCountsThatMakeNoSenseAreNamed) {
  EXPECT_TRUE(says(config_refusal(with(".expert_used_count", 5u, small_model("qwen3moe", true))), "5 of 4 experts"));
  EXPECT_TRUE(says(config_refusal(with(".expert_used_count", 0u, small_model("olmoe", true))), "0 of 4 experts"));
  EXPECT_TRUE(says(config_refusal(with(".expert_used_count", 2u)), "without llama.expert_count"));
  EXPECT_TRUE(says(config_refusal(with(".expert_count", 5000u)), "outside"));
  SmallModel dense = small_model("qwen3moe", true);
  dense.keys.erase(".expert_count");
  EXPECT_TRUE(says(config_refusal(dense), "lacks qwen3moe.expert_count"));
}

TEST(ModelConfig, RealNumbersAreChecked) {
  const float nan = std::nanf("");
  for (const float bad : {nan, -1.0f, 2.0f})
    EXPECT_TRUE(says(config_refusal(with(".attention.layer_norm_rms_epsilon", bad)), "out of range"));
  for (const float bad : {nan, 0.0f, std::numeric_limits<float>::infinity()})
    EXPECT_TRUE(says(config_refusal(with(".rope.freq_base", bad)), "out of range"));
  EXPECT_TRUE(says(config_refusal(with(".rope.freq_base", std::string("x"))), "not a real number"));
}

TEST(ModelConfig, WhatWouldChangeTheResultIsRefusedUnlessItDoesNothing) {
  EXPECT_TRUE(says(config_refusal(with(".attention.sliding_window", 4096u)), "a sliding attention window"));
  EXPECT_EQ(config_refusal(with(".attention.sliding_window", 0u)), "accepted");
  const SmallModel mixture = small_model("olmoe", true);
  EXPECT_TRUE(says(config_refusal(with(".expert_weights_scale", 2.5f, mixture)), "scaled expert weights"));
  EXPECT_EQ(config_refusal(with(".expert_weights_scale", 1.0f, mixture)), "accepted");
  EXPECT_TRUE(says(config_refusal(with(".expert_gating_func", 2u, mixture)), "other than softmax"));
  EXPECT_TRUE(says(config_refusal(with(".expert_weights_norm", true, mixture)), "not what its family computes"));
  EXPECT_EQ(config_refusal(with(".expert_weights_norm", false, mixture)), "accepted");
  EXPECT_TRUE(says(config_refusal(with(".expert_shared_count", 1u, mixture)), "shared experts"));
  EXPECT_TRUE(says(config_refusal(with(".attention.causal", false)), "not causal"));
  EXPECT_TRUE(says(config_refusal(with(".use_parallel_residual", true)), "parallel residuals"));
  EXPECT_TRUE(says(config_refusal(with(".logit_scale", 0.5f)), "scaled logits"));
  EXPECT_TRUE(says(config_refusal(with(".attention.clamp_kqv", 8.0f)), "clamped"));
}

}  // namespace
}  // namespace fovea
