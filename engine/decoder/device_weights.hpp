// A model's weights on the device, in their stored form. Engine thread only.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/gpu/device.hpp"
#include "engine/kernels/device_matrix.hpp"
#include "engine/kernels/eight_rows.hpp"
#include "engine/model/model_config.hpp"
#include "engine/model/model_weights.hpp"

namespace fovea {

struct DeviceLayer {
  std::uint64_t attention_norm = 0, feed_forward_norm = 0;  // float (width)
  std::uint64_t query_norm = 0, key_norm = 0;               // float, or 0
  std::vector<DeviceMatrix> qkv;                            // query, key and value rows in this order; one matrix where they share a type
  DeviceMatrix attention_output;
  DeviceMatrix router;                                      // mixtures only
  DeviceMatrix gate, up, down;
};

// A further expert of a layer, in the form in which the layer's own are stored: one matrix each, and a row of the router.
struct FurtherExpert {
  std::span<const std::byte> gate, up, down, router;
};

class DeviceWeights {
 public:
  // Copies every tensor of `weights` once; `further`, one for each layer or none, behind the experts of its layer; where it lies in
  // eights and `output_in_eights`, the output matrix a second time as decoding reads it then. `progress` gets the fraction done; a stop
  // ends between tensors.
  [[nodiscard]] static Result<DeviceWeights> upload(gpu::Device& device, const ModelConfig& config, const ModelWeights& weights,
                                                    const std::function<void(double)>& progress, std::stop_token stop,
                                                    std::span<const FurtherExpert> further = {}, bool output_in_eights = false);

  DeviceMatrix token_embedding, output;
  EightRows output_eights;        // the output's rows once more, or none
  std::uint64_t output_norm = 0;  // float (width)
  std::uint64_t turns = 0;        // uint64 (rope_width / 2): rotation per position in units of 2^-64 turn
  std::vector<DeviceLayer> layers;

 private:
  std::vector<gpu::Buffer> blocks_;
};

// Rotation per position of each pair, in units of 2^-64 of a turn: base^(-2i/rope_width) / (2 pi scale factor_i).
[[nodiscard]] std::vector<std::uint64_t> rope_turns(const ModelConfig& config);

}  // namespace fovea
