#include "engine/session/expert_precision.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "engine/session/device_fits.hpp"
#include "engine/tensor/dequantize.hpp"
#include "engine/tensor/quantize.hpp"

namespace fovea {
namespace {

constexpr std::array kTypes{DType::Q8_0, DType::Q6_K, DType::Q5_K, DType::Q5_0, DType::Q4_K, DType::Q4_0};  // ever smaller, the better of two of a size first
constexpr std::uint64_t kSampledRows = 256;  // of a layer's matrix, while it is planned
constexpr unsigned kMostThreads = 16;

double bits(DType type) { return 8.0 * traits(type).block_bytes / traits(type).block_length; }

// The matrices that share a type: gate and up, or down.
struct Unit {
  std::size_t layer = 0;
  std::vector<WeightView LayerWeights::*> views;
  std::vector<DType> types;  // the first as stored
  double use = 1;
};

std::vector<DType> types_of(const WeightView& view) {
  std::vector<DType> types{view.type};
  for (const DType type : kTypes)
    if (bits(type) < bits(types.back()) && view.columns % traits(type).block_length == 0) types.push_back(type);
  return types;
}

std::vector<Unit> units_of(const ModelWeights& weights, const ModelConfig& config, const std::optional<ExpertRule>& rule) {
  std::vector<double> calls(weights.layers.size(), 1);
  if (rule && rule->layer_kmax.size() == calls.size()) std::ranges::transform(rule->layer_kmax, calls.begin(), [](std::uint32_t k) { return static_cast<double>(k); });
  double all = 0;
  for (const double k : calls) all += k;
  std::vector<Unit> units;
  for (std::size_t layer = 0; layer < weights.layers.size(); ++layer) {
    if (!config.mixture()) break;
    const LayerWeights& of = weights.layers[layer];
    units.push_back({layer, {&LayerWeights::gate, &LayerWeights::up}, types_of(of.gate), calls[layer] / all});
    units.push_back({layer, {&LayerWeights::down}, types_of(of.down), calls[layer] / all});
  }
  return units;
}

std::uint64_t rows_of(const WeightView& view) { return std::uint64_t{view.rows} * view.matrices; }
std::uint64_t bytes_as(const WeightView& view, DType type) { return rows_of(view) * row_bytes(type, view.columns); }

struct Lost {
  double off = 0, squares = 0;
  [[nodiscard]] double share() const { return squares > 0 ? off / squares : 0; }
};

// Rows [from, to), every `step`th, encoded as `type` (into `made`, where it is not empty), and what that loses.
Lost encode_rows(const WeightView& view, DType type, std::uint64_t from, std::uint64_t to, std::uint64_t step, std::span<std::byte> made) {
  const std::uint64_t stored = row_bytes(view.type, view.columns), bytes = row_bytes(type, view.columns);
  std::vector<float> row(view.columns), back(view.columns);
  std::vector<std::byte> blocks(bytes);
  Lost lost;
  for (std::uint64_t r = from; r < to; r += step) {
    dequantize(view.type, view.bytes.subspan(r * stored, stored), row);
    const std::span<std::byte> target = made.empty() ? std::span(blocks) : made.subspan(r * bytes, bytes);
    quantize(type, row, target);
    dequantize(type, target, back);
    for (std::size_t i = 0; i < row.size(); ++i) {
      const auto x = static_cast<double>(row[i]), d = static_cast<double>(back[i]) - x;
      lost.off += d * d;
      lost.squares += x * x;
    }
  }
  return lost;
}

// Tasks 0 .. count - 1 on as many threads as the machine has; each writes only what is its own, so order does not matter.
template <class Task>
void side_by_side(std::size_t count, const std::stop_token& stop, const Task& task) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < count && !stop.stop_requested(); i = next++) task(i);
  };
  std::vector<std::jthread> others;
  for (unsigned i = 1; i < std::clamp(std::thread::hardware_concurrency(), 1u, kMostThreads) && i < count; ++i) others.emplace_back(work);
  work();
}

