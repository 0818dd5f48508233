// What a run is asked for on the command line, shared by the subcommands that generate.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/cli/text_source.hpp"
#include "engine/api/command.hpp"
#include "engine/api/model_summary.hpp"

namespace CLI {
class App;
}

namespace fovea::cli {

struct RunRequest {
  TextSource text;
  std::int64_t tokens = 128;  // -1: until the context is full
  SamplingOptions sampling;
  bool chat = false;
  std::string system;
  std::vector<std::string> record;  // "LAYER,HEAD" or "all"
  bool no_routing = false;
  std::uint32_t measure = 0;
};

// -p, -f, -n, sampling, --chat, --system, --record, --no-routing, --measure.
void add_run_options(CLI::App& parser, RunRequest& request, bool text_required = true);

// The prompt; of a file without its final newline, which is the editor's (as llama.cpp reads -f).
[[nodiscard]] Result<std::string> read_prompt(const RunRequest& request);

// Error: a head to record that the model has not.
[[nodiscard]] Result<Generate> request_of(const RunRequest& request, std::int64_t seed, const ModelSummary& model, std::string prompt);

}  // namespace fovea::cli
