#include "ui/panels/routing_patterns.hpp"

namespace fovea {

void RoutingPatterns::start(std::uint32_t prompt_tokens) {
  *this = {};
  prompt_tokens_ = prompt_tokens;
}

bool RoutingPatterns::absorb(const RoutingTrace& routing, std::span<const TokenText> tokens, std::size_t cells) {
  if (routing.experts == 0 || routing.layers == 0 || routing.chunks.empty()) return true;
  if (layers_ == 0) {
    layers_ = routing.layers;
    experts_ = routing.experts;
    reuse_ = ExpertReuse(layers_, experts_);
    transitions_ = ExpertTransitions(layers_, experts_);
    for (auto& calls : class_calls_) calls.assign(std::size_t{layers_} * kTokenClasses * experts_, 0);
  }
  const RoutingChunk& last = *routing.chunks.back();
  const std::uint32_t end = last.first_token + last.tokens;
  std::vector<std::uint16_t> main(layers_);
  for (std::size_t done = 0; tokens_ < end && done < cells; ++tokens_, done += layers_) {
    const bool prefill = tokens_ < prompt_tokens_;
    const TokenClass of = tokens_ < tokens.size() ? token_class(tokens[tokens_], tokens_ > 0 ? &tokens[tokens_ - 1] : nullptr) : TokenClass::other;
    bool recorded = false;
    for (std::uint32_t layer = 0; layer < layers_; ++layer) {
      const auto chosen = routing.chosen(tokens_, layer);
      main[layer] = chosen.empty() ? kUnusedSlot : chosen.front().expert;
      recorded = recorded || !chosen.empty();
      reuse_.add(layer, chosen, prefill);
      const std::size_t row = (layer * kTokenClasses + static_cast<std::size_t>(of)) * experts_;
      for (const ExpertChoice& choice : chosen)
        if (choice.expert < experts_) ++class_calls_[prefill ? 1 : 0][row + choice.expert];
    }
    transitions_.add(main, prefill);
    if (recorded) ++class_tokens_[prefill ? 1 : 0][static_cast<std::size_t>(of)];
  }
  return tokens_ >= end;
}

std::span<const std::uint32_t> RoutingPatterns::class_calls(std::uint32_t layer, bool prefill) const {
  const std::size_t cells = kTokenClasses * experts_;
  if (layer >= layers_) return {};
  return std::span(class_calls_[prefill ? 1 : 0]).subspan(layer * cells, cells);
}

}  // namespace fovea
