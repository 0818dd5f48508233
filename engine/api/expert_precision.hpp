// In which types a load keeps the experts of each layer under a budget of memory: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fovea {

// Of one tensor of a layer's experts.
struct TensorPrecision {
  std::string tensor, stored, taken;  // its name, its type in the file, and the one that it is kept in
  std::uint64_t bytes = 0;            // as kept
  double error = 0;                   // relative: sum of squared differences from the stored weights over their sum of squares
};

struct ExpertPrecision {
  std::uint64_t budget = 0;           // bytes of all experts
  std::uint64_t stored_bytes = 0, bytes = 0;
  std::vector<TensorPrecision> tensors;
};

}  // namespace fovea
