#include <numeric>

#include "tests/unit/gpu/gpu_fixture.hpp"

namespace fovea::gpu {
namespace {

constexpr MemoryUse all_uses[] = {MemoryUse::weights, MemoryUse::kv, MemoryUse::compute, MemoryUse::upload,
                                  MemoryUse::readback};
constexpr std::uint64_t MiB = 1024 * 1024;

using BufferTest = GpuTest;

std::uint64_t total(const MemoryUsage& usage) { return usage.weights + usage.kv + usage.compute + usage.other; }

TEST_F(BufferTest, every_use_is_zero_filled_and_round_trips) {
  for (const MemoryUse use : all_uses) {
    SCOPED_TRACE(static_cast<int>(use));
    const std::size_t count = 100'003;
    std::vector<std::uint32_t> values(count);
    std::iota(values.begin(), values.end(), 7u);
    const Buffer made = buffer(count * 4, use);
    ASSERT_TRUE(made);
    EXPECT_EQ(made.bytes(), count * 4);
    EXPECT_EQ(made.address() % 256, 0u);
    EXPECT_EQ(words(made, 0, count), std::vector<std::uint32_t>(count, 0));
    put(made, values);
    EXPECT_EQ(words(made, 0, count), values);
  }
}

TEST_F(BufferTest, memory_is_zero_again_when_it_is_handed_out_again) {
  for (int round = 0; round < 2; ++round) {
    const Buffer made = buffer(4096, MemoryUse::kv);
    EXPECT_EQ(words(made, 0, 1024), std::vector<std::uint32_t>(1024, 0)) << round;
    put(made, std::vector<std::uint32_t>(1024, 0xffffffff));
  }
}

TEST_F(BufferTest, host_memory_has_a_view_and_what_a_kernel_writes_is_seen_there) {
  for (const MemoryUse use : {MemoryUse::upload, MemoryUse::readback})
    EXPECT_EQ(buffer(1000, use).mapped().size(), 1000u);
  const Buffer made = buffer(4000, MemoryUse::readback);
  auto recorder = record();
  affine(recorder, made, {.addend = 5, .step = 3});
  run(finish(recorder));
  const auto* seen = reinterpret_cast<const std::uint32_t*>(made.mapped().data());
  for (std::uint32_t i = 0; i < 1000; ++i) ASSERT_EQ(seen[i], 5 + 3 * i);
  if (device_->facts().cpu) {
    EXPECT_EQ(buffer(1000, MemoryUse::weights).mapped().size(), 1000u);
  }
}

TEST_F(BufferTest, a_part_is_written_and_read_at_its_offset) {
  const Buffer made = buffer(1024);
  const std::vector<std::uint32_t> part = {1, 2, 3};
  ASSERT_TRUE(device_->upload(made, 512, std::as_bytes(std::span(part))));
  EXPECT_EQ(words(made, 508, 5), (std::vector<std::uint32_t>{0, 1, 2, 3, 0}));
}

// Beyond maxStorageBufferRange of the smallest drivers: only addresses reach it.
TEST_F(BufferTest, a_kernel_writes_and_reads_beyond_128_MiB_by_address) {
  const std::uint64_t bytes = 150 * MiB, count = bytes / 4;
  const Buffer made = buffer(bytes, MemoryUse::weights);
  ASSERT_TRUE(made);
  auto recorder = record();
  affine(recorder, made, {.factor = 0, .addend = 9, .step = 1});
  recorder.barrier();
  affine(recorder, made, {.factor = 2, .addend = 1, .step = 0});
  run(finish(recorder));
  for (const std::uint64_t at : {std::uint64_t{0}, 32 * MiB - 2, 32 * MiB + 1, count - 4}) {
    const auto got = words(made, at * 4, 4);
    for (std::uint32_t i = 0; i < 4; ++i) ASSERT_EQ(got[i], 2 * (9 + static_cast<std::uint32_t>(at) + i) + 1) << at;
  }
}

TEST_F(BufferTest, an_upload_larger_than_the_staging_ring_arrives_whole) {
  std::vector<std::uint32_t> values(70 * MiB / 4);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint32_t>(i * 2654435761u);
  const Buffer made = buffer(values.size() * 4, MemoryUse::weights);
  put(made, values);
  EXPECT_TRUE(words(made, 0, values.size()) == values);
}

TEST_F(BufferTest, staging_is_given_back_and_made_anew) {
  const std::vector<std::uint32_t> values(20 * MiB / 4, 77);
  const Buffer made = buffer(values.size() * 4, MemoryUse::compute);
  put(made, values);
  const bool staged = device_->memory().other > 0;  // a device that maps what it computes on needs none
  ASSERT_TRUE(device_->release_staging());
  EXPECT_EQ(device_->memory().other, 0u);
  EXPECT_TRUE(words(made, 0, values.size()) == values);
  put(made, {1, 2, 3});
  EXPECT_EQ(words(made, 0, 4), (std::vector<std::uint32_t>{1, 2, 3, 77}));
  EXPECT_EQ(device_->memory().other > 0, staged);
}

TEST_F(BufferTest, outside_ranges_and_empty_requests_are_refused) {
  const Buffer made = buffer(1024);
  std::vector<std::byte> bytes(1024);
  EXPECT_FALSE(device_->upload(made, 1, bytes));
  EXPECT_FALSE(device_->download(made, 1025, std::span(bytes).first(0)));
  EXPECT_FALSE(device_->download(made, ~std::uint64_t{0}, bytes));
  EXPECT_FALSE(device_->upload(Buffer(), 0, bytes));
  EXPECT_TRUE(device_->upload(made, 1024, std::span(bytes).first(0)));
  const auto none = device_->create_buffer(0, MemoryUse::kv);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::usage);
}

TEST_F(BufferTest, too_much_is_a_memory_error_with_numbers) {
  const MemoryUsage before = device_->memory();
  for (const std::uint64_t bytes : {device_->facts().max_allocation_bytes + 1, ~std::uint64_t{0}}) {
    const auto made = device_->create_buffer(bytes, MemoryUse::kv);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, ErrorCode::memory);
    EXPECT_NE(made.error().sentence().find("GiB asked for"), std::string::npos) << made.error().sentence();
  }
  EXPECT_EQ(total(device_->memory()), total(before));
}

