#include "engine/session/device_fits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "engine/decoder/decoder.hpp"

namespace fovea {
namespace {

constexpr std::uint64_t kCopiedOnGpu = 256ull << 20, kCopiedOnCpu = 32ull << 20;  // more than caches hold
constexpr int kCopiesOfAGo = 8;
constexpr double kSeconds = 0.5;  // of goes: an idle GPU takes a while to reach its clock

double gibibytes(std::uint64_t bytes) { return static_cast<double>(bytes) / (1u << 30); }

// `eights`: the output product is one of rows in eights.
DeviceFit activations_fit(const gpu::DeviceFacts& facts, std::optional<ActivationType> asked, bool eights) {
  const ActivationType suits = suitable_activations(facts);
  return {.what = "activations", .taken = std::string(name(asked.value_or(suits))),
          .reason = eights            ? "a CPU driver multiplies floats as fast as it reads weights, but for the output matrix: a copy with eight rows side by side is quicker, in 8 bits"
                 : facts.cpu         ? "a CPU driver multiplies floats as fast as it reads weights"
                 : facts.integer_dot ? "the device has packed integer dot products; floats would be several times slower in decoding"
                                     : "the device has no packed integer dot products",
          .option = "--activations", .asked = asked.has_value()};
}

DeviceFit products_fit(const gpu::DeviceFacts& facts) {
  DeviceFit fit{.what = "prompt_products"};
  if (facts.cpu) {
    fit.taken = "rows";
    fit.reason = "a CPU driver has no shared memory that would pay: an invocation takes a row for up to 8 tokens";
  } else if (facts.cooperative_matrix && !facts.workgroup_matrices.empty()) {
    fit.taken = "workgroup matrices";
    fit.reason = "matrix cores multiply halves for whole workgroups (NV_cooperative_matrix2)";
  } else if (facts.cooperative_matrix) {
    fit.taken = "subgroup matrices";
    fit.reason = "matrix cores multiply 16 x 16 x 16 halves for subgroups (KHR_cooperative_matrix)";
  } else {
    fit.taken = "tiles in registers";
    fit.reason = "the device has no matrix cores that multiply halves and sum as float";
  }
  return fit;
}

DeviceFit steps_fit(const gpu::DeviceFacts& facts) {
  return {.what = "steps", .taken = facts.cpu ? "apart" : "folded",
          .reason = facts.cpu ? "on a CPU driver a dispatch is cheaper than work that every workgroup does again"
                           : "on a GPU a step behind a barrier costs microseconds however little it does: norms, the choice of experts and rotary positions are "
                             "part of the products behind them"};
}

std::string shown(std::uint64_t bytes) { return fmt::format("{:.1f}", gibibytes(bytes)); }

DeviceFit kv_fit(const gpu::DeviceFacts& facts, KvType kv, bool asked, const MemoryBytes& f16) {
  const bool fits = suitable_kv(facts, f16) == KvType::f16;
  return {.what = "kv", .taken = std::string(name(kv)),
          .reason = fits ? "as f16 a run of the whole context fits into the %1 GiB that may be taken of the device's memory: weights %2, keys and values %3, all %4 "
                           "GiB (derived)"
                         : "as f16 a run of the whole context does not fit into the %1 GiB that may be taken of the device's memory: weights %2, keys and values %3, "
                           "all %4 GiB (derived)",
          .figures = {shown(usable_memory(facts)), shown(f16.weights), shown(f16.kv), shown(f16.total())},
          .option = "--kv", .asked = asked};
}

DeviceFit batch_fit(const gpu::DeviceFacts& facts, const ModelConfig& config, std::uint32_t context) {
  DeviceFit fit{.what = "batch", .taken = std::to_string(suitable_batch(facts, config, context))};
  if (facts.cpu) {
    fit.reason = "prompt tokens of a submission; a CPU driver gains nothing by more";
    return fit;
  }
  fit.reason = config.mixture() ? "prompt tokens of a submission; as many as keep a GPU busy with activations of at most a sixteenth of its %1 GiB"
                                : "prompt tokens of a submission; as many as keep a GPU busy with activations of at most a sixteenth of its %1 GiB; more than 1,024 "
                                  "help experts alone";
  fit.figures = {shown(facts.memory_bytes)};
  return fit;
}

}  // namespace

std::uint64_t usable_memory(const gpu::DeviceFacts& facts) { return facts.memory_bytes / 10 * 9; }

KvType suitable_kv(const gpu::DeviceFacts& facts, const MemoryBytes& f16) { return f16.total() <= usable_memory(facts) ? KvType::f16 : KvType::q8_0; }

DeviceFits device_fits(const gpu::DeviceFacts& facts) { return {activations_fit(facts, std::nullopt, false), products_fit(facts), steps_fit(facts)}; }

DeviceFits device_fits(const gpu::DeviceFacts& facts, const ModelConfig& config, std::uint32_t context, KvType kv, bool kv_asked, const MemoryBytes& f16,
                       std::optional<ActivationType> activations, bool eights) {
  return {kv_fit(facts, kv, kv_asked, f16), activations_fit(facts, activations, eights), batch_fit(facts, config, context), products_fit(facts), steps_fit(facts)};
}

Result<double> measure_copy_bandwidth(std::int32_t index) {
  using Clock = std::chrono::steady_clock;
  FOVEA_ASSIGN(const std::unique_ptr<gpu::Device> device, gpu::Device::create({.index = index}));
  const std::uint64_t bytes = device->facts().cpu ? kCopiedOnCpu : kCopiedOnGpu;
  FOVEA_ASSIGN(const gpu::Buffer from, device->create_buffer(bytes, gpu::MemoryUse::compute));
  FOVEA_ASSIGN(const gpu::Buffer to, device->create_buffer(bytes, gpu::MemoryUse::compute));
  FOVEA_ASSIGN(gpu::CommandRecorder recorder, device->record());
  for (int i = 0; i < kCopiesOfAGo; ++i) {
    recorder.copy(from, 0, to, 0, bytes);
    recorder.barrier();
  }
  FOVEA_ASSIGN(const gpu::CommandPlan plan, recorder.finish());
  double best = 0;
  const Clock::time_point begin = Clock::now();
  for (int go = 0; go < 2 || Clock::now() - begin < std::chrono::duration<double>(kSeconds); ++go) {
    const Clock::time_point start = Clock::now();
    FOVEA_ASSIGN(const std::uint64_t ticket, device->submit(plan));
    FOVEA_TRY(device->wait(ticket));
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::max(best, 2e-9 * kCopiesOfAGo * static_cast<double>(bytes) / seconds);
  }
  return best;
}

}  // namespace fovea
