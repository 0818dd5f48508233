#include "engine/tensor/kv_row.hpp"

#include <algorithm>

#include "shaders/interface/kv_page.h"
#include "shaders/interface/kv_tiers.h"

namespace fovea {

bool kv_type_runs(DType type) { return type == DType::F16 || type == DType::Q8_0; }

std::uint64_t kv_row_bytes(DType type, std::uint32_t head_width) {
  const std::uint64_t width = head_width;
  if (type == DType::F16) return width * 2;
  if (type != DType::Q8_0) return 0;
  const std::uint64_t pieces = (width + shader::kKvPiece - 1) / shader::kKvPiece;
  const std::uint64_t blocks = (width + shader::kKvBlock - 1) / shader::kKvBlock;
  return pieces * shader::kKvPiece + blocks * 2;
}

std::uint64_t refinement_bytes(std::uint32_t kv_heads, std::uint32_t head_width) {
  const std::uint64_t pieces = (std::uint64_t{head_width} + shader::kKvPiece - 1) / shader::kKvPiece;
  return kv_heads * shader::kPageKeys * pieces * shader::kFarPieceBytes;
}

std::uint64_t far_page_bytes(std::uint32_t kv_heads, std::uint32_t head_width) {
  const std::uint64_t pieces = (std::uint64_t{head_width} + shader::kKvPiece - 1) / shader::kKvPiece;
  const std::uint64_t blocks = (std::uint64_t{head_width} + shader::kKvBlock - 1) / shader::kKvBlock;
  const std::uint64_t units = std::min<std::uint64_t>((std::uint64_t{head_width} + shader::kFarUnit - 1) / shader::kFarUnit, shader::kMostUnits);
  const std::uint64_t bounds = 2 * kv_heads * pieces * shader::kKvPiece * 2, peaks = kv_heads * shader::kPageKeys * blocks * 2;
  const std::uint64_t wide_bits = (std::uint64_t{kv_heads} + 3) / 4 * 16, wide = kv_heads * ((units * shader::kWideEighths + 4) / 8) * shader::kPageKeys * 4;
  return shader::kFarHeader + bounds + peaks + wide_bits + 2 * refinement_bytes(kv_heads, head_width) + wide;
}

}  // namespace fovea
