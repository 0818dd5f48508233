// How large the KV cache keeps a key or a value. Layout: shaders/interface/kv_page.h.
#pragma once

#include <cstdint>

#include "engine/tensor/dtype.hpp"

namespace fovea {

// Whether a KV cache can be of this type: F16, or Q8_0 (blocks of 32 along the head, the last one what is left).
[[nodiscard]] bool kv_type_runs(DType type);

// Bytes that the key, or the value, of one KV head takes at one position: `head_width` halves, or as Q8_0 a byte each,
// filled up to pieces of 16, and a half per block. 0 for a type that kv_type_runs() does not name.
[[nodiscard]] std::uint64_t kv_row_bytes(DType type, std::uint32_t head_width);

// Of a cache in tiers: bytes that a page takes, in one layer, far from the window (keys of 4 bits, of 8 where their range is wide,
// with these ranges, values of 4 with their peaks), and what it knows in addition while it is hot (4 bits more of its values). Layout: shaders/interface/kv_tiers.h.
[[nodiscard]] std::uint64_t far_page_bytes(std::uint32_t kv_heads, std::uint32_t head_width);
[[nodiscard]] std::uint64_t refinement_bytes(std::uint32_t kv_heads, std::uint32_t head_width);

}  // namespace fovea
