// Device memory for a kernel's output, poisoned and fenced: what was not to be written must be as it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>

#include "engine/gpu/device.hpp"

namespace fovea::test {

class GuardBuffer {
 public:
  static constexpr std::uint64_t kGuardBytes = 4096;    // on either side
  static constexpr std::uint32_t kPoison = 0x7FD1E5A7;  // NaN as float
  static constexpr std::byte kGuard{0xA5};

  // Throws where the device has no memory: the test cannot go on.
  GuardBuffer(gpu::Device& device, std::uint64_t bytes) : device_(&device), bytes_(bytes) {
    auto buffer = device.create_buffer(bytes + 2 * kGuardBytes, gpu::MemoryUse::compute);
    if (!buffer) throw std::runtime_error(buffer.error().sentence());
    buffer_ = std::move(*buffer);
    initial_.assign(bytes, std::byte{});
    for (std::uint64_t i = 0; i < bytes; ++i) initial_[i] = static_cast<std::byte>(kPoison >> (i % 4 * 8));
    reset();
  }

  [[nodiscard]] std::uint64_t address() const { return buffer_.address() + kGuardBytes; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  // What the output holds before a run, from its beginning on.
  template <class T>
  void set_initial(std::span<const T> values) {
    std::memcpy(initial_.data(), values.data(), values.size_bytes());
    reset();
  }
  // Guards and contents as before the first run.
  void reset() {
    std::vector<std::byte> all(bytes_ + 2 * kGuardBytes, kGuard);
    std::memcpy(all.data() + kGuardBytes, initial_.data(), bytes_);
    check(device_->upload(buffer_, 0, all));
  }
  [[nodiscard]] std::vector<std::byte> contents() const { return download(kGuardBytes, bytes_); }
  template <class T>
  [[nodiscard]] std::vector<T> values() const {
    const std::vector<std::byte> raw = contents();
    std::vector<T> result(raw.size() / sizeof(T));
    std::memcpy(result.data(), raw.data(), result.size() * sizeof(T));
    return result;
  }
  [[nodiscard]] bool guards_intact() const {
    for (const std::uint64_t at : {std::uint64_t{0}, kGuardBytes + bytes_})
      for (const std::byte byte : download(at, kGuardBytes))
        if (byte != kGuard) return false;
    return true;
  }
  [[nodiscard]] static bool is_poison(float value) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, 4);
    return bits == kPoison;
  }
  [[nodiscard]] const gpu::Buffer& buffer() const { return buffer_; }

 private:
  static void check(const Result<void>& done) {
    if (!done) throw std::runtime_error(done.error().sentence());
  }
  [[nodiscard]] std::vector<std::byte> download(std::uint64_t at, std::uint64_t bytes) const {
    std::vector<std::byte> out(bytes);
    check(device_->download(buffer_, at, out));
    return out;
  }
  gpu::Device* device_;
  std::uint64_t bytes_;
  gpu::Buffer buffer_;
  std::vector<std::byte> initial_;
};

}  // namespace fovea::test
