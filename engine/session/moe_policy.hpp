// The part of a policy that is about experts: static, static:k=2, dynamic:kmin=1,kmax=4,p=0.7,target-k=2,balance=headroom,...
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "engine/api/expert_rule.hpp"
#include "engine/api/model_summary.hpp"
#include "engine/base/result.hpp"
#include "engine/session/spec.hpp"

namespace fovea {

// Whether a mode has a parameter of this name.
[[nodiscard]] bool moe_takes(std::string_view mode, std::string_view key);
// What a spec says, but for the bias that a file holds; what it leaves out is the default. nullopt: the model's own choice.
// Error: the value that is no value, for a person.
[[nodiscard]] tl::expected<std::optional<ExpertRule>, std::string> read_expert_rule(const Spec& spec);
// The rule for a model, with the bias of its file. nullopt: the model's own choice, whichever way it is written.
// Errors: what the model cannot do, a file that is none.
[[nodiscard]] Result<std::optional<ExpertRule>> expert_rule(const Spec& spec, const ModelSummary& model);
// As it would be written, with what matters of the parameters; "static:k=4" for nullopt; "not applicable" for a dense model.
[[nodiscard]] std::string shown_moe(const ModelSummary& model);
// A file of the bias by load, as `bias=` reads it: {"bias":[[...],...]}, or with the tau that goes with prices {"price":[[...],...],"tau":...},
// a list of numbers for each layer.
[[nodiscard]] Result<void> write_expert_bias(const std::string& path, const std::vector<float>& bias, std::uint32_t layers,
                                             std::optional<double> priced_tau = std::nullopt);

}  // namespace fovea
