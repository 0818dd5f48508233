// A Vulkan device: choice that says why, buffers from accounted arenas, pipelines, submissions. Engine thread only.
//
// No Vulkan type appears here: rooms above see addresses, buffers, pipelines and recorded plans.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/gpu/buffer.hpp"
#include "engine/gpu/command_plan.hpp"
#include "engine/gpu/pipeline.hpp"

namespace fovea::gpu {

// Matrices that a whole workgroup of so many invocations multiplies; their sizes are multiples of these.
struct WorkgroupMatrices {
  std::uint32_t invocations = 0, rows = 0, tokens = 0, columns = 0;
};

struct DeviceFacts {
  std::uint32_t index = 0;  // as Vulkan enumerates
  std::string name, type /* discrete, integrated, virtual, cpu, other */, driver, api;
  std::uint64_t memory_bytes = 0;             // device-local heaps; a CPU driver: the machine's memory
  std::uint64_t max_allocation_bytes = 0;     // maxMemoryAllocationSize
  std::uint64_t max_storage_range_bytes = 0;  // maxStorageBufferRange
  std::uint32_t subgroup = 0;                 // default size
  std::uint32_t subgroup_min = 0, subgroup_max = 0;
  std::uint32_t max_workgroup_invocations = 0, max_workgroup_subgroups = 0;
  std::uint32_t shared_memory_bytes = 0, max_push_constant_bytes = 0;
  std::array<std::uint32_t, 3> max_workgroups{};
  bool cpu = false;  // a software driver such as lavapipe
  bool cooperative_matrix = false;  // subgroups multiply 16 x 16 x 16 halves and sum them as float, on matrix cores
  bool cooperative_matrix_2 = false;  // and they reduce rows of sums and turn sums into operands in registers
  // The same by workgroups (NV_cooperative_matrix2); empty where the device lacks any of what the shader needs.
  std::vector<WorkgroupMatrices> workgroup_matrices;
  std::uint32_t workgroup_matrix_shared_bytes = 0;  // of shared memory that the driver keeps for them
  bool integer_dot = false;
  bool timestamps = false;  // on the compute queue: plans can be timed
  bool usable = false;      // has everything the engine needs
  bool chosen = false;
  std::string why;  // why chosen, why passed over, or what is missing; a sentence
};

// Every device the loader knows. Error: no loader, no driver. `wanted` < 0 chooses: discrete, integrated, virtual, cpu;
// the largest memory among equals. Environment: FOVEA_VALIDATION=1 turns the validation layer on where installed.
[[nodiscard]] Result<std::vector<DeviceFacts>> list_devices(std::int32_t wanted = -1);

struct DeviceOptions {
  std::int32_t index = -1;                      // -1: choose
  std::optional<bool> validation;               // nullopt: FOVEA_VALIDATION
  std::filesystem::path pipeline_cache_folder;  // empty: $XDG_CACHE_HOME/fovea or ~/.cache/fovea
  // For tests of what a lost device does: this many submissions succeed, the next finds the device lost.
  // nullopt: FOVEA_LOSE_DEVICE_AFTER in the environment, else never.
  std::optional<std::uint64_t> lose_after_submissions;
  // Whether steps may follow one another by counts (chains_steps); a trial has the last word. nullopt: FOVEA_CHAINED_STEPS in the
  // environment (0: no), else on every GPU.
  std::optional<bool> chained_steps;
};

// Bytes handed out per use, from the allocator.
struct MemoryUsage {
  std::uint64_t weights = 0, kv = 0, compute = 0, other = 0;  // other: upload and readback buffers
};

class Device {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Device>> create(const DeviceOptions& options = {});
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  [[nodiscard]] const DeviceFacts& facts() const;
  [[nodiscard]] MemoryUsage memory() const;
  // Highest sum of memory() since the device was made.
  [[nodiscard]] std::uint64_t memory_peak() const;

  // Zero-filled. Sub-allocated from arenas where smaller than a block; bytes may exceed maxStorageBufferRange, since
  // kernels read by address. Error: memory, with how much was asked for and how much is there.
  [[nodiscard]] Result<Buffer> create_buffer(std::uint64_t bytes, MemoryUse use);
  // Copies host bytes into a buffer: directly where it is mapped, else through a staging ring. Returns when done.
  [[nodiscard]] Result<void> upload(const Buffer& to, std::uint64_t offset, std::span<const std::byte> bytes);
  // Copies device bytes to the host; for tests and cold paths, since it waits.
  [[nodiscard]] Result<void> download(const Buffer& from, std::uint64_t offset, std::span<std::byte> out);
  // Gives back what copies went through, once everything submitted is done; the next copy makes it anew.
  [[nodiscard]] Result<void> release_staging();

  // Pipelines are made once per (shader, constants) and kept; the Vulkan cache is on disk, keyed by device, driver and
  // shader library. Constants fill constant_id 0, 1, 2, ... in order; constant_id 0 and up of the workgroup size too.
  [[nodiscard]] Result<const Pipeline*> pipeline(const PipelineKey& key);
  // Writes the pipeline cache to disk if it grew. Errors are not worth a run: they are returned to be logged.
  Result<void> save_pipeline_cache();

  // Whether subgroups hold fragments of matrices as shaders/gpu/fragment_order.comp describes, which no specification promises:
  // found out by a short run the first time. False as well where that run fails; the next call then tells why.
  [[nodiscard]] bool quad_fragments();

  // Whether plans recorded from now on may have steps that follow one another by counts instead of barriers
  // (shaders/interface/chain.h), which no specification promises to work: found out by a short run the first time. False from
  // then on where a step has waited in vain.
  [[nodiscard]] bool chains_steps();

  // Starts recording a plan that can be submitted any number of times.
  [[nodiscard]] Result<CommandRecorder> record();

  // Submits recorded plans in order as one batch, the same one as often as it is named; returns the timeline value that
  // marks their end. A plan with timestamps keeps those of its last run.
  [[nodiscard]] Result<std::uint64_t> submit(std::span<const CommandPlan* const> plans);
  [[nodiscard]] Result<std::uint64_t> submit(const CommandPlan& plan) {
    const CommandPlan* one = &plan;
    return submit({&one, 1});
  }
  // Waits until the timeline has reached `value`. Error: device lost, no progress within `timeout_ms`, or a step that waited in
  // vain for the one before it.
  [[nodiscard]] Result<void> wait(std::uint64_t value, std::uint64_t timeout_ms = 600'000);
  [[nodiscard]] Result<std::uint64_t> completed();

  // Validation messages seen so far (errors and warnings); tests demand zero.
  [[nodiscard]] std::uint64_t validation_messages() const;

  struct State;  // shared with the objects handed out; defined in the room

 private:
  explicit Device(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fovea::gpu
