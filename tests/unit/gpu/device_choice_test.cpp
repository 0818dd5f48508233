#include "engine/gpu/device_choice.hpp"

#include <gtest/gtest.h>

namespace fovea::gpu {
namespace {

DeviceFacts device(std::uint32_t index, std::string name, std::string type, std::uint64_t memory = 1000,
                   bool usable = true) {
  DeviceFacts facts;
  facts.index = index;
  facts.name = std::move(name);
  facts.cpu = type == "cpu";
  facts.type = std::move(type);
  facts.memory_bytes = memory;
  facts.usable = usable;
  if (!usable) facts.why = "lacks shaderInt8";
  return facts;
}

TEST(DeviceChoice, a_gpu_comes_before_a_cpu_driver_wherever_it_stands) {
  std::vector<DeviceFacts> devices = {device(0, "llvmpipe", "cpu", 9000), device(1, "iGPU", "integrated", 5000),
                                      device(2, "GPU", "discrete", 100)};
  EXPECT_EQ(choose(devices, -1), 2u);
  EXPECT_EQ(devices[0].why, "passed over: llvmpipe is a CPU driver and there is a GPU: device 2, GPU");
  EXPECT_NE(devices[1].why.find("discrete"), std::string::npos) << devices[1].why;
  EXPECT_EQ(devices[2].why, "chosen: the discrete device");
  EXPECT_TRUE(devices[2].chosen && !devices[0].chosen && !devices[1].chosen);
}

TEST(DeviceChoice, among_equals_the_largest_memory_then_the_first) {
  std::vector<DeviceFacts> devices = {device(0, "A", "discrete", 10), device(1, "B", "discrete", 20),
                                      device(2, "C", "discrete", 20)};
  EXPECT_EQ(choose(devices, -1), 1u);
  EXPECT_NE(devices[0].why.find("more memory"), std::string::npos) << devices[0].why;
  EXPECT_NE(devices[2].why.find("comes first"), std::string::npos) << devices[2].why;
}

TEST(DeviceChoice, what_is_unusable_is_skipped_and_keeps_its_reason) {
  std::vector<DeviceFacts> devices = {device(0, "old GPU", "discrete", 10, false), device(1, "llvmpipe", "cpu")};
  EXPECT_EQ(choose(devices, -1), 1u);
  EXPECT_EQ(devices[0].why, "lacks shaderInt8");
  EXPECT_EQ(devices[1].why, "chosen: the only usable device");
}

TEST(DeviceChoice, a_number_is_followed_even_to_the_slower_device_but_not_to_an_unusable_one) {
  std::vector<DeviceFacts> devices = {device(0, "GPU", "discrete"), device(1, "llvmpipe", "cpu"),
                                      device(2, "old", "discrete", 10, false)};
  EXPECT_EQ(choose(devices, 1), 1u);
  EXPECT_EQ(devices[1].why, "chosen: asked for by its number");
  const auto unusable = choose(devices, 2);
  ASSERT_FALSE(unusable);
  EXPECT_NE(unusable.error().sentence().find("lacks shaderInt8"), std::string::npos);
  const auto outside = choose(devices, 3);
  ASSERT_FALSE(outside);
  EXPECT_EQ(outside.error().code, ErrorCode::usage);
  EXPECT_EQ(outside.error().sentence(), "Device 3: there are 3 devices; choose one of: 0 = GPU, 1 = llvmpipe, 2 = old");
}

TEST(DeviceChoice, none_and_none_usable_are_sentences) {
  std::vector<DeviceFacts> none;
  EXPECT_FALSE(choose(none, -1));
  std::vector<DeviceFacts> unusable = {device(0, "old", "discrete", 10, false)};
  const auto chosen = choose(unusable, -1);
  ASSERT_FALSE(chosen);
  EXPECT_NE(chosen.error().sentence().find("old lacks shaderInt8"), std::string::npos) << chosen.error().sentence();
}

}  // namespace
}  // namespace fovea::gpu
