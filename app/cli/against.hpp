// Another policy that a command holds its own against: a SPEC whose mode tells whether it is of attention, of experts or of the
// KV cache.
#pragma once

#include <string>

#include "app/cli/options.hpp"
#include "engine/api/model_summary.hpp"

namespace CLI {
class App;
}

namespace fovea::cli {

void add_against_option(CLI::App& parser, std::string& spec);

// `options` with that part of the policy in place of their own.
[[nodiscard]] CommonOptions with_policy(CommonOptions options, const std::string& spec);

// The part as the model loaded with it tells it, every parameter written out.
[[nodiscard]] std::string shown_policy(const std::string& spec, const ModelSummary& model);

}  // namespace fovea::cli
