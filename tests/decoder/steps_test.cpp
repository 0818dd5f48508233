// How many steps a decoded token takes where small ones are folded, as on a GPU: each costs microseconds there, and more on a CPU
// driver, whose cores wait for each other.
#include <gtest/gtest.h>

#include "engine/decoder/forward_pass.hpp"
#include "engine/kernels/attention.hpp"
#include "tests/decoder/decoder_bench.hpp"

namespace fovea::test {
namespace {

class Steps : public DecoderTest {
 protected:
  // One decoded token without its head.
  static gpu::CommandPlan token(const ModelShape& shape, std::optional<SparseAttention> rule = std::nullopt, ProductForm form = ProductForm::gpu,
                                ActivationType activation_type = ActivationType::f32) {
    const GgufFile file = must(seeded_model(shape).open());
    const ModelConfig config = must(read_model_config(file));
    const ModelWeights stored = must(read_model_weights(file, config));
    const DeviceWeights weights = must(DeviceWeights::upload(device(), config, stored, {}, {}));
    const Activations activations = must(Activations::create(device(), config, 8, 1));
    const KvCache cache = must(KvCache::create(device(), config, 64, shape.kv));
    std::optional<PageSelection> selection;
    if (rule) selection.emplace(must(PageSelection::create(device(), config, 64, 8, DType::F16, *rule)));
    const ForwardPass pass{.config = config, .weights = weights, .activations = activations, .cache = cache,
                           .activation_type = activation_type, .selection = selection ? &*selection : nullptr};
    auto recorder = must(device().record());
    recorder.chain_steps();
    KernelRecorder kernels(device(), recorder, form);
    must(pass.record(kernels, 1, Head::none, nullptr));
    return must(recorder.finish());
  }
  // Its dispatches without the embedding, for each layer.
  static std::uint32_t of_a_layer(const ModelShape& shape, std::optional<SparseAttention> rule = std::nullopt, ProductForm form = ProductForm::gpu) {
    // The pages' bounds are kept beside the head, all layers at once.
    return (token(shape, rule, form).dispatches() - (rule ? 2 : 1)) / shape.layers;
  }
};

TEST_F(Steps, of_a_layer_are_five_and_six_of_a_mixture) {
  ModelShape shape{.name = "dense", .type = DType::F16};
  EXPECT_EQ(of_a_layer(shape), 5u);
  shape = {.name = "mixture", .architecture = "qwen3moe", .type = DType::F16, .experts = 16, .used = 4};
  EXPECT_EQ(of_a_layer(shape), 6u);
}

TEST_F(Steps, of_a_layer_are_as_few_on_a_cpu_driver_of_eight_lanes) {
  if (!device().facts().cpu || device().facts().subgroup != 8) GTEST_SKIP() << "steps stay apart here";
  ModelShape shape{.name = "dense"};
  const std::uint32_t sums = attention_splits(device().facts(), shape.kv_heads) > 1 ? 1 : 0;
  EXPECT_EQ(of_a_layer(shape, std::nullopt, ProductForm::cpu), 5u + sums);
  shape = {.name = "mixture", .architecture = "qwen3moe", .experts = 16, .used = 4};
  EXPECT_EQ(of_a_layer(shape, std::nullopt, ProductForm::cpu), 6u + sums);
}

TEST_F(Steps, of_a_layer_that_chooses_its_pages_are_one_more) {
  const ModelShape shape{.name = "mixture", .architecture = "qwen3moe", .type = DType::F16, .experts = 16, .used = 4};
  EXPECT_EQ(of_a_layer(shape, SparseAttention{.dense_layers = 0}), of_a_layer(shape) + 1);
}

// Products of stored blocks and attention wait for one another by themselves; the embedding does not.
TEST_F(Steps, of_a_token_follow_one_another_by_counts_where_the_device_runs_such) {
  if (!device().chains_steps()) GTEST_SKIP() << device().facts().name << " does not run chained steps";
  // The embedding's row is rounded by a step of its own.
  const gpu::CommandPlan blocks = token({.name = "dense", .type = DType::Q8_0}, std::nullopt, ProductForm::gpu, ActivationType::q8_0);
  EXPECT_EQ(blocks.steps(), 12u);
  EXPECT_EQ(blocks.barriers(), 2u);
  const gpu::CommandPlan halves = token({.name = "dense", .type = DType::F16});
  EXPECT_EQ(halves.steps(), 11u);
  EXPECT_EQ(halves.barriers(), 10u);
}

}  // namespace
}  // namespace fovea::test
