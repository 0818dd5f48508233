// Weights of Q6_K through shared memory: superblocks of 210 bytes leave a lane's 32 bytes anywhere, so lanes load words side by
// side, and take theirs from shared memory, where words at any place are quick. A turn is a superblock for every four lanes.
//
// Needs the specialisation constants STREAMED and LANES (subgroup size), and dot_blocks.glsl before it.
#ifndef FOVEA_STREAMED_WORDS_GLSL
#define FOVEA_STREAMED_WORDS_GLSL

#extension GL_KHR_shader_subgroup_basic : require

const uint kSuperBytes = 210u, kTurnSupers = LANES / 4u;
const uint kLaneWords = 14u;  // of a turn: 52.5 bytes for each lane, and what misalignment adds
shared uint stream[STREAMED ? gl_WorkGroupSize.x * kLaneWords : 1u];
uint own_stream() { return gl_SubgroupID * LANES * kLaneWords; }

// A lane's portion as it lies there.
struct StreamedPortion {
  uint low[9], high[9], scales[2], d, bits;
};

// Portion `portion`, of whose superblock's bytes the first is at byte `super` behind the subgroup's words.
StreamedPortion take_portion(uint super, uint portion) {
  uint base = own_stream(), h = (portion >> 1) & 1u, l = portion & 1u;
  uint low_at = base + ((super + 64u * h + 32u * l) >> 2), high_at = base + ((super + 128u + 32u * h) >> 2);
  uint scales_from = super + 192u + 8u * h + 2u * l, scales_at = base + (scales_from >> 2), d_at = super + 208u;
  StreamedPortion p;
  p.bits = 8u * (super & 2u);
  [[unroll]] for (uint j = 0; j < 9; j++) {
    p.low[j] = stream[low_at + j];
    p.high[j] = stream[high_at + j];
  }
  [[unroll]] for (uint part = 0; part < 2; part++) p.scales[part] = stream[scales_at + part] >> (8u * (scales_from & 2u));
  p.d = stream[base + (d_at >> 2)] >> (8u * (d_at & 2u));
  return p;
}

float dot_streamed(StreamedPortion p, uint portion, Q8Block x[kParts]) {
  uint low[8], high[8];
  [[unroll]] for (uint j = 0; j < 8; j++) {
    low[j] = uint(((uint64_t(p.low[j + 1]) << 32) | uint64_t(p.low[j])) >> p.bits);
    high[j] = high_bits(uint(((uint64_t(p.high[j + 1]) << 32) | uint64_t(p.high[j])) >> p.bits), portion);
  }
  float sum = 0.0;
  [[unroll]] for (uint part = 0; part < kParts; part++) sum += dot_six_bits(low, high, p.scales[part], p.d, part, x[part]);
  return sum;
}

#endif
