// Token ids to rows of the embedding matrix.
#pragma once

#include <cstdint>
#include <span>

#include "engine/model/model_weights.hpp"

namespace fovea::reference {

// out: [tokens][width]. Every id must be a row of `embedding`.
void embed(const WeightView& embedding, std::span<const std::int32_t> tokens, std::span<float> out);

}  // namespace fovea::reference
