// Drawing a token from logits, on the CPU in double: llama.cpp's chain in its default order.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace fovea::reference {

// Names and meanings as in engine/api/sampling.hpp.
struct SampleSettings {
  float temperature = 0.8f;
  std::int32_t top_k = 40;
  float top_p = 0.95f;
  float min_p = 0.05f;
  float repeat_penalty = 1.0f;
  std::int32_t repeat_last_n = 64;  // 0 = off, never negative
};

struct Candidate {
  std::uint32_t token = 0;
  double probability = 0;  // after temperature, among the kept
};

struct Sample {
  std::uint32_t token = 0;
  std::vector<Candidate> kept;  // by ascending token: the order of the draw
  // How near another outcome was: the smallest distance, in probability, of a cut or of the draw from a place where it
  // falls differently. For greedy choice and top-k: the relative distance of the two logits concerned, where they differ.
  double margin = 1;
};

// Draw number `drawn` of a run. NaN counts as -infinity, +infinity as the largest float; all -infinity: token 0.
// Greedy choice (temperature not above 0) keeps one candidate. `history`: all tokens of the context so far.
[[nodiscard]] Sample sample(std::span<const float> logits, std::span<const std::uint32_t> history,
                            const SampleSettings& settings, std::uint64_t seed, std::uint32_t drawn);

// Logits as the chain sees them: infinities and NaN replaced, the repeat penalty applied once per distinct token of the
// last `repeat_last_n`.
[[nodiscard]] std::vector<float> penalized(std::span<const float> logits, std::span<const std::uint32_t> history,
                                           const SampleSettings& settings);

// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011).
[[nodiscard]] std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

// Uniform in [0, 1) with 24 bits: the first word of Philox4x32-10 with counter (drawn, 0, 0, 0) and the seed as key.
[[nodiscard]] double uniform_draw(std::uint64_t seed, std::uint32_t drawn);

}  // namespace fovea::reference
