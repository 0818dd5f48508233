// Submissions in order on one queue, counted by a timeline semaphore.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "engine/gpu/context.hpp"

namespace fovea::gpu {

class Timeline {
 public:
  [[nodiscard]] static Result<std::shared_ptr<Timeline>> create(std::shared_ptr<Context> context,
                                                                std::optional<std::uint64_t> lose_after);
  ~Timeline();
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;

  // Says, once the device is lost, where in the submission it was ("in \"attention\"").
  using Where = std::string (*)(const void* plan);

  // `plan`, which must live until the value returned has passed, is asked by `where` if the device is lost.
  // Submissions without one are our own copies; only those with one count for the injected loss.
  [[nodiscard]] Result<std::uint64_t> submit(std::span<const VkCommandBuffer> commands, const void* plan = nullptr,
                                             Where where = nullptr);
  [[nodiscard]] Result<void> wait(std::uint64_t value, std::uint64_t timeout_ms);
  [[nodiscard]] Result<std::uint64_t> completed();
  [[nodiscard]] std::uint64_t submitted() const { return submitted_; }
  // Waits for everything submitted before objects are destroyed; gives the device up where it does not answer.
  void drain();

 private:
  struct InFlight {
    std::uint64_t value;
    const void* plan;
    Where where;
  };
  Timeline() = default;
  [[nodiscard]] tl::unexpected<Error> lost(const std::string& how);

  std::shared_ptr<Context> context_;
  VkSemaphore semaphore_ = VK_NULL_HANDLE;
  std::uint64_t submitted_ = 0, plan_submissions_ = 0;
  std::optional<std::uint64_t> lose_after_;
  std::deque<InFlight> in_flight_;
};

}  // namespace fovea::gpu
