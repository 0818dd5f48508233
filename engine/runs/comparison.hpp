// Two runs held against each other: what both fronts show, and what they export. Plain arithmetic over records; nothing runs.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/api/policy_scores.hpp"
#include "engine/api/run_record.hpp"
#include "engine/runs/run_file.hpp"

namespace fovea {

// A figure of both runs. Absent: not recorded, or not applicable.
struct ComparedFigure {
  enum class Unit { count, number, percent, milliseconds, bytes, rate };
  std::string key;   // as in JSON: "decode_tps"
  std::string name;  // English: "Decode speed"; the window translates
  Unit unit = Unit::number;
  std::optional<double> a, b;
  bool less_is_better = true;
  bool neutral = false;  // neither more nor less is better
  bool derived = false;  // counted or computed, not measured
  [[nodiscard]] std::optional<double> difference() const;  // b - a
  [[nodiscard]] std::optional<double> relative() const;    // b / a - 1; absent where a is 0, unless both are
};

// One number for every token, expert or number of experts of A and of B; absent: not recorded.
struct ComparedSeries {
  std::vector<std::optional<double>> a, b;
  [[nodiscard]] std::vector<std::optional<double>> difference() const;  // b - a, as far as both reach
  [[nodiscard]] bool empty() const;  // nothing was recorded of either
};

class Comparison {
 public:
  // Both must be there. `measured` scores and frontier may be null.
  explicit Comparison(RunFile file);

  [[nodiscard]] const RunRecord& a() const { return *file_.a; }
  [[nodiscard]] const RunRecord& b() const { return *file_.b; }
  [[nodiscard]] const RunFile& file() const { return file_; }
  [[nodiscard]] const PairScores* scores() const { return file_.scores.get(); }
  [[nodiscard]] const Frontier* frontier() const { return file_.frontier.get(); }

  // Index of the first token, prompt included, in which they differ or which only one has; nullopt: the same tokens.
  [[nodiscard]] std::optional<std::uint32_t> first_divergence() const { return first_divergence_; }
  // What differs beside the policy, each as a phrase ("the seed: 1 and 2"); none: nothing does.
  [[nodiscard]] const std::vector<std::string>& other_differences() const { return other_differences_; }
  // Policies by part that differ: "attention", "moe", "kv", "activations".
  [[nodiscard]] std::vector<std::string> policy_differences() const;
  [[nodiscard]] std::string note() const;  // of the former, as a sentence; "" where nothing but the policy differs

  [[nodiscard]] const std::vector<ComparedFigure>& figures() const { return figures_; }
  [[nodiscard]] const ComparedFigure* figure(std::string_view key) const;

  // By token.
  [[nodiscard]] ComparedSeries milliseconds() const;
  [[nodiscard]] ComparedSeries memory() const;
  [[nodiscard]] ComparedSeries experts_used() const;
  // KL divergence of every token, from scores; `a` alone. Index: the text's token, which are A's where the scores are of them.
  [[nodiscard]] ComparedSeries divergence() const;
  // Share of (token, layer) pairs with 1, 2, ... experts.
  [[nodiscard]] ComparedSeries expert_counts() const;
  // Share of calls by expert, of one layer or of all.
  [[nodiscard]] ComparedSeries utilization(std::optional<std::uint32_t> layer = std::nullopt) const;
  [[nodiscard]] std::uint32_t layers() const;  // that both have; 0: dense

 private:
  void find_differences();
  void gather_figures();

  RunFile file_;
  RoutingWork routing_a_, routing_b_;  // prefill and decode
  std::optional<std::uint32_t> first_divergence_;
  std::vector<std::string> other_differences_;
  std::vector<ComparedFigure> figures_;
};

}  // namespace fovea
