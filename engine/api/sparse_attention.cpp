#include "engine/api/sparse_attention.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace fovea {
namespace {

// Sums over layers and KV heads, per query head of a group.
struct Pairs {
  double dense = 0, kept = 0, scored = 0;
};
Pairs pairs_of(const AttentionWork& work, std::uint32_t kv_heads) {
  Pairs pairs;
  for (const PageChoices& layer : work.layers) {
    pairs.dense += work.causal_pairs * kv_heads;
    pairs.kept += work.causal_pairs * kv_heads - static_cast<double>(layer.skipped) * kAttentionPage;
    pairs.scored += static_cast<double>(layer.scored);
  }
  return pairs;
}

}  // namespace

std::uint64_t top_keys(std::uint64_t keys, double keep) {
  const auto millionths = static_cast<std::uint64_t>(std::llround(keep * 1e6));
  return std::clamp<std::uint64_t>((keys * millionths + 999'999) / 1'000'000, std::min<std::uint64_t>(keys, 1), keys);
}

SparseAttention fitted(SparseAttention rule, std::uint32_t layers) {
  constexpr std::uint32_t kShallow = 10;
  // The second layer's share of the other pages, over the budget's, and at most: three quarters at the default budget. Who asks for
  // less gets less there too.
  constexpr double kSecond = 3, kMostOfSecond = 0.75;
  if (!rule.by_depth) return rule;
  rule.by_depth = false;
  rule.dense_layers = 0;
  const double share = rule.budget == PageBudget::adaptive ? rule.target.value_or(rule.most) : rule.global;
  rule.layer_shares = {share, std::max(share, std::min(kMostOfSecond, kSecond * share))};
  rule.layer_shares.resize(std::min<std::size_t>(layers, rule.layer_shares.size()));
  if (layers > kShallow || !rule.layer_rows.empty() || !rule.layer_samples.empty()) return rule;
  // Half as many queries a choice, by half as many of them, cost no more operations and choose better. Of the first layer's queries the
  // next tells least, so each chooses for itself, and the second reads so much that better choices are worth their scores.
  rule.layer_rows.assign(layers, kChoiceRows / 2);
  rule.layer_samples.assign(layers, kChoiceSamples / 2);
  if (layers > 0) rule.layer_rows[0] = rule.layer_samples[0] = 1;
  if (layers > 1) rule.layer_samples[1] = kChoiceSamples;
  return rule;
}

AttentionWork& operator+=(AttentionWork& sum, const AttentionWork& more) {
  sum.causal_pairs += more.causal_pairs;
  if (more.top_pairs) sum.top_pairs = sum.top_pairs.value_or(0) + *more.top_pairs;
  sum.layers.resize(std::max(sum.layers.size(), more.layers.size()));
  for (std::size_t i = 0; i < more.layers.size(); ++i) {
    PageChoices& to = sum.layers[i];
    const PageChoices& from = more.layers[i];
    to.choices += from.choices;
    to.whole += from.whole;
    to.skipped += from.skipped;
    to.scored += from.scored;
    to.remote += from.remote;
    to.chosen += from.chosen;
    to.mass += from.mass;
    to.entropy += from.entropy;
  }
  return sum;
}

AttentionWork AttentionFacts::both() const {
  AttentionWork sum = prefill;
  return sum += decode;
}

double attention_density(const AttentionWork& work, std::uint32_t kv_heads) {
  if (work.top_pairs && work.causal_pairs > 0) return *work.top_pairs / work.causal_pairs;
  const Pairs pairs = pairs_of(work, kv_heads);
  return pairs.dense > 0 ? pairs.kept / pairs.dense : 1;
}

double whole_share(const AttentionWork& work) {
  double choices = 0, whole = 0;
  for (const PageChoices& layer : work.layers) {
    choices += static_cast<double>(layer.choices);
    whole += static_cast<double>(layer.whole);
  }
  return choices > 0 ? whole / choices : 0;
}

double periphery_scored(const AttentionWork& work, const PageChoices& layer, std::uint32_t kv_heads) {
  return layer.skipped > 0 ? work.causal_pairs * kv_heads / kAttentionPage : 0;
}

double attention_flops_ratio(const AttentionWork& work, std::uint32_t kv_heads, const SparseAttention& rule) {
  // Every key's score is computed to find the largest, and the values of those.
  if (work.top_pairs && work.causal_pairs > 0) return (1 + *work.top_pairs / work.causal_pairs) / 2;
  const Pairs pairs = pairs_of(work, kv_heads);
  if (pairs.dense <= 0) return 1;
  // Per channel: a key is multiplied once for its score and its value once; a page for its mean key, for those of both halves,
  // or for the middle and the width of its range.
  const double of_page = rule.scorer == PageScorer::mean ? 1 : 2;
  double periphery = 0;  // and a page that is not read once more for its mean value
  for (const PageChoices& layer : work.layers)
    if (rule.periphery == PagePeriphery::means) periphery += of_page * periphery_scored(work, layer, kv_heads) + static_cast<double>(layer.skipped);
  return (2 * pairs.kept + of_page * pairs.scored + periphery) / (2 * pairs.dense);
}

}  // namespace fovea
