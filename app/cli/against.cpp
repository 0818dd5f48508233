#include "app/cli/against.hpp"

#include <CLI/CLI.hpp>
#include <string_view>

#include "engine/session/policy.hpp"

namespace fovea::cli {
namespace {

// No two parts of a policy share the name of a mode.
std::string_view part_of(std::string_view spec) {
  const std::string_view mode = spec.substr(0, spec.find(':'));
  if (mode == "static" || mode == "dynamic") return "moe";
  if (mode == "f16" || mode == "q8_0" || mode == "tiered") return "kv";
  return "attention";
}

}  // namespace

void add_against_option(CLI::App& parser, std::string& spec) {
  parser.add_option("--against", spec, "Compare with another policy of attention, of experts or of the KV cache")
      ->type_name("SPEC")
      ->check([](const std::string& text) { return spec_problem(part_of(text), text); });
}

CommonOptions with_policy(CommonOptions options, const std::string& spec) {
  const std::string_view part = part_of(spec);
  (part == "moe" ? options.policy.moe : part == "kv" ? options.policy.kv : options.policy.attention) = spec;
  return options;
}

std::string shown_policy(const std::string& spec, const ModelSummary& model) {
  const std::string_view part = part_of(spec);
  return part == "moe" ? shown_moe(model) : part == "kv" ? std::string(name(model.kv)) : shown_attention(model.attention, model.top_share);
}

}  // namespace fovea::cli
