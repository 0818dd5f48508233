// The semantic router of a policy on the device: it runs behind the first layers of every batch, beside the products of the layer
// that comes, and leaves what the later layers' choices read. Between two tokens nothing of it passes through the host. Engine
// thread only.
#pragma once

#include <cstdint>

#include "engine/api/expert_rule.hpp"
#include "engine/base/result.hpp"
#include "engine/gpu/device.hpp"
#include "engine/kernels/kernel_recorder.hpp"

namespace fovea {

class PriorNetwork {
 public:
  // `batch`: most tokens of a submission. `prior` must be complete (its parameters those of its shape). Errors: no memory.
  [[nodiscard]] static Result<PriorNetwork> create(gpu::Device& device, const ExpertPrior& prior, std::uint32_t batch);

  [[nodiscard]] std::uint32_t first_layer() const { return first_layer_; }
  // Experts of a layer that count as predicted: twice as many as a token uses, as far as there are more.
  [[nodiscard]] std::uint32_t memory() const { return memory_; }
  // Behind layer first_layer() - 1 and a barrier; `x`: float (tokens, stride), the residual there, which nobody writes before the
  // next barrier. Choices read its answers behind one.
  [[nodiscard]] Result<void> record(KernelRecorder& kernels, std::uint64_t x, std::uint32_t stride, std::uint64_t state, std::uint32_t tokens) const;
  // What the choice of layer first_layer() + `predicted` reads (ExpertChoiceRule::shift, predicted).
  [[nodiscard]] std::uint64_t shift() const { return buffer_.address() + shift_; }
  [[nodiscard]] std::uint64_t masks(std::uint32_t predicted) const;

 private:
  ExpertPrior shape_;  // without parameters
  std::uint32_t first_layer_ = 0, memory_ = 0, batch_ = 0, ring_rows_ = 0;
  std::uint64_t ring_ = 0, shift_ = 0, masks_ = 0;  // offsets behind the parameters
  gpu::Buffer buffer_;
};

}  // namespace fovea
