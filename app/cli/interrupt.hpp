// Ctrl-C and SIGTERM as a stop request: the run in progress ends as if it had been cancelled, a second signal ends the
// program at once.
#pragma once

#include <atomic>
#include <stop_token>
#include <thread>

namespace fovea::cli {

// 128 + SIGINT, as shells count; what was produced until then stays.
inline constexpr int kInterruptedStatus = 130;

// Make it before any other thread starts: those inherit that the signals are left to this one.
class Interrupt {
 public:
  explicit Interrupt(std::stop_source stop);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  [[nodiscard]] bool happened() const { return happened_; }

 private:
  void wait_for_signals(std::stop_source stop);

  std::atomic<bool> happened_ = false, leaving_ = false;
  std::thread waiter_;
};

}  // namespace fovea::cli
