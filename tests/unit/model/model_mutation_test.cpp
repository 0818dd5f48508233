// Seeded damage to whole model files: what is accepted has every view inside the file and shapes that agree.
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/io/mutation.hpp"
#include "tests/unit/model/small_models.hpp"

namespace fovea {
namespace {

void expect_sound(const WeightView& view) {
  ASSERT_TRUE(traits(view.type).runs);
  ASSERT_EQ(view.columns % traits(view.type).block_length, 0u);
  ASSERT_EQ(view.bytes.size(), row_bytes(view.type, view.columns) * view.rows * view.matrices);
  // Touches both ends, so that a sanitizer or the map itself objects to a view outside the file.
  volatile auto ends = static_cast<unsigned>(view.bytes.front()) + static_cast<unsigned>(view.bytes.back());
  (void)ends;
}

TEST(ModelMutations, WhatIsAcceptedIsSound) {
  std::mt19937 random(42);
  int accepted = 0, refused = 0;
  for (const bool mixture : {false, true}) {
    test::SmallModel model = test::small_model("llama", mixture);
    model.vocabulary.assign(50, "t");
    const auto original = model.bytes();
    const std::size_t header = original.size() / 8;  // most damage goes where decisions are made
    for (int round = 0; round < 1500; ++round) {
      std::vector<std::byte> damaged(original.begin(), original.begin() + static_cast<std::ptrdiff_t>(header));
      test::mutate(damaged, random);
      if (damaged.size() == header)
        damaged.insert(damaged.end(), original.begin() + static_cast<std::ptrdiff_t>(header), original.end());
      const auto file = test::SmallModel::open_bytes(damaged);
      const auto config = file ? read_model_config(*file) : tl::unexpected<Error>(file.error());
      const auto weights = config ? read_model_weights(*file, *config) : tl::unexpected<Error>(config.error());
      if (!weights) {
        ++refused;
        ASSERT_FALSE(weights.error().why.empty());
        continue;
      }
      ++accepted;
      ASSERT_EQ(weights->layers.size(), config->layers);
      ASSERT_EQ(config->query_heads % config->kv_heads, 0u);
      for (const LayerWeights& layer : weights->layers) {
        for (const WeightView* view :
             {&layer.attention_norm, &layer.query, &layer.key, &layer.value, &layer.attention_output,
              &layer.feed_forward_norm, &layer.gate, &layer.up, &layer.down})
          expect_sound(*view);
        if (layer.router) expect_sound(*layer.router);
      }
      ASSERT_GT(estimate_memory(*file, *config, config->context, 512).total(), 0u);
      ASSERT_GE(count_parameters(file->gguf(), *config).total, count_parameters(file->gguf(), *config).active);
    }
  }
  EXPECT_GT(accepted, 50);
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace fovea