double sampled_error(const ModelWeights& weights, const Unit& unit, DType type) {
  Lost lost;
  for (const auto which : unit.views) {
    const WeightView& view = weights.layers[unit.layer].*which;
    const Lost one = encode_rows(view, type, 0, rows_of(view), std::max<std::uint64_t>(1, rows_of(view) / kSampledRows), {});
    lost.off += one.off;
    lost.squares += one.squares;
  }
  return lost.share();
}

Error stopped() { return {ErrorCode::cancelled, "loading the model", "it was stopped", "open it again when wanted"}; }

}  // namespace

std::optional<std::vector<std::size_t>> cheapest_types(const std::vector<PrecisionChoice>& choices, std::uint64_t wanted) {
  std::vector<std::size_t> taken(choices.size(), 0);
  std::uint64_t saved = 0;
  while (saved < wanted) {
    std::size_t which = choices.size(), to = 0;
    double least = 0;
    for (std::size_t i = 0; i < choices.size(); ++i) {
      const PrecisionStep& now = choices[i].types[taken[i]];
      for (std::size_t t = taken[i] + 1; t < choices[i].types.size(); ++t) {
        const PrecisionStep& then = choices[i].types[t];
        if (then.saved <= now.saved) continue;
        const double price = std::max(0.0, then.cost - now.cost) / static_cast<double>(then.saved - now.saved);
        if (which == choices.size() || price < least) which = i, to = t, least = price;
      }
    }
    if (which == choices.size()) return std::nullopt;
    saved += choices[which].types[to].saved - choices[which].types[taken[which]].saved;
    taken[which] = to;
  }
  return taken;
}

Result<PreciseExperts> fit_experts(const ModelWeights& weights, const ModelConfig& config, std::uint64_t budget, const std::optional<ExpertRule>& rule,
                                   std::stop_token stop) {
  const std::string what = "the experts' budget";
  if (!config.mixture()) return fail(ErrorCode::unsupported, what, "not applicable: this model is dense, it has no experts", "leave --expert-budget out");
  PreciseExperts fit{.weights = weights, .made = {}, .facts = {.budget = budget}};
  const std::vector<Unit> units = units_of(weights, config, rule);
  std::vector<PrecisionChoice> choices(units.size());
  std::uint64_t least = 0;
  for (std::size_t i = 0; i < units.size(); ++i) {
    std::uint64_t stored = 0, smallest = 0;
    for (const DType type : units[i].types) {
      std::uint64_t bytes = 0;
      for (const auto view : units[i].views) bytes += bytes_as(weights.layers[units[i].layer].*view, type);
      if (choices[i].types.empty()) stored = bytes;
      smallest = bytes;
      choices[i].types.push_back({0, stored - bytes});
    }
    fit.facts.stored_bytes += stored;
    least += smallest;
  }
  if (least > budget)
    return fail(ErrorCode::usage, what,
                fmt::format("even in the smallest types that this program makes the experts take {:.1f} MiB, and {:.1f} MiB were allowed", static_cast<double>(least) / (1u << 20),
                            static_cast<double>(budget) / (1u << 20)),
                "allow more, or take a smaller file");
  std::vector<std::size_t> taken(units.size(), 0);
  if (fit.facts.stored_bytes > budget) {
    std::vector<std::pair<std::size_t, std::size_t>> tasks;  // unit, type
    for (std::size_t i = 0; i < units.size(); ++i)
      for (std::size_t t = 1; t < units[i].types.size(); ++t) tasks.emplace_back(i, t);
    side_by_side(tasks.size(), stop, [&](std::size_t task) {
      const auto [i, t] = tasks[task];
      choices[i].types[t].cost = units[i].use * sampled_error(weights, units[i], units[i].types[t]);
    });
    if (stop.stop_requested()) return tl::unexpected(stopped());
    // `least` fits, so there is an answer.
    taken = cheapest_types(choices, fit.facts.stored_bytes - budget).value_or(taken);
  }
  std::size_t to_make = 0;
  for (const std::size_t entry : taken) to_make += entry > 0 ? 2 : 0;
  fit.made.reserve(to_make);  // views into it must stay
  for (std::size_t i = 0; i < units.size(); ++i) {
    const DType type = units[i].types[taken[i]];
    for (const auto which : units[i].views) {
      const WeightView& from = weights.layers[units[i].layer].*which;
      TensorPrecision facts{.tensor = from.tensor != nullptr ? from.tensor->name : "", .stored = std::string(name(from.type)), .taken = std::string(name(type)),
                            .bytes = bytes_as(from, type)};
      if (taken[i] > 0) {
        std::vector<std::byte>& made = fit.made.emplace_back(facts.bytes);
        std::vector<Lost> lost(from.matrices);
        side_by_side(from.matrices, stop, [&](std::size_t m) { lost[m] = encode_rows(from, type, m * from.rows, (m + 1) * from.rows, 1, made); });
        if (stop.stop_requested()) return tl::unexpected(stopped());
        Lost all;
        for (const Lost& one : lost) all.off += one.off, all.squares += one.squares;
        facts.error = all.share();
        WeightView& to = fit.weights.layers[units[i].layer].*which;
        to.type = type;
        to.bytes = made;
      }
      fit.facts.bytes += facts.bytes;
      fit.facts.tensors.push_back(std::move(facts));
    }
  }
  return fit;
}

