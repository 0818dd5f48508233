// The side file of a semantic router, NAME.router beside NAME.gguf: a file of arrays (engine/runs/array_file.hpp) whose header has
// `semantic_router`, and one array, `parameters`, in halves. Read as untrusted.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "engine/api/model_summary.hpp"
#include "engine/api/semantic_router_facts.hpp"
#include "engine/base/result.hpp"
#include "engine/semantic_router/network.hpp"

namespace fovea {

struct SemanticRouter {
  RouterNetwork<float> network;  // its parameters are halves
  SemanticRouterFacts facts;
};

// Errors: what the disk says.
[[nodiscard]] Result<void> write_semantic_router(const std::filesystem::path& path, const SemanticRouter& router);
// Errors: no such file, no semantic router, of a later version, sizes that no model has, parameters that are missing or no numbers.
[[nodiscard]] Result<SemanticRouter> read_semantic_router(const std::filesystem::path& path);
// Where the side file of a model is looked for.
[[nodiscard]] std::filesystem::path semantic_router_path(const std::filesystem::path& model);
// Why the router is none for this model, or "": its shape and its file's size must be those that the router was trained on. The
// SHA-256 is the caller's to compare, since it takes a reading of the whole file.
[[nodiscard]] std::string mismatch(const SemanticRouterFacts& router, const ModelSummary& model);

[[nodiscard]] nlohmann::ordered_json to_json(const RouterAccuracy& accuracy, const std::vector<std::string>& domains);

}  // namespace fovea
