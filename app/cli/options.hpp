// The options that every subcommand on a model shares.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/base/result.hpp"
#include "engine/session/policy.hpp"

namespace CLI {
class App;
}

namespace fovea::cli {

struct CommonOptions {
  std::string model;          // empty: the embedded one
  std::int32_t device = -1;   // -1: choose
  std::uint32_t context = 0;  // 0: the command's default
  std::int64_t seed = -1;     // -1: random
  PolicyOptions policy;
  std::optional<double> expert_budget;  // MiB; 0: as stored
  bool json = false;
};

void add_json_option(CLI::App& parser, CommonOptions& options);
void add_model_option(CLI::App& parser, CommonOptions& options);
void add_device_option(CLI::App& parser, CommonOptions& options);
void add_context_option(CLI::App& parser, CommonOptions& options);
void add_policy_options(CLI::App& parser, PolicyOptions& policy);
// All of them, with --seed and the policy.
void add_common_options(CLI::App& parser, CommonOptions& options);

}  // namespace fovea::cli
