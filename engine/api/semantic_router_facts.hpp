// What is known of a semantic router: how it was trained, and how well it predicts text that it has not learned from. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fovea {

// Shares from 0 to 1; a token's experts are those of the model's own choice.
struct RouterLayerAccuracy {
  std::uint32_t layer = 0;
  double recall = 0;    // of the token's experts, the share among as many best predicted
  double baseline = 0;  // the same of the layer's experts that the measured text uses most, the same for all tokens
};

// How many of a token's experts are found in a memory of `size` experts per layer, mean over the predicted layers.
struct RouterPrefetch {
  std::uint32_t size = 0;
  double predicted = 0;  // filled with the best predicted before the token's layers run
  double recent = 0;     // keeping the experts that were called last (least recently used goes)
  double most_used = 0;  // always the ones that the measured text uses most
};

// What one number of experts per token, for the predicted layers, would cost, each order of tokens giving 1 .. K experts to as many
// tokens: the mean loss in nats. Estimated token by token from runs in which all tokens had the same number.
struct RouterNeedUse {
  double mean_k = 0;
  double own = 0;        // all K
  double any = 0;        // numbers without regard to the token
  double semantic = 0;   // more experts where the network predicts need
  double mass = 0;       // more where the model's routers, in the predicted layers themselves, are less sure
  double oracle = 0;     // more where they are needed
};

struct RouterAccuracy {
  std::uint64_t tokens = 0;
  double domain = 0;             // tokens whose domain is predicted
  double domain_baseline = 0;    // the largest domain's share
  std::vector<double> domains;   // the same of each domain's tokens, in the order of names; -1: none measured
  std::vector<RouterLayerAccuracy> layers;  // the predicted ones
  double recall = 0, recall_baseline = 0;   // mean of the layers
  // The need of a token: the fewest experts in the predicted layers with which the next token's distribution is within
  // `kNeedDivergence` nats of the model's own. Zero tokens: not measured.
  std::uint64_t need_tokens = 0;
  double need_mean = 0, need_exact = 0, need_exact_baseline = 0;  // baseline: always the most frequent number
  double need_error = 0, need_error_baseline = 0;                 // mean absolute error; baseline: always the median
  std::vector<RouterPrefetch> prefetch;
  RouterNeedUse use;
};
inline constexpr double kNeedDivergence = 0.02;  // nats, of the model's own distribution from that with fewer experts

struct SemanticRouterFacts {
  std::string model, model_sha256;
  std::uint64_t model_bytes = 0, bytes = 0;  // bytes: of the side file's parameters
  std::vector<std::string> domains;
  std::uint32_t width = 0, first_layer = 0, layers = 0, experts = 0, experts_used = 0;
  std::uint64_t parameters = 0, seed = 0, tokens = 0;  // tokens: learned from
  std::uint32_t passes = 0, window = 0;
  std::uint64_t need_tokens = 0;  // whose need it learned from; 0: it has not learned need, and what it says of it means nothing
  double need_mean = 1;           // mean over what it learned from of the need that it predicts, 1 + sum_j P(need > j)
  RouterAccuracy held_out;  // on parts of the training texts that it did not learn from
};

}  // namespace fovea
