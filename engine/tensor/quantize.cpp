#include "engine/tensor/quantize.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "engine/tensor/half.hpp"

namespace fovea {
namespace {

constexpr float kLargestHalf = 65504;

// A scale as it will be read: rounded to a half, away from infinity.
float put_half(std::byte* to, float value) {
  const std::uint16_t bits = float_to_half(std::clamp(value, -kLargestHalf, kLargestHalf));
  std::memcpy(to, &bits, sizeof bits);
  return half_to_float(bits);
}
int rounded(float x, int least, int most) { return static_cast<int>(std::lrint(std::clamp(x, static_cast<float>(least), static_cast<float>(most)))); }
float inverse(float x) { return x != 0 ? 1 / x : 0; }
std::byte byte_of(int value) { return static_cast<std::byte>(value & 255); }

// The scale d for which values are nearest to d * q, q a whole number from -levels to levels - 1: of some candidates around the one
// that puts the largest value on -levels, each fitted to its own q by least squares, the one of the smallest squared error.
float symmetric_scale(std::span<const float> x, int levels) {
  float peak = 0;
  for (const float v : x)
    if (std::abs(v) > std::abs(peak)) peak = v;
  if (peak == 0) return 0;
  float best = 0, most = -1;
  for (int step = -4; step <= 4; ++step) {
    const float guess = -peak / (static_cast<float>(levels) + 0.1f * static_cast<float>(step)), by = inverse(guess);
    float along = 0, squares = 0;
    for (const float v : x) {
      const auto q = static_cast<float>(rounded(v * by, -levels, levels - 1));
      along += v * q;
      squares += q * q;
    }
    // With the best scale along / squares the error falls by along^2 / squares.
    if (squares > 0 && along * along > most * squares) {
      most = along * along / squares;
      best = along / squares;
    }
  }
  return best;
}

// Scale and minimum of values ~ scale * q - minimum, q from 0 to `most`, minimum >= 0.
struct Affine {
  float scale = 0, minimum = 0;
};
Affine affine_fit(std::span<const float> x, int most) {
  const auto [lowest, highest] = std::ranges::minmax(x);
  const float low = std::min(lowest, 0.0f);
  if (!(highest > low)) return {.scale = 0, .minimum = -low};
  Affine best{(highest - low) / static_cast<float>(most), -low};
  float least = std::numeric_limits<float>::infinity();
  for (int step = -4; step <= 4; ++step) {
    const float by = (static_cast<float>(most) + 0.25f * static_cast<float>(step)) / (highest - low);
    float n = 0, q1 = 0, q2 = 0, x1 = 0, xq = 0;
    for (const float v : x) {
      const auto q = static_cast<float>(rounded((v - low) * by, 0, most));
      n += 1, q1 += q, q2 += q * q, x1 += v, xq += v * q;
    }
    Affine fit{1 / by, -low};
    if (const float spread = n * q2 - q1 * q1; spread > 0) fit = {(n * xq - x1 * q1) / spread, (q1 * xq - q2 * x1) / spread};
    if (fit.minimum < 0) fit = {q2 > 0 ? xq / q2 : 0, 0};  // a minimum above 0 cannot be written
    if (!(fit.scale > 0)) continue;
    float error = 0;
    for (const float v : x) {
      const float off = fit.scale * static_cast<float>(rounded((v + fit.minimum) / fit.scale, 0, most)) - fit.minimum - v;
      error += off * off;
    }
    if (error < least) least = error, best = fit;
  }
  return best;
}

void encode_q8_0(std::span<const float> x, std::byte* block) {
  float peak = 0;
  for (const float v : x) peak = std::max(peak, std::abs(v));
  const float by = inverse(put_half(block, peak / 127));
  for (std::size_t i = 0; i < 32; ++i) block[2 + i] = byte_of(rounded(x[i] * by, -127, 127));
}

void encode_q4_0(std::span<const float> x, std::byte* block) {
  const float by = inverse(put_half(block, symmetric_scale(x, 8)));
  const auto q = [&](std::size_t i) { return rounded(x[i] * by, -8, 7) + 8; };
  for (std::size_t i = 0; i < 16; ++i) block[2 + i] = byte_of(q(i) | q(i + 16) << 4);
}

void encode_q5_0(std::span<const float> x, std::byte* block) {
  const float by = inverse(put_half(block, symmetric_scale(x, 16)));
  const auto q = [&](std::size_t i) { return static_cast<std::uint32_t>(rounded(x[i] * by, -16, 15) + 16); };
  std::uint32_t fifth = 0;
  for (std::size_t i = 0; i < 16; ++i) {
    fifth |= (q(i) >> 4) << i | (q(i + 16) >> 4) << (i + 16);
    block[6 + i] = byte_of(static_cast<int>((q(i) & 15) | (q(i + 16) & 15) << 4));
  }
  std::memcpy(block + 2, &fifth, sizeof fifth);
}

// Q4_K and Q5_K: eight groups of 32 with scales and minima of 6 bits; `bits` of a value.
void encode_affine_k(std::span<const float> x, std::byte* block, int bits) {
  const int most = (1 << bits) - 1;
  std::array<Affine, 8> groups;
  float scale = 0, minimum = 0;
  for (std::size_t g = 0; g < 8; ++g) {
    groups[g] = affine_fit(x.subspan(32 * g, 32), most);
    scale = std::max(scale, groups[g].scale);
    minimum = std::max(minimum, groups[g].minimum);
  }
  const float d = put_half(block, scale / 63), dmin = put_half(block + 2, minimum / 63);
  std::array<int, 8> scales, minima;
  for (std::size_t g = 0; g < 8; ++g) {
    scales[g] = rounded(groups[g].scale * inverse(d), 0, 63);
    minima[g] = rounded(groups[g].minimum * inverse(dmin), 0, 63);
  }
  std::byte* const packed = block + 4;  // as k_scale of dequantize.cpp reads them
  for (std::size_t j = 0; j < 4; ++j) {
    packed[j] = byte_of(scales[j] | (scales[j + 4] >> 4) << 6);
    packed[j + 4] = byte_of(minima[j] | (minima[j + 4] >> 4) << 6);
    packed[j + 8] = byte_of((scales[j + 4] & 15) | (minima[j + 4] & 15) << 4);
  }
  std::byte* const fifths = block + 16;
  std::byte* const nibbles = bits == 5 ? fifths + 32 : fifths;
  std::fill_n(fifths, bits == 5 ? 160 : 128, std::byte{0});
  for (std::size_t g = 0; g < 8; ++g) {
    const float by = inverse(d * static_cast<float>(scales[g])), low = dmin * static_cast<float>(minima[g]);
    for (std::size_t i = 0; i < 32; ++i) {
      const int q = rounded((x[32 * g + i] + low) * by, 0, most);
      nibbles[32 * (g / 2) + i] |= byte_of((q & 15) << (g % 2 == 0 ? 0 : 4));
      if (bits == 5) fifths[i] |= byte_of((q >> 4) << g);
    }
  }
}

void encode_q6_k(std::span<const float> x, std::byte* block) {
  std::array<float, 16> groups;
  float peak = 0;
  for (std::size_t g = 0; g < 16; ++g) {
    groups[g] = symmetric_scale(x.subspan(16 * g, 16), 32);
    peak = std::max(peak, std::abs(groups[g]));
  }
  std::fill_n(block, 208, std::byte{0});
  const float d = put_half(block + 208, peak / 127);
  for (std::size_t g = 0; g < 16; ++g) {
    const int scale = rounded(groups[g] * inverse(d), -127, 127);
    block[192 + g] = byte_of(scale);
    const float by = inverse(d * static_cast<float>(scale));
    for (std::size_t i = 0; i < 16; ++i) {
      const std::size_t at = 16 * g + i, half = at / 128, run = at % 128 / 32, place = at % 32;
      const int q = rounded(x[at] * by, -32, 31) + 32;
      block[64 * half + place + 32 * (run & 1)] |= byte_of((q & 15) << (run < 2 ? 0 : 4));
      block[128 + 32 * half + place] |= byte_of((q >> 4) << (2 * run));
    }
  }
}

}  // namespace

bool quantizes_to(DType type) {
  return type == DType::Q8_0 || type == DType::Q6_K || type == DType::Q5_K || type == DType::Q4_K || type == DType::Q5_0 || type == DType::Q4_0;
}

void quantize(DType type, std::span<const float> values, std::span<std::byte> blocks) {
  const DTypeTraits& t = traits(type);
  if (!quantizes_to(type) || values.size() % t.block_length != 0 || blocks.size() != row_bytes(type, values.size())) return;
  std::array<float, 256> x{};
  const std::span<const float> one(x.data(), t.block_length);
  std::byte* block = blocks.data();
  for (std::size_t at = 0; at < values.size(); at += t.block_length, block += t.block_bytes) {
    for (std::size_t i = 0; i < t.block_length; ++i) x[i] = std::isnan(values[at + i]) ? 0 : std::clamp(values[at + i], -kLargestHalf, kLargestHalf);
    switch (type) {
      case DType::Q8_0: encode_q8_0(one, block); break;
      case DType::Q6_K: encode_q6_k(one, block); break;
      case DType::Q5_K: encode_affine_k(one, block, 5); break;
      case DType::Q4_K: encode_affine_k(one, block, 4); break;
      case DType::Q5_0: encode_q5_0(one, block); break;
      default: encode_q4_0(one, block); break;
    }
  }
}

}  // namespace fovea
