#include "engine/tensor/kv_row.hpp"

#include "shaders/interface/kv_page.h"

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

}  // namespace fovea
