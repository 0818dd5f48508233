#include "engine/kernels/kernel_recorder.hpp"

#include <algorithm>
#include <array>

namespace fovea {

std::uint32_t ProductShape::groups(std::uint32_t row_count) const {
  const std::uint32_t units = subgroup_form ? local_size / subgroup : local_size;
  const std::uint32_t per_group = units * rows;
  return (row_count + per_group - 1) / per_group;
}

ProductShape KernelRecorder::product_shape(std::uint32_t rows, std::uint32_t tokens, std::uint32_t streams) const {
  const gpu::DeviceFacts& facts = device_.facts();
  ProductShape shape;
  shape.subgroup = facts.subgroup;
  if (cpu_form()) {
    // A CPU driver: one invocation per row (no reductions, activations uniform), as many rows per invocation as leave
    // every core a few workgroups, since each loaded activation then serves several rows.
    shape.local_size = facts.subgroup;
    shape.tokens = std::min<std::uint32_t>(tokens, 8);
    const std::uint32_t most = streams > 1 ? 2 : 4;
    while (shape.rows < most && rows / (shape.local_size * shape.rows * 2) >= 4) shape.rows *= 2;
    return shape;
  }
  if (tokens == 1) {
    shape.subgroup_form = true;
    shape.local_size = facts.subgroup * 4;
    shape.rows = streams > 1 || rows < 4096 ? 1 : 2;
    return shape;
  }
  shape.local_size = std::max<std::uint32_t>(64, facts.subgroup);
  shape.tokens = std::min<std::uint32_t>(tokens, 8);
  return shape;
}

std::uint32_t KernelRecorder::hands(const ProductShape& shape) const {
  if (shape.subgroup_form || !cpu_form() || subgroup() < 4) return 0;
  return subgroup() < 8 ? 4 : 8;
}

bool KernelRecorder::folds_steps() const { return !cpu_form(); }

Result<const gpu::Pipeline*> KernelRecorder::pipeline_for(ShaderId shader, std::vector<std::uint32_t> constants) {
  return device_.pipeline(gpu::PipelineKey{shader, std::move(constants), device_.facts().subgroup});
}

ShaderId shader_for(ShaderId first, DType type, DType first_type) {
  constexpr std::array kOrder{DType::F32,  DType::F16,  DType::BF16, DType::Q8_0, DType::Q4_0,
                              DType::Q5_0, DType::Q4_K, DType::Q5_K, DType::Q6_K};
  const auto at = std::ranges::find(kOrder, type) - std::ranges::find(kOrder, first_type);
  return static_cast<ShaderId>(static_cast<std::uint16_t>(first) + at);
}

}  // namespace fovea
