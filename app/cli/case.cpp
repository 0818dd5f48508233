// `case`: the worked case. Made card payments, some fraudulent by a hidden rule, read by the model under two policies; a small logistic
// head on the model's last hidden state tells them apart. Recall at equal false alarms, latency, experts and bytes, with error bars.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "app/cli/command.hpp"
#include "app/cli/load.hpp"
#include "app/cli/moe_figures.hpp"
#include "app/cli/number_range.hpp"
#include "app/cli/options.hpp"
#include "engine/semantic_router/network.hpp"
#include "engine/session/logistic_head.hpp"
#include "engine/session/transactions.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr double kPenalty = 100;                  // of the head, over channels of deviation 1
constexpr double kFalseAlarms[]{0.01, 0.05, 0.10};
constexpr std::size_t kResamples = 2000;
constexpr std::uint32_t kRoom = 512;              // positions for a case

struct CaseOptions {
  CommonOptions common;
  std::string a = "static", b = "dynamic:target-k=2";
  std::uint32_t cases = 1000, seeds = 5;
};

// One policy's readings of one seed's cases.
struct Readings {
  Features features;
  std::vector<double> milliseconds;  // of each case
};

struct Side {
  std::string policy;
  std::unique_ptr<Engine> engine;
  std::vector<double> milliseconds;
  RoutingWork work;
  bool counted = false;  // the policy's kernels count what they choose
};

// What one seed's held-out cases gave: scores of A, of B with a head of its own, and of B with A's head.
struct Outcome {
  std::vector<bool> fraud;
  std::vector<double> scores[3];
  std::vector<double> risk;
};
constexpr const char* kScored[]{"a", "b", "b_with_head_of_a"};

Result<void> read_case(Side& side, const Transaction& transaction, Readings& into, const std::stop_token& stop) {
  Engine& engine = *side.engine;
  const ModelSummary& model = engine.summary();
  const std::vector<TokenId> tokens = engine.tokenizer().encode(transaction.text, {.add_bos = true, .parse_special = false});
  into.features.width = model.width;
  std::vector<float> frame(model.width);
  const auto start = Clock::now();
  FOVEA_TRY(engine.early_states(tokens, model.layers, [&](const EarlyState& state) {
    if (state.position + 1 == tokens.size()) make_router_frame(state.hidden, frame);
  }, stop));
  into.milliseconds.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  into.features.values.insert(into.features.values.end(), frame.begin(), frame.end());
  FOVEA_ASSIGN(const RoutingFacts facts, engine.routing_facts());
  side.work += facts.prefill;
  return {};
}

Features rows_of(const Features& all, std::size_t first, std::size_t count) {
  const auto begin = all.values.begin() + static_cast<std::ptrdiff_t>(first * all.width);
  return {all.width, {begin, begin + static_cast<std::ptrdiff_t>(count * all.width)}};
}

Result<Outcome> run_seed(Side& a, Side& b, std::uint64_t seed, std::uint32_t cases, const std::stop_token& stop) {
  const std::vector<Transaction> records = make_transactions(seed, cases);
  Readings of_a, of_b;
  // In turn, so that what else the machine does meets both.
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (i % 2 == 0) FOVEA_TRY(read_case(a, records[i], of_a, stop));
    FOVEA_TRY(read_case(b, records[i], of_b, stop));
    if (i % 2 == 1) FOVEA_TRY(read_case(a, records[i], of_a, stop));
    if (isatty(STDERR_FILENO) != 0 && i % 16 == 0) fmt::print(stderr, "\rseed {}, case {} of {} ", seed, i, records.size());
  }
  a.milliseconds.insert(a.milliseconds.end(), of_a.milliseconds.begin(), of_a.milliseconds.end());
  b.milliseconds.insert(b.milliseconds.end(), of_b.milliseconds.begin(), of_b.milliseconds.end());
  const std::size_t learn = records.size() / 2;  // the others are held out
  std::vector<bool> taught;
  for (std::size_t i = 0; i < learn; ++i) taught.push_back(records[i].fraud);
  FOVEA_ASSIGN(const LogisticHead head_a, LogisticHead::fit(rows_of(of_a.features, 0, learn), taught, kPenalty));
  FOVEA_ASSIGN(const LogisticHead head_b, LogisticHead::fit(rows_of(of_b.features, 0, learn), taught, kPenalty));
  Outcome outcome;
  for (std::size_t i = learn; i < records.size(); ++i) {
    outcome.fraud.push_back(records[i].fraud);
    outcome.risk.push_back(records[i].risk);
    outcome.scores[0].push_back(head_a.score(of_a.features.row(i)));
    outcome.scores[1].push_back(head_b.score(of_b.features.row(i)));
    outcome.scores[2].push_back(head_a.score(of_b.features.row(i)));
  }
  return outcome;
}

