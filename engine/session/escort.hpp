// Where an escorted expert's weights come from: the model's own file, or one beside it.
#pragma once

#include <optional>
#include <vector>

#include "engine/api/expert_rule.hpp"
#include "engine/base/result.hpp"
#include "engine/decoder/device_weights.hpp"
#include "engine/io/gguf.hpp"
#include "engine/model/model_weights.hpp"

namespace fovea {

struct EscortWeights {
  std::optional<GgufFile> file;        // that `layers` are views into, where it is not the model's
  std::vector<FurtherExpert> layers;   // one for each layer of the model
};

// Errors: a file that is none, or whose tensors have not the names, the shape and the type of the model's own experts.
[[nodiscard]] Result<EscortWeights> escort_weights(const ExpertEscort& escort, const ModelWeights& model);

}  // namespace fovea
