// Element types of GGUF tensors: block sizes, names, and which of them the engine runs.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fovea {

// Values are ggml's type ids as stored in GGUF files (ggml.h, enum ggml_type).
enum class DType : std::uint32_t {
  F32 = 0, F16 = 1, Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q8_1 = 9,
  Q2_K = 10, Q3_K = 11, Q4_K = 12, Q5_K = 13, Q6_K = 14, Q8_K = 15,
  IQ2_XXS = 16, IQ2_XS = 17, IQ3_XXS = 18, IQ1_S = 19, IQ4_NL = 20, IQ3_S = 21, IQ2_S = 22, IQ4_XS = 23,
  I8 = 24, I16 = 25, I32 = 26, I64 = 27, F64 = 28, IQ1_M = 29, BF16 = 30, TQ1_0 = 34, TQ2_0 = 35, MXFP4 = 39,
};

struct DTypeTraits {
  DType type;
  std::string_view name;       // ggml's spelling: "Q4_K"
  std::uint32_t block_length;  // elements a block holds
  std::uint32_t block_bytes;   // bytes a block takes in the file
  bool runs;                   // true where kernels and reference read it
};

// nullopt for ids that no ggml version we know defines.
[[nodiscard]] std::optional<DTypeTraits> dtype_traits(std::uint32_t ggml_id);
[[nodiscard]] const DTypeTraits& traits(DType type);
[[nodiscard]] inline std::string_view name(DType type) { return traits(type).name; }
// Bytes of a row of `length` elements; length must be a multiple of the block length.
[[nodiscard]] std::uint64_t row_bytes(DType type, std::uint64_t length);

}  // namespace fovea
