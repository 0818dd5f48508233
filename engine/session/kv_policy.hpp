// The KV part of a policy in tiers: tiered:hot=0.25,hot-type=q8_0,cold-type=q4,window=512,sinks=32.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "engine/api/kv_type.hpp"
#include "engine/session/spec.hpp"

namespace fovea {

// Whether `tiered` has a parameter of this name.
[[nodiscard]] bool tiers_take(std::string_view key);
// What a spec of the mode `tiered` says; what it leaves out is the default. Error: the value that is no value, for a person.
[[nodiscard]] tl::expected<KvTiers, std::string> read_tiers(const Spec& spec);
// As it would be written, all parameters named.
[[nodiscard]] std::string shown_kv(KvType kv, const KvTiers& tiers);

}  // namespace fovea
