// A model made ready for a command: the embedded one where none is named, the policy checked before the weights are
// read.
#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string_view>
#include <vector>

#include "app/cli/options.hpp"
#include "engine/base/result.hpp"
#include "engine/session/engine.hpp"

namespace fovea::cli {

[[nodiscard]] Result<std::filesystem::path> model_path(const CommonOptions& options);

// `context` stands in for -c where that was not given; 0 leaves it to the engine.
[[nodiscard]] Result<std::unique_ptr<Engine>> load_engine(const CommonOptions& options, std::uint32_t context,
                                                          std::stop_token stop);
// Likewise with frozen prices of zero, which Engine::choose_bias() changes. Errors: also a dense model; a policy that balances,
// is frozen already or escorts.
[[nodiscard]] Result<std::unique_ptr<Engine>> load_calibrated(const CommonOptions& options, std::uint32_t context, std::stop_token stop);

}  // namespace fovea::cli
