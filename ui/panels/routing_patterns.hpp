// How recorded experts follow each other and what text calls them, as it comes in, a bounded piece of work at a time.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/api/expert_patterns.hpp"
#include "engine/api/trace.hpp"
#include "ui/text/token_class.hpp"

namespace fovea {

class RoutingPatterns {
 public:
  void start(std::uint32_t prompt_tokens);
  // Takes in what is new in `routing`, at most about `cells` (token, layer) pairs; true when there is nothing left. `tokens`:
  // all of the run's, which have a text for every token of `routing`.
  bool absorb(const RoutingTrace& routing, std::span<const TokenText> tokens, std::size_t cells);

  [[nodiscard]] const ExpertReuse& reuse() const { return reuse_; }
  [[nodiscard]] const ExpertTransitions& transitions() const { return transitions_; }
  // Calls of each expert by tokens of each class: (kTokenClasses, experts); empty before anything was taken in.
  [[nodiscard]] std::span<const std::uint32_t> class_calls(std::uint32_t layer, bool prefill) const;
  [[nodiscard]] std::uint64_t class_tokens(TokenClass of, bool prefill) const { return class_tokens_[prefill ? 1 : 0][static_cast<std::size_t>(of)]; }

 private:
  std::uint32_t prompt_tokens_ = 0, tokens_ = 0, layers_ = 0, experts_ = 0;
  ExpertReuse reuse_;
  ExpertTransitions transitions_;
  std::vector<std::uint32_t> class_calls_[2];  // [prefill], (layers, kTokenClasses, experts)
  std::array<std::uint64_t, kTokenClasses> class_tokens_[2]{};
};

}  // namespace fovea
