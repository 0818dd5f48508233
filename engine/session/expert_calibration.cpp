#include "engine/session/expert_calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "engine/api/nll_score.hpp"
#include "engine/io/bounded_read.hpp"
#include "engine/io/shown_name.hpp"
#include "engine/session/moe_policy.hpp"
#include "engine/session/price_calibration.hpp"

namespace fovea {
namespace {

constexpr std::size_t kLongestText = std::size_t{64} << 20;  // bytes of a file

struct Measured {
  NllScore score;
  RoutingWork work;
};

constexpr double kPriceTau = 0;  // no substitute costs more than the difference of two prices

// Without a score nobody wants logits.
Result<RoutingWork> route(Engine& engine, std::span<const TokenId> window, NllScore* score, const std::stop_token& stop) {
  const auto first = static_cast<std::uint32_t>(score != nullptr ? window.size() / 2 : window.size());
  FOVEA_TRY(engine.logits(
      window, first,
      [&](std::uint32_t position, std::span<const float> logits) {
        if (position + 1 < window.size()) score->add(logits, static_cast<std::size_t>(window[position + 1]));
      },
      stop));
  FOVEA_ASSIGN(const RoutingFacts facts, engine.routing_facts());
  return facts.both();
}

// In steps of this many, by the golden ratio, all of so many windows are seen once, neighbours in time from far apart: load would
// follow a text that changes its matter, and prices with it.
std::size_t stride_over(std::size_t windows) {
  constexpr double kGolden = 0.618;
  auto stride = std::max<std::size_t>(1, static_cast<std::size_t>(kGolden * static_cast<double>(windows)));
  while (std::gcd(stride, windows) != 1) ++stride;
  return stride;
}

}  // namespace

Result<ExpertRule> rule_to_calibrate(const std::optional<ExpertRule>& rule, const ModelSummary& model) {
  if (model.experts == 0)
    return fail(ErrorCode::unsupported, "calibrate", "not applicable: this model is dense, it has no experts whose load could be evened", "use a mixture");
  ExpertRule frozen = rule.value_or(ExpertRule{.count = ExpertCount::fixed});
  if (frozen.balance != ExpertBalance::off || frozen.reset == LoadReset::frozen || frozen.escort)
    return fail(ErrorCode::usage, "calibrate", "the policy already moves choices", "leave balance, bias and escort out of the policy");
  frozen.reset = LoadReset::frozen;
  frozen.priced = true;
  frozen.tau = kPriceTau;
  frozen.bias.assign(std::size_t{model.layers} * model.experts, 0);
  return frozen;
}

Result<ExpertCalibration> calibrate_experts(Engine& engine, const CalibrationText& text, const CalibrationGoal& goal, std::span<const TokenId> tokens,
                                            const ScoreProgress& progress, std::stop_token stop) {
  const ModelSummary& model = engine.summary();
  const std::uint32_t window = text.window == 0 ? std::min(kCalibrationWindow, model.context) : text.window;
  const std::size_t fit = tokens.size() / window, windows = text.windows == 0 ? fit : std::min<std::size_t>(text.windows, fit);
  if (windows < 2)
    return fail(ErrorCode::usage, "text file " + shown_name(text.file), fmt::format("its {} tokens do not fill two windows of {}", tokens.size(), window),
                "use a longer text or a smaller -c");
  std::vector<std::span<const TokenId>> learn, held_out;
  for (std::size_t i = 0; i < windows; ++i) (i % 2 == 0 ? learn : held_out).push_back(tokens.subspan(i * window, window));
  const double all = static_cast<double>(text.passes * learn.size() + 2 * held_out.size());
  double done = 0;
  const auto tell = [&](const char* doing) {
    if (progress) progress(doing, done++ / all);
  };
  const auto measure = [&](const char* doing) -> Result<Measured> {
    Measured measured;
    for (const auto& one : held_out) {
      tell(doing);
      FOVEA_ASSIGN(const RoutingWork work, route(engine, one, &measured.score, stop));
      measured.work += work;
    }
    return measured;
  };
  FOVEA_ASSIGN(const Measured before, measure("Measuring without the prices"));
  const std::size_t stride = stride_over(learn.size());
  PriceCalibration calibration(model.layers, model.experts, goal);
  for (std::uint32_t pass = 0; pass < text.passes; ++pass) {
    if (pass > 0 && pass + 1 == text.passes) {
      calibration.settle();
      FOVEA_TRY(engine.choose_bias(calibration.prices()));
    }
    for (std::size_t i = 0; i < learn.size(); ++i) {
      tell("Evening the load");
      FOVEA_ASSIGN(const RoutingWork work, route(engine, learn[i * stride % learn.size()], nullptr, stop));
      calibration.add(work);
      FOVEA_TRY(engine.choose_bias(calibration.prices()));
    }
  }
  FOVEA_TRY(engine.choose_bias(calibration.found()));
  FOVEA_ASSIGN(const Measured after, measure("Measuring with the prices"));
  FOVEA_TRY(write_expert_bias(text.bias_file, calibration.found(), model.layers, kPriceTau));
  ExpertCalibration result{.text = shown_name(text.file), .bias_file = text.bias_file, .rule = model.experts_rule.value_or(ExpertRule{}),
                           .before = before.work, .after = after.work, .perplexity_before = before.score.perplexity(), .perplexity_after = after.score.perplexity(),
                           .tokens = learn.size() * window, .held_out_tokens = held_out.size() * window};
  for (std::uint32_t layer = 0; layer < model.layers; ++layer) result.layers.push_back({calibration.end(layer), calibration.guarded(layer)});
  return result;
}

Result<ExpertCalibration> calibrate_on_file(Engine& engine, const CalibrationText& text, const CalibrationGoal& goal, const ScoreProgress& progress,
                                            std::stop_token stop) {
  FOVEA_ASSIGN(const std::string bytes, read_file(text.file, "text file " + shown_name(text.file), kLongestText));
  const std::optional<ExpertRule> own = engine.summary().experts_rule;
  FOVEA_ASSIGN(const ExpertRule rule, rule_to_calibrate(own, engine.summary()));
  FOVEA_TRY(engine.choose_experts(rule));
  const std::vector<TokenId> tokens = engine.tokenizer().encode(bytes, {.add_bos = true, .parse_special = false});
  Result<ExpertCalibration> result = calibrate_experts(engine, text, goal, tokens, progress, std::move(stop));
  FOVEA_TRY(engine.choose_experts(own));
  return result;
}

}  // namespace fovea
