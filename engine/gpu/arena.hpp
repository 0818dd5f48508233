// Device memory by use: one pool of blocks per MemoryUse, larger buffers on their own, every byte accounted.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "engine/gpu/buffer.hpp"
#include "engine/gpu/context.hpp"

VK_DEFINE_HANDLE(VmaAllocator)
VK_DEFINE_HANDLE(VmaAllocation)
VK_DEFINE_HANDLE(VmaPool)

namespace fovea::gpu {

class Arena;

struct Buffer::State {
  std::shared_ptr<Arena> arena;
  VkBuffer buffer = VK_NULL_HANDLE;
  VmaAllocation allocation = VK_NULL_HANDLE;
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;      // as asked for
  std::uint64_t allocated = 0;  // rounded up, as accounted
  std::byte* mapped = nullptr;
  MemoryUse use{};

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();
};

class Arena : public std::enable_shared_from_this<Arena> {
 public:
  [[nodiscard]] static Result<std::shared_ptr<Arena>> create(std::shared_ptr<Context> context);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Not zero-filled yet.
  [[nodiscard]] Result<std::unique_ptr<Buffer::State>> allocate(std::uint64_t bytes, MemoryUse use);
  void release(Buffer::State& buffer);

  [[nodiscard]] const MemoryUsage& usage() const { return usage_; }
  [[nodiscard]] std::uint64_t peak() const { return peak_; }
  // Whether buffers of this use have a host view.
  [[nodiscard]] bool is_mapped(MemoryUse use) const;

 private:
  struct Pool {
    VmaPool handle = VK_NULL_HANDLE;
    std::uint32_t memory_type = 0;
    std::uint64_t block_bytes = 0;
  };
  Arena() = default;
  [[nodiscard]] Result<void> create_pool(MemoryUse use);
  [[nodiscard]] Error no_room(std::uint64_t bytes, MemoryUse use, VkResult result) const;

  std::shared_ptr<Context> context_;
  VmaAllocator allocator_ = VK_NULL_HANDLE;
  std::array<Pool, 5> pools_{};
  MemoryUsage usage_;
  std::uint64_t peak_ = 0;
};

// Bytes as a person reads them: "1.50 GiB".
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);

}  // namespace fovea::gpu
