#include "engine/session/kv_policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/io/shown_name.hpp"

namespace fovea {
namespace {

constexpr std::array<std::string_view, 5> kKeys{"hot", "hot-type", "cold-type", "window", "sinks"};

}  // namespace

bool tiers_take(std::string_view key) { return std::ranges::find(kKeys, key) != kKeys.end(); }

tl::expected<KvTiers, std::string> read_tiers(const Spec& spec) {
  KvTiers tiers;
  const auto refused = [&](std::string_view key, std::string_view wanted) {
    return tl::unexpected(fmt::format("{} is {}: it must be {}", key, shown_name(*spec.find(key)), wanted));
  };
  if (const std::string* value = spec.find("hot")) {
    const auto share = parse_share(*value);
    if (!share) return refused("hot", "a number from 0 to 1");
    tiers.hot = *share;
  }
  for (const auto& [key, type] : {std::pair("hot-type", "q8_0"), {"cold-type", "q4"}})
    if (const std::string* value = spec.find(key); value != nullptr && *value != type) return refused(key, fmt::format("{} in this version", type));
  for (const auto& [key, least, target] : {std::tuple("window", 1u, &tiers.window), {"sinks", 0u, &tiers.sinks}}) {
    const std::string* value = spec.find(key);
    if (value == nullptr) continue;
    const auto count = parse_count(*value);
    if (!count || *count < least) return refused(key, fmt::format("a whole number of at least {}", least));
    *target = *count;
  }
  return tiers;
}

std::string shown_kv(KvType kv, const KvTiers& tiers) {
  if (kv != KvType::tiered) return std::string(name(kv));
  return fmt::format("tiered:hot={},hot-type=q8_0,cold-type=q4,window={},sinks={}", tiers.hot, tiers.window, tiers.sinks);
}

}  // namespace fovea
