// The attention part of a policy: sparse:window=512,global=0.25,page=32,sinks=32,scorer=auto,dense-layers=2,... or
// entropy:keep=0.3
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "engine/api/sparse_attention.hpp"
#include "engine/session/spec.hpp"

namespace fovea {

// Whether `sparse` has a parameter of this name.
[[nodiscard]] bool sparse_takes(std::string_view key);
// What a spec of the mode `sparse` says; what it leaves out is the default. Error: the value that is no value, for a person.
[[nodiscard]] tl::expected<SparseAttention, std::string> read_sparse_attention(const Spec& spec);
// Likewise of the mode `entropy`: the share of each row's keys that is kept, by the importance of their weights.
[[nodiscard]] bool entropy_takes(std::string_view key);
[[nodiscard]] tl::expected<double, std::string> read_top_share(const Spec& spec);
// As it would be written, all parameters named; "dense" where neither is there.
[[nodiscard]] std::string shown_attention(const std::optional<SparseAttention>& attention, std::optional<double> top_share = std::nullopt);

}  // namespace fovea
