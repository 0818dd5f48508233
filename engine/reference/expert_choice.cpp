#include "engine/reference/expert_choice.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace fovea::reference {
namespace {

// A threshold p moves as its logit, since routers that are nearly sure have all their numbers close to 1; c as its logarithm.
constexpr double kLeastMass = 0.05, kMostMass = 0.9995, kLeastFactor = 0.05, kMostFactor = 20;
double logit(double p) { return std::log(p / (1 - p)); }

// Kept mass is told in these units, so that sums do not depend on their order.
constexpr double kMassUnit = 4096;

double shifted(CountRule count, double threshold, double shift) {
  if (shift == 0 || std::isnan(shift) || count == CountRule::fixed || (count == CountRule::mass && threshold >= 1)) return threshold;
  if (count == CountRule::entropy) return std::clamp(threshold * std::exp(shift), kLeastFactor, kMostFactor);
  return 1 / (1 + std::exp(-(logit(std::clamp(threshold, kLeastMass, kMostMass)) + shift)));
}

// A logit that is NaN counts as the least; others are finite, so that probabilities are numbers always.
constexpr float kMostLogit = 1e30f;
double sane(float logit) { return static_cast<double>(std::isnan(logit) ? -kMostLogit : std::clamp(logit, -kMostLogit, kMostLogit)); }

std::vector<std::uint32_t> by_value(std::span<const double> values) {
  std::vector<std::uint32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::stable_sort(order, [&](std::uint32_t a, std::uint32_t b) { return values[a] > values[b]; });
  return order;
}

}  // namespace

std::uint32_t expert_count(std::span<const double> weights, const ExpertRule& rule, double threshold) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::uint32_t count = rule.most;
  if (rule.count == CountRule::mass && threshold < 1) {
    double sum = 0;
    for (std::uint32_t i = 0; i < weights.size(); ++i) {
      sum += weights[i];
      if (sum < threshold * total) continue;
      count = i + 1;
      break;
    }
  } else if (rule.count == CountRule::entropy) {
    double entropy = 0;
    for (const double weight : weights)
      if (weight > 0) entropy -= weight / total * std::log(weight / total);
    // Of equal weights exp(H) is a whole number, which rounding must not make the next.
    count = static_cast<std::uint32_t>(std::min(std::ceil(threshold * std::exp(entropy) - 1e-4), 1e6));
  }
  return std::clamp(count, rule.least, rule.most);
}

std::vector<double> load_factors(std::span<const double> load, LoadRule rule, double gamma) {
  const double most = std::max(*std::ranges::max_element(load), 1e-6);
  std::vector<double> factors;
  const double mean = std::max(std::accumulate(load.begin(), load.end(), 0.0) / static_cast<double>(load.size()), 1e-6);
  for (const double u : load)
    factors.push_back(rule == LoadRule::seed       ? 1 - u
                      : rule == LoadRule::headroom ? 1 - gamma * u / most
                      : rule == LoadRule::locality ? 1 + gamma * u / most
                      : rule == LoadRule::price    ? gamma / 4 * (u / mean - 1)
                                                   : 1);
  return factors;
}

namespace {

template <class Moved>
std::vector<std::uint32_t> select_by(std::span<const double> scores, std::uint32_t count, double tau, const Moved& moved_score) {
  const std::vector<std::uint32_t> best = by_value(scores);
  const double floor = tau * scores[best[count - 1]];
  std::vector<double> moved(scores.size());
  for (std::size_t e = 0; e < scores.size(); ++e) moved[e] = scores[e] >= floor ? moved_score(e) : -std::numeric_limits<double>::infinity();
  moved[best.front()] = std::numeric_limits<double>::infinity();
  std::vector<std::uint32_t> chosen = by_value(moved);
  chosen.resize(count);
  return chosen;
}

}  // namespace

std::vector<std::uint32_t> select_experts(std::span<const double> scores, std::span<const double> factors,
                                          std::uint32_t count, double tau) {
  return select_by(scores, count, tau, [&](std::size_t e) { return scores[e] * factors[e]; });
}

