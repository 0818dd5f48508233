// IEEE binary16 and bfloat16 to and from float, bit-exact, round to nearest even.
#pragma once

#include <cstdint>

namespace fovea {

[[nodiscard]] float half_to_float(std::uint16_t bits);
[[nodiscard]] std::uint16_t float_to_half(float value);
[[nodiscard]] float bfloat16_to_float(std::uint16_t bits);
[[nodiscard]] std::uint16_t float_to_bfloat16(float value);

}  // namespace fovea
