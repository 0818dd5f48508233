#include "engine/kernels/dot.hpp"

#include <algorithm>
#include <array>

namespace fovea {
namespace {

constexpr std::uint32_t kSharedElsewhere = 256;  // bytes of shared memory that the kernels use beside the input

// The variant of a shader with the axis of block formats: `first` is its Q8_0 variant.
ShaderId block_shader(ShaderId first, DType type) {
  constexpr std::array kOrder{DType::Q8_0, DType::Q4_0, DType::Q5_0, DType::Q4_K, DType::Q5_K, DType::Q6_K};
  const auto at = std::find(kOrder.begin(), kOrder.end(), type) - kOrder.begin();
  return static_cast<ShaderId>(static_cast<std::uint16_t>(first) + at);
}

// {local size, columns, rows, subgroup form, staged}: what all three products begin with.
std::vector<std::uint32_t> product_constants(const ProductShape& shape, std::uint32_t columns) {
  const std::uint32_t gpu_form = shape.subgroup_form ? 1 : 0;
  return {shape.local_size, columns, shape.rows, gpu_form, gpu_form};
}

}  // namespace

bool takes_dot(const KernelRecorder& kernels, const DeviceMatrix& matrix, std::uint32_t vectors) {
  // Eight lanes share a block of activations while it is rounded.
  if (!kernels.facts().integer_dot || kernels.subgroup() < 8 || traits(matrix.type).block_length < 32) return false;
  const std::uint64_t shared = std::uint64_t{vectors} * q8_words(matrix.columns) * sizeof(std::uint32_t) + kSharedElsewhere;
  return !kernels.folds_steps() || shared <= kernels.facts().shared_memory_bytes;
}

Result<void> record_quantize(KernelRecorder& kernels, const QuantizeArgs& args) {
  const shader::QuantizePush push{.x = args.x, .q8 = args.q8, .y = args.y, .norm = args.norm.weight, .width = args.width,
                                  .x_stride = args.x_stride, .q8_stride = args.q8_stride, .epsilon = args.norm.epsilon};
  return kernels.dispatch(ShaderId::quantize, {kernels.subgroup(), args.norm.weight != 0 ? 1u : 0u}, push, args.rows);
}

Result<void> record_matvec_dot(KernelRecorder& kernels, const MatvecDotArgs& args) {
  const ProductShape shape = kernels.product_shape(args.weights.rows, 1);
  const shader::MatvecDotPush push{.weights = args.weights.address, .x = args.x.address, .y = args.y,
                                   .norm = args.x.norm.weight, .rows = args.weights.rows, .row_bytes = args.weights.row_bytes,
                                   .accumulate = args.accumulate ? 1u : 0u, .epsilon = args.x.norm.epsilon};
  auto constants = product_constants(shape, args.weights.columns);
  constants.push_back(args.x.norm.weight != 0 ? 1 : 0);
  return kernels.dispatch(block_shader(ShaderId::matvec_dot_Q8_0, args.weights.type), std::move(constants), push,
                          shape.groups(args.weights.rows));
}

Result<void> record_gate_up_dot(KernelRecorder& kernels, const ExpertBatch& batch, const GateUpDotArgs& args) {
  const ProductShape shape = kernels.product_shape(args.gate.rows, 1, 2);
  const std::uint32_t slots = batch.mode == ExpertMode::dense ? 1 : batch.slots;
  const shader::GateUpDotPush push{.gate = args.gate.address, .up = args.up.address, .x = args.x.address, .act = args.act,
                                   .experts = batch.experts, .norm = args.x.norm.weight, .logits = batch.logits,
                                   .weights = batch.weights, .rows = args.gate.rows, .row_bytes = args.gate.row_bytes,
                                   .expert_bytes_low = args.gate.matrix_bytes_low(),
                                   .expert_bytes_high = args.gate.matrix_bytes_high(), .y_stride = args.act_stride,
                                   .epsilon = args.x.norm.epsilon};
  auto constants = product_constants(shape, args.gate.columns);
  constants.insert(constants.end(), {args.x.norm.weight != 0 ? 1u : 0u, static_cast<std::uint32_t>(batch.mode), slots,
                                     std::max(batch.expert_count, 1u), batch.normalize ? 1u : 0u, kernels.subgroup()});
  return kernels.dispatch(block_shader(ShaderId::gate_up_dot_Q8_0, args.gate.type), std::move(constants), push,
                          shape.groups(args.gate.rows), slots);
}

Result<void> record_expert_down_dot(KernelRecorder& kernels, const ExpertBatch& batch, const DownDotArgs& args) {
  const ProductShape shape = kernels.product_shape(args.down.rows, 1);
  const shader::DownDotPush push{.down = args.down.address, .act = args.act, .y = args.x, .experts = batch.experts,
                                 .weights = batch.weights, .rows = args.down.rows, .row_bytes = args.down.row_bytes,
                                 .expert_bytes_low = args.down.matrix_bytes_low(),
                                 .expert_bytes_high = args.down.matrix_bytes_high(), .act_stride = args.act_stride};
  auto constants = product_constants(shape, args.down.columns);
  constants.push_back(batch.slots);
  return kernels.dispatch(block_shader(ShaderId::expert_down_dot_Q8_0, args.down.type), std::move(constants), push,
                          shape.groups(args.down.rows));
}

}  // namespace fovea