std::vector<std::uint32_t> select_priced_experts(std::span<const double> scores, std::span<const double> prices, double whole, std::uint32_t count,
                                                 double tau) {
  return select_by(scores, count, tau, [&](std::size_t e) { return scores[e] / whole - prices[e]; });
}

double variation(std::span<const double> load) {
  const double mean = std::accumulate(load.begin(), load.end(), 0.0) / static_cast<double>(load.size());
  double squares = 0;
  for (const double u : load) squares += (u - mean) * (u - mean);
  return mean > 0 ? std::sqrt(squares / static_cast<double>(load.size())) / mean : 0;
}

Escort::Escort(const EscortRule& rule)
    : rule_(rule),
      // A shadow's calls come on top of the others.
      share_(static_cast<std::uint64_t>(std::ceil((rule.form == EscortForm::shadow ? rule.share / (1 - rule.share) : rule.share) * kEscortUnit))),
      credit_(static_cast<std::uint64_t>(kOwedCalls) * kEscortUnit) {}

bool Escort::calls(std::uint32_t experts, double liking) {
  if (rule_.form == EscortForm::none || given_ >= rule_.calls) return false;
  const std::uint64_t more = share_ * experts;
  credit_ = std::min(credit_ + more, static_cast<std::uint64_t>(kMostOwedCalls) * kEscortUnit);
  if (!std::exchange(begun_, true)) level_ = liking;
  const bool liked = liking > level_, room = rule_.form == EscortForm::shadow || experts > 1;
  const bool called = room && credit_ >= kEscortUnit && (liked || credit_ >= static_cast<std::uint64_t>(kOwedCalls) * kEscortUnit);
  level_ += kEscortStep * ((liked ? 1.0 : 0.0) - static_cast<double>(more) / kEscortUnit);
  if (called) credit_ -= kEscortUnit;
  given_ += called ? 1 : 0;
  of_ += experts + (called && rule_.form == EscortForm::shadow ? 1 : 0);
  return called;
}

std::uint32_t number_period(std::uint64_t position) {
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(std::bit_floor(position / 16), kRouterBlock, kNumberPeriod));
}

ExpertRouter::ExpertRouter(std::uint32_t experts, std::uint32_t used, bool normalize, const ExpertRule& rule)
    : used_(used), normalize_(normalize), rule_(rule), load_(experts, static_cast<double>(used) / experts), calls_(experts), escort_(rule.escort) {
  if (rule.count == CountRule::mass) control_ = logit(std::clamp(rule.threshold, kLeastMass, kMostMass));
  if (rule.count == CountRule::entropy) control_ = std::log(rule.threshold);
}

double ExpertRouter::threshold() const {
  if (!(rule_.target > 0)) return rule_.threshold;
  return rule_.count == CountRule::mass ? 1 / (1 + std::exp(-control_)) : std::exp(control_);
}

double ExpertRouter::gamma() const {
  if (rule_.gamma < 0) return gamma_;
  return tokens_ / kRouterBlock * kRouterBlock < kColdTokens ? 0 : rule_.gamma;
}