struct Spread {
  double mean = 0, stderr_ = 0;
};
Spread spread(const std::vector<double>& values) {
  Spread of;
  const auto n = static_cast<double>(values.size());
  for (const double value : values) of.mean += value / n;
  for (const double value : values) of.stderr_ += (value - of.mean) * (value - of.mean);
  of.stderr_ = n > 1 ? std::sqrt(of.stderr_ / (n - 1) / n) : 0;
  return of;
}

double middle(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, at);
  return *at;
}

// The 95 % interval of the mean difference of recall, B's less A's: seeds are drawn with replacement, and within each its cases, the
// same for both.
std::pair<double, double> interval(const std::vector<Outcome>& outcomes, int which, double false_alarms) {
  std::mt19937_64 random(1);
  std::vector<double> means;
  for (std::size_t r = 0; r < kResamples; ++r) {
    double sum = 0;
    for (std::size_t s = 0; s < outcomes.size(); ++s) {
      const Outcome& outcome = outcomes[random() % outcomes.size()];
      std::vector<bool> fraud;
      std::vector<double> of_a, of_b;
      for (std::size_t i = 0; i < outcome.fraud.size(); ++i) {
        const std::size_t at = random() % outcome.fraud.size();
        fraud.push_back(outcome.fraud[at]);
        of_a.push_back(outcome.scores[0][at]);
        of_b.push_back(outcome.scores[which][at]);
      }
      sum += recall_at(of_b, fraud, false_alarms) - recall_at(of_a, fraud, false_alarms);
    }
    means.push_back(sum / static_cast<double>(outcomes.size()));
  }
  std::ranges::sort(means);
  return {means[kResamples / 40], means[kResamples - 1 - kResamples / 40]};
}

std::vector<double> per_seed(const std::vector<Outcome>& outcomes, int which, double false_alarms) {
  std::vector<double> values;
  for (const Outcome& outcome : outcomes) values.push_back(recall_at(which < 0 ? outcome.risk : outcome.scores[which], outcome.fraud, false_alarms));
  return values;
}

Json side_json(const Side& side) {
  const ModelSummary& model = side.engine->summary();
  return {{"policy", side.policy},
          {"case_ms", middle(side.milliseconds)},
          {"k_mean", side.counted ? Json(over_layers(side.work).mean_experts()) : model.experts_used > 0 ? Json(model.experts_used) : Json(nullptr)},
          {"expert_bytes_per_token", model.experts_used > 0 ? Json(expert_bytes(model, side.work)) : Json(nullptr)}};
}

Json to_json(const CaseOptions& options, const Side& a, const Side& b, const std::vector<Outcome>& outcomes) {
  double frauds = 0, all = 0;
  for (const Outcome& outcome : outcomes) {
    frauds += static_cast<double>(std::ranges::count(outcome.fraud, true));
    all += static_cast<double>(outcome.fraud.size());
  }
  Json value{{"cases", options.cases}, {"seeds", options.seeds}, {"held_out", all}, {"fraud_share", frauds / all}, {"a", side_json(a)}, {"b", side_json(b)}};
  value["latency_ratio"] = middle(b.milliseconds) / middle(a.milliseconds);
  Json recall = Json::array();
  for (const double rate : kFalseAlarms) {
    Json row{{"false_alarms", rate}};
    row["rule"] = spread(per_seed(outcomes, -1, rate)).mean;
    for (int which = 0; which < 3; ++which) {
      const Spread of = spread(per_seed(outcomes, which, rate));
      row[kScored[which]] = {{"recall", of.mean}, {"stderr", of.stderr_}};
      if (which == 0) continue;
      const auto [low, high] = interval(outcomes, which, rate);
      row[kScored[which]]["difference"] = of.mean - row["a"]["recall"].get<double>();
      row[kScored[which]]["interval"] = {low, high};
    }
    recall.push_back(std::move(row));
  }
  value["recall"] = std::move(recall);
  for (int which = -1; which < 3; ++which) {
    std::vector<double> areas;
    for (const Outcome& outcome : outcomes) areas.push_back(area_under_curve(which < 0 ? outcome.risk : outcome.scores[which], outcome.fraud));
    const Spread of = spread(areas);
    value["area"][which < 0 ? "rule" : kScored[which]] = {{"mean", of.mean}, {"stderr", of.stderr_}};
  }
  return value;
}

