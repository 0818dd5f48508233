#pragma once

namespace fovea {

// In what the products of one token take their input where weights are stored in blocks. Batches take floats.
enum class ActivationType {
  f32,   // agrees with the reference to rounding
  q8_0,  // 8 bits in blocks of 32, as llama.cpp does on CPUs; for packed integer dot products
};

}  // namespace fovea