Routing ExpertRouter::route(std::span<const float> all_logits, double shift) {
  std::vector<double> scores;
  for (const float logit : all_logits.first(load_.size())) scores.push_back(sane(logit));
  std::vector<std::uint32_t> own = by_value(scores);  // by logits: far behind the best all scores are 0
  own.resize(used_);
  const double highest = scores[own.front()];
  for (double& score : scores) score = std::exp(score - highest);
  const double all = std::accumulate(scores.begin(), scores.end(), 0.0);
  for (double& score : scores) score /= all;

  std::vector<double> weights;
  for (const std::uint32_t expert : own) weights.push_back(scores[expert]);
  const std::uint32_t count = expert_count(weights, rule_, shifted(rule_.count, threshold(), shift));
  std::vector<double> factors;
  if (rule_.load == LoadRule::bias)
    for (const double bias : rule_.bias) factors.push_back(std::exp(bias));
  else if (rule_.load == LoadRule::fixed_price)
    factors = rule_.bias;
  else
    factors = load_factors(load_, rule_.load, gamma());

  Routing routing;
  const bool priced = rule_.load == LoadRule::price || rule_.load == LoadRule::fixed_price;
  routing.experts = rule_.load == LoadRule::off ? std::vector(own.begin(), own.begin() + count)
                    : priced ? select_priced_experts(scores, factors, std::accumulate(weights.begin(), weights.end(), 0.0), count, rule_.tau)
                           : select_experts(scores, factors, count, rule_.tau);
  const auto sum_of = [&](std::span<const std::uint32_t> experts) {
    double sum = 0;
    for (const std::uint32_t expert : experts) sum += scores[expert];
    return sum;
  };
  const double kept = sum_of(routing.experts), whole = normalize_ ? 1 : sum_of(own);
  for (const std::uint32_t expert : routing.experts) {
    routing.weights.push_back(static_cast<float>(scores[expert] / kept * whole));
    calls_[expert] += 1;
  }
  if (rule_.escort.form != EscortForm::none) {
    const double liking = sane(all_logits.back()) - highest - std::log(all);
    if (escort_.calls(count, liking)) {
      routing.experts.push_back(static_cast<std::uint32_t>(load_.size()));
      if (rule_.escort.form == EscortForm::shadow) {
        routing.weights.push_back(0);
      } else {
        const std::uint32_t gone = routing.experts[count - 1];
        calls_[gone] -= 1;
        routing.experts.erase(routing.experts.end() - 2);
        const double own_score = std::exp(std::min(liking, 80.0)), others = kept - scores[gone];
        const double weight = std::min(own_score / (others + own_score), rule_.escort.weight) * whole;
        for (std::uint32_t i = 0; i + 1 < count; ++i)
          routing.weights[i] = static_cast<float>(scores[routing.experts[i]] / others * (whole - weight));
        routing.weights[count - 1] = static_cast<float>(weight);
      }
    }
  }
  period_slots_ += count;
  window_mass_ += static_cast<std::uint64_t>(kept / sum_of(std::span(own).first(count)) * kMassUnit + 0.5);
  if (++tokens_ % kRouterBlock == 0) end_block();
  return routing;
}

void ExpertRouter::end_block() {
  const std::uint32_t period = number_period(tokens_ - 1);
  if (rule_.target > 0 && rule_.count != CountRule::fixed && tokens_ % period == 0) {
    const double error = rule_.target - static_cast<double>(std::exchange(period_slots_, 0)) / period;
    const bool mass = rule_.count == CountRule::mass;
    const double low = mass ? logit(kLeastMass) : std::log(kLeastFactor), high = mass ? logit(kMostMass) : std::log(kMostFactor);
    integral_ += error;
    control_ += (kThresholdGain * error + kThresholdIntegralGain * integral_) / rule_.most;
    if (control_ < low || control_ > high) integral_ = 0;  // what cannot be reached is not owed
    control_ = std::clamp(control_, low, high);
  }
  const double decay = std::exp2(-static_cast<double>(kRouterBlock) / rule_.half_life);
  for (std::size_t e = 0; e < load_.size(); ++e) load_[e] = decay * load_[e] + (1 - decay) * calls_[e] / kRouterBlock;
  std::ranges::fill(calls_, 0.0);
  if (tokens_ % kControlTokens != 0) return;
  const double kept = static_cast<double>(window_mass_) / (kMassUnit * kControlTokens);
  const double room = std::clamp((kept - rule_.retained) / std::max(1 - rule_.retained, 1e-4), -1.0, 1.0);
  const double wished = kGammaGain * (variation(load_) - rule_.cv), allowed = kGuardGain * std::max(gamma_, kLeastMovedGamma) * room;
  gamma_ = std::clamp(gamma_ + std::min(wished, allowed), 0.0, rule_.gamma_most);
  window_mass_ = 0;
}

}  // namespace fovea::reference
