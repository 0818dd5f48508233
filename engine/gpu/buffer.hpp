// A piece of device memory with an address that kernels read and write through. Engine thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace fovea::gpu {

// What memory is for; the arena and its properties follow from it.
enum class MemoryUse {
  weights,   // device-local, written once
  kv,        // device-local
  compute,   // device-local scratch
  upload,    // host-visible, written by the host
  readback,  // host-visible and cached, written by the device
};

class Buffer {
 public:
  Buffer();  // empty
  Buffer(Buffer&&) noexcept;
  Buffer& operator=(Buffer&&) noexcept;
  ~Buffer();  // frees; the caller sees to it that no submission uses it any more

  [[nodiscard]] std::uint64_t address() const;  // buffer device address, aligned to at least 256
  [[nodiscard]] std::uint64_t bytes() const;
  // Host view where the memory is mapped (upload, readback, and everything on lavapipe and unified memory); else empty.
  [[nodiscard]] std::span<std::byte> mapped() const;
  [[nodiscard]] explicit operator bool() const { return state_ != nullptr; }

  struct State;
  explicit Buffer(std::unique_ptr<State> state);
  [[nodiscard]] const State* state() const { return state_.get(); }

 private:
  std::unique_ptr<State> state_;
};

}  // namespace fovea::gpu
