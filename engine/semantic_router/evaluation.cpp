#include "engine/semantic_router/evaluation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "engine/semantic_router/training.hpp"
#include "engine/tensor/half.hpp"

namespace fovea {
namespace {

// Numbers of experts, the largest score first; of equal scores the smaller number.
template <class Score>
std::vector<std::uint32_t> order_of(std::span<const Score> scores) {
  std::vector<std::uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::stable_sort(order, [&](std::uint32_t a, std::uint32_t b) { return scores[a] > scores[b]; });
  return order;
}

std::uint64_t found(std::span<const std::uint16_t> chosen, std::span<const std::uint32_t> memory) {
  std::uint64_t hits = 0;
  for (const std::uint16_t expert : chosen) hits += std::ranges::find(memory, expert) != memory.end() ? 1 : 0;
  return hits;
}

double share(std::uint64_t part, std::uint64_t whole) { return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole); }

// A token whose need was measured, and by what its number of experts could be told.
struct NeedSample {
  double semantic = 0, mass = 0;
  std::uint32_t need = 0, predicted = 0;
  std::span<const float> losses;  // (K)
};

// Mean loss when as many tokens get 1, 2, .. K experts, those with the largest `score` most.
template <class Score>
double loss_in_order(std::span<const NeedSample> samples, Score score) {
  std::vector<std::size_t> order(samples.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return score(samples[a]) < score(samples[b]); });
  double sum = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto losses = samples[order[i]].losses;
    sum += static_cast<double>(losses[i * losses.size() / order.size()]);
  }
  return sum / static_cast<double>(samples.size());
}

void judge_need(std::span<const NeedSample> samples, std::uint32_t used, RouterAccuracy& accuracy) {
  if (samples.empty()) return;
  const auto count = static_cast<double>(samples.size());
  std::vector<std::uint64_t> histogram(used + 1);
  for (const NeedSample& sample : samples) {
    ++histogram[sample.need];
    accuracy.need_mean += sample.need / count;
    accuracy.need_exact += (sample.need == sample.predicted ? 1 : 0) / count;
    accuracy.need_error += std::abs(static_cast<double>(sample.need) - sample.predicted) / count;
  }
  std::uint32_t median = 1;
  for (std::uint64_t below = histogram[1]; 2 * below < samples.size(); below += histogram[++median]) {}
  for (const NeedSample& sample : samples) accuracy.need_error_baseline += std::abs(static_cast<double>(sample.need) - median) / count;
  accuracy.need_tokens = samples.size();
  accuracy.need_exact_baseline = share(std::ranges::max(histogram), samples.size());
  RouterNeedUse& use = accuracy.use;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    use.mean_k += static_cast<double>(i * used / samples.size() + 1) / count;
    use.own += static_cast<double>(samples[i].losses.back()) / count;
    for (std::uint32_t k = 0; k < used; ++k) use.any += static_cast<double>(samples[i].losses[k]) / used / count;
  }
  use.semantic = loss_in_order(samples, [](const NeedSample& s) { return s.semantic; });
  use.mass = loss_in_order(samples, [](const NeedSample& s) { return s.mass; });
  use.oracle = loss_in_order(samples, [](const NeedSample& s) { return static_cast<double>(s.need); });
}

// 1 - the mass of the token's best expert, mean of the predicted layers: how unsure its routers are.
double unsureness(const RouterShape& shape, const RouterTrace& trace, std::size_t token) {
  double sum = 0;
  for (std::size_t l = 0; l < shape.predicted(); ++l) {
    const auto row = std::span(trace.probabilities).subspan((token * shape.predicted() + l) * shape.experts, shape.experts);
    const auto chosen = std::span(trace.chosen).subspan((token * shape.predicted() + l) * shape.experts_used, shape.experts_used);
    double kept = 0;
    for (const std::uint16_t expert : chosen) kept += static_cast<double>(half_to_float(row[expert]));
    sum += 1 - static_cast<double>(half_to_float(row[chosen.front()])) / std::max(kept, 1e-6);
  }
  return sum / shape.predicted();
}

// The most used experts of every predicted layer, best first.
std::vector<std::vector<std::uint32_t>> most_used(const RouterShape& shape, std::span<const RouterTrace> traces) {
  std::vector<std::vector<std::uint32_t>> order;
  for (std::size_t l = 0; l < shape.predicted(); ++l) {
    std::vector<std::uint64_t> calls(shape.experts);
    for (const RouterTrace& trace : traces)
      for (std::size_t t = 0; t < trace.tokens; ++t)
        for (std::size_t s = 0; s < shape.experts_used; ++s) ++calls[trace.chosen[(t * shape.predicted() + l) * shape.experts_used + s]];
    order.push_back(order_of(std::span<const std::uint64_t>(calls)));
  }
  return order;
}

}  // namespace

std::uint32_t predicted_need(std::span<const float> need) {
  return 1 + static_cast<std::uint32_t>(std::ranges::count_if(need, [](float logit) { return logit > 0; }));
}

