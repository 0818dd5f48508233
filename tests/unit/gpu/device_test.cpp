#include <bit>

#include "tests/unit/gpu/gpu_fixture.hpp"

namespace fovea::gpu {
namespace {

using DeviceTest = GpuTest;

TEST_F(DeviceTest, listing_says_what_every_device_is_and_why) {
  const auto devices = list_devices();
  ASSERT_TRUE(devices) << devices.error().sentence();
  int chosen = 0;
  for (std::size_t i = 0; i < devices->size(); ++i) {
    const DeviceFacts& facts = (*devices)[i];
    EXPECT_EQ(facts.index, i);
    EXPECT_FALSE(facts.name.empty());
    EXPECT_FALSE(facts.why.empty()) << facts.name;
    EXPECT_FALSE(facts.chosen && !facts.usable);
    chosen += facts.chosen;
    if (!facts.usable) continue;
    EXPECT_TRUE(std::has_single_bit(facts.subgroup));
    EXPECT_LE(facts.subgroup_min, facts.subgroup_max);
    EXPECT_GE(facts.max_push_constant_bytes, 128u);
    EXPECT_GT(facts.memory_bytes, 0u);
    EXPECT_GT(facts.max_allocation_bytes, 0u);
    EXPECT_GE(facts.max_workgroups[0], 65535u);
  }
  EXPECT_EQ(chosen, 1);
}

TEST_F(DeviceTest, the_device_made_is_the_one_listed_as_chosen) {
  const auto devices = list_devices();
  ASSERT_TRUE(devices);
  const DeviceFacts& facts = device_->facts();
  EXPECT_TRUE(facts.chosen);
  EXPECT_EQ((*devices)[facts.index].name, facts.name);
  EXPECT_TRUE((*devices)[facts.index].chosen);
}

TEST_F(DeviceTest, a_number_out_of_range_lists_the_devices) {
  const auto listed = list_devices(99);
  ASSERT_FALSE(listed);
  EXPECT_EQ(listed.error().code, ErrorCode::usage);
  EXPECT_NE(listed.error().sentence().find(device_->facts().name), std::string::npos) << listed.error().sentence();
  DeviceOptions options;
  options.index = 99;
  const auto made = Device::create(options);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().sentence(), listed.error().sentence());
}

// Matrix cores are asked once, and the device works on.
TEST_F(DeviceTest, fragments_are_known_only_of_matrix_cores) {
  const bool known = device_->quad_fragments();
  EXPECT_TRUE(!known || (device_->facts().cooperative_matrix && device_->facts().subgroup == 32));
  EXPECT_EQ(device_->quad_fragments(), known);
  EXPECT_TRUE(device_->create_buffer(4, MemoryUse::compute));
}

TEST_F(DeviceTest, waiting_for_what_was_never_submitted_is_refused) {
  const auto waited = device_->wait(12345);
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code, ErrorCode::usage);
  EXPECT_TRUE(device_->create_buffer(4, MemoryUse::compute)) << "the device must still work";
}

}  // namespace
}  // namespace fovea::gpu
