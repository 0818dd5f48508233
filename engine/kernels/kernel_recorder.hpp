// What every kernel is recorded with: the device for its pipelines, the plan under construction, and the shapes that
// suit the device. Engine thread only.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/gpu/device.hpp"
#include "engine/tensor/dtype.hpp"

namespace fovea {

// Shape of a product kernel: which lanes share a row, and how many outputs one unit computes.
struct ProductShape {
  bool subgroup_form = false;  // lanes of a subgroup split k; else one invocation per row
  std::uint32_t local_size = 0;
  std::uint32_t rows = 1;      // per unit
  std::uint32_t tokens = 1;    // per unit
  std::uint32_t subgroup = 0;

  // Workgroups along the rows.
  [[nodiscard]] std::uint32_t groups(std::uint32_t row_count) const;
};

// Which product shapes are recorded. The form that suits another kind of device gives the same results: tests run both
// on whatever device there is.
enum class ProductForm { suits_device, cpu, gpu, gpu_without_matrix_cores };

// A root mean square norm that a product does to its input rows itself (shaders/interface/norm.h); weight 0: none.
struct FoldedNorm {
  std::uint64_t weight = 0;  // float (columns), aligned to 16 bytes
  float epsilon = 0;
};

class KernelRecorder {
 public:
  KernelRecorder(gpu::Device& device, gpu::CommandRecorder& recorder, ProductForm form = ProductForm::suits_device)
      : device_(device), recorder_(recorder), form_(form) {}

  [[nodiscard]] gpu::CommandRecorder& plan() { return recorder_; }
  [[nodiscard]] const gpu::DeviceFacts& facts() const { return device_.facts(); }
  [[nodiscard]] std::uint32_t subgroup() const { return device_.facts().subgroup; }
  // A product of `rows` outputs for `tokens` activation rows that share the weights; `streams` matrices are read at once.
  [[nodiscard]] ProductShape product_shape(std::uint32_t rows, std::uint32_t tokens, std::uint32_t streams = 1) const;

  // Lanes that share the loading of what all of them read (shaders/include/shared_row.glsl); 0: each loads for itself.
  [[nodiscard]] std::uint32_t hands(const ProductShape& shape) const;

  // Whether small steps are worth folding into the products behind them: on a GPU a step behind a barrier costs 2 us and
  // more however little it does; on a CPU driver work done by every workgroup again costs more than a dispatch.
  [[nodiscard]] bool folds_steps() const;
  // Whether steps may follow one another by counts (shaders/interface/chain.h).
  [[nodiscard]] bool chains() const { return folds_steps() && recorder_.chains(); }
  // Whether products are recorded in the form for CPU drivers.
  [[nodiscard]] bool cpu_form() const {
    return form_ == ProductForm::suits_device ? facts().cpu : form_ == ProductForm::cpu;
  }
  // Whether tiles are multiplied on matrix cores (shaders/include/matrix_tile.glsl).
  [[nodiscard]] bool matrix_cores() const {
    return facts().cooperative_matrix && !cpu_form() && form_ != ProductForm::gpu_without_matrix_cores;
  }
  // Whether lanes may fill the fragments of weights themselves (shaders/linear/product_lanes.comp).
  [[nodiscard]] bool fills_fragments() const { return matrix_cores() && device_.quad_fragments(); }

  template <class Push>
  [[nodiscard]] Result<void> dispatch(ShaderId shader, std::vector<std::uint32_t> constants, const Push& push,
                                      std::uint32_t x, std::uint32_t y = 1) {
    FOVEA_ASSIGN(const gpu::Pipeline* pipeline, pipeline_for(shader, std::move(constants)));
    recorder_.dispatch(*pipeline, push, x, y);
    return {};
  }
  // As a step that is chained where chains() says so, for which the shader is then one that knows of chains.
  template <class Push>
  [[nodiscard]] Result<void> dispatch_chained(ShaderId shader, std::vector<std::uint32_t> constants, const Push& push,
                                              std::uint32_t x, std::uint32_t y = 1) {
    FOVEA_ASSIGN(const gpu::Pipeline* pipeline, pipeline_for(shader, std::move(constants)));
    if (chains())
      recorder_.dispatch_chained(*pipeline, push, x, y);
    else
      recorder_.dispatch(*pipeline, push, x, y);
    return {};
  }
  template <class Push>
  [[nodiscard]] Result<void> dispatch_indirect(ShaderId shader, std::vector<std::uint32_t> constants, const Push& push,
                                               const gpu::Buffer& counts, std::uint64_t offset) {
    FOVEA_ASSIGN(const gpu::Pipeline* pipeline, pipeline_for(shader, std::move(constants)));
    recorder_.dispatch_indirect(*pipeline, push, counts, offset);
    return {};
  }

 private:
  [[nodiscard]] Result<const gpu::Pipeline*> pipeline_for(ShaderId shader, std::vector<std::uint32_t> constants);
  gpu::Device& device_;
  gpu::CommandRecorder& recorder_;
  ProductForm form_;
};

// The variant of a shader with a FORMAT axis: `first` is the variant of `first_type`, the axis' first format, and the
// others follow in the order F32, F16, BF16, Q8_0, Q4_0, Q5_0, Q4_K, Q5_K, Q6_K.
[[nodiscard]] ShaderId shader_for(ShaderId first, DType type, DType first_type = DType::F32);

}  // namespace fovea
