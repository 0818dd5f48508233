// A stored weight matrix on the device: where it is and how its rows lie.
#pragma once

#include <cstdint>

#include "engine/tensor/dtype.hpp"

namespace fovea {

struct DeviceMatrix {
  std::uint64_t address = 0;
  DType type = DType::F32;
  std::uint32_t columns = 0;   // input width
  std::uint32_t rows = 0;      // output width
  std::uint32_t matrices = 1;  // experts, one after another
  std::uint32_t row_bytes = 0;
  [[nodiscard]] std::uint64_t matrix_bytes() const { return std::uint64_t{row_bytes} * rows; }
};

}  // namespace fovea
