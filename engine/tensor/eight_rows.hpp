// Q6_K weights with eight rows side by side, as a CPU driver's lanes multiply them (shaders/interface/eight_rows.h): the same numbers, a byte
// for each instead of six bits, and a float for every 16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/tensor/dtype.hpp"

namespace fovea {

// Whether rows of this type are laid out so; `rows` is a multiple of 8, `columns` of 256.
[[nodiscard]] bool lies_in_eights(DType type, std::uint32_t columns, std::uint32_t rows);
[[nodiscard]] std::uint64_t eight_rows_bytes(std::uint32_t columns, std::uint32_t rows);
// Bytes of the activations beside them.
[[nodiscard]] std::uint64_t eight_input_bytes(std::uint32_t columns);
// `stored`: `rows` rows of Q6_K; `out`: eight_rows_bytes(). Does nothing where a size is another or lies_in_eights is false.
void lay_in_eights(std::span<const std::byte> stored, std::uint32_t columns, std::uint32_t rows, std::span<std::byte> out);

}  // namespace fovea
