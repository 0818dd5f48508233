// Two policies over contexts of several lengths: plain values, and from which length on the second pays.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/api/policy_text.hpp"

namespace fovea {

// One policy at one length.
struct LengthPoint {
  std::uint32_t context = 0;  // tokens of a window
  double seconds = 0;         // of whole windows: all their tokens computed, the scored ones also through the output matrix
  double decode_ms = 0;       // of a token decoded at the window's end, the mean of some; 0: not measured
  double perplexity = 0;
  double density = 1, flops = 1;  // of attention, over dense
  std::uint64_t kv_bytes = 0;     // the allocator's
};

// Why no longer lengths are measured than there are.
enum class LengthLimit { asked, trained, text, memory };

// As far as it was measured: `of_b` follows when `of_a` is there.
struct LengthSweep {
  std::string text;  // which one
  PolicyText a, b;
  std::uint32_t windows = 1;           // of each length
  std::vector<std::uint32_t> lengths;  // tokens, ascending: what is to be measured
  std::vector<LengthPoint> of_a, of_b;
  LengthLimit limit = LengthLimit::asked;
  std::uint64_t limit_tokens = 0;  // that the model was trained for, that the text has, or that memory had no room for
};

// From which context on, up to the last of both, `a` is faster than `b`; the same lengths. nullopt: at the longest it is not, or
// that was not measured.
using LengthTime = double LengthPoint::*;
[[nodiscard]] std::optional<std::uint32_t> pays_from(std::span<const LengthPoint> a, std::span<const LengthPoint> b, LengthTime time = &LengthPoint::seconds);

}  // namespace fovea
