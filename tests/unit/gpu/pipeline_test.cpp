#include "engine/gpu/workgroup_size.hpp"
#include "tests/unit/gpu/gpu_fixture.hpp"

namespace fovea::gpu {
namespace {

using PipelineTest = GpuTest;

TEST_F(PipelineTest, one_key_is_made_once) {
  const PipelineKey key{ShaderId::test_affine, {64}, 0};
  const auto one = device_->pipeline(key), two = device_->pipeline(key);
  const auto other = device_->pipeline({ShaderId::test_affine, {32}, 0});
  ASSERT_TRUE(one && two && other);
  EXPECT_EQ(*one, *two);
  EXPECT_NE(*one, *other);
}

TEST_F(PipelineTest, every_width_and_subgroup_size_the_device_has_gives_the_same_result) {
  const std::uint32_t count = 4096;
  for (std::uint32_t subgroup = 0; subgroup <= device_->facts().subgroup_max;
       subgroup = subgroup == 0 ? device_->facts().subgroup_min : subgroup * 2)
    for (const std::uint32_t width : {1u, 8u, 48u, 128u}) {
      const auto pipeline = device_->pipeline({ShaderId::test_affine, {width}, subgroup});
      ASSERT_TRUE(pipeline) << pipeline.error().sentence();
      const Buffer data = buffer(count * 4);
      auto recorder = record();
      recorder.dispatch(**pipeline, AffinePush{.data = data.address(), .count = count, .addend = 1, .step = 2}, 3);
      run(finish(recorder));
      const auto got = words(data, 0, count);
      for (std::uint32_t i = 0; i < count; ++i) ASSERT_EQ(got[i], 1 + 2 * i) << width << " " << subgroup;
    }
}

TEST_F(PipelineTest, what_the_device_cannot_run_is_refused_with_the_reason) {
  const DeviceFacts& facts = device_->facts();
  const PipelineKey keys[] = {{ShaderId::test_affine, {facts.max_workgroup_invocations * 2}, 0},
                              {ShaderId::test_affine, {0}, 0},
                              {ShaderId::test_affine, {64}, facts.subgroup_max * 2},
                              {ShaderId::test_affine, {64}, 3}};
  for (const PipelineKey& key : keys) {
    const auto refused = device_->pipeline(key);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::unsupported) << refused.error().sentence();
    EXPECT_NE(refused.error().sentence().find("test_affine"), std::string::npos);
  }
  const auto unknown = device_->pipeline({static_cast<ShaderId>(65000), {}, 0});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::internal);
}

TEST(WorkgroupSize, follows_the_constants_and_refuses_what_is_no_shader) {
  const auto code = shader_code(ShaderId::test_affine);
  const std::uint32_t width[] = {96};
  using Size = std::array<std::uint32_t, 3>;
  EXPECT_EQ(workgroup_size(code, width), (Size{96, 1, 1}));
  EXPECT_EQ(workgroup_size(code, {}), (Size{1, 1, 1}));
  EXPECT_EQ(workgroup_size(code.first(4), width), std::nullopt);
  EXPECT_EQ(workgroup_size(code.subspan(1), width), std::nullopt);
}

}  // namespace
}  // namespace fovea::gpu
