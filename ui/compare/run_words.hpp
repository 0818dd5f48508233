// How runs and figures are called where two are compared.
#pragma once

#include <QString>

#include "engine/runs/comparison.hpp"
#include "engine/runs/comparison_export.hpp"
#include "ui/state/run_shelf.hpp"

namespace fovea {

inline constexpr const char* kMarkA = "●";
inline constexpr const char* kMarkB = "▲";

// "3 · dynamic p 0.5 · 128 tokens": its number, what of the policy matters, how long it is, and its file.
[[nodiscard]] QString shown_run(const RunShelf::Entry& entry);
// All of its policy, model, device and seed, a line each.
[[nodiscard]] QString described_run(const RunRecord& run);

// What predictions were measured on: the name of a text as engine/runs has it.
inline constexpr const char* kTokensOfA = "the tokens of A";
[[nodiscard]] QString shown_scored_text(const std::string& name);

[[nodiscard]] QString figure_name(const ComparedFigure& figure);
[[nodiscard]] QString figure_value(const std::optional<double>& value, ComparedFigure::Unit unit);
// With its sign.
[[nodiscard]] QString figure_difference(const std::optional<double>& value, ComparedFigure::Unit unit);
// What differs beside the policy, as the window's language says it.
[[nodiscard]] QString comparison_note(const Comparison& comparison);

// A page of the comparison in the window's language.
[[nodiscard]] PageWords page_words(const Comparison& comparison);

}  // namespace fovea
