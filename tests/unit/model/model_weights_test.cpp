#include "engine/model/model_weights.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "tests/unit/model/small_models.hpp"

namespace fovea {
namespace {

using test::says;
using test::small_model;
using test::SmallModel;
using test::weights_refusal;

TEST(ModelWeights, EveryFamilyIsReadWhole) {
  for (const auto& [architecture, mixture] : std::vector<std::pair<std::string, bool>>{
           {"llama", false}, {"llama", true}, {"qwen3moe", true}, {"olmoe", true}}) {
    const auto file = small_model(architecture, mixture).open();
    ASSERT_TRUE(file) << file.error().sentence();
    const auto config = read_model_config(*file);
    ASSERT_TRUE(config) << config.error().sentence();
    const auto weights = read_model_weights(*file, *config);
    ASSERT_TRUE(weights) << weights.error().sentence();
    ASSERT_EQ(weights->layers.size(), 2u);
    const LayerWeights& layer = weights->layers[1];
    EXPECT_EQ(layer.key.columns, 64u);
    EXPECT_EQ(layer.key.rows, 32u);
    EXPECT_EQ(layer.key.bytes.size(), 64u * 32 / 32 * 34);
    EXPECT_EQ(layer.key.tensor->name, "blk.1.attn_k.weight");
    EXPECT_EQ(layer.attention_norm.rows, 1u);
    EXPECT_EQ(layer.router.has_value(), mixture);
    EXPECT_EQ(layer.query_norm.has_value(), architecture != "llama");
    EXPECT_EQ(layer.gate.matrices, mixture ? 4u : 1u);
    EXPECT_EQ(layer.down.columns, mixture ? 32u : 96u);
    EXPECT_EQ(layer.down.rows, 64u);
  }
}

TEST(ModelWeights, TiedOutputIsTheEmbedding) {
  SmallModel model = small_model("llama", false);
  model.remove("output.weight");
  const auto file = model.open();
  const auto config = read_model_config(*file);
  const auto weights = read_model_weights(*file, *config);
  ASSERT_TRUE(weights);
  EXPECT_EQ(weights->output.tensor, weights->token_embedding.tensor);
}

TEST(ModelWeights, MissingAndMisshapenTensorsAreNamed) {
  for (const char* name : {"output_norm.weight", "blk.0.attn_q.weight", "blk.1.ffn_down.weight"}) {
    SmallModel model = small_model("llama", false);
    model.remove(name);
    EXPECT_TRUE(says(weights_refusal(model), "'" + std::string(name) + "' is missing"));
  }
  SmallModel model = small_model("llama", false);
  model.tensor("blk.1.attn_k.weight").shape = {64, 64};
  EXPECT_TRUE(says(weights_refusal(model), "'blk.1.attn_k.weight' is 64 x 64, not 64 x 32"));
  model = small_model("qwen3moe", true);
  model.tensor("blk.0.ffn_up_exps.weight").shape = {64, 32, 3};
  EXPECT_TRUE(says(weights_refusal(model), "is 64 x 32 x 3, not 64 x 32 x 4"));
  model = small_model("qwen3moe", true);
  model.tensor("blk.0.attn_q_norm.weight").shape = {64};
  EXPECT_TRUE(says(weights_refusal(model), "is 64, not 16"));
}

// Metadata that promises more layers than the file has: elsewhere arrays were sized by it.
TEST(ModelWeights, MoreLayersThanTensorsAreRefused) {
  SmallModel model = small_model("llama", false);
  model.keys[".block_count"] = 1000u;
  EXPECT_TRUE(says(weights_refusal(model), "'blk.2.attn_norm.weight' is missing"));
  model.keys[".block_count"] = 1u;
  EXPECT_TRUE(says(weights_refusal(model), "'blk.1.attn_norm.weight' has no place"));
}

TEST(ModelWeights, TypesThatDoNotRunAreRefused) {
  SmallModel model = small_model("llama", false);
  model.tensor("blk.0.attn_q.weight").type = 20;  // IQ4_NL
  EXPECT_TRUE(says(weights_refusal(model), "'blk.0.attn_q.weight' is of type IQ4_NL, which is not run"));
  model = small_model("llama", false);
  model.tensor("blk.0.attn_norm.weight").type = 1;
  EXPECT_TRUE(says(weights_refusal(model), "'blk.0.attn_norm.weight' is of type F16, not F32"));
}

TEST(ModelWeights, OddRowsOfSixteenBitWeightsAreRefused) {
  SmallModel model = small_model("llama", false);
  model.keys[".feed_forward_length"] = 95u;
  for (const char* layer : {"blk.0.", "blk.1."}) {
    model.tensor(std::string(layer) + "ffn_gate.weight").shape = {64, 95};
    model.tensor(std::string(layer) + "ffn_up.weight").shape = {64, 95};
    auto& down = model.tensor(std::string(layer) + "ffn_down.weight");
    down.shape = {95, 64};
    down.type = 1;
  }
  EXPECT_TRUE(says(weights_refusal(model), "odd number of 16-bit weights"));
  for (const char* layer : {"blk.0.", "blk.1."}) model.tensor(std::string(layer) + "ffn_down.weight").type = 0;
  EXPECT_EQ(weights_refusal(model), "accepted");
}

TEST(ModelWeights, WhatIsNotUnderstoodIsRefusedAndNotIgnored) {
  SmallModel model = small_model("llama", false);
  model.tensor("blk.0.attn_q.bias").shape = {64};
  EXPECT_TRUE(says(weights_refusal(model), "'blk.0.attn_q.bias' is a bias"));
  for (const char* name :
       {"blk.0.attn_q_norm.weight", "blk.1.ffn_gate_shexp.weight", "rope_factors_long.weight", "cls.weight"}) {
    model = small_model("llama", false);
    model.tensor(name);
    EXPECT_TRUE(says(weights_refusal(model), "'" + std::string(name) + "' has no place"));
  }
  model = small_model("olmoe", true);
  model.tensor("rope_freqs.weight").shape = {8};
  EXPECT_TRUE(says(weights_refusal(model), "'rope_freqs.weight' has no place"));
}

TEST(ModelWeights, MixtralFilesWithSplitExpertsSayWhatToDo) {
  SmallModel model = small_model("llama", true);
  for (const char* part : {"gate", "up", "down"}) {
    model.remove("blk.0.ffn_" + std::string(part) + "_exps.weight");
    model.tensor("blk.0.ffn_" + std::string(part) + ".0.weight").shape = {64, 32};
  }
  EXPECT_TRUE(says(weights_refusal(model), "every expert in a tensor of its own"));
  EXPECT_TRUE(says(weights_refusal(model), "newer conversion"));
}

TEST(MemoryEstimate, FollowsFromShapes) {
  const auto file = small_model("qwen3moe", true).open();
  const auto config = read_model_config(*file);
  ASSERT_TRUE(config);
  const MemoryEstimate estimate = estimate_memory(*file, *config, 33, 4);
  std::uint64_t bytes = 0;
  for (const GgufTensor& tensor : file->gguf().tensors()) bytes += tensor.bytes;
  EXPECT_EQ(estimate.weights, bytes);
  EXPECT_EQ(estimate.kv, 2u * 2 * 2 * 16 * 64 * 2);  // 33 positions take two pages
  EXPECT_EQ(estimate_memory(*file, *config, 33, 4, DType::Q8_0).kv,
            2u * 2 * 2 * 64 * (16 + 2));  // half a block, a scale
  EXPECT_EQ(estimate.compute, 4u * 4 * (64 + 64 + 64 + 2 * 32 + 64 + 2 * 32) + 4 * 50);
  EXPECT_EQ(estimate.total(), estimate.weights + estimate.kv + estimate.compute);
}

TEST(MemoryEstimate, AbsurdSettingsGiveLargeNumbers) {
  const auto file = small_model("llama", false).open();
  auto config = read_model_config(*file);
  ASSERT_TRUE(config);
  const std::uint32_t most = std::numeric_limits<std::uint32_t>::max();
  EXPECT_GT(estimate_memory(*file, *config, most, 1).kv, std::uint64_t{1} << 39);
  config->layers = config->kv_heads = config->head_width = most;
  EXPECT_GT(estimate_memory(*file, *config, most, most).kv, std::uint64_t{1} << 61);
  EXPECT_GT(estimate_memory(*file, *config, most, most).total(), std::uint64_t{1} << 61);
}

TEST(ParameterCount, CountsChosenExpertsAndOneRowOfTheEmbedding) {
  SmallModel model = small_model("qwen3moe", true);
  auto file = model.open();
  auto config = read_model_config(*file);
  const std::uint64_t attention = 64 * 64 * 2 + 64 * 32 * 2 + 2 * 16, norms = 2 * 64, router = 64 * 4,
                      expert = 3 * 64 * 32;
  const std::uint64_t layers = 2 * (attention + norms + router), output = 64 * 50;
  ParameterCount count = count_parameters(file->gguf(), *config);
  EXPECT_EQ(count.total, layers + 2 * 4 * expert + 64 + output + output);
  EXPECT_EQ(count.active, layers + 2 * 2 * expert + 64 + output + 64);
  model.remove("output.weight");
  file = model.open();
  config = read_model_config(*file);
  count = count_parameters(file->gguf(), *config);
  EXPECT_EQ(count.total, layers + 2 * 4 * expert + 64 + output);
  EXPECT_EQ(count.active, layers + 2 * 2 * expert + 64 + output);
}

}  // namespace
}  // namespace fovea
