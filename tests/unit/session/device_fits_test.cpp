// What a run takes because of its device: the rule of the KV cache's type, and that every entry says what and why.
#include "engine/session/device_fits.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace fovea {
namespace {

gpu::DeviceFacts gpu_of(std::uint64_t gibibytes) {
  gpu::DeviceFacts facts;
  facts.memory_bytes = gibibytes << 30;
  facts.subgroup = 32;
  facts.integer_dot = facts.cooperative_matrix = true;
  return facts;
}

const DeviceFit& entry(const DeviceFits& fits, std::string_view what) {
  const auto found = std::ranges::find(fits, what, &DeviceFit::what);
  EXPECT_NE(found, fits.end()) << what;
  return *found;
}

TEST(DeviceFits, KeysAndValuesAreHalvesWhereTheyFit) {
  const MemoryBytes run{.weights = 5ull << 30, .kv = 4ull << 30};
  EXPECT_EQ(suitable_kv(gpu_of(16), run), KvType::f16);
  EXPECT_EQ(suitable_kv(gpu_of(10), run), KvType::f16);  // nine tenths are exactly enough
  EXPECT_EQ(suitable_kv(gpu_of(9), run), KvType::q8_0);
}

TEST(DeviceFits, SayWhatWasTakenAndWhy) {
  ModelConfig config;
  config.layers = 2, config.width = 256, config.query_heads = 4, config.kv_heads = 2, config.head_width = 64, config.feed_forward = 512, config.vocabulary = 1000;
  const MemoryBytes run{.weights = 20ull << 30, .kv = 9ull << 30};
  const DeviceFits fits = device_fits(gpu_of(24), config, 4096, suitable_kv(gpu_of(24), run), false, run, ActivationType::f32);
  for (const DeviceFit& fit : fits) {
    EXPECT_FALSE(fit.taken.empty()) << fit.what;
    EXPECT_FALSE(fit.reason.empty()) << fit.what;
    EXPECT_EQ(why(fit).find('%'), std::string::npos) << "every figure is there: " << why(fit);
  }
  EXPECT_EQ(entry(fits, "kv").taken, "q8_0");
  EXPECT_NE(why(entry(fits, "kv")).find("does not fit into the 21.6 GiB"), std::string::npos) << why(entry(fits, "kv"));
  EXPECT_FALSE(entry(fits, "kv").asked);
  EXPECT_EQ(entry(fits, "activations").taken, "f32");
  EXPECT_TRUE(entry(fits, "activations").asked);
  EXPECT_EQ(entry(fits, "prompt_products").taken, "subgroup matrices");
  EXPECT_EQ(entry(fits, "steps").taken, "folded");
  gpu::DeviceFacts cpu = gpu_of(8);
  cpu.cpu = true;
  EXPECT_EQ(entry(device_fits(cpu), "activations").taken, "f32");
  const DeviceFits eights = device_fits(cpu, config, 4096, KvType::f16, false, run, std::nullopt, true);
  EXPECT_EQ(entry(eights, "activations").taken, "f32");
  EXPECT_NE(why(entry(eights, "activations")).find("output matrix"), std::string::npos) << why(entry(eights, "activations"));
  EXPECT_EQ(entry(device_fits(cpu), "prompt_products").taken, "rows");
  EXPECT_EQ(entry(device_fits(gpu_of(8)), "activations").taken, "q8_0");
}

}  // namespace
}  // namespace fovea
