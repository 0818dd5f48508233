#include "engine/session/moe_policy.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/io/bounded_read.hpp"
#include "engine/io/shown_name.hpp"
#include "engine/session/expert_prior.hpp"

namespace fovea {
namespace {

constexpr std::array<std::string_view, 22> kDynamicKeys{"kmin", "kmax", "layers", "rule", "p", "c", "target-k", "prior", "prior-weight", "balance",
                                                        "gamma", "cv", "retained", "tau", "half-life", "reset", "bias", "escort", "escort-mode",
                                                        "escort-share", "escort-calls", "escort-weight"};
constexpr std::size_t kLongestBiasFile = 64u << 20;

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

// Reads values one after another and keeps the first sentence of what is wrong.
class Reader {
 public:
  explicit Reader(const Spec& spec) : spec_(spec) {}
  void refuse(std::string_view key, const std::string& value, std::string_view wanted) {
    if (problem.empty()) problem = fmt::format("{} is {}: it must be {}", key, shown_name(value), wanted);
  }
  template <class Target>
  void count(std::string_view key, Target& target) {
    const std::string* value = spec_.find(key);
    if (value == nullptr) return;
    const auto number = parse_count(*value);
    if (!number || *number == 0)
      refuse(key, *value, "a whole number of at least 1");
    else
      target = static_cast<Target>(*number);
  }
  template <class Target>
  void number(std::string_view key, double least, double most, std::string_view wanted, Target& target) {
    const std::string* value = spec_.find(key);
    if (value == nullptr) return;
    const auto read = parse_number(*value);
    if (!read || *read < least || *read > most)
      refuse(key, *value, wanted);
    else
      target = *read;
  }
  // One number for all layers, or one for each.
  void by_layer(std::string_view key, double least, double most, const std::string& wanted, double& all, std::vector<double>& each) {
    const std::string* value = spec_.find(key);
    if (value == nullptr || value->find('/') == std::string::npos) return number(key, least, most, wanted + ", or one for each layer with / between them", all);
    auto numbers = parse_list<double>(*value, parse_number);
    if (!numbers || !std::ranges::all_of(*numbers, [&](double x) { return x >= least && x <= most; }))
      refuse(key, *value, wanted + ", or one for each layer with / between them");
    else
      each = std::move(*numbers);
  }
  template <class Target>
  void share(std::string_view key, Target& target) { number(key, 0, 1, "a number from 0 to 1", target); }
  template <class Value, std::size_t N>
  void word(std::string_view key, const std::array<Value, N>& choices, std::string_view wanted, Value& target) {
    const std::string* value = spec_.find(key);
    if (value == nullptr) return;
    const auto found = std::ranges::find_if(choices, [&](Value choice) { return name(choice) == *value; });
    if (found == choices.end())
      refuse(key, *value, wanted);
    else
      target = *found;
  }
  void layers(ExpertRule& rule) {
    const std::string* value = spec_.find("layers");
    if (value == nullptr) return;
    if (auto numbers = parse_list<std::uint32_t>(*value, parse_count); numbers && std::ranges::find(*numbers, 0u) == numbers->end())
      rule.layer_kmax = std::move(*numbers);
    else
      refuse("layers", *value, "a whole number of at least 1 for each layer, with / between them");
  }
  void prior(ExpertRule& rule) {
    const std::string* value = spec_.find("prior");
    if (value == nullptr) {
      if (problem.empty() && spec_.find("prior-weight") != nullptr) problem = "prior-weight goes with prior=";
      return;
    }
    ExpertPrior& prior = rule.prior.emplace();
    if (value->ends_with(".router"))
      prior.file = *value;
    else if (*value != "semantic")
      refuse("prior", *value, "semantic, or a .router file");
    number("prior-weight", -20, 20, "a number from -20 to 20", prior.weight);
  }
  void escort(ExpertRule& rule) {
    const std::string* value = spec_.find("escort");
    if (value == nullptr) {
      for (const char* key : {"escort-mode", "escort-share", "escort-calls", "escort-weight"})
        if (problem.empty() && spec_.find(key) != nullptr) problem = fmt::format("{} goes with escort=", key);
      return;
    }
    ExpertEscort& escort = rule.escort.emplace();
    if (const auto expert = parse_count(*value))
      escort.copy_of = *expert;
    else if (value->ends_with(".gguf"))
      escort.file = *value;
    else
      refuse("escort", *value, "the number of an expert to copy, or a .gguf file with one");
    word("escort-mode", std::array{EscortMode::shadow, EscortMode::weight}, "shadow or weight", escort.mode);
    number("escort-share", 0.0001, 0.2, "a number from 0.0001 to 0.2", escort.share);
    count("escort-calls", escort.calls);
    share("escort-weight", escort.weight);
  }
  std::string problem;

