// Sums up recorded experts as they come, a bounded piece of work at a time: calls per layer and expert, and the main
// expert of every token and layer.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/api/routing_facts.hpp"
#include "engine/api/trace.hpp"

namespace fovea {

class RoutingCounts {
 public:
  static constexpr std::uint16_t kNone = 0xffff;  // not recorded

  void start(std::uint32_t prompt_tokens);
  // Takes in what is new in `routing`, at most about `cells` (token, layer) pairs; true when there is nothing left.
  bool absorb(const RoutingTrace& routing, std::size_t cells);

  [[nodiscard]] std::uint32_t tokens() const { return tokens_; }  // taken in so far
  [[nodiscard]] std::uint32_t layers() const { return layers_; }
  [[nodiscard]] std::uint32_t experts() const { return experts_; }
  // What was chosen in every layer, without masses; tokens that were not recorded are not in it.
  [[nodiscard]] const RoutingWork& work(bool prefill) const { return work_[prefill ? 1 : 0]; }
  // Calls per expert, of one layer or of all.
  [[nodiscard]] std::vector<std::uint64_t> calls(bool prefill, std::optional<std::uint32_t> layer) const;
  [[nodiscard]] std::uint16_t main_expert(std::uint32_t token, std::uint32_t layer) const;

 private:
  std::uint32_t prompt_tokens_ = 0;
  std::uint32_t tokens_ = 0, layers_ = 0, experts_ = 0;
  RoutingWork work_[2];                      // [prefill]
  std::vector<std::uint16_t> main_experts_;  // [token * layers + layer]
};

}  // namespace fovea
