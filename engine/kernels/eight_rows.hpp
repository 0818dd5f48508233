// One token's product with weights that lie eight rows side by side (shaders/interface/eight_rows.h), on a CPU driver. Twins:
// engine/reference/quantize (activations in 8 bits), engine/reference/matvec.
#pragma once

#include "engine/kernels/kernel_recorder.hpp"
#include "engine/tensor/dtype.hpp"

namespace fovea {

struct EightRows {
  std::uint64_t address = 0;  // 0: there are none
  std::uint32_t columns = 0, rows = 0;
};
// Whether the device gains by a second copy of such a matrix that lies so: a CPU driver of eight lanes, and Q6_K rows of up to 1,024 columns.
[[nodiscard]] bool gains_by_eight_rows(const gpu::DeviceFacts& facts, DType type, std::uint32_t columns, std::uint32_t rows);

struct EightRowsArgs {
  EightRows weights;
  std::uint64_t x = 0;      // float (columns)
  FoldedNorm norm{};        // of x, done on the way in
  std::uint64_t words = 0;  // scratch: eight_input_bytes(columns)
  bool rounded = false;     // they are there, by an earlier step; x is not read
  std::uint64_t y = 0;      // float (rows)
  std::uint64_t keys = 0;   // uint (rows / 8): what record_sample then need not look for; or 0
};
// Two steps, or one. Needs a device that gains by it.
[[nodiscard]] Result<void> record_eight_rows(KernelRecorder& kernels, const EightRowsArgs& args);

}  // namespace fovea
