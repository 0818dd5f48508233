// Copies between host and device memory: directly where mapped, else through a ring of staging buffers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/gpu/arena.hpp"
#include "engine/gpu/timeline.hpp"

namespace fovea::gpu {

class Transfer {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Transfer>> create(std::shared_ptr<Context> context,
                                                                std::shared_ptr<Arena> arena,
                                                                std::shared_ptr<Timeline> timeline);
  ~Transfer();  // the timeline is drained before
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // All three are ordered after everything submitted before, and return when done.
  [[nodiscard]] Result<void> zero(const Buffer::State& buffer);
  [[nodiscard]] Result<void> upload(const Buffer::State& to, std::uint64_t offset, std::span<const std::byte> bytes);
  [[nodiscard]] Result<void> download(const Buffer::State& from, std::uint64_t offset, std::span<std::byte> out);
  // Waits for all copies, then gives their staging buffers back.
  [[nodiscard]] Result<void> release();

 private:
  // One command buffer that is recorded anew each time, and the staging memory it copies through.
  struct Slot {
    VkCommandPool pool = VK_NULL_HANDLE;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    std::unique_ptr<Buffer::State> up, down;  // made when first needed
    std::uint64_t busy_until = 0;             // timeline value
  };
  Transfer() = default;
  // Waits until the slot's last copy is done, then starts recording, ordered after all that came before.
  [[nodiscard]] Result<void> begin(Slot& slot);
  [[nodiscard]] Result<void> submit(Slot& slot);
  [[nodiscard]] Result<Slot*> next_slot(std::unique_ptr<Buffer::State> Slot::*staging, MemoryUse use);

  std::shared_ptr<Context> context_;
  std::shared_ptr<Arena> arena_;
  std::shared_ptr<Timeline> timeline_;
  std::array<Slot, 3> slots_;
  std::size_t next_ = 0;
};

}  // namespace fovea::gpu
