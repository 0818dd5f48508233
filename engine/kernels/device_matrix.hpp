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
  // The halves that push constants carry it in.
  [[nodiscard]] std::uint32_t matrix_bytes_low() const { return static_cast<std::uint32_t>(matrix_bytes()); }
  [[nodiscard]] std::uint32_t matrix_bytes_high() const { return static_cast<std::uint32_t>(matrix_bytes() >> 32); }
};

// Scratch for weights as halves.
struct UnpackedRoom {
  std::uint64_t address = 0, bytes = 0;
};

}  // namespace fovea
