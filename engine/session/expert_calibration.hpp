// The frozen prices that even the load of a mixture's experts (engine/session/price_calibration.hpp), found over one half of a text's windows and measured on the other.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "engine/api/expert_calibration.hpp"
#include "engine/base/result.hpp"
#include "engine/session/engine.hpp"
#include "engine/session/policy_scoring.hpp"

namespace fovea {

struct CalibrationText {
  std::string file;           // that the tokens are of, for messages
  std::uint32_t window = 0;   // tokens after which the prices move; 0: 2048, or the model's whole context where that is less
  std::uint32_t windows = 0;  // at most; 0: as many as the text fills
  std::uint32_t passes = 3;   // over the windows that are learned from; of two or more the last fits the scale of the prices alone
  std::string bias_file;      // where the prices go
};
inline constexpr std::uint32_t kCalibrationWindow = 2048;

// A policy with frozen prices of zero, which calibrate_experts() changes.
// Errors: a dense model; a policy that balances, is frozen already or escorts.
[[nodiscard]] Result<ExpertRule> rule_to_calibrate(const std::optional<ExpertRule>& rule, const ModelSummary& model);

// Every second window is held out, so that both halves are of all parts of the text. The engine's policy must be one of
// rule_to_calibrate(); it ends with the prices that were found.
// Errors: a text that does not fill two windows, a bias file that cannot be written, what the engine says, a stop.
[[nodiscard]] Result<ExpertCalibration> calibrate_experts(Engine& engine, const CalibrationText& text, const CalibrationGoal& goal, std::span<const TokenId> tokens,
                                                          const ScoreProgress& progress, std::stop_token stop);

// With a text from a file and the engine's own policy, which is in force again when this ends. Errors: also an unreadable file.
[[nodiscard]] Result<ExpertCalibration> calibrate_on_file(Engine& engine, const CalibrationText& text, const CalibrationGoal& goal, const ScoreProgress& progress,
                                                          std::stop_token stop);

}  // namespace fovea
