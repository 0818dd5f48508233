// How a subcommand of the headless twin is made: it adds its options to the parser and leaves a function to run.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "app/cli/output.hpp"
#include "engine/base/result.hpp"

namespace CLI {
class App;
}

namespace fovea::cli {

// What a command may touch of the process. `stop` is requested by Ctrl-C, and by the command itself when nobody reads
// its output any more.
struct Process {
  StandardOutput out;
  std::stop_source stop;
};

struct Command {
  CLI::App* parser = nullptr;
  std::function<Result<void>(Process&)> run;  // called when `parser` was chosen, after its options are filled in
};
using Commands = std::vector<Command>;

void add_devices(CLI::App& program, Commands& commands);
void add_inspect(CLI::App& program, Commands& commands);
void add_tokenize(CLI::App& program, Commands& commands);
void add_generate(CLI::App& program, Commands& commands);
void add_logits(CLI::App& program, Commands& commands);
void add_perplexity(CLI::App& program, Commands& commands);
void add_sweep(CLI::App& program, Commands& commands);
void add_passkey(CLI::App& program, Commands& commands);
void add_trace(CLI::App& program, Commands& commands);
void add_compare(CLI::App& program, Commands& commands);
void add_calibrate(CLI::App& program, Commands& commands);
void add_case(CLI::App& program, Commands& commands);
void add_train_router(CLI::App& program, Commands& commands);
void add_evaluate_router(CLI::App& program, Commands& commands);
void add_bench(CLI::App& program, Commands& commands);

}  // namespace fovea::cli
