#include "engine/session/attention_policy.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>

#include "engine/io/shown_name.hpp"

namespace fovea {
namespace {

constexpr std::array<std::string_view, 22> kKeys{"window", "global", "page", "sinks", "scorer", "dense-layers",
                                                 "dense-below", "budget", "mass", "least", "most", "decode-dense-below",
                                                 "flat", "widen", "target", "heads", "layers", "choice", "every", "periphery", "rows", "samples"};

}  // namespace

bool sparse_takes(std::string_view key) { return std::ranges::find(kKeys, key) != kKeys.end(); }

tl::expected<SparseAttention, std::string> read_sparse_attention(const Spec& spec) {
  SparseAttention sparse;
  std::string problem;
  const auto refuse = [&](std::string_view key, const std::string& value, std::string_view wanted) {
    if (problem.empty()) problem = fmt::format("{} is {}: it must be {}", key, shown_name(value), wanted);
  };
  const auto count = [&](std::string_view key, std::uint32_t least, std::uint32_t& target) {
    const std::string* value = spec.find(key);
    if (value == nullptr) return;
    const auto number = parse_count(*value);
    if (!number || *number < least)
      refuse(key, *value, fmt::format("a whole number of at least {}", least));
    else
      target = *number;
  };
  const auto share = [&](std::string_view key, double& target) {
    const std::string* value = spec.find(key);
    if (value == nullptr) return;
    if (const auto number = parse_share(*value))
      target = *number;
    else
      refuse(key, *value, "a number from 0 to 1");
  };
  count("window", 1, sparse.window);
  count("sinks", 0, sparse.sinks);
  count("dense-below", 0, sparse.dense_below);
  if (const std::string* value = spec.find("decode-dense-below"); value != nullptr && *value != "auto") {
    if (const auto number = parse_count(*value))
      sparse.decode_dense_below = *number;
    else
      refuse("decode-dense-below", *value, "a whole number or auto");
  }
  share("global", sparse.global);
  share("mass", sparse.mass);
  share("least", sparse.least);
  share("most", sparse.most);
  share("flat", sparse.flat);
  share("widen", sparse.widen);
  if (const std::string* value = spec.find("target")) {
    if (const auto number = parse_share(*value); number && *number > 0)
      sparse.target = *number;
    else
      refuse("target", *value, "a number above 0 and at most 1");
  }
  if (const std::string* value = spec.find("heads")) {
    if (*value == "even")
      sparse.heads_by_entropy = false;
    else if (*value != "entropy")
      refuse("heads", *value, "even or entropy");
  }
  if (const std::string* value = spec.find("layers")) {
    if (auto shares = parse_list(*value, parse_share))
      sparse.layer_shares = std::move(*shares);
    else
      refuse("layers", *value, "numbers from 0 to 1, one for each of the first layers, with / between them");
    sparse.dense_layers = 0;
  }
  const auto by_layer = [&](std::string_view key, std::uint32_t most, std::string_view numbers_there_are, std::vector<std::uint32_t>& target) {
    const std::string* value = spec.find(key);
    if (value == nullptr) return;
    const auto fits = [&](std::uint32_t n) { return n <= most && std::has_single_bit(n); };
    if (auto numbers = parse_list(*value, parse_count); numbers && std::ranges::all_of(*numbers, fits))
      target = std::move(*numbers);
    else
      refuse(key, *value, fmt::format("{} for each of the first layers, with / between them", numbers_there_are));
  };
  by_layer("rows", kChoiceRows, "1, 2, 4, 8 or 16", sparse.layer_rows);
  by_layer("samples", kChoiceSamples, "1, 2 or 4", sparse.layer_samples);
  const std::string* const dense_layers = spec.find("dense-layers");
  sparse.by_depth = dense_layers != nullptr ? *dense_layers == "auto" : sparse.layer_shares.empty();
  if (!sparse.by_depth) count("dense-layers", 0, sparse.dense_layers);
  if (const std::string* value = spec.find("periphery")) {
    if (const auto periphery = page_periphery_named(*value))
      sparse.periphery = *periphery;
    else
      refuse("periphery", *value, "off or means");
  }
  if (problem.empty() && sparse.least > sparse.most)
    problem = fmt::format("least is {} and most {}: least must not be above most", sparse.least, sparse.most);
  if (const std::string* value = spec.find("scorer")) {
    if (const auto scorer = page_scorer_named(*value))
      sparse.scorer = *scorer;
    else
      refuse("scorer", *value, "auto, quest or mean");
  }
  if (const std::string* value = spec.find("choice")) {
    if (const auto chooser = page_chooser_named(*value))
      sparse.chooser = *chooser;
    else
      refuse("choice", *value, "own or ahead");
  }
  if (const std::string* value = spec.find("every"); value != nullptr && *value != "auto") {
    std::uint32_t tokens = 1;
    count("every", 1, tokens);
    if (!std::has_single_bit(tokens) || tokens > kAttentionPage) refuse("every", *value, fmt::format("1, 2, 4, ... or {}, or auto", kAttentionPage));
    sparse.every = tokens;
  }
  if (const std::string* value = spec.find("budget")) {
    if (*value == "adaptive")
      sparse.budget = PageBudget::adaptive;
    else if (*value != "strict")
      refuse("budget", *value, "strict or adaptive");
  }
  std::uint32_t page = kAttentionPage;
  count("page", 1, page);
  if (problem.empty() && page != kAttentionPage)
    problem = fmt::format("page is {}: this version has pages of {}", page, kAttentionPage);
  if (problem.empty() && sparse.target && (sparse.budget != PageBudget::adaptive || *sparse.target < sparse.least || *sparse.target > sparse.most))
    problem = fmt::format("target is {}: it is of budget=adaptive and lies between least and most", *sparse.target);
  if (problem.empty() && sparse.target && !(sparse.mass > 0 && sparse.mass < 1))
    problem = fmt::format("mass is {}: with a target it must be above 0 and below 1, it begins there", sparse.mass);
  if (problem.empty() && sparse.by_depth && !sparse.layer_shares.empty())
    problem = "layers names shares and dense-layers is auto, which sets them: leave one out";
  if (problem.empty() && sparse.periphery == PagePeriphery::means && sparse.scorer == PageScorer::quest)
    problem = "periphery is means: they are weighed by what a page is thought to hold, and scorer=quest tells the most that it could: choose auto or mean";
  if (!problem.empty()) return tl::unexpected(problem);
  return sparse;
}

bool entropy_takes(std::string_view key) { return key == "keep"; }

tl::expected<double, std::string> read_top_share(const Spec& spec) {
  constexpr double kDefault = 0.3;
  const std::string* value = spec.find("keep");
  if (value == nullptr) return kDefault;
  const auto share = parse_share(*value);
  if (!share || *share <= 0) return tl::unexpected(fmt::format("keep is {}: it must be a number above 0 and at most 1", shown_name(*value)));
  return *share;
}

std::string shown_attention(const std::optional<SparseAttention>& attention, std::optional<double> top_share) {
  if (!attention) return top_share ? fmt::format("entropy:keep={}", *top_share) : "dense";
  const SparseAttention& a = *attention;
  const bool adaptive = a.budget == PageBudget::adaptive;
  std::string more;
  if (a.target) more += fmt::format(",target={}", *a.target);
  if (!a.heads_by_entropy) more += ",heads=even";
  if (!a.layer_shares.empty()) more += fmt::format(",layers={}", fmt::join(a.layer_shares, "/"));
  if (!a.layer_rows.empty()) more += fmt::format(",rows={}", fmt::join(a.layer_rows, "/"));
  if (!a.layer_samples.empty()) more += fmt::format(",samples={}", fmt::join(a.layer_samples, "/"));
  if (a.widen > 0) more += fmt::format(",flat={},widen={}", a.flat, a.widen);
  if (a.decode_dense_below) more += fmt::format(",decode-dense-below={}", *a.decode_dense_below);
  if (a.chooser != SparseAttention{}.chooser) more += fmt::format(",choice={}", name(a.chooser));
  if (a.every) more += fmt::format(",every={}", *a.every);
  if (a.periphery != SparseAttention{}.periphery) more += fmt::format(",periphery={}", name(a.periphery));
  return fmt::format("sparse:window={},{},page={},sinks={},scorer={},dense-layers={},dense-below={},budget={}{}", a.window,
                     adaptive ? fmt::format("mass={},least={},most={}", a.mass, a.least, a.most) : fmt::format("global={}", a.global),
                     kAttentionPage, a.sinks, name(a.scorer), a.by_depth ? "auto" : fmt::to_string(a.dense_layers), a.dense_below, adaptive ? "adaptive" : "strict", more);
}

}  // namespace fovea
