#include <cstdlib>

#include "tests/unit/gpu/gpu_fixture.hpp"

namespace fovea::gpu {
namespace {

using LossTest = GpuTest;

CommandPlan two_stretches(CommandRecorder recorder) {
  recorder.tag("attention");
  recorder.tag("logits");
  return std::move(*recorder.finish());
}

TEST_F(LossTest, an_injected_loss_is_said_once_and_for_all) {
  DeviceOptions options;
  options.lose_after_submissions = 2;
  open(options);
  const Buffer data = buffer(64);
  const CommandPlan plan = two_stretches(record());
  run(plan);
  run(plan);
  const auto third = device_->submit(plan);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, ErrorCode::device);
  const std::string sentence = third.error().sentence();
  EXPECT_NE(sentence.find("attention"), std::string::npos) << sentence;
  EXPECT_NE(sentence.find("logits"), std::string::npos) << sentence;

  std::vector<std::byte> bytes(64);
  const auto same = [&](const auto& result) { return !result && result.error().sentence() == sentence; };
  EXPECT_TRUE(same(device_->submit(plan)));
  EXPECT_TRUE(same(device_->wait(1)));
  EXPECT_TRUE(same(device_->completed()));
  EXPECT_TRUE(same(device_->create_buffer(64, MemoryUse::kv)));
  EXPECT_TRUE(same(device_->upload(data, 0, bytes)));
  EXPECT_TRUE(same(device_->download(data, 0, bytes)));
  EXPECT_TRUE(same(device_->record()));
  EXPECT_TRUE(same(device_->pipeline({ShaderId::test_affine, {64}, 0})));
  EXPECT_TRUE(same(device_->save_pipeline_cache()));
}

TEST_F(LossTest, the_environment_injects_too) {
  setenv("FOVEA_LOSE_DEVICE_AFTER", "0", 1);
  open({});
  unsetenv("FOVEA_LOSE_DEVICE_AFTER");
  const CommandPlan plan = two_stretches(record());
  EXPECT_FALSE(device_->submit(plan));
  open({});
  const CommandPlan again = two_stretches(record());
  EXPECT_TRUE(device_->submit(again)) << "a new device is a new start";
}

TEST_F(LossTest, no_progress_in_time_is_a_loss_that_names_the_stretch_it_stands_in) {
  const Buffer data = buffer(1 << 18);
  auto recorder = record();
  recorder.barrier_everywhere();
  recorder.tag("quick");
  affine(recorder, data, {.addend = 1});
  recorder.tag("slow");
  for (int n = 0; n < 5; ++n) affine(recorder, data, {.factor = 3, .addend = 1, .step = 1, .repeat = 1'000});
  const CommandPlan plan = finish(recorder);
  const auto value = device_->submit(plan);
  ASSERT_TRUE(value) << value.error().sentence();
  const auto waited = device_->wait(*value, 30);
  if (waited) GTEST_SKIP() << "this device does 300 million steps within 30 ms";
  EXPECT_EQ(waited.error().code, ErrorCode::device);
  EXPECT_NE(waited.error().sentence().find("no answer for 30 ms"), std::string::npos) << waited.error().sentence();
  EXPECT_NE(waited.error().sentence().find("in \"slow\""), std::string::npos) << waited.error().sentence();
  EXPECT_FALSE(device_->submit(plan));
}

}  // namespace
}  // namespace fovea::gpu
