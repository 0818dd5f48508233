// How keys and values are kept, as a policy names it.
#pragma once

#include <optional>
#include <string_view>

namespace fovea {

enum class KvType {
  f16,   // 16-bit floats
  q8_0,  // 8-bit integers, a half scale for every 32 of them
};

// As --kv and policy files spell it.
[[nodiscard]] constexpr std::string_view name(KvType type) { return type == KvType::q8_0 ? "q8_0" : "f16"; }
[[nodiscard]] constexpr std::optional<KvType> kv_type_named(std::string_view text) {
  if (text == "f16") return KvType::f16;
  if (text == "q8_0") return KvType::q8_0;
  return std::nullopt;
}

}  // namespace fovea
