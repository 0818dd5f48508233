// Logits as unsigned integers of the same order, and their softmax weights as integers: integer sums do not depend on the
// order of addition, so every reduction gives the same bits whatever the workgroup and the subgroup size.
#ifndef FOVEA_ORDERED_KEY_GLSL
#define FOVEA_ORDERED_KEY_GLSL

#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require

const uint kLowestKey = 0x007FFFFFu;  // of -infinity

// NaN counts as -infinity, +infinity as the largest number, -0 as 0. By bits, since compilers may assume away NaN.
uint ordered_key(uint bits) {
  uint magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return kLowestKey;
  if (magnitude == 0u) return 0x80000000u;
  if (bits == 0x7F800000u) bits = 0x7F7FFFFFu;
  return (bits & 0x80000000u) != 0u ? ~bits : bits | 0x80000000u;
}

float key_logit(uint key) { return uintBitsToFloat((key & 0x80000000u) != 0u ? key ^ 0x80000000u : ~key); }

// exp((logit - highest) / temperature) in units of 2^-38: 2^20 of them add up without overflow, and what is lost of each
// is less than the float exponential's own error.
uint64_t softmax_weight(uint key, uint highest, float temperature) {
  if (key == highest) return 1ul << 38;
  if (key <= kLowestKey) return 0ul;
  float x = (key_logit(key) - key_logit(highest)) / temperature;
  if (!(x > -27.0)) return 0ul;
  // Two exact halves of 19 bits, since a float holds 24.
  float scaled = min(exp(x), 1.0) * 524288.0, whole = floor(scaled);
  return (uint64_t(uint(whole)) << 19) + uint64_t(uint((scaled - whole) * 524288.0));
}

// total * fraction / 2^24, exactly, for totals below 2^60 and fractions up to 2^24.
uint64_t portion(uint64_t total, uint fraction) {
  return (total >> 24) * fraction + (((total & 0xFFFFFFul) * fraction) >> 24);
}

#endif