double mean_predicted_need(const RouterNetwork<float>& network, std::span<const RouterTrace> traces) {
  double sum = 0;
  std::uint64_t tokens = 0;
  RouterPass<float> pass;
  for (const RouterTrace& trace : traces) {
    if (!fits(network.shape(), trace)) continue;
    network.forward(unpacked_frames(network.shape(), trace, 0, trace.tokens), pass);
    for (const float logit : pass.need) sum += 1 / (1 + std::exp(-static_cast<double>(logit)));
    tokens += trace.tokens;
  }
  return tokens == 0 ? 1 : 1 + sum / static_cast<double>(tokens);
}

RouterAccuracy evaluate_router(const RouterNetwork<float>& network, std::span<const RouterTrace> given) {
  const RouterShape& shape = network.shape();
  std::vector<RouterTrace> kept;
  std::span<const RouterTrace> traces = given;
  if (!std::ranges::all_of(given, [&](const RouterTrace& trace) { return fits(shape, trace); })) {
    std::ranges::copy_if(given, std::back_inserter(kept), [&](const RouterTrace& trace) { return fits(shape, trace); });
    traces = kept;
  }
  const std::size_t predicted = shape.predicted(), used = shape.experts_used, needs = used - 1;
  const auto favourites = most_used(shape, traces);
  std::vector<std::uint32_t> sizes{shape.experts_used};
  for (const std::uint32_t size : {shape.experts_used * 3 / 2, shape.experts_used * 2})
    if (size > sizes.back() && size < shape.experts) sizes.push_back(size);
  std::vector<std::array<std::uint64_t, 3>> hits(sizes.size());
  std::vector<std::uint64_t> hit(predicted), plain(predicted), domain_hit(shape.domains), domain_tokens(shape.domains);
  std::vector<NeedSample> samples;
  RouterAccuracy accuracy;
  RouterPass<float> pass;
  for (const RouterTrace& trace : traces) {
    network.forward(unpacked_frames(shape, trace, 0, trace.tokens), pass);
    std::vector<std::vector<std::uint32_t>> recent(predicted);  // last called last
    for (std::size_t t = 0; t < trace.tokens; ++t) {
      ++accuracy.tokens;
      ++domain_tokens[trace.domain];
      const auto domain = std::span(pass.domain).subspan(t * shape.domains, shape.domains);
      domain_hit[trace.domain] += std::ranges::max_element(domain) - domain.begin() == static_cast<std::ptrdiff_t>(trace.domain) ? 1 : 0;
      for (std::size_t l = 0; l < predicted; ++l) {
        const auto chosen = std::span(trace.chosen).subspan((t * predicted + l) * used, used);
        const auto order = order_of(std::span<const float>(pass.prior).subspan((t * predicted + l) * shape.experts, shape.experts));
        hit[l] += found(chosen, std::span(order).first(used));
        plain[l] += found(chosen, std::span(favourites[l]).first(used));
        for (std::size_t i = 0; i < sizes.size(); ++i) {
          hits[i][0] += found(chosen, std::span(order).first(sizes[i]));
          hits[i][1] += found(chosen, std::span(recent[l]).last(std::min<std::size_t>(sizes[i], recent[l].size())));
          hits[i][2] += found(chosen, std::span(favourites[l]).first(sizes[i]));
        }
        for (std::size_t s = used; s-- > 0;) {  // the best expert is the most recent
          std::erase(recent[l], std::uint32_t{chosen[s]});
          recent[l].push_back(chosen[s]);
        }
      }
      if (trace.need[t] == 0) continue;
      const auto need = std::span<const float>(pass.need).subspan(t * needs, needs);
      samples.push_back({.semantic = needs > 0 ? static_cast<double>(need.front()) : 0, .mass = unsureness(shape, trace, t), .need = trace.need[t],
                         .predicted = predicted_need(need), .losses = std::span(trace.losses).subspan(t * used, used)});
    }
  }
  if (accuracy.tokens == 0) return accuracy;
  const std::uint64_t calls = accuracy.tokens * used;
  for (std::size_t l = 0; l < predicted; ++l) {
    accuracy.layers.push_back({static_cast<std::uint32_t>(shape.first_layer + l), share(hit[l], calls), share(plain[l], calls)});
    accuracy.recall += accuracy.layers.back().recall / static_cast<double>(predicted);
    accuracy.recall_baseline += accuracy.layers.back().baseline / static_cast<double>(predicted);
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::uint64_t all = calls * predicted;
    accuracy.prefetch.push_back({sizes[i], share(hits[i][0], all), share(hits[i][1], all), share(hits[i][2], all)});
  }
  for (std::size_t d = 0; d < shape.domains; ++d) accuracy.domains.push_back(domain_tokens[d] == 0 ? -1 : share(domain_hit[d], domain_tokens[d]));
  accuracy.domain = share(std::accumulate(domain_hit.begin(), domain_hit.end(), std::uint64_t{0}), accuracy.tokens);
  accuracy.domain_baseline = share(std::ranges::max(domain_tokens), accuracy.tokens);
  judge_need(samples, shape.experts_used, accuracy);
  return accuracy;
}

}  // namespace fovea
