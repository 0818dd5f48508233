// Which attention, experts, KV cache and activations a run uses: from options and policy files, held against what this
// version runs. The one reader of policy files, for both fronts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/session/attention_policy.hpp"
#include "engine/session/kv_policy.hpp"
#include "engine/session/moe_policy.hpp"
#include "engine/session/spec.hpp"
#include "engine/api/activation_type.hpp"
#include "engine/api/kv_type.hpp"
#include "engine/api/model_summary.hpp"
#include "engine/base/result.hpp"

namespace fovea {

struct Policy {
  Spec attention{"dense", {}}, moe{"static", {}}, kv{"auto", {}}, activations{"auto", {}};
};

// As given on the command line; malformed ones were refused by the parser.
struct PolicyOptions {
  std::string attention, moe, kv, activations;  // empty = not given
  std::string file;  // a JSON object {"attention":SPEC,"moe":SPEC,"kv":SPEC,"activations":SPEC}, every key optional
};

// Grammar and the form of known values; "" when well-formed, else what is wrong. `which` is a key of a policy file.
[[nodiscard]] std::string spec_problem(std::string_view which, std::string_view text);

// The command line stands over the file, the file over the defaults.
// Errors: a file that is no policy, whatever its bytes; well-formed policies that this version does not run, told as
// they were written: as an option, or as an entry of the file.
[[nodiscard]] Result<Policy> resolve_policy(const PolicyOptions& options);

// What only the model can tell: whether it has experts, and how many at most.
[[nodiscard]] Result<void> check_policy(const Policy& policy, const ModelSummary& model);

// Whether it takes any model's experts as the model chooses them.
[[nodiscard]] bool chooses_plainly(const Policy& policy);

// How keys and values are kept under a policy that resolve_policy() let through; f16 where nothing is said.
[[nodiscard]] KvType kv_type(const Policy& policy);
// Likewise; nullopt where nothing is said: what suits the device.
[[nodiscard]] std::optional<KvType> chosen_kv(const Policy& policy);
// Of a cache in tiers.
[[nodiscard]] KvTiers kv_tiers(const Policy& policy);
// Which pages attention reads under such a policy, or which share of each row's keys; nullopt: all.
[[nodiscard]] std::optional<SparseAttention> sparse_attention(const Policy& policy);
[[nodiscard]] std::optional<double> top_share(const Policy& policy);
// What decoding is to multiply block weights with under such a policy; nullopt: what suits the device.
[[nodiscard]] std::optional<ActivationType> activation_type(const Policy& policy);

}  // namespace fovea
