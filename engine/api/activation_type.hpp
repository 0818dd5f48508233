// In what decoding multiplies weights that are stored in blocks, as a policy names it. Batches of a prompt take floats.
#pragma once

#include <optional>
#include <string_view>

namespace fovea {

enum class ActivationType {
  f32,   // agrees with the reference to rounding
  q8_0,  // 8 bits in blocks of 32, as llama.cpp does on CPUs; for packed integer dot products
};

// As --activations and policy files spell it.
[[nodiscard]] constexpr std::string_view name(ActivationType type) {
  return type == ActivationType::q8_0 ? "q8_0" : "f32";
}
[[nodiscard]] constexpr std::optional<ActivationType> activation_type_named(std::string_view text) {
  if (text == "f32") return ActivationType::f32;
  if (text == "q8_0") return ActivationType::q8_0;
  return std::nullopt;
}

}  // namespace fovea
