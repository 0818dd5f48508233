#include "engine/decoder/prior_network.hpp"

#include <algorithm>
#include <span>

#include "engine/kernels/semantic_router.hpp"

namespace fovea {

Result<PriorNetwork> PriorNetwork::create(gpu::Device& device, const ExpertPrior& prior, std::uint32_t batch) {
  const auto aligned = [](std::uint64_t bytes) { return (bytes + 255) / 256 * 256; };
  PriorNetwork network;
  network.shape_ = prior;
  network.shape_.parameters.clear();
  network.first_layer_ = prior.first_layer;
  network.memory_ = std::min(2 * prior.experts_used, prior.experts);
  network.batch_ = batch;
  network.ring_rows_ = batch + kSemanticSight;
  const std::uint64_t word = sizeof(std::uint32_t);
  network.ring_ = aligned(prior.parameters.size() * word);
  network.shift_ = aligned(network.ring_ + std::uint64_t{shader::kSemanticBlocks} * network.ring_rows_ * prior.width * word);
  network.masks_ = aligned(network.shift_ + batch * word);
  const std::uint64_t end = network.masks_ + std::uint64_t{prior.layers - prior.first_layer} * batch * mask_words(prior.experts) * word;
  FOVEA_ASSIGN(network.buffer_, device.create_buffer(end, gpu::MemoryUse::compute));
  FOVEA_TRY(device.upload(network.buffer_, 0, std::as_bytes(std::span(prior.parameters))));
  return network;
}

std::uint64_t PriorNetwork::masks(std::uint32_t predicted) const {
  return buffer_.address() + masks_ + std::uint64_t{predicted} * batch_ * mask_words(shape_.experts) * sizeof(std::uint32_t);
}

Result<void> PriorNetwork::record(KernelRecorder& kernels, std::uint64_t x, std::uint32_t stride, std::uint64_t state, std::uint32_t tokens) const {
  kernels.plan().tag("semantic router");
  return record_semantic_router(kernels, {.input = shape_.input, .width = shape_.width, .predicted = shape_.layers - shape_.first_layer, .experts = shape_.experts,
                                          .needs = shape_.experts_used - 1, .domains = shape_.domains, .memory = memory_, .tokens = tokens, .stride = stride,
                                          .ring_rows = ring_rows_, .mask_room = batch_, .mean = static_cast<float>(shape_.need_mean),
                                          .weight = static_cast<float>(shape_.weight), .x = x, .state = state, .parameters = buffer_.address(),
                                          .ring = buffer_.address() + ring_, .shift = shift(), .masks = masks(0)});
}

}  // namespace fovea