Result<std::optional<PreciseExperts>> chosen_precision(std::optional<std::uint64_t> asked, const ModelWeights& weights, const ModelConfig& config,
                                                       const ModelSummary& summary, const gpu::DeviceFacts& facts, std::stop_token stop) {
  const auto some = [](PreciseExperts&& fit) { return std::optional(std::move(fit)); };
  if (asked) return *asked == 0 ? Result<std::optional<PreciseExperts>>(std::nullopt) : fit_experts(weights, config, *asked, summary.experts_rule, std::move(stop)).map(some);
  const std::uint64_t room = usable_memory(facts), total = summary.estimate.total();
  if (!config.mixture() || total <= room) return std::nullopt;
  std::uint64_t stored = 0;
  for (const LayerWeights& layer : weights.layers) stored += layer.gate.bytes.size() + layer.up.bytes.size() + layer.down.bytes.size();
  if (stored <= total - room) return std::nullopt;  // experts are not what is too much
  auto fit = fit_experts(weights, config, stored - (total - room), summary.experts_rule, std::move(stop));
  // What cannot be had is not missed: the device then says what it lacks.
  if (!fit && fit.error().code == ErrorCode::usage) return std::nullopt;
  return std::move(fit).map(some);
}

DeviceFit experts_fit(const ExpertPrecision& precision, bool asked) {
  std::map<std::string, std::uint32_t> tensors;
  double worst = 0;
  for (const TensorPrecision& tensor : precision.tensors) {
    ++tensors[tensor.taken];
    worst = std::max(worst, tensor.error);
  }
  std::string taken;
  for (const auto& [type, count] : tensors) taken += fmt::format("{}{} of {} tensors {}", taken.empty() ? "" : ", ", count, precision.tensors.size(), type);
  const auto mib = [](std::uint64_t bytes) { return fmt::format("{:.1f}", static_cast<double>(bytes) / (1u << 20)); };
  return {.what = "experts", .taken = std::move(taken),
          .reason = asked ? "stored they take %1 MiB and may take %2; %3 are taken, with the least use x relative error for each byte saved; the worst tensor is off by "
                            "%4 % of its size"
                          : "stored they take %1 MiB and may take %2, which is what the device's memory has left (derived); %3 are taken, with the least use x relative "
                            "error for each byte saved; the worst tensor is off by %4 % of its size",
          .figures = {mib(precision.stored_bytes), mib(precision.budget), mib(precision.bytes), fmt::format("{:.2f}", 100 * std::sqrt(worst))},
          .option = "--expert-budget", .asked = asked};
}

}  // namespace fovea
