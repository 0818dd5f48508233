// The semantic router on the device: what its network (engine/semantic_router/network.hpp) says of the tokens of a batch, from the
// residual behind the first layers, before the later layers run. Twin: engine/reference/semantic_router.
#pragma once

#include <cstdint>

#include "engine/kernels/kernel_recorder.hpp"
#include "shaders/interface/semantic_router.h"

namespace fovea {

inline constexpr std::uint32_t kSemanticSight = 32;  // rows of the ring beside a batch: the last block looks 16 tokens back

struct SemanticRouterArgs {
  std::uint32_t input = 0, width = 0, predicted = 0, experts = 0, needs = 0, domains = 0;  // needs: K - 1; predicted: layers
  std::uint32_t memory = 0;      // experts of a layer that count as predicted
  std::uint32_t tokens = 1;      // room of the plan
  std::uint32_t stride = 0;      // of x
  std::uint32_t ring_rows = 0;   // at least tokens + kSemanticSight
  std::uint32_t mask_room = 0;   // tokens that a layer's masks have room for
  float mean = 1, weight = 0;    // of the shift: weight * (1 + sum_j P(need > j) - mean)
  std::uint64_t x = 0;           // float (tokens, stride): the residual behind the first layers
  std::uint64_t state = 0;
  std::uint64_t parameters = 0;  // float, in the network's order
  std::uint64_t ring = 0;        // float (kSemanticBlocks, ring_rows, width), kept from batch to batch
  std::uint64_t shift = 0;       // float (tokens), written
  std::uint64_t masks = 0;       // uint (predicted, mask_room, mask_words), written
};
[[nodiscard]] constexpr std::uint32_t mask_words(std::uint32_t experts) { return (experts + 31) / 32; }

// One step for a token alone; for more a step for each stage with barriers between them. Nobody may read the answers, or write x,
// before a barrier behind it.
[[nodiscard]] Result<void> record_semantic_router(KernelRecorder& kernels, const SemanticRouterArgs& args);

}  // namespace fovea
