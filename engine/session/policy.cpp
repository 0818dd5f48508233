#include "engine/session/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/io/bounded_read.hpp"
#include "engine/io/shown_name.hpp"

namespace fovea {
namespace {

constexpr std::size_t longest_policy_file = 64 * 1024;

// A part of a policy: where it is kept and given, and what this version runs of it.
struct Part {
  std::string_view which;
  Spec Policy::*chosen;
  std::string PolicyOptions::*written;
  std::array<std::string_view, 4> runs;  // the default first; "" = no more
  std::string_view later;                // named but not built yet; "" = none
};
constexpr std::array<Part, 4> parts{{
    {"attention", &Policy::attention, &PolicyOptions::attention, {"dense", "sparse", "entropy", ""}, ""},
    {"moe", &Policy::moe, &PolicyOptions::moe, {"static", "dynamic", "", ""}, ""},
    {"kv", &Policy::kv, &PolicyOptions::kv, {"auto", "f16", "q8_0", "tiered"}, ""},
    {"activations", &Policy::activations, &PolicyOptions::activations, {"auto", "f32", "q8_0", ""}, ""},
}};

bool takes(std::string_view which, std::string_view mode, std::string_view parameter) {
  return (which == "moe" && moe_takes(mode, parameter)) ||
         (which == "attention" && ((mode == "sparse" && sparse_takes(parameter)) || (mode == "entropy" && entropy_takes(parameter)))) ||
         (which == "kv" && mode == "tiered" && tiers_take(parameter));
}

std::string file_name(const std::string& path) { return "policy file " + shown_name(path); }

// "auto, f32 or q8_0", each between `quote`s.
std::string choices(const Part& part, std::string_view quote) {
  const auto end = std::find(part.runs.begin(), part.runs.end(), "");
  std::string text;
  for (auto mode = part.runs.begin(); mode != end; ++mode)
    text += fmt::format("{}{}{}{}", mode == part.runs.begin() ? "" : mode + 1 == end ? " or " : ", ", quote, *mode, quote);
  return text;
}

// `file`: where the part stands; empty: on the command line.
Result<void> check_part(const Part& part, const Spec& spec, const std::string& file) {
  const bool known = std::find(part.runs.begin(), part.runs.end(), spec.mode) != part.runs.end();
  const auto odd = std::find_if(spec.parameters.begin(), spec.parameters.end(),
                                [&](const auto& entry) { return !takes(part.which, spec.mode, entry.first); });
  if (known && odd == spec.parameters.end()) return {};
  std::string why;
  if (known)
    why = fmt::format("{} takes no parameter {}", spec.mode, shown_name(odd->first));
  else if (spec.mode == part.later)
    why = fmt::format("{} is not available in this version", spec.mode);
  else
    why = fmt::format("there is no mode {}", shown_name(spec.mode));
  if (file.empty())
    return fail(ErrorCode::unsupported, fmt::format("--{} {}", part.which, shown_name(to_string(spec))), why,
                fmt::format("use --{} {}", part.which, choices(part, "")));
  return fail(ErrorCode::unsupported, file_name(file), fmt::format("\"{}\": {}", part.which, why),
              fmt::format("use \"{}\":{}", part.which, choices(part, "\"")));
}

// The entries of a policy file, each well-formed.
Result<PolicyOptions> read_policy_file(const std::string& path) {
  const std::string what = file_name(path);
  const std::string form =
      R"(write an object such as {"attention":"dense","moe":"static","kv":"f16","activations":"auto"})";
  FOVEA_ASSIGN(const std::string text, read_file(path, what, longest_policy_file));
  const auto value = nlohmann::json::parse(text, nullptr, false);
  if (value.is_discarded()) return fail(ErrorCode::format, what, "it is not JSON", form);
  if (!value.is_object()) return fail(ErrorCode::format, what, "it is not a JSON object", form);

  PolicyOptions entries;
  for (const auto& [key, entry] : value.items()) {
    const auto part = std::find_if(parts.begin(), parts.end(), [&](const Part& each) { return each.which == key; });
    if (part == parts.end()) return fail(ErrorCode::format, what, "it has an unknown key " + shown_name(key), form);
    const auto* const written = entry.get_ptr<const std::string*>();
    if (written == nullptr) return fail(ErrorCode::format, what, fmt::format("\"{}\" is not a string", key), form);
    if (const std::string problem = spec_problem(key, *written); !problem.empty())
      return fail(ErrorCode::format, what, fmt::format("\"{}\": {}", key, problem), form);
    entries.*part->written = *written;
  }
  return entries;
}

}  // namespace

std::string spec_problem(std::string_view which, std::string_view text) {
  const auto spec = parse_spec(text);
  if (!spec) return spec.error();
  if (which == "attention" && spec->mode == "sparse")
    if (const auto sparse = read_sparse_attention(*spec); !sparse) return fmt::format("{}: {}", shown_name(text), sparse.error());
  if (which == "attention" && spec->mode == "entropy")
    if (const auto share = read_top_share(*spec); !share) return fmt::format("{}: {}", shown_name(text), share.error());
  if (which == "moe" && (spec->mode == "static" || spec->mode == "dynamic"))
    if (const auto rule = read_expert_rule(*spec); !rule) return fmt::format("{}: {}", shown_name(text), rule.error());
  if (which == "kv" && spec->mode == "tiered")
    if (const auto tiers = read_tiers(*spec); !tiers) return fmt::format("{}: {}", shown_name(text), tiers.error());
  return "";
}

Result<Policy> resolve_policy(const PolicyOptions& options) {
  PolicyOptions entries;
  if (!options.file.empty()) {
    FOVEA_ASSIGN(entries, read_policy_file(options.file));
  }
  Policy policy;
  for (const Part& part : parts) {
    const bool option = !(options.*part.written).empty();
    const std::string& written = option ? options.*part.written : entries.*part.written;
    if (written.empty()) continue;
    auto spec = parse_spec(written);
    if (!spec) return fail(ErrorCode::usage, fmt::format("--{}", part.which), spec.error(), "correct it");
    policy.*part.chosen = std::move(*spec);
    FOVEA_TRY(check_part(part, policy.*part.chosen, option ? "" : options.file));
  }
  return policy;
}

Result<void> check_policy(const Policy& policy, const ModelSummary& model) {
  FOVEA_TRY(expert_rule(policy.moe, model));
  return {};
}

bool chooses_plainly(const Policy& policy) { return policy.moe.mode == "static" && policy.moe.parameters.empty(); }

KvType kv_type(const Policy& policy) { return kv_type_named(policy.kv.mode).value_or(KvType::f16); }

std::optional<KvType> chosen_kv(const Policy& policy) { return kv_type_named(policy.kv.mode); }

KvTiers kv_tiers(const Policy& policy) { return read_tiers(policy.kv).value_or(KvTiers{}); }

std::optional<SparseAttention> sparse_attention(const Policy& policy) {
  if (policy.attention.mode != "sparse") return std::nullopt;
  return read_sparse_attention(policy.attention).value_or(SparseAttention{});
}

std::optional<double> top_share(const Policy& policy) {
  if (policy.attention.mode != "entropy") return std::nullopt;
  const auto share = read_top_share(policy.attention);  // resolve_policy() let it through
  return share ? std::optional(*share) : std::nullopt;
}

std::optional<ActivationType> activation_type(const Policy& policy) {
  return activation_type_named(policy.activations.mode);
}

}  // namespace fovea
