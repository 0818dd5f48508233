// How keys and values are kept, as a policy names it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fovea {

enum class KvType {
  f16,   // 16-bit floats
  q8_0,  // 8-bit integers, a half scale for every 32 of them
  tiered,  // f16 at the start and in the window, behind it keys of 5.5 bits on average and values of 4, of the hottest pages 8
};

// Of a cache in tiers.
struct KvTiers {
  double hot = 0.25;          // share of the pages behind the window that keep values of 8 bits
  std::uint32_t window = 512; // newest positions that stay f16, widened to whole pages
  std::uint32_t sinks = 32;   // first positions, likewise
  bool operator==(const KvTiers&) const = default;
};

// As --kv and policy files spell it.
[[nodiscard]] constexpr std::string_view name(KvType type) {
  return type == KvType::q8_0 ? "q8_0" : type == KvType::tiered ? "tiered" : "f16";
}
[[nodiscard]] constexpr std::optional<KvType> kv_type_named(std::string_view text) {
  if (text == "f16") return KvType::f16;
  if (text == "q8_0") return KvType::q8_0;
  if (text == "tiered") return KvType::tiered;
  return std::nullopt;
}

}  // namespace fovea
