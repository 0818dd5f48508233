// Kernels over stored weights: embedding rows, matrix products, norms.
#pragma once

#include "engine/kernels/device_matrix.hpp"
#include "engine/kernels/kernel_recorder.hpp"

namespace fovea {

struct EmbedArgs {
  DeviceMatrix table;
  std::uint64_t history = 0;  // uint (context)
  std::uint64_t x = 0;        // float (tokens, stride)
  std::uint64_t state = 0;
  std::uint32_t stride = 0;
  std::uint32_t tokens = 1;   // room of the plan
};
[[nodiscard]] Result<void> record_embed(KernelRecorder& kernels, const EmbedArgs& args);

struct MatmulArgs {
  DeviceMatrix weights;
  std::uint64_t x = 0;          // float (tokens, x_stride)
  std::uint64_t y = 0;          // float (tokens, y_stride)
  std::uint64_t state = 0;
  std::uint32_t x_stride = 0;   // multiple of 4
  std::uint32_t y_stride = 0;
  std::uint32_t tokens = 1;     // room of the plan
  bool accumulate = false;      // adds to y
  bool one_row = false;         // x has one row whatever the batch
  FoldedNorm norm{};            // of x, done on the way in
  UnpackedRoom unpacked{};
  std::uint64_t halves = 0;     // half (tokens, columns): the rows of x, where they are rounded for tiles (product_tile.hpp)
  std::uint64_t keys = 0;       // uint (rows / 8, rounded up), of one token where leaves_keys: what record_sample then need not look for; or 0
};
[[nodiscard]] bool leaves_keys(const KernelRecorder& kernels, const DeviceMatrix& weights);
// In tiles where there are `halves`; `unpacked` is then scratch for weights (record_dense_product).
[[nodiscard]] Result<void> record_matmul(KernelRecorder& kernels, const MatmulArgs& args);

struct RmsNormArgs {
  std::uint64_t weight = 0, x = 0, y = 0, state = 0;
  std::uint64_t halves = 0;     // half (tokens, width): y once more or, where y is 0, instead, as products in tiles read it
  std::uint32_t width = 0, stride = 0, tokens = 1;
  float epsilon = 0;
  bool last_only = false;       // the batch's last token only, into row 0 of y
};
[[nodiscard]] Result<void> record_rms_norm(KernelRecorder& kernels, const RmsNormArgs& args);

}  // namespace fovea
