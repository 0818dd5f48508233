// A bench for kernels: one device for all cases of a program, operands on it, runs that are checked for stray writes,
// for a second run that differs, and for complaints of the validation layer where that is on.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "engine/kernels/device_matrix.hpp"
#include "engine/kernels/kernel_recorder.hpp"
#include "shaders/interface/step_state.h"
#include "tests/support/guard_buffer.hpp"
#include "tests/support/stored_weights.hpp"

namespace fovea::test {

// One device for all cases of a program; nullptr where there is none. Its steps are chained where it runs such, also on a CPU
// driver, so that what a GPU does is tried everywhere.
inline gpu::Device* shared_device() {
  static const auto made = gpu::Device::create({.chained_steps = true});
  return made ? made->get() : nullptr;
}

class KernelTest : public testing::Test {
 protected:
  void SetUp() override {
    if (shared_device() == nullptr) GTEST_SKIP() << "there is no Vulkan device here";
    set_state(0, 1);
  }
  void TearDown() override {
    if (shared_device() != nullptr) {
      EXPECT_EQ(shared_device()->validation_messages(), 0u);
    }
  }
  static gpu::Device& device() { return *shared_device(); }

  // A copy of `bytes` on the device, followed by `padding` bytes of 0xFF (NaN in every float form).
  std::uint64_t place_bytes(std::span<const std::byte> bytes, std::uint64_t padding = 0) {
    std::vector<std::byte> padded(bytes.begin(), bytes.end());
    padded.insert(padded.end(), padding, std::byte{0xFF});
    auto buffer = device().create_buffer(padded.size(), gpu::MemoryUse::upload);
    if (!buffer) throw std::runtime_error(buffer.error().sentence());
    const auto done = device().upload(*buffer, 0, padded);
    if (!done) throw std::runtime_error(done.error().sentence());
    buffers_.push_back(std::move(*buffer));
    return buffers_.back().address();
  }
  template <class T>
  std::uint64_t place(const std::vector<T>& values) {
    return place_bytes(std::as_bytes(std::span(values)));
  }
  // Weights with the padding that the engine gives them.
  DeviceMatrix place(const StoredMatrix& matrix) {
    return {place_bytes(matrix.bytes, 64),
            matrix.type,
            matrix.columns,
            matrix.rows,
            matrix.matrices,
            static_cast<std::uint32_t>(row_bytes(matrix.type, matrix.columns))};
  }
  // Rows of `width` floats, `stride` apart; what lies between is NaN, so that reading it shows.
  std::uint64_t place_rows(const std::vector<float>& rows, std::uint32_t width, std::uint32_t stride) {
    std::vector<float> spaced(rows.size() / width * stride, std::numeric_limits<float>::quiet_NaN());
    for (std::size_t i = 0; i < rows.size(); ++i) spaced[i / width * stride + i % width] = rows[i];
    return place(spaced);
  }

  void set_state(std::uint32_t position, std::uint32_t tokens) {
    state_.position = position;
    state_.tokens = tokens;
  }
  void set_kept_pages(std::uint64_t bits) {
    state_.kept_pages_low = static_cast<std::uint32_t>(bits);
    state_.kept_pages_high = static_cast<std::uint32_t>(bits >> 32);
  }
  [[nodiscard]] GuardBuffer output(std::uint64_t floats) { return {device(), floats * sizeof(float)}; }

  // Records, runs twice from the same initial contents, and expects the same bits and whole guards.
  void run(const std::function<Result<void>(KernelRecorder&, std::uint64_t state)>& record,
           std::initializer_list<GuardBuffer*> outputs, ProductForm form = ProductForm::suits_device) {
    const std::uint64_t state = place(std::vector{state_});
    auto recorder = device().record();
    ASSERT_TRUE(recorder) << recorder.error().sentence();
    KernelRecorder kernels(device(), *recorder, form);
    const auto recorded = record(kernels, state);
    ASSERT_TRUE(recorded) << recorded.error().sentence();
    const auto plan = recorder->finish();
    ASSERT_TRUE(plan) << plan.error().sentence();
    std::vector<std::vector<std::byte>> first;
    for (int turn = 0; turn < 2; ++turn) {
      for (GuardBuffer* out : outputs) out->reset();
      const auto ticket = device().submit(*plan);
      ASSERT_TRUE(ticket) << ticket.error().sentence();
      const auto waited = device().wait(*ticket);
      ASSERT_TRUE(waited) << waited.error().sentence();
      std::size_t i = 0;
      for (GuardBuffer* out : outputs) {
        EXPECT_TRUE(out->guards_intact()) << "output " << i << " was written beyond its end";
        if (turn == 0) first.push_back(out->contents());
        EXPECT_TRUE(first[i] == out->contents()) << "output " << i << " differs in the second run";
        ++i;
      }
    }
  }

  // The first `width` floats of each of `rows` rows; everything else must still be poison.
  static std::vector<float> rows_of(const GuardBuffer& out, std::size_t rows, std::size_t width, std::size_t stride) {
    const std::vector<float> all = out.values<float>();
    std::vector<float> result;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i / stride < rows && i % stride < width)
        result.push_back(all[i]);
      else if (!GuardBuffer::is_poison(all[i])) {
        ADD_FAILURE() << "element " << i % stride << " of row " << i / stride << " was written: " << all[i];
        break;
      }
    }
    return result;
  }

 private:
  shader::StepState state_{};
  std::vector<gpu::Buffer> buffers_;  // operands, for the length of a case
};

}  // namespace fovea::test
