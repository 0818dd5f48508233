// A list of dispatches recorded once and replayed: the unit of submission. Engine thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/gpu/buffer.hpp"
#include "engine/gpu/pipeline.hpp"

namespace fovea::gpu {

// Time of one tagged stretch of a plan, from device timestamps.
struct TagTime {
  std::string tag;
  double microseconds = 0;
  std::uint32_t count = 0;  // stretches summed
};

class CommandPlan {
 public:
  CommandPlan();
  CommandPlan(CommandPlan&&) noexcept;
  CommandPlan& operator=(CommandPlan&&) noexcept;
  ~CommandPlan();
  [[nodiscard]] explicit operator bool() const { return state_ != nullptr; }
  [[nodiscard]] std::uint32_t dispatches() const;
  // Stretches of commands between barriers: what must happen one after another.
  [[nodiscard]] std::uint32_t steps() const;
  // Barriers among the steps: fewer where they follow one another by counts (Device::chains_steps).
  [[nodiscard]] std::uint32_t barriers() const;
  // After a completed submission of a plan recorded with timing: microseconds per tag, in order of first use.
  [[nodiscard]] Result<std::vector<TagTime>> times() const;

  struct State;
  explicit CommandPlan(std::unique_ptr<State> state);
  [[nodiscard]] const State* state() const { return state_.get(); }

 private:
  std::unique_ptr<State> state_;
};

// Push constants that every device has, and the most that kernels for CPU drivers may ask for where there are as many.
inline constexpr std::uint32_t kPushBytes = 128, kMostPushBytes = 256;

// Records dispatches. Kernels take their data by address from push constants.
// Consecutive dispatches may overlap until barrier() is called.
class CommandRecorder {
 public:
  CommandRecorder(CommandRecorder&&) noexcept;
  CommandRecorder& operator=(CommandRecorder&&) noexcept;
  ~CommandRecorder();

  // Timestamps around every tag; costs a little, so off by default. Must be the first call.
  void time_tags();
  // A barrier before every dispatch, whatever the caller knows: the debug mode that must give identical output.
  void barrier_everywhere();
  // Names what follows, for timings and for saying where a lost device died.
  void tag(std::string_view name);

  template <class Push>
  void dispatch(const Pipeline& pipeline, const Push& push, std::uint32_t x, std::uint32_t y = 1, std::uint32_t z = 1) {
    static_assert(std::is_trivially_copyable_v<Push> && sizeof(Push) <= kMostPushBytes);
    dispatch_bytes(pipeline, std::as_bytes(std::span(&push, 1)), x, y, z);
  }
  // A dispatch of a kernel that waits for the step before, and counts for the step behind, by itself (shaders/interface/chain.h),
  // and has its link in `chain`. Where that suits, no barrier comes between two steps of such dispatches alone.
  template <class Push>
  void dispatch_chained(const Pipeline& pipeline, Push push, std::uint32_t x, std::uint32_t y = 1) {
    static_assert(std::is_trivially_copyable_v<Push> && sizeof(Push) <= kPushBytes);
    push.chain = link(std::uint64_t{x} * y);
    dispatch_bytes(pipeline, std::as_bytes(std::span(&push, 1)), x, y, 1, push.chain != 0);
  }
  // Lets steps follow one another by counts from here on, where Device::chains_steps() says that they may.
  void chain_steps();
  [[nodiscard]] bool chains() const;  // whether they do: not where every stretch is timed, nor in the debug mode
  // Group counts are three uint32 in `counts` at `offset`, written by an earlier dispatch (barrier between).
  template <class Push>
  void dispatch_indirect(const Pipeline& pipeline, const Push& push, const Buffer& counts, std::uint64_t offset) {
    static_assert(std::is_trivially_copyable_v<Push> && sizeof(Push) <= kPushBytes);
    dispatch_indirect_bytes(pipeline, std::as_bytes(std::span(&push, 1)), counts, offset);
  }
  // Everything written before is visible to every dispatch, copy, indirect read and host read after.
  void barrier();
  void copy(const Buffer& from, std::uint64_t from_offset, const Buffer& to, std::uint64_t to_offset,
            std::uint64_t bytes);
  void fill(const Buffer& buffer, std::uint64_t offset, std::uint64_t bytes, std::uint32_t value);
  // The bytes, which the plan keeps: a multiple of 4, at most 65536.
  void write(const Buffer& buffer, std::uint64_t offset, std::span<const std::byte> bytes);

  // Ends with a barrier to the host and to whatever is submitted next, be it the same plan once more. Errors of any
  // call above are kept and returned here.
  [[nodiscard]] Result<CommandPlan> finish();

  struct State;
  explicit CommandRecorder(std::unique_ptr<State> state);

 private:
  void dispatch_bytes(const Pipeline& pipeline, std::span<const std::byte> push, std::uint32_t x, std::uint32_t y,
                      std::uint32_t z, bool linked = false);
  [[nodiscard]] std::uint64_t link(std::uint64_t workgroups);
  void dispatch_indirect_bytes(const Pipeline& pipeline, std::span<const std::byte> push, const Buffer& counts,
                               std::uint64_t offset);
  std::unique_ptr<State> state_;
};

}  // namespace fovea::gpu
