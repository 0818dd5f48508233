// Finds and reads the card of a model: NAME.md beside NAME.gguf, or the README.md of a folder that holds this one
// model.
#pragma once

#include <filesystem>
#include <vector>

#include "engine/api/model_card.hpp"

namespace fovea {

// The cards of the model, one per language there is; empty: none. NAME is the file's, without a shard's ending
// (-00001-of-00003); NAME.zh_CN.md is the Chinese one. A README.md beside models of different names tells nothing
// certain about any of them and is left alone.
[[nodiscard]] std::vector<ModelCard> read_model_cards(const std::filesystem::path& model);

}  // namespace fovea
