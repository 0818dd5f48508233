// The headless twin: chooses the subcommand, and turns whatever happens into an exit status and at most one sentence.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>

#include "app/cli/command.hpp"
#include "app/cli/interrupt.hpp"
#include "engine/io/shown_name.hpp"

namespace fovea::cli {
namespace {

constexpr int done_status = 0, failed_status = 1, usage_status = 2;

constexpr const char* footer =
    "Exit status: 0 done; 1 failed, with one line on standard error; 2 wrong usage; 130 interrupted (Ctrl-C),\n"
    "what was produced until then stays.";

int report(const Error& error) {
  fmt::print(stderr, "fovea: error: {}\n", printable(error.sentence()));
  return failed_status;
}

// Help goes to standard output, everything else is a mistake in the arguments.
int report(const CLI::App& program, const CLI::ParseError& error, StandardOutput& out) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    const CLI::App* shown = &program;
    while (!shown->get_subcommands().empty()) shown = shown->get_subcommands().front();
    const bool version = dynamic_cast<const CLI::CallForVersion*>(&error) != nullptr;
    out.write(version ? std::string_view("fovea-cli " FOVEA_VERSION "\n") : std::string_view(shown->help()));
    return done_status;
  }
  const CLI::App* chosen = &program;
  while (!chosen->get_subcommands().empty()) chosen = chosen->get_subcommands().front();
  // The parser only knows that none of its subcommands was named.
  const std::vector<std::string> unknown = chosen == &program ? program.remaining() : std::vector<std::string>{};
  const std::string problem = unknown.empty() ? error.what() : "there is no subcommand " + shown_name(unknown.front());
  fmt::print(stderr, "fovea-cli: usage: {}\nRun {} --help for what can be given.\n", printable(problem),
             chosen == &program ? "fovea-cli" : "fovea-cli " + chosen->get_name());
  return usage_status;
}

int run(const Command& command, Process& process) {
  const Interrupt interrupt(process.stop);
  const Result<void> done = command.run(process);
  int status = done_status;
  if (!done)
    status = report(done.error());
  else if (const Result<void> written = process.out.finish(); !written)
    status = report(written.error());
  return interrupt.happened() ? kInterruptedStatus : status;
}

int run_program(int argc, char** argv) {
  // A reader that went away shows as a failed write, not as a signal.
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App program("Runs a GGUF language model on Vulkan, without a window.", "fovea-cli");
  program.footer(footer);
  program.set_version_flag("--version", "fovea-cli " FOVEA_VERSION);
  program.require_subcommand(1);
  Commands commands;
  add_devices(program, commands);
  add_inspect(program, commands);
  add_tokenize(program, commands);
  add_generate(program, commands);
  add_trace(program, commands);
  add_compare(program, commands);
  add_logits(program, commands);
  add_perplexity(program, commands);
  add_sweep(program, commands);
  add_passkey(program, commands);
  add_calibrate(program, commands);
  add_train_router(program, commands);
  add_evaluate_router(program, commands);
  add_case(program, commands);
  add_bench(program, commands);

  Process process;
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return report(program, error, process.out);
  }
  for (const Command& command : commands)
    if (command.parser->parsed()) return run(command, process);
  return usage_status;
}

}  // namespace
}  // namespace fovea::cli

int main(int argc, char** argv) {
  using fovea::ErrorCode;
  using fovea::cli::report;
  try {
    return fovea::cli::run_program(argc, argv);
  } catch (const std::bad_alloc&) {
    return report({ErrorCode::memory, "memory", "the machine has none left", "close other programs or use less"});
  } catch (const std::exception& error) {
    return report({ErrorCode::internal, "fovea-cli", error.what(), "this is a mistake in the program: report it"});
  } catch (...) {
    return report(
        {ErrorCode::internal, "fovea-cli", "an unknown failure", "this is a mistake in the program: report it"});
  }
}
