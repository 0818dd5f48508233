// Activations rounded to 8 bits in blocks of 16, as the kernels of shaders/interface/dot.h take them. The KV
// cache has a rule of its own (round_to_q8_0 in attention.hpp): its scales are stored as halves.
#pragma once

#include <span>

namespace fovea::reference {

// out[i] = d q, with d = max|x| / 127 of the block and q = floor(x * 127 / max|x| + 1/2) in single precision, which is
// what every device computes. x.size() is a multiple of 16, and out as long.
void round_to_8_bits(std::span<const float> x, std::span<float> out);

}  // namespace fovea::reference
