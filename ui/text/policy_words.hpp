// What of a policy tells runs apart, in few words: for chips, lists of runs and points of plots. "sparse 512 + 25 %, layers 50/100 %",
// "dynamic k 2/2/2/2.4/2.8/3.2, headroom".
#pragma once

#include <QString>
#include <string>
#include <vector>

#include "engine/api/expert_rule.hpp"
#include "engine/api/sparse_attention.hpp"

namespace fovea {

// As a policy names them; nullopt: dense, and the model's own choice of `experts_used` (0: unknown).
[[nodiscard]] QString attention_words(const std::optional<SparseAttention>& attention);
[[nodiscard]] QString expert_words(const std::optional<ExpertRule>& rule, std::uint32_t experts_used);
// The same of a policy as it is written: "sparse:window=512,...".
[[nodiscard]] QString attention_words(const std::string& spec);
[[nodiscard]] QString expert_words(const std::string& spec);

// "2/2/2.4" of a few layers, "2–3.2 by layer" of many; `scale` and `unit` are of every number.
[[nodiscard]] QString layer_words(const std::vector<double>& numbers, double scale = 1, const QString& unit = {});

}  // namespace fovea
