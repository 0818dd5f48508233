// A layer of one token in two steps, on a CPU driver of eight lanes and few cores: from one step to the next such a driver takes
// longer than from a norm to a product. Both end in the residual; neither waits for another workgroup.
#pragma once

#include "engine/kernels/attention.hpp"
#include "engine/kernels/experts.hpp"

namespace fovea {

// Norm, q, k and v, attention and its output product, then the router as record_router_token has it, to the bit what these make apart.
struct AttentionLayerArgs {
  RopeStoreArgs rope;        // of one token; its `query`: where rotated queries are left, or 0
  DeviceMatrix projections;  // rows of q, k and v
  DeviceMatrix output;
  std::uint64_t x = 0;       // float (output.rows): the residual, read and written
  FoldedNorm norm{};
  std::uint64_t attended = 0;  // scratch: float (query_heads * head_width)
  std::uint64_t sums = 0;      // scratch: attention_layer_bytes()
  std::uint64_t arrived = 0;   // scratch: uint (1), 0 before and after
  RouterTokenArgs router;
};
[[nodiscard]] std::uint64_t attention_layer_bytes(std::uint32_t kv_heads, std::uint32_t width);
// Whether the device runs it for these heads and matrices.
[[nodiscard]] bool runs_attention_layer(const KernelRecorder& kernels, const RopeStoreArgs& rope, const DeviceMatrix& projections,
                                        const DeviceMatrix& output, const DeviceMatrix& router);
[[nodiscard]] Result<void> record_attention_layer(KernelRecorder& kernels, const AttentionLayerArgs& args);

// What record_gate_up and record_expert_down make of one token's experts, by two workgroups.
struct ExpertLayerArgs {
  DeviceMatrix gate, up, down;
  std::uint64_t x = 0;  // float (down.rows): the residual before the norm, read and written
  FoldedNorm norm{};
  std::uint64_t act = 0;      // scratch: float (slots, down.columns)
  std::uint64_t partial = 0;  // scratch: float (slots + 1, down.rows)
  std::uint64_t arrived = 0;  // scratch: uint (1), 0 before and after
};
[[nodiscard]] bool runs_expert_layer(const KernelRecorder& kernels, const DeviceMatrix& gate, const DeviceMatrix& down);
[[nodiscard]] Result<void> record_expert_layer(KernelRecorder& kernels, const ExpertBatch& batch, const ExpertLayerArgs& args);

// Whether `workgroups` of equal work keep this machine's cores busy.
[[nodiscard]] bool shares_cores_evenly(std::uint32_t workgroups);

}  // namespace fovea
