// The gated feed-forward network of one expert, or of a dense layer: down(silu(gate x) * up x) (Shazeer 2020).
#pragma once

#include <cstdint>
#include <span>

#include "engine/model/model_weights.hpp"

namespace fovea::reference {

// x, out: [tokens][width]. `expert` picks the matrices; 0 in a dense layer.
void expert_ffn(const LayerWeights& layer, std::uint32_t expert, std::span<const float> x, std::span<float> out);

// hidden = silu(gate) * up, in double. hidden may be gate's memory.
void swiglu(std::span<const float> gate, std::span<const float> up, std::span<float> hidden);

}  // namespace fovea::reference
