// A layer of one token in two steps, or all layers in one, on a CPU driver of eight lanes and few cores: from one step to the next such
// a driver takes longer than from a norm to a product. Nobody depends on another workgroup.
#pragma once

#include <vector>

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

// All layers of one token in one step, by two workgroups (shaders/attention/token_layers.comp).
struct TokenLayersShape {
  std::uint32_t layers = 0, query_heads = 0, kv_heads = 0, head_width = 0, width = 0, experts = 0, slots = 0, hidden = 0;
};
// Of a layer that both steps run; scratch of their own is not read.
struct TokenLayerArgs {
  AttentionLayerArgs attention;
  ExpertBatch batch;
  ExpertLayerArgs experts;
};
struct TokenLayersArgs {
  std::vector<TokenLayerArgs> layers;
  std::uint64_t x = 0, y = 0;  // float (width): the residual before the first layer and behind the last, in two places
  std::uint64_t output_norm = 0, output_words = 0;  // float (width): of the norm behind; what record_eight_rows reads of y (eight_input_bytes), or 0
  const gpu::Buffer* scratch = nullptr;  // token_layers_bytes() at `offset`, zeros at first and left alone between tokens
  std::uint64_t offset = 0;
  std::uint32_t workgroups = 2;  // one comes to the same end
};
// 0 where no device runs layers of this shape.
[[nodiscard]] std::uint64_t token_layers_bytes(const TokenLayersShape& shape);
[[nodiscard]] bool runs_token_layers(const TokenLayersArgs& args);
// Tells the device what the layers are: in a step before theirs, which anything may share.
void record_token_table(KernelRecorder& kernels, const TokenLayersArgs& args);
[[nodiscard]] Result<void> record_token_layers(KernelRecorder& kernels, const TokenLayersArgs& args);

// Whether `workgroups` of equal work keep this machine's cores busy.
[[nodiscard]] bool shares_cores_evenly(std::uint32_t workgroups);

}  // namespace fovea
