// What is wished of frozen prices that even the load of a mixture's experts, and what came of looking for them: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/api/expert_rule.hpp"
#include "engine/api/routing_facts.hpp"

namespace fovea {

struct CalibrationGoal {
  double cv = 0.07;        // coefficient of variation of the load that is enough
  double retained = 0.97;  // least mean of a token's router mass over that of as many best experts
};

// Why a layer's prices ended where they are.
enum class CalibrationEnd {
  reached,  // the coefficient of variation is what was wished
  guard,    // more would keep too little of the router's mass
  text,     // the text ended before
};
[[nodiscard]] constexpr std::string_view name(CalibrationEnd end) {
  return end == CalibrationEnd::reached ? "reached" : end == CalibrationEnd::guard ? "guard" : "text";
}

struct CalibratedLayer {
  CalibrationEnd end = CalibrationEnd::text;
  std::uint32_t guard_won = 0;  // how often the prices gave way because too little mass was kept
};

struct ExpertCalibration {
  std::string text;                     // which one
  std::string bias_file;                // where the prices were written
  ExpertRule rule;                      // the policy with the prices in force
  std::vector<CalibratedLayer> layers;  // of the model
  RoutingWork before, after;            // on windows of the text that nothing was learned from: prices of zero, and those found
  double perplexity_before = 1, perplexity_after = 1;  // likewise, second halves of the windows
  std::uint64_t tokens = 0, held_out_tokens = 0;       // of the text: learned from once, and measured on
};

}  // namespace fovea
