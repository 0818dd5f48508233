#include "engine/decoder/expert_routing.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <span>
#include <string>

namespace fovea {
namespace {

std::uint32_t device_count(ExpertCount count) {
  return count == ExpertCount::mass ? shader::kCountMass : count == ExpertCount::entropy ? shader::kCountEntropy : shader::kCountFixed;
}

std::uint32_t device_load(const ExpertRule& rule) {
  if (rule.reset == LoadReset::frozen) return rule.priced ? shader::kLoadFixedPrice : shader::kLoadBias;
  constexpr std::array kLoads{shader::kLoadOff, shader::kLoadSeed, shader::kLoadHeadroom, shader::kLoadLocality, shader::kLoadPrice};
  return kLoads.at(static_cast<std::size_t>(rule.balance));
}

std::string problem_of(const ExpertRule& rule, const ModelConfig& config) {
  if (!config.mixture()) return "the model is dense";
  const auto share = [](double value) { return value >= 0 && value <= 1; };
  const auto number = [&](std::uint32_t k) { return k >= 1 && k <= config.experts_used; };
  const std::uint32_t most = rule.kmax == 0 ? config.experts_used : rule.kmax;
  if (!number(most) || rule.kmin < 1 || rule.kmin > most || !std::ranges::all_of(rule.layer_kmax, number) ||
      rule.target_k < 0 || rule.target_k > config.experts_used)
    return "a number of experts outside of 1 to the model's own " + std::to_string(config.experts_used) + " was asked for";
  if (!std::ranges::all_of(rule.layer_target_k, [&](double target) { return target >= 0 && target <= config.experts_used; }))
    return "a mean number of experts outside of 0 to the model's own " + std::to_string(config.experts_used) + " was asked for";
  for (const std::size_t numbers : {rule.layer_kmax.size(), rule.layer_p.size(), rule.layer_target_k.size()})
    if (numbers != 0 && numbers != config.layers)
      return "it has numbers for " + std::to_string(numbers) + " layers and the model has " + std::to_string(config.layers);
  if (!share(rule.p) || !std::ranges::all_of(rule.layer_p, share) || !share(rule.gamma.value_or(0)) || !share(rule.retained) || !share(rule.tau) || !(rule.cv >= 0) || !(rule.c > 0) ||
      !(rule.half_life >= 1))
    return "a value is out of its range";
  if (rule.reset == LoadReset::frozen && rule.bias.size() != std::size_t{config.layers} * config.experts)
    return "its bias is not one number for each of " + std::to_string(config.experts) + " experts in " + std::to_string(config.layers) + " layers";
  if (rule.prior && (rule.prior->input != config.width || rule.prior->layers != config.layers || rule.prior->experts != config.experts ||
                     rule.prior->experts_used != config.experts_used || rule.prior->first_layer < 1 || rule.prior->first_layer >= config.layers))
    return "its semantic router was trained for a model of another shape";
  if (rule.escort && (rule.escort->copy_of >= config.experts || !(rule.escort->share > 0 && rule.escort->share <= 0.2) || rule.escort->calls < 1 || !share(rule.escort->weight)))
    return "its escort is out of range: an expert of the model's, a share of at most 0.2 and a weight from 0 to 1 are";
  return "";
}

// What the model has without the escorted expert.
ModelConfig own_numbers(ModelConfig config, const ExpertRule& rule) {
  if (!rule.escort || !config.mixture()) return config;
  config.experts -= 1;
  config.experts_used -= rule.escort->mode == EscortMode::shadow ? 1 : 0;
  return config;
}

}  // namespace

ModelConfig with_escort(ModelConfig config, const ExpertRule& rule) {
  if (!rule.escort || !config.mixture()) return config;
  config.experts += 1;
  config.experts_used += rule.escort->mode == EscortMode::shadow ? 1 : 0;
  return config;
}

Result<ExpertRouting> ExpertRouting::create(gpu::Device& device, const ModelConfig& room, std::uint32_t batch, const ExpertRule& rule) {
  const ModelConfig config = own_numbers(room, rule);
  if (const std::string problem = problem_of(rule, config); !problem.empty())
    return fail(ErrorCode::usage, "the policy of experts", problem, "choose another one");
  ExpertRouting routing(device, config, rule);
  const std::uint64_t word = sizeof(std::uint32_t);
  using gpu::MemoryUse;
  if (rule.prior) {
    FOVEA_ASSIGN(routing.prior_, PriorNetwork::create(device, *rule.prior, batch));
    routing.rule_.prior->parameters.clear();  // the device has them
  }
  FOVEA_ASSIGN(routing.memory_, device.create_buffer(config.layers * router_memory_words(config.experts) * word, MemoryUse::compute));
  FOVEA_ASSIGN(routing.facts_, device.create_buffer(2 * config.layers * router_fact_words(config.experts, config.experts_used) * word, MemoryUse::compute));
  FOVEA_TRY(routing.forget());
  FOVEA_TRY(routing.begin());
  return routing;
}

ExpertChoiceRule ExpertRouting::device_rule(std::uint32_t layer) const {
  const std::uint32_t whole = rule_.kmax == 0 ? slots_ : rule_.kmax, most = rule_.layer_kmax.empty() ? whole : rule_.layer_kmax[layer];
  ExpertChoiceRule rule{.count = device_count(rule_.count), .least = rule_.count == ExpertCount::fixed ? most : std::min(rule_.kmin, most), .most = most,
                        .threshold = static_cast<float>(rule_.count == ExpertCount::entropy ? rule_.c : rule_.layer_p.empty() ? rule_.p : rule_.layer_p[layer]),
                        .target = static_cast<float>(std::min<double>(rule_.layer_target_k.empty() ? rule_.target_k : rule_.layer_target_k[layer], most)), .load = device_load(rule_),
                        .gamma = static_cast<float>(rule_.gamma.value_or(-1)), .cv = static_cast<float>(rule_.cv),
                        .retained = static_cast<float>(rule_.retained), .tau = static_cast<float>(rule_.tau),
                        .half_life = static_cast<float>(rule_.half_life)};
  if (prior_ && layer >= prior_->first_layer()) {
    rule.shift = rule_.prior->weight != 0 ? prior_->shift() : 0;
    rule.predicted = prior_->masks(layer - prior_->first_layer());
  }
  if (rule_.escort) {
    rule.escort = rule_.escort->mode == EscortMode::shadow ? shader::kEscortShadow : shader::kEscortWeight;
    rule.escort_calls = rule_.escort->calls;
    rule.escort_share = static_cast<float>(rule_.escort->share);
    rule.escort_weight = static_cast<float>(rule_.escort->weight);
  }
  return rule;
}

ExpertChoiceArgs ExpertRouting::choice(std::uint32_t layer, const RouterArgs& args) const {
  const std::uint64_t word = sizeof(std::uint32_t), row = (args.tokens == 1 ? layers_ : 0) + layer;
  RouterArgs own = args;
  own.expert_count = experts_;
  own.slots = slots_;
  return {.router = own, .rule = device_rule(layer), .memory = memory_.address() + layer * router_memory_words(experts_) * word,
          .facts = facts_.address() + row * router_fact_words(experts_, slots_) * word};
}

Result<void> ExpertRouting::record_prior(KernelRecorder& kernels, std::uint32_t layer, std::uint64_t x, std::uint32_t stride, std::uint64_t state,
                                         std::uint32_t tokens) const {
  return prior_ && layer + 1 == prior_->first_layer() ? prior_->record(kernels, x, stride, state, tokens) : Result<void>{};
}

Result<void> ExpertRouting::record_choice(KernelRecorder& kernels, std::uint32_t layer, const RouterArgs& args) const {
  return record_expert_choice(kernels, choice(layer, args));
}

FoldedPolicy ExpertRouting::folded(std::uint32_t layer, const RouterArgs& args) const { return folded_policy(choice(layer, args)); }

Result<void> ExpertRouting::record_memory(KernelRecorder& kernels, std::uint64_t state) const {
  const ExpertChoiceRule rule = device_rule(0);  // how it is remembered is the same in all layers: each has a target or none has
  if (!rule.remembers()) return {};
  kernels.plan().tag("router memory");
  return record_router_memory(kernels, {.rule = rule, .memory = memory_.address(), .state = state, .layers = layers_, .experts = experts_, .slots = slots_});
}

Result<void> ExpertRouting::begin() const {
  if (rule_.reset != LoadReset::never) FOVEA_TRY(forget());
  return device_->upload(facts_, 0, std::vector<std::byte>(facts_.bytes()));
}

Result<void> ExpertRouting::forget() const {
  std::vector<std::uint32_t> words;
  for (std::uint32_t layer = 0; layer < layers_; ++layer) {
    const auto bias = rule_.bias.empty() ? std::span<const float>{} : std::span(rule_.bias).subspan(std::size_t{layer} * experts_, experts_);
    const std::vector<std::uint32_t> one = initial_router_memory(device_rule(layer), experts_, slots_, bias);
    words.insert(words.end(), one.begin(), one.end());
  }
  return device_->upload(memory_, 0, std::as_bytes(std::span(words)));
}

Result<RoutingFacts> ExpertRouting::facts() const {
  std::vector<std::uint32_t> words(facts_.bytes() / sizeof(std::uint32_t));
  FOVEA_TRY(device_->download(facts_, 0, std::as_writable_bytes(std::span(words))));
  RoutingFacts facts;
  if (prior_) facts.prefetch = {.size = prior_->memory(), .first_layer = prior_->first_layer()};
  auto at = words.begin();
  for (RoutingWork* work : {&facts.prefill, &facts.decode})
    for (std::uint32_t layer = 0; layer < layers_; ++layer) {
      const auto counts = at + shader::kRouterFactHead, calls = counts + slots_, end = calls + experts_;
      work->push_back({.tokens = at[shader::kRouterFactTokens],
                       .kept_mass = at[shader::kRouterFactMass] / static_cast<double>(shader::kMassUnit),
                       .moved_mass = at[shader::kRouterFactMoved] / static_cast<double>(shader::kMassUnit),
                       .same = at[shader::kRouterFactSame],
                       .counts = {counts, calls},
                       .calls = {calls, end},
                       .escorted = *end,
                       .predicted = at[shader::kRouterFactPredicted]});
      at = end + 1;
    }
  if (!rule_.escort) return facts;
  std::vector<std::uint32_t> memory(memory_.bytes() / sizeof(std::uint32_t));
  FOVEA_TRY(device_->download(memory_, 0, std::as_writable_bytes(std::span(memory))));
  for (std::uint32_t layer = 0; layer < layers_; ++layer) {
    const auto escort = std::span(memory).subspan(layer * router_memory_words(experts_) + shader::kMemoryHead + 2 * experts_);
    const auto mean = [&](std::uint32_t word, std::uint32_t count) {
      return count > 0 ? static_cast<double>(std::bit_cast<float>(escort[word])) / count : 0.0;
    };
    facts.escort.push_back({.calls = escort[shader::kEscortCalls], .of = escort[shader::kEscortOf], .tokens = escort[shader::kEscortTokens],
                            .liking = mean(shader::kEscortSum, escort[shader::kEscortTokens]),
                            .called_liking = mean(shader::kEscortCalledSum, escort[shader::kEscortCalls])});
  }
  return facts;
}

Result<void> ExpertRouting::choose_bias(std::vector<float> bias) {
  if (rule_.reset != LoadReset::frozen || bias.size() != rule_.bias.size())
    return fail(ErrorCode::usage, "the bias of experts", "the policy has none, or one of another size", "choose a policy with reset=frozen");
  rule_.bias = std::move(bias);
  return forget();
}

Result<std::vector<float>> ExpertRouting::bias() const {
  if (rule_.reset == LoadReset::frozen) return rule_.bias;
  std::vector<std::uint32_t> words(memory_.bytes() / sizeof(std::uint32_t));
  FOVEA_TRY(device_->download(memory_, 0, std::as_writable_bytes(std::span(words))));
  std::vector<float> bias;
  for (std::uint32_t layer = 0; layer < layers_; ++layer) {
    const auto at = words.begin() + layer * router_memory_words(experts_);
    const auto load = at + shader::kMemoryHead;
    const float gamma = rule_.gamma ? static_cast<float>(*rule_.gamma) : std::bit_cast<float>(at[shader::kMemoryGamma]);
    float most = 1e-6f, sum = 0;
    for (std::uint32_t e = 0; e < experts_; ++e) {
      most = std::max(most, std::bit_cast<float>(load[e]));
      sum += std::bit_cast<float>(load[e]);
    }
    if (rule_.balance == ExpertBalance::price) {
      const float mean = std::max(sum / static_cast<float>(experts_), 1e-6f);
      for (std::uint32_t e = 0; e < experts_; ++e) bias.push_back(gamma / 4 * (std::bit_cast<float>(load[e]) / mean - 1));
      continue;
    }
    for (std::uint32_t e = 0; e < experts_; ++e) {
      const float u = std::bit_cast<float>(load[e]), share = gamma * u / most;
      const float factor = rule_.balance == ExpertBalance::seed       ? 1 - u
                           : rule_.balance == ExpertBalance::headroom ? 1 - share
                           : rule_.balance == ExpertBalance::locality ? 1 + share
                                                                      : 1;
      bias.push_back(std::log(std::max(factor, 1e-6f)));
    }
  }
  return bias;
}

}  // namespace fovea
