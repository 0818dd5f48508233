// Device timestamps of one plan, in pools that grow while it is recorded.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/gpu/context.hpp"

namespace fovea::gpu {

class Timestamps {
 public:
  explicit Timestamps(std::shared_ptr<Context> context) : context_(std::move(context)) {}
  ~Timestamps();
  Timestamps(const Timestamps&) = delete;
  Timestamps& operator=(const Timestamps&) = delete;

  // Records the time at which everything before is done; the first is number 0.
  [[nodiscard]] Result<void> write(VkCommandBuffer commands);
  [[nodiscard]] std::uint32_t count() const { return count_; }
  // Ticks of every timestamp of the last completed submission. Error: internal where there was none.
  [[nodiscard]] Result<std::vector<std::uint64_t>> read() const;
  // Microseconds between two readings; a counter that wrapped between them is undone.
  [[nodiscard]] double microseconds(std::uint64_t from, std::uint64_t to) const;

 private:
  std::shared_ptr<Context> context_;
  std::vector<VkQueryPool> pools_;
  std::uint32_t count_ = 0;
};

}  // namespace fovea::gpu
