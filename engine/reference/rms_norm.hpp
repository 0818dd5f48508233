// Root mean square normalisation (Zhang and Sennrich 2019).
#pragma once

#include <span>

namespace fovea::reference {

// x, out: [rows][weight.size()], and may be the same memory. out = x / sqrt(mean(x^2) + epsilon) * weight, in double.
// A query norm over single heads is the same with rows = tokens * heads.
void rms_norm(std::span<const float> x, std::span<const float> weight, float epsilon, std::span<float> out);

}  // namespace fovea::reference
