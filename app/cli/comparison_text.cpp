#include "app/cli/comparison_text.hpp"

#include <fmt/format.h>

#include <cmath>

#include "app/cli/output.hpp"

namespace fovea::cli {
namespace {

using Unit = ComparedFigure::Unit;

std::string shown(const std::optional<double>& value, Unit unit) {
  if (!value) return "not recorded";
  switch (unit) {
    case Unit::count: return fmt::format("{:.0f}", *value);
    case Unit::number: return fmt::format("{:.4g}", *value);
    case Unit::percent: return fmt::format("{:.3g} %", 100 * *value);
    case Unit::milliseconds: return fmt::format("{:.4g} ms", *value);
    case Unit::bytes: return fmt::format("{:.4g} MiB", *value / (1 << 20));
    case Unit::rate: return fmt::format("{:.4g} tok/s", *value);
  }
  return "";
}

std::string side(const char* mark, const RunRecord& run) {
  return fmt::format("{}  {}, {}, kv {}; {} on {}; seed {}\n", mark, printable(run.policy.attention), printable(run.policy.moe), printable(run.policy.kv),
                     printable(run.model.file), printable(run.device), run.seed);
}

std::string frontier_text(const Frontier& frontier) {
  std::string text = fmt::format("\nfrontier on {}, {} tokens:\n", printable(frontier.text), frontier.tokens);
  for (const FrontierPoint& p : frontier.points)
    text += fmt::format("  {:<52} k {:.3f}  experts {:5.1f} %  PPL {:.4f}  {:+.3f} ± {:.3f} %\n", printable(p.policy.moe), p.k_mean,
                        frontier.own_bytes > 0 ? 100 * p.expert_bytes / frontier.own_bytes : 0, p.perplexity, p.delta_ppl_percent, p.delta_stderr_percent);
  return text;
}

}  // namespace

std::string comparison_text(const Comparison& comparison) {
  std::string text = side("A", comparison.a()) + side("B", comparison.b()) + fmt::format("\n{:<32}{:>16}{:>16}{:>16}{:>12}\n", "", "A", "B", "B - A", "relative");
  for (const ComparedFigure& figure : comparison.figures()) {
    const auto difference = figure.difference(), relative = figure.relative();
    text += fmt::format("{:<32}{:>16}{:>16}{:>16}{:>12}\n", figure.name + (figure.derived ? " (derived)" : ""), shown(figure.a, figure.unit), shown(figure.b, figure.unit),
                        difference ? shown(difference, figure.unit) : "", relative ? fmt::format("{:+.2f} %", 100 * *relative) : "");
  }
  const auto divergence = comparison.first_divergence();
  text += divergence ? fmt::format("\nfirst different token: {}, {} of them the prompt's\n", *divergence, comparison.a().prompt_tokens())
                     : std::string("\nthe same tokens\n");
  if (const auto scored = comparison.scores() != nullptr ? pair_figures(*comparison.scores()) : std::nullopt)
    text += fmt::format("on {}, {} tokens: KL {:.6f} (99 %: {:.6f}), same token first {:.2f} %, perplexity {:+.3f} ± {:.3f} %\n", printable(comparison.scores()->text),
                        comparison.scores()->count(), scored->kl_mean, scored->kl_p99, 100 * scored->same_top, scored->delta_ppl_percent, scored->delta_stderr_percent);
  else
    text += "predictions: not measured\n";
  if (comparison.frontier() != nullptr) text += frontier_text(*comparison.frontier());
  const std::string note = comparison.note();
  if (!note.empty()) return text + printable(note) + "\n";
  return text + (comparison.policy_differences().empty() ? "neither the policy nor anything else differs\n" : "nothing but the policy differs\n");
}

}  // namespace fovea::cli
