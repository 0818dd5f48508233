#include "engine/gpu/context.hpp"
#include "tests/unit/gpu/gpu_fixture.hpp"

namespace fovea::gpu {
namespace {

// The other tests demand zero messages: this one shows that a wrong call would have been counted.
TEST(Validation, counts_a_wrong_call) {
  if (const auto devices = list_devices(); !devices) GTEST_SKIP() << devices.error().sentence();
  DeviceOptions options;
  options.validation = true;
  const auto context = Context::create(options);
  ASSERT_TRUE(context) << context.error().sentence();
  if (!(*context)->instance->validating()) GTEST_SKIP() << "the Vulkan validation layer is not installed";
  EXPECT_EQ((*context)->instance->validation_messages(), 0u);
  auto empty = tagged<VkQueryPoolCreateInfo>(VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO);
  empty.queryType = VK_QUERY_TYPE_TIMESTAMP;
  empty.queryCount = 0;  // must be greater than 0
  VkQueryPool pool = VK_NULL_HANDLE;
  // The message is expected here, and tools/test tolerates none in the log.
  testing::internal::CaptureStderr();
  if ((*context)->vk.vkCreateQueryPool((*context)->device, &empty, nullptr, &pool) == VK_SUCCESS)
    (*context)->vk.vkDestroyQueryPool((*context)->device, pool, nullptr);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_GE((*context)->instance->validation_messages(), 1u);
  EXPECT_NE(said.find("queryCount"), std::string::npos);
}

}  // namespace
}  // namespace fovea::gpu
