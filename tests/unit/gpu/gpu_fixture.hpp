// A device for a test, with validation where it is installed: every test also fails when the layer complains.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/gpu/device.hpp"

namespace fovea::gpu {

// The push constants of shaders/test/affine.comp: data[i] = data[i] * factor + addend + i * step, `repeat` times.
struct AffinePush {
  std::uint64_t data = 0, count = 0;
  std::uint32_t factor = 0, addend = 0, step = 0, repeat = 1;
};
static_assert(sizeof(AffinePush) == 32);

constexpr std::uint32_t affine_width = 64;

class GpuTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto devices = list_devices(); !devices) GTEST_SKIP() << devices.error().sentence();
    cache_folder_ =
        std::filesystem::path(testing::TempDir()) /
        ("fovea_gpu_" + std::to_string(getpid()) + "_" + testing::UnitTest::GetInstance()->current_test_info()->name());
    open({});
  }
  void TearDown() override {
    if (device_) {
      EXPECT_EQ(device_->validation_messages(), 0u);
    }
    device_.reset();
    std::error_code error;
    std::filesystem::remove_all(cache_folder_, error);
  }

  void open(DeviceOptions options) {
    device_.reset();
    options.validation = true;
    options.pipeline_cache_folder = cache_folder_;
    auto device = Device::create(options);
    ASSERT_TRUE(device) << device.error().sentence();
    device_ = std::move(*device);
  }

  Buffer buffer(std::uint64_t bytes, MemoryUse use = MemoryUse::compute) {
    auto made = device_->create_buffer(bytes, use);
    EXPECT_TRUE(made) << made.error().sentence();
    return made ? std::move(*made) : Buffer();
  }

  const Pipeline& affine() {
    const auto pipeline = device_->pipeline({ShaderId::test_affine, {affine_width}, 0});
    if (!pipeline) throw std::runtime_error(pipeline.error().sentence());  // the test cannot go on
    return **pipeline;
  }

  // Enough groups for `count` elements; the kernel strides over what is beyond.
  static std::uint32_t groups(std::uint64_t count) {
    return static_cast<std::uint32_t>(std::min<std::uint64_t>((count + affine_width - 1) / affine_width, 4096));
  }
  void affine(CommandRecorder& recorder, const Buffer& data, AffinePush push) {
    push.data = data.address();
    if (push.count == 0) push.count = data.bytes() / 4;
    recorder.dispatch(affine(), push, groups(push.count));
  }

  CommandRecorder record() {
    auto recorder = device_->record();
    if (!recorder) throw std::runtime_error(recorder.error().sentence());
    return std::move(*recorder);
  }
  CommandPlan finish(CommandRecorder& recorder) {
    auto plan = recorder.finish();
    EXPECT_TRUE(plan) << plan.error().sentence();
    return plan ? std::move(*plan) : CommandPlan();
  }
  void run(const CommandPlan& plan) {
    const auto value = device_->submit(plan);
    ASSERT_TRUE(value) << value.error().sentence();
    const auto done = device_->wait(*value);
    ASSERT_TRUE(done) << done.error().sentence();
  }
  std::vector<std::uint32_t> words(const Buffer& from, std::uint64_t offset, std::size_t count) {
    std::vector<std::uint32_t> out(count, 0xdeadbeef);
    const auto read = device_->download(from, offset, std::as_writable_bytes(std::span(out)));
    EXPECT_TRUE(read) << read.error().sentence();
    return out;
  }
  void put(const Buffer& to, const std::vector<std::uint32_t>& values) {
    const auto done = device_->upload(to, 0, std::as_bytes(std::span(values)));
    ASSERT_TRUE(done) << done.error().sentence();
  }

  std::filesystem::path cache_folder_;
  std::unique_ptr<Device> device_;
};

}  // namespace fovea::gpu
