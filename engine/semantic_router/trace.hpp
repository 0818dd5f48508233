// What a semantic router learns from: one window of text as the model took it.
#pragma once

#include <cstdint>
#include <vector>

namespace fovea {

struct RouterTrace {
  std::uint32_t domain = 0, tokens = 0;
  std::vector<std::uint16_t> frames;         // halves (tokens, input): make_router_frame of the residual
  std::vector<std::uint16_t> probabilities;  // halves (tokens, predicted, experts): softmax of the model's own routers
  std::vector<std::uint16_t> chosen;         // (tokens, predicted, experts_used): the model's own choice, best first
  std::vector<std::uint8_t> need;            // (tokens): 1 .. K; 0: not measured
  std::vector<float> losses;                 // (tokens, K): nats, with 1 .. K experts in the predicted layers; where need is measured
};

}  // namespace fovea
