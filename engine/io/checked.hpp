// Arithmetic on sizes that come from files: a result, or nothing where it would not fit in 64 bits.
#pragma once

#include <cstdint>
#include <optional>

namespace fovea {

[[nodiscard]] inline std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? std::nullopt : std::optional(sum);
}

[[nodiscard]] inline std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product;
  return __builtin_mul_overflow(a, b, &product) ? std::nullopt : std::optional(product);
}

// The next multiple of `alignment`, a power of two.
[[nodiscard]] inline std::optional<std::uint64_t> checked_align(std::uint64_t value, std::uint64_t alignment) {
  const auto bumped = checked_add(value, alignment - 1);
  return bumped ? std::optional(*bumped & ~(alignment - 1)) : std::nullopt;
}

}  // namespace fovea
