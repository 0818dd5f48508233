#include "engine/tensor/dequantize.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "engine/tensor/half.hpp"

namespace fovea {
namespace {

std::uint8_t byte_at(const std::byte* p, std::size_t i) { return std::to_integer<std::uint8_t>(p[i]); }

int signed_byte_at(const std::byte* p, std::size_t i) { return static_cast<std::int8_t>(byte_at(p, i)); }

float half_at(const std::byte* p) {
  std::uint16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return half_to_float(bits);
}

float bfloat16_at(const std::byte* p) {
  std::uint16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return bfloat16_to_float(bits);
}

// 34 bytes: half d; int8 q[32]. value = q * d.
void decode_q8_0(const std::byte* block, float* out) {
  const float d = half_at(block);
  for (std::size_t i = 0; i < 32; ++i) out[i] = static_cast<float>(signed_byte_at(block + 2, i)) * d;
}

// 18 bytes: half d; nibbles[16], low nibbles are elements 0-15, high ones 16-31. value = (q - 8) * d.
void decode_q4_0(const std::byte* block, float* out) {
  const float d = half_at(block);
  for (std::size_t i = 0; i < 16; ++i) {
    const int pair = byte_at(block + 2, i);
    out[i] = static_cast<float>((pair & 15) - 8) * d;
    out[i + 16] = static_cast<float>((pair >> 4) - 8) * d;
  }
}

// 22 bytes: half d; uint32 fifth bits; nibbles[16] as in Q4_0. value = (q - 16) * d.
void decode_q5_0(const std::byte* block, float* out) {
  const float d = half_at(block);
  std::uint32_t fifth;
  std::memcpy(&fifth, block + 2, sizeof fifth);
  for (std::size_t i = 0; i < 16; ++i) {
    const int pair = byte_at(block + 6, i);
    const int low_fifth = static_cast<int>((fifth >> i) & 1u) << 4;
    const int high_fifth = static_cast<int>((fifth >> (i + 16)) & 1u) << 4;
    out[i] = static_cast<float>(((pair & 15) | low_fifth) - 16) * d;
    out[i + 16] = static_cast<float>(((pair >> 4) | high_fifth) - 16) * d;
  }
}

struct ScaleAndMin {
  float scale, min;
};

// 12 bytes hold eight 6-bit scales and eight 6-bit minima; entries 4-7 have their upper two bits in bytes 0-7.
ScaleAndMin k_scale(const std::byte* packed, std::size_t j, float d, float dmin) {
  int scale, min;
  if (j < 4) {
    scale = byte_at(packed, j) & 63;
    min = byte_at(packed, j + 4) & 63;
  } else {
    scale = (byte_at(packed, j + 4) & 15) | ((byte_at(packed, j - 4) >> 6) << 4);
    min = (byte_at(packed, j + 4) >> 4) | ((byte_at(packed, j) >> 6) << 4);
  }
  return {d * static_cast<float>(scale), dmin * static_cast<float>(min)};
}

// 144 bytes: half d; half dmin; packed scales[12]; nibbles[128]. 64 elements share 32 bytes: low nibbles are the first
// 32, high ones the second, each 32 with a scale and a minimum of its own. value = d*scale*q - dmin*min.
void decode_q4_k(const std::byte* block, float* out) {
  const float d = half_at(block), dmin = half_at(block + 2);
  for (std::size_t pair = 0; pair < 4; ++pair) {
    const std::byte* nibbles = block + 16 + 32 * pair;
    const ScaleAndMin low = k_scale(block + 4, 2 * pair, d, dmin), high = k_scale(block + 4, 2 * pair + 1, d, dmin);
    for (std::size_t i = 0; i < 32; ++i) {
      const int q = byte_at(nibbles, i);
      out[64 * pair + i] = low.scale * static_cast<float>(q & 15) - low.min;
      out[64 * pair + 32 + i] = high.scale * static_cast<float>(q >> 4) - high.min;
    }
  }
}

// 176 bytes: as Q4_K with fifth bits[32] before the nibbles; bit g of byte i belongs to element i of group g.
void decode_q5_k(const std::byte* block, float* out) {
  const float d = half_at(block), dmin = half_at(block + 2);
  for (std::size_t pair = 0; pair < 4; ++pair) {
    const std::byte* nibbles = block + 48 + 32 * pair;
    const ScaleAndMin low = k_scale(block + 4, 2 * pair, d, dmin), high = k_scale(block + 4, 2 * pair + 1, d, dmin);
    for (std::size_t i = 0; i < 32; ++i) {
      const int q = byte_at(nibbles, i), fifth = byte_at(block + 16, i) >> (2 * pair);
      out[64 * pair + i] = low.scale * static_cast<float>((q & 15) + ((fifth & 1) << 4)) - low.min;
      out[64 * pair + 32 + i] = high.scale * static_cast<float>((q >> 4) + ((fifth & 2) << 3)) - high.min;
    }
  }
}

// 210 bytes: low nibbles[128]; upper two bits[64]; int8 scales[16], one per 16 elements; half d.
// A half of 128 elements is four runs of 32 that share nibble bytes (64) and bit bytes (32). value = d*scale*(q - 32).
void decode_q6_k(const std::byte* block, float* out) {
  const float d = half_at(block + 208);
  for (std::size_t half = 0; half < 2; ++half) {
    const std::byte* nibbles = block + 64 * half;
    const std::byte* uppers = block + 128 + 32 * half;
    const std::byte* scales = block + 192 + 8 * half;
    for (std::size_t run = 0; run < 4; ++run) {
      for (std::size_t i = 0; i < 32; ++i) {
        const int stored = byte_at(nibbles, i + 32 * (run & 1));
        const int low = run < 2 ? stored & 15 : stored >> 4;
        const int upper = (byte_at(uppers, i) >> (2 * run)) & 3;
        const int q = (low | (upper << 4)) - 32;
        const float scale = d * static_cast<float>(signed_byte_at(scales, 2 * run + i / 16));
        out[128 * half + 32 * run + i] = scale * static_cast<float>(q);
      }
    }
  }
}

using DecodeBlock = void (*)(const std::byte*, float*);

DecodeBlock block_decoder(DType type) {
  switch (type) {
    case DType::F16:
      return [](const std::byte* block, float* out) { *out = half_at(block); };
    case DType::BF16:
      return [](const std::byte* block, float* out) { *out = bfloat16_at(block); };
    case DType::Q8_0:
      return decode_q8_0;
    case DType::Q4_0:
      return decode_q4_0;
    case DType::Q5_0:
      return decode_q5_0;
    case DType::Q4_K:
      return decode_q4_k;
    case DType::Q5_K:
      return decode_q5_k;
    case DType::Q6_K:
      return decode_q6_k;
    default:
      return nullptr;
  }
}

}  // namespace

void dequantize(DType type, std::span<const std::byte> blocks, std::span<float> out) {
  const DTypeTraits& t = traits(type);
  const DecodeBlock decode = block_decoder(type);
  const bool fits = t.runs && out.size() % t.block_length == 0 && blocks.size() == row_bytes(type, out.size());
  if (!fits) {
    // The contract was broken: an answer nobody can mistake for weights, and no wild read.
    std::ranges::fill(out, std::numeric_limits<float>::quiet_NaN());
    return;
  }
  if (type == DType::F32) {
    if (!out.empty()) std::memcpy(out.data(), blocks.data(), blocks.size());
    return;
  }
  const std::byte* block = blocks.data();
  for (std::size_t at = 0; at < out.size(); at += t.block_length, block += t.block_bytes)
    decode(block, out.data() + at);
}

}  // namespace fovea