std::string to_text(const Json& of) {
  const auto number = [](const Json& value) { return value.is_null() ? std::string("not applicable") : fmt::format("{:.2f}", value.get<double>()); };
  std::string text = fmt::format("{} held-out cases, {:.1f} % fraud\n", of["held_out"].get<double>(), 100 * of["fraud_share"].get<double>());
  for (const char* side : {"a", "b"})
    text += fmt::format("{}: {}, {:.2f} ms a case, mean k {}\n", side[0] == 'a' ? "A" : "B", of[side]["policy"].get<std::string>(), of[side]["case_ms"].get<double>(), number(of[side]["k_mean"]));
  text += fmt::format("latency B / A: {:.3f}\n", of["latency_ratio"].get<double>());
  for (const Json& row : of["recall"]) {
    text += fmt::format("recall at {:.0f} % false alarms: A {:.3f} +- {:.3f}", 100 * row["false_alarms"].get<double>(), row["a"]["recall"].get<double>(), row["a"]["stderr"].get<double>());
    for (const auto& [key, name] : {std::pair("b", "B"), {"b_with_head_of_a", "B with A's head"}})
      text += fmt::format(", {} {:.3f} ({:+.3f}, 95 % {:+.3f} to {:+.3f})", name, row[key]["recall"].get<double>(), row[key]["difference"].get<double>(), row[key]["interval"][0].get<double>(),
                          row[key]["interval"][1].get<double>());
    text += fmt::format("; the hidden rule itself {:.3f}\n", row["rule"].get<double>());
  }
  text += "area under the curve:";
  for (const auto& [key, area] : of["area"].items()) text += fmt::format(" {} {:.4f} +- {:.4f}", key, area["mean"].get<double>(), area["stderr"].get<double>());
  return text + "\n";
}

Result<Side> load_side(const CaseOptions& options, const std::string& moe, const std::stop_token& stop) {
  CommonOptions common = options.common;
  common.policy.moe = moe;
  Side side;
  FOVEA_ASSIGN(side.engine, load_engine(common, kRoom, stop));
  side.policy = shown_moe(side.engine->summary());
  side.counted = side.engine->summary().experts_rule.has_value();
  return side;
}

Result<void> run_case(const CaseOptions& options, Process& process) {
  const std::stop_token stop = process.stop.get_token();
  FOVEA_ASSIGN(Side a, load_side(options, options.a, stop));
  FOVEA_ASSIGN(Side b, load_side(options, options.b, stop));
  const std::uint64_t first = options.common.seed < 0 ? 1 : static_cast<std::uint64_t>(options.common.seed);
  std::vector<Outcome> outcomes;
  for (std::uint32_t i = 0; i < options.seeds; ++i) {
    FOVEA_ASSIGN(Outcome outcome, run_seed(a, b, first + i, options.cases, stop));
    outcomes.push_back(std::move(outcome));
  }
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\n");
  const Json value = to_json(options, a, b, outcomes);
  if (options.common.json)
    process.out.write_json(value);
  else
    process.out.write(to_text(value));
  return {};
}

}  // namespace

void add_case(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("case", "The worked case: made card payments, fraud told apart under two policies of experts");
  const auto options = std::make_shared<CaseOptions>();
  add_common_options(*parser, options->common);
  parser->get_option("-s")->description("Seed of the first made cases; others count on (default: 1)");
  parser->add_option("--cases", options->cases, "Cases of a seed, half of them to learn from (default: 1000)")->type_name("N")->check(whole_number(20, 1000000));
  parser->add_option("--seeds", options->seeds, "How often new cases are made (default: 5)")->type_name("N")->check(whole_number(1, 1000));
  for (auto [name, spec, text] : {std::tuple("--a", &options->a, "Policy of experts A (default: static)"), {"--b", &options->b, "Policy of experts B (default: dynamic:target-k=2)"}})
    parser->add_option(name, *spec, text)->type_name("SPEC")->check([](const std::string& written) { return spec_problem("moe", written); });
  commands.push_back({parser, [options](Process& process) { return run_case(*options, process); }});
}

}  // namespace fovea::cli
