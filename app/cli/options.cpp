#include "app/cli/options.hpp"

#include <CLI/CLI.hpp>
#include <limits>

#include "app/cli/number_range.hpp"

namespace fovea::cli {
namespace {

void add_spec_option(CLI::App& parser, const std::string& which, std::string& written, const std::string& description) {
  parser.add_option("--" + which, written, description)->type_name("SPEC")->check([which](const std::string& text) {
    return spec_problem(which, text);
  });
}

}  // namespace

void add_json_option(CLI::App& parser, CommonOptions& options) {
  parser.add_flag("--json", options.json, "Print JSON instead of text");
}

void add_model_option(CLI::App& parser, CommonOptions& options) {
  parser.add_option("-m,--model", options.model, "The model, a GGUF file (default: the embedded one)")
      ->type_name("MODEL")
      ->check([](const std::string& name) { return std::string(name.empty() ? "the file name is empty" : ""); });
}

void add_device_option(CLI::App& parser, CommonOptions& options) {
  parser.add_option("--device", options.device, "The Vulkan device, as `devices` counts them (default: choose)")
      ->type_name("N")
      ->check(whole_number(-1, std::numeric_limits<std::int32_t>::max()));
}

void add_context_option(CLI::App& parser, CommonOptions& options) {
  parser.add_option("-c,--ctx-size", options.context, "Positions to make room for (default: what is needed)")
      ->type_name("CTX")
      ->check(whole_number(0, std::numeric_limits<std::uint32_t>::max()));
}

void add_policy_options(CLI::App& parser, PolicyOptions& policy) {
  add_spec_option(parser, "attention", policy.attention, "How attention is computed: dense, sparse:window=512,global=0.25,... or entropy:keep=0.3 (default: dense)");
  add_spec_option(parser, "moe", policy.moe, "How experts are chosen: static, static:k=N, or dynamic:p=0.7,target-k=2,... (default: static)");
  add_spec_option(parser, "kv", policy.kv, "How keys and values are kept: f16, q8_0, or auto, f16 where the device has the memory (default: auto)");
  add_spec_option(parser, "activations", policy.activations,
                  "What decoding multiplies block weights with: f32, 8 bits (q8_0), or auto, what suits the device (default: auto)");
  parser.add_option("--policy", policy.file, "Read --attention, --moe, --kv and --activations from a JSON file")
      ->type_name("FILE.json");
}

void add_common_options(CLI::App& parser, CommonOptions& options) {
  add_model_option(parser, options);
  add_device_option(parser, options);
  add_context_option(parser, options);
  parser.add_option("-s,--seed", options.seed, "Seed of the random numbers, -1 = another one each time (default: -1)")
      ->type_name("S")
      ->check(whole_number(-1));
  add_policy_options(parser, options.policy);
  parser.add_option("--expert-budget", options.expert_budget, "Keep the experts of all layers in at most this many MiB, in smaller types where needed (0: as stored; default: as stored where the device has the memory)")
      ->type_name("MIB")
      ->check(CLI::Range(0.0, 1e9));
  add_json_option(parser, options);
}

}  // namespace fovea::cli
