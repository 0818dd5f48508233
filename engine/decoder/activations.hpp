// Every scratch tensor of the forward pass, named and shaped, in one device buffer. Engine thread only.
#pragma once

#include <cstdint>

#include "engine/base/result.hpp"
#include "engine/gpu/device.hpp"
#include "engine/kernels/device_matrix.hpp"
#include "engine/model/model_config.hpp"

namespace fovea {

// Strides are in floats and multiples of 4, so that rows start on 16 bytes.
struct ActivationStrides {
  std::uint32_t width = 0;   // x, normed, attention projections' input
  std::uint32_t qkv = 0;     // query, key and value heads of a token
  std::uint32_t query = 0;   // query heads of a token; dense, no padding: query_heads * head_width
  std::uint32_t attended = 0;  // the same, padded
  std::uint32_t router = 0;  // experts
  std::uint32_t hidden = 0;  // feed-forward width of one expert, or the dense one
};

class Activations {
 public:
  // `batch`: most tokens of one submission; `logit_rows`: rows of logits kept at once.
  [[nodiscard]] static Result<Activations> create(gpu::Device& device, const ModelConfig& config, std::uint32_t batch,
                                                  std::uint32_t logit_rows);
  // Bytes that create() asks for: the estimate shown before loading.
  [[nodiscard]] static std::uint64_t bytes(const gpu::DeviceFacts& facts, const ModelConfig& config, std::uint32_t batch, std::uint32_t logit_rows);

  ActivationStrides strides;
  std::uint32_t batch = 0, logit_rows = 0;
  // Addresses; T = batch, S = experts used (1 when dense).
  std::uint64_t x = 0;          // float (T, width): the residual stream
  std::uint64_t normed = 0;     // float (T, width)
  std::uint64_t qkv = 0;        // float (T, qkv)
  std::uint64_t query = 0;      // float (T, query): normed and rotated
  std::uint64_t attended = 0;   // float (T, attended)
  std::uint64_t split_values = 0, split_partial = 0, split_arrived = 0;  // decode attention
  std::uint64_t lane_sums = 0;  // float (kv_heads, width, 8): of a layer in two steps (engine/kernels/token_layer.hpp), on a CPU driver alone
  std::uint64_t token_layers = 0;  // scratch of all layers in one step, likewise; 0: layers of another shape
  std::uint64_t router = 0;     // float (T, router)
  std::uint64_t router_parts = 0;  // float (width / 16, experts): of one token, as the product before leaves them (NextLogits)
  std::uint64_t experts = 0;    // uint (layers, T, S): routing of every layer, kept for the trace
  std::uint64_t expert_weights = 0;  // float (layers, T, S)
  std::uint64_t sorted = 0, tiles = 0;
  std::uint64_t hidden = 0;     // float (T * S, hidden); between products in tiles half
  std::uint64_t partial = 0;    // float (T * S, width)
  std::uint64_t logits = 0;     // float (logit_rows, vocabulary)
  std::uint64_t halves = 0;     // half (T, width) or (T, attended): what products in tiles read
  UnpackedRoom unpacked;        // weights as halves, for products of many tokens
  // What products of one token read in 8 bits (shaders/interface/dot.h).
  std::uint64_t words = 0;           // any of them, S inputs at most
  std::uint64_t residual_words = 0;  // the residual, normed or as a product leaves it
  std::uint64_t attended_words = 0;
  std::uint64_t output_words = 0;  // what the output product reads of rows in eights, on a CPU driver alone

  [[nodiscard]] const gpu::Buffer& buffer() const { return buffer_; }
  [[nodiscard]] const gpu::Buffer& dispatch() const { return dispatch_; }
  [[nodiscard]] std::uint64_t offset_of(std::uint64_t address) const { return address - buffer_.address(); }

 private:
  // Lays the tensors out from `base`; returns the bytes taken.
  std::uint64_t lay_out(const gpu::DeviceFacts& facts, const ModelConfig& config, std::uint64_t base);
  gpu::Buffer buffer_, dispatch_;
};

}  // namespace fovea