 private:
  const Spec& spec_;
};

// Into `rule`: {"bias":[[...],...]}, or {"price":[[...],...]}, which says its tau beside it.
Result<void> read_bias(const std::string& path, const ModelSummary& model, bool tau_given, ExpertRule& rule) {
  const std::string what = "bias file " + shown_name(path);
  const std::string form = fmt::format(R"(give one that has a list of {} numbers for each of {} layers: {{"bias":[[...],...]}})", model.experts, model.layers);
  FOVEA_ASSIGN(const std::string text, read_file(path, what, kLongestBiasFile));
  const auto value = nlohmann::json::parse(text, nullptr, false);
  const bool priced = value.is_object() && value.contains("price");
  const char* const key = priced ? "price" : "bias";
  if (value.is_discarded() || !value.is_object() || !value.contains(key) || !value[key].is_array())
    return fail(ErrorCode::format, what, "it is not a JSON object with a list \"bias\" or \"price\"", form);
  std::vector<float> bias;
  for (const auto& layer : value[key]) {
    if (!layer.is_array() || layer.size() != model.experts) return fail(ErrorCode::format, what, "a layer is not a list of the right length", form);
    for (const auto& number : layer) {
      if (!number.is_number() || !(std::abs(number.get<double>()) <= 100)) return fail(ErrorCode::format, what, "it has something other than numbers from -100 to 100", form);
      bias.push_back(number.get<float>());
    }
  }
  if (bias.size() != std::size_t{model.layers} * model.experts) return fail(ErrorCode::format, what, "it has another number of layers", form);
  if (value.contains("tau") && !tau_given) {
    const auto& tau = value["tau"];
    if (!tau.is_number() || !(tau.get<double>() >= 0 && tau.get<double>() <= 1)) return fail(ErrorCode::format, what, "its tau is no number from 0 to 1", form);
    rule.tau = tau.get<double>();
  }
  rule.bias = std::move(bias);
  rule.priced = priced;
  return {};
}

std::string shown(double value) { return fmt::format("{:g}", value); }

}  // namespace

bool moe_takes(std::string_view mode, std::string_view key) {
  if (mode == "static") return key == "k" || key == "layers";
  return mode == "dynamic" && std::ranges::find(kDynamicKeys, key) != kDynamicKeys.end();
}

tl::expected<std::optional<ExpertRule>, std::string> read_expert_rule(const Spec& spec) {
  ExpertRule rule;
  Reader read(spec);
  read.layers(rule);
  if (spec.mode == "static") {
    if (spec.parameters.empty()) return std::nullopt;
    rule.count = ExpertCount::fixed;
    read.count("k", rule.kmax);
  } else {
    read.count("kmin", rule.kmin);
    read.count("kmax", rule.kmax);
    read.word("rule", std::array{ExpertCount::mass, ExpertCount::entropy}, "mass or entropy", rule.count);
    read.by_layer("p", 0, 1, "a number from 0 to 1", rule.p, rule.layer_p);
    read.number("c", 0.05, 20, "a number from 0.05 to 20", rule.c);
    read.by_layer("target-k", 1, 1e6, "a number of at least 1", rule.target_k, rule.layer_target_k);
    read.prior(rule);
    read.word("balance", std::array{ExpertBalance::off, ExpertBalance::seed, ExpertBalance::headroom, ExpertBalance::locality, ExpertBalance::price},
              "off, seed, headroom, locality or price", rule.balance);
    read.share("gamma", rule.gamma);
    read.number("cv", 0, 100, "a number from 0 to 100", rule.cv);
    read.share("retained", rule.retained);
    if (rule.balance == ExpertBalance::price) rule.tau = 0;  // no substitute costs more than the difference of two prices
    read.share("tau", rule.tau);
    read.number("half-life", 1, 1e9, "a number of tokens, at least 1", rule.half_life);
    read.word("reset", std::array{LoadReset::session, LoadReset::never, LoadReset::frozen}, "session, never or frozen", rule.reset);
    read.escort(rule);
    const auto need = [&](bool fine, std::string_view sentence) {
      if (read.problem.empty() && !fine) read.problem = sentence;
    };
    need(rule.kmax == 0 || rule.kmin <= rule.kmax, "kmin must not be above kmax");
    need(rule.layer_p.empty() || rule.count == ExpertCount::mass, "p goes with rule=mass");
    need(std::ranges::all_of(rule.layer_target_k, [&](double target) { return target >= rule.kmin && (rule.kmax == 0 || target <= rule.kmax); }),
         "target-k must lie between kmin and kmax");
    need(rule.target_k == 0 || (rule.target_k >= rule.kmin && (rule.kmax == 0 || rule.target_k <= rule.kmax)), "target-k must lie between kmin and kmax");
    need((rule.reset == LoadReset::frozen) == (spec.find("bias") != nullptr), "reset=frozen and bias=FILE go together");
    need(rule.reset != LoadReset::frozen || rule.balance == ExpertBalance::off, "a frozen bias leaves nothing to balance: leave balance out");
  }
  if (!read.problem.empty()) return tl::unexpected(read.problem);
  return rule;
}

Result<std::optional<ExpertRule>> expert_rule(const Spec& spec, const ModelSummary& model) {
  const auto read = read_expert_rule(spec);
  const std::string what = "--moe " + to_string(spec);
  if (!read) return fail(ErrorCode::usage, what, read.error(), "correct it");
  if (!*read) return std::optional<ExpertRule>{};
  ExpertRule rule = **read;
  if (model.experts_used == 0)
    return fail(ErrorCode::unsupported, what, "not applicable: this model is dense, it has no experts to choose", "leave --moe out");
  const std::uint32_t most = std::max(rule.kmax, rule.layer_kmax.empty() ? 0 : std::ranges::max(rule.layer_kmax));
  const auto refuse = [&](std::string why) {
    return fail(ErrorCode::usage, what, std::move(why), fmt::format("use numbers from 1 to {}", model.experts_used));
  };
  if (most > model.experts_used) return refuse(fmt::format("this model takes {} experts a token, and more were never trained together", model.experts_used));
  if (rule.kmin > model.experts_used || rule.target_k > model.experts_used) return refuse(fmt::format("this model takes {} experts a token", model.experts_used));
  if (std::ranges::any_of(rule.layer_target_k, [&](double target) { return target > model.experts_used; }))
    return refuse(fmt::format("this model takes {} experts a token", model.experts_used));
  for (const std::size_t numbers : {rule.layer_kmax.size(), rule.layer_p.size(), rule.layer_target_k.size()})
    if (numbers != 0 && numbers != model.layers)
      return fail(ErrorCode::usage, what, fmt::format("it has numbers for {} layers and the model has {}", numbers, model.layers), "give one for each layer");
  if (rule.count == ExpertCount::fixed && rule.layer_kmax.empty() && rule.kmax == model.experts_used) return std::optional<ExpertRule>{};
  if (rule.escort && rule.escort->file.empty() && rule.escort->copy_of >= model.experts)
    return fail(ErrorCode::usage, what, fmt::format("the model has {} experts and no number {}", model.experts, rule.escort->copy_of),
                fmt::format("escort a copy of 0 to {}", model.experts - 1));
  if (rule.reset == LoadReset::frozen) {
    FOVEA_TRY(read_bias(*spec.find("bias"), model, spec.find("tau") != nullptr, rule));
  }
  if (rule.prior) {
    FOVEA_ASSIGN(rule.prior, read_expert_prior(*rule.prior, model));
  }
  return std::optional(rule);
}

std::string shown_moe(const ModelSummary& model) {
  if (model.experts_used == 0) return "not applicable";
  if (!model.experts_rule) return fmt::format("static:k={}", model.experts_used);
  const ExpertRule& rule = *model.experts_rule;
  const std::string layers = rule.layer_kmax.empty() ? "" : fmt::format("layers={}", fmt::join(rule.layer_kmax, "/"));
  if (rule.count == ExpertCount::fixed) return layers.empty() ? fmt::format("static:k={}", rule.kmax) : "static:" + layers;
  std::string text = fmt::format("dynamic:kmin={},kmax={},rule={}", rule.kmin, rule.kmax == 0 ? model.experts_used : rule.kmax, name(rule.count));
  if (!layers.empty()) text += "," + layers;
  text += rule.count != ExpertCount::mass ? ",c=" + shown(rule.c) : ",p=" + (rule.layer_p.empty() ? shown(rule.p) : fmt::format("{:g}", fmt::join(rule.layer_p, "/")));
  if (rule.target_k > 0 || !rule.layer_target_k.empty())
    text += ",target-k=" + (rule.layer_target_k.empty() ? shown(rule.target_k) : fmt::format("{:g}", fmt::join(rule.layer_target_k, "/")));
  if (rule.prior) text += fmt::format(",prior={},prior-weight={}", rule.prior->file.empty() ? "semantic" : rule.prior->file, shown(rule.prior->weight));
  if (rule.reset != LoadReset::frozen) text += fmt::format(",balance={}", name(rule.balance));
  if (rule.balance == ExpertBalance::headroom || rule.balance == ExpertBalance::locality || rule.balance == ExpertBalance::price)
    text += rule.gamma ? ",gamma=" + shown(*rule.gamma) : fmt::format(",cv={},retained={}", shown(rule.cv), shown(rule.retained));
  if (rule.balance != ExpertBalance::off) text += fmt::format(",half-life={}", shown(rule.half_life));
  if (rule.balance != ExpertBalance::off || rule.reset == LoadReset::frozen) text += fmt::format(",tau={},reset={}", shown(rule.tau), name(rule.reset));
  if (rule.escort) {
    const ExpertEscort& escort = *rule.escort;
    text += fmt::format(",escort={},escort-mode={},escort-share={},escort-calls={}", escort.file.empty() ? std::to_string(escort.copy_of) : escort.file,
                        name(escort.mode), shown(escort.share), escort.calls);
    if (escort.mode == EscortMode::weight) text += ",escort-weight=" + shown(escort.weight);
  }
  return text;
}

Result<void> write_expert_bias(const std::string& path, const std::vector<float>& bias, std::uint32_t layers, std::optional<double> priced_tau) {
  const char* const key = priced_tau ? "price" : "bias";
  nlohmann::ordered_json value{{key, nlohmann::ordered_json::array()}};
  if (priced_tau) value["tau"] = *priced_tau;
  const std::size_t experts = bias.size() / std::max(layers, 1u);
  for (std::size_t layer = 0; layer < layers; ++layer)
    value[key].push_back(std::vector<float>(bias.begin() + static_cast<std::ptrdiff_t>(layer * experts), bias.begin() + static_cast<std::ptrdiff_t>((layer + 1) * experts)));
  std::ofstream file(path);
  file << value.dump() << '\n';
  if (!file.flush()) return fail(ErrorCode::file, "bias file " + shown_name(path), "it cannot be written", "choose another place");
  return {};
}

}  // namespace fovea