TEST_F(BufferTest, memory_is_accounted_by_use_up_and_down) {
  EXPECT_EQ(total(device_->memory()), 0u);
  {
    const Buffer weights = buffer(3 * MiB, MemoryUse::weights), kv = buffer(2 * MiB, MemoryUse::kv);
    const Buffer compute = buffer(MiB, MemoryUse::compute), upload = buffer(4 * MiB, MemoryUse::upload);
    const MemoryUsage usage = device_->memory();
    EXPECT_EQ(usage.weights, 3 * MiB);
    EXPECT_EQ(usage.kv, 2 * MiB);
    EXPECT_EQ(usage.compute, MiB);
    EXPECT_EQ(usage.other, 4 * MiB);
  }
  EXPECT_EQ(total(device_->memory()), 0u);
  EXPECT_EQ(device_->memory_peak(), 10 * MiB);
}

// Several buffers of weights, each on its own: more than one block, and more than the 2 GiB that some CPU drivers
// state.
TEST_F(BufferTest, large_buffers_add_up) {
  if (device_->facts().memory_bytes < 8192 * MiB) GTEST_SKIP() << "needs a device with 8 GiB";
  std::vector<Buffer> made;
  for (int n = 0; n < 3; ++n) made.push_back(buffer(700 * MiB, MemoryUse::weights));
  EXPECT_EQ(device_->memory().weights, 2100 * MiB);
  for (const Buffer& one : made) EXPECT_EQ(words(one, 700 * MiB - 4, 1), std::vector<std::uint32_t>{0});
}

TEST_F(BufferTest, a_buffer_may_outlive_its_device) {
  Buffer made = buffer(1024, MemoryUse::upload);
  EXPECT_EQ(device_->validation_messages(), 0u);
  device_.reset();
  made.mapped()[1023] = std::byte{1};
  made = Buffer();
}

}  // namespace
}  // namespace fovea::gpu
