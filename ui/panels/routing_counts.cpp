#include "ui/panels/routing_counts.hpp"

#include <algorithm>

namespace fovea {

void RoutingCounts::start(std::uint32_t prompt_tokens) {
  *this = {};
  prompt_tokens_ = prompt_tokens;
}

bool RoutingCounts::absorb(const RoutingTrace& routing, std::size_t cells) {
  if (routing.experts == 0 || routing.layers == 0 || routing.chunks.empty()) return true;
  if (layers_ == 0) {
    layers_ = routing.layers;
    experts_ = routing.experts;
    const LayerRouting none{.counts = std::vector<std::uint64_t>(routing.slots), .calls = std::vector<std::uint64_t>(experts_)};
    for (RoutingWork& work : work_) work.assign(layers_, none);
  }
  const RoutingChunk& last = *routing.chunks.back();
  const std::uint32_t end = last.first_token + last.tokens;
  for (std::size_t done = 0; tokens_ < end && done < cells; ++tokens_, done += layers_) {
    RoutingWork& work = work_[tokens_ < prompt_tokens_ ? 1 : 0];
    for (std::uint32_t layer = 0; layer < layers_; ++layer) {
      const auto chosen = routing.chosen(tokens_, layer);
      main_experts_.push_back(chosen.empty() ? kNone : chosen.front().expert);
      LayerRouting& sum = work[layer];
      if (chosen.empty() || chosen.size() > sum.counts.size()) continue;
      ++sum.tokens;
      ++sum.counts[chosen.size() - 1];
      for (const ExpertChoice& choice : chosen)
        if (choice.expert < experts_) ++sum.calls[choice.expert];
    }
  }
  return tokens_ >= end;
}

std::vector<std::uint64_t> RoutingCounts::calls(bool prefill, std::optional<std::uint32_t> layer) const {
  std::vector<std::uint64_t> sums(experts_, 0);
  const RoutingWork& of = work(prefill);
  for (std::uint32_t l = layer.value_or(0); l < (layer ? std::min(*layer + 1, layers_) : layers_); ++l)
    for (std::uint32_t expert = 0; expert < experts_; ++expert) sums[expert] += of[l].calls[expert];
  return sums;
}

std::uint16_t RoutingCounts::main_expert(std::uint32_t token, std::uint32_t layer) const {
  return token < tokens_ && layer < layers_ ? main_experts_[std::size_t{token} * layers_ + layer] : kNone;
}

}  // namespace fovea
