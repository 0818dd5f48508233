// Products of STREAMS rows of stored weights with one row of activations, for the row form of one token on a CPU driver: an
// invocation has whole rows, the lanes of a subgroup neighbouring ones.
//
// A CPU driver gathers lane by lane, so the number of load instructions decides and each brings 64 bits: of weights, every byte
// of a portion of columns once; of activations, two for each of HANDS lanes, which hand them round (see shared_row.glsl). What is
// left is arithmetic: scales and minima are applied to sums of 16 or 32 products, minima by the sums of their activations.
// Rows of blocks begin at even addresses. The last load may end 8 bytes behind the row: weight buffers are padded.
//
// Needs the constants STREAMS, COLUMNS and HANDS, the format (FORMAT_*=1), and of blocks.glsl load32 and load1.
#ifndef FOVEA_ROW_PRODUCTS_GLSL
#define FOVEA_ROW_PRODUCTS_GLSL

#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_shuffle : require

#include "block_bits.glsl"
#include "shared_row.glsl"

#if FORMAT_Q4_K || FORMAT_Q5_K || FORMAT_Q6_K
const uint kPortion = 128u;  // columns
#else
const uint kPortion = 32u;
#endif

// Activations of a portion: with HANDS each lane has two neighbours of every run.
const uint kRun = HANDS == 0u ? 2u : 2u * HANDS, kRuns = kPortion / kRun;
vec2 own_x[kRuns];
void load_x(uint64_t x, uint portion) {
  Addresses pairs = Addresses(x + uint64_t(portion * kPortion * 4u));
  uint lane = HANDS == 0u ? 0u : gl_SubgroupInvocationID % kHands;
  [[unroll]] for (uint i = 0; i < kRuns; i++) own_x[i] = uintBitsToFloat(unpackUint2x32(pairs.v[i * (kRun / 2u) + lane]));
}
// Column `c` of the portion, a constant.
float x_at(uint c) {
  vec2 pair = own_x[c / kRun];
  float mine = c % 2u == 0u ? pair.x : pair.y;
  return HANDS == 0u ? mine : subgroupBroadcast(mine, c % kRun / 2u);
}
// The sum of `count` columns from `first` on, both multiples of 16.
float x_sum(uint first, uint count) {
  float sum = 0.0;
  [[unroll]] for (uint i = 0; i < count / kRun; i++) sum += own_x[first / kRun + i].x + own_x[first / kRun + i].y;
  if (HANDS >= 2u) sum += subgroupShuffleXor(sum, 1u);
  if (HANDS >= 4u) sum += subgroupShuffleXor(sum, 2u);
  if (HANDS >= 8u) sum += subgroupShuffleXor(sum, 4u);
  return sum;
}

float signed_byte(uint word, uint byte) { return float(int(word << (24u - 8u * byte)) >> 24); }
float unsigned_byte(uint word, uint byte) { return float(int((word >> (8u * byte)) & 255u)); }
// Of a stream of bytes that begins `shift` bits behind aligned words: one word, of two neighbours.
uint64_t joined(uint64_t a, uint64_t b, uint shift) { return (a >> shift) | ((b << 1) << (63u - shift)); }

#if FORMAT_Q8_0 || FORMAT_Q4_0 || FORMAT_Q5_0
#if FORMAT_Q8_0
const uint kBlockBytes = 34u;
#elif FORMAT_Q4_0
const uint kBlockBytes = 18u;
#else
const uint kBlockBytes = 22u;
#endif
const uint kLoads = (kBlockBytes + 6u + 7u) / 8u, kStream = (kBlockBytes + 3u) / 4u;
// The words of a block, from its scale on.
void load_block(uint64_t at, out uint words[kStream]) {
  Addresses u = Addresses(at & ~uint64_t(7));
  uint shift = 8u * (uint(at) & 6u);
  uint64_t previous = u.v[0];
  [[unroll]] for (uint i = 0; i < kLoads; i++) {
    uint64_t next = i + 1u < kLoads ? u.v[i + 1u] : 0ul;
    uvec2 two = unpackUint2x32(joined(previous, next, shift));
    if (2u * i < kStream) words[2u * i] = two.x;
    if (2u * i + 1u < kStream) words[2u * i + 1u] = two.y;
    previous = next;
  }
}

void add_portion(uint64_t row[STREAMS], uint portion, inout float sum[STREAMS]) {
#if FORMAT_Q4_0
  float middle = 8.0 * x_sum(0u, 32u);
#elif FORMAT_Q5_0
  float middle = 16.0 * x_sum(0u, 32u);
#endif
  [[unroll]] for (uint r = 0; r < STREAMS; r++) {
    uint words[kStream];
    load_block(row[r] + uint64_t(portion * kBlockBytes), words);
    float d = unpackHalf2x16(words[0]).x, total[2] = float[2](0.0, 0.0);
#if FORMAT_Q8_0
    [[unroll]] for (uint k = 0; k < 32; k++) total[k % 2u] += signed_byte(words[(k + 2u) / 4u], (k + 2u) % 4u) * x_at(k);
    sum[r] += d * (total[0] + total[1]);
#else
#if FORMAT_Q5_0
    const uint kFirst = 6u;
    uint high = (words[0] >> 16) | (words[1] << 16);
#else
    const uint kFirst = 2u;
#endif
    [[unroll]] for (uint k = 0; k < 16; k++) {
      uint byte = (words[(k + kFirst) / 4u] >> (8u * ((k + kFirst) % 4u))) & 255u, low = byte & 15u, upper = byte >> 4;
#if FORMAT_Q5_0
      low |= ((high >> k) & 1u) << 4;
      upper |= ((high >> (k + 16u)) & 1u) << 4;
#endif
      total[0] += float(int(low)) * x_at(k);
      total[1] += float(int(upper)) * x_at(k + 16u);
    }
    sum[r] += d * (total[0] + total[1] - middle);
#endif
  }
}

#elif FORMAT_Q4_K || FORMAT_Q5_K
// Half a superblock: two pairs of blocks whose nibbles share bytes.
void add_portion(uint64_t row[STREAMS], uint portion, inout float sum[STREAMS]) {
  uint half_super = portion & 1u;
  uint64_t super = uint64_t((portion >> 1) * kSuperBytes);
  uint scales[STREAMS], minima[STREAMS];
  vec2 dm[STREAMS];
#if FORMAT_Q5_K
  uvec2 high[STREAMS * 4];
#endif
  [[unroll]] for (uint r = 0; r < STREAMS; r++) {
    Addresses words = Addresses(row[r] + super);
    uvec2 one = unpackUint2x32(words.v[0]), two = unpackUint2x32(words.v[1]);
    dm[r] = unpackHalf2x16(one.x);
    // Of four blocks at once. Of the first four: low six bits of the bytes; of the others four bits of the last word, and above
    // them what is left of the words before.
    scales[r] = half_super == 0u ? one.y & 0x3F3F3F3Fu : (two.y & 0x0F0F0F0Fu) | ((one.y >> 2) & 0x30303030u);
    minima[r] = half_super == 0u ? two.x & 0x3F3F3F3Fu : ((two.y >> 4) & 0x0F0F0F0Fu) | ((two.x >> 2) & 0x30303030u);
#if FORMAT_Q5_K
    [[unroll]] for (uint j = 0; j < 4; j++) high[r * 4 + j] = unpackUint2x32(words.v[2u + j]);
#endif
  }
  [[unroll]] for (uint pair = 0; pair < 2; pair++) {
    float low[STREAMS], upper[STREAMS];
    [[unroll]] for (uint r = 0; r < STREAMS; r++) low[r] = upper[r] = 0.0;
    [[unroll]] for (uint j = 0; j < 4; j++) {
      uvec2 w[STREAMS * 2];
      [[unroll]] for (uint r = 0; r < STREAMS; r++) {
        uvec2 nibbles = unpackUint2x32(Addresses(row[r] + super).v[kNibbles / 2u + half_super * 8u + pair * 4u + j]);
        w[2 * r] = nibbles & 0x0F0F0F0Fu;
        w[2 * r + 1] = (nibbles >> 4) & 0x0F0F0F0Fu;
#if FORMAT_Q5_K
        uvec2 bits = high[r * 4 + j] >> (half_super * 4u);
        w[2 * r] |= ((bits >> (2u * pair)) & 0x01010101u) << 4;
        w[2 * r + 1] |= ((bits >> (2u * pair + 1u)) & 0x01010101u) << 4;
#endif
      }
      [[unroll]] for (uint k = 0; k < 8; k++) {
        float a = x_at(pair * 64u + j * 8u + k), b = x_at(pair * 64u + 32u + j * 8u + k);
        [[unroll]] for (uint r = 0; r < STREAMS; r++) {
          low[r] += unsigned_byte(w[2 * r][k / 4u], k % 4u) * a;
          upper[r] += unsigned_byte(w[2 * r + 1][k / 4u], k % 4u) * b;
        }
      }
    }
    float low_x = x_sum(pair * 64u, 32u), upper_x = x_sum(pair * 64u + 32u, 32u);
    [[unroll]] for (uint r = 0; r < STREAMS; r++) {
      float weighted = unsigned_byte(scales[r], 2u * pair) * low[r] + unsigned_byte(scales[r], 2u * pair + 1u) * upper[r];
      float least = unsigned_byte(minima[r], 2u * pair) * low_x + unsigned_byte(minima[r], 2u * pair + 1u) * upper_x;
      sum[r] += dm[r].x * weighted - dm[r].y * least;
    }
  }
}

#elif FORMAT_Q6_K
// Half a superblock. Its rows are aligned to 2 bytes, all its parts alike: they are streams of bytes behind aligned words.
void add_portion(uint64_t row[STREAMS], uint portion, inout float sum[STREAMS]) {
  uint half_super = portion & 1u;
  uint64_t super = uint64_t((portion >> 1) * 210u);
  uint64_t base[STREAMS], before[STREAMS * 3];
  uint shift[STREAMS];
  uvec2 scales[STREAMS];
  float d[STREAMS];
  [[unroll]] for (uint r = 0; r < STREAMS; r++) {
    uint64_t at = row[r] + super;
    shift[r] = 8u * (uint(at) & 6u);
    base[r] = at & ~uint64_t(7);
    Addresses words = Addresses(base[r]);
    scales[r] = unpackUint2x32(joined(words.v[24u + half_super], words.v[25u + half_super], shift[r]));
    d[r] = unpackHalf2x16(uint(words.v[26] >> shift[r])).x;
    before[3 * r] = words.v[8u * half_super];
    before[3 * r + 1] = words.v[8u * half_super + 4u];
    before[3 * r + 2] = words.v[16u + 4u * half_super];
  }
  [[unroll]] for (uint group = 0; group < 2; group++) {  // of 16 columns of each of the four blocks
    float total[STREAMS * 4];
    [[unroll]] for (uint i = 0; i < STREAMS * 4; i++) total[i] = 0.0;
    [[unroll]] for (uint j = 2u * group; j < 2u * group + 2u; j++) {
      uvec2 w[STREAMS * 4];
      [[unroll]] for (uint r = 0; r < STREAMS; r++) {
        Addresses words = Addresses(base[r]);
        uint64_t a = words.v[8u * half_super + j + 1u], b = words.v[8u * half_super + j + 5u], c = words.v[16u + 4u * half_super + j + 1u];
        uvec2 even = unpackUint2x32(joined(before[3 * r], a, shift[r])), odd = unpackUint2x32(joined(before[3 * r + 1], b, shift[r]));
        uvec2 high = unpackUint2x32(joined(before[3 * r + 2], c, shift[r]));
        before[3 * r] = a;
        before[3 * r + 1] = b;
        before[3 * r + 2] = c;
        w[4 * r] = (even & 0x0F0F0F0Fu) | ((high << 4) & 0x30303030u);
        w[4 * r + 1] = (odd & 0x0F0F0F0Fu) | ((high << 2) & 0x30303030u);
        w[4 * r + 2] = ((even >> 4) & 0x0F0F0F0Fu) | (high & 0x30303030u);
        w[4 * r + 3] = ((odd >> 4) & 0x0F0F0F0Fu) | ((high >> 2) & 0x30303030u);
      }
      [[unroll]] for (uint l = 0; l < 4; l++)
        [[unroll]] for (uint k = 0; k < 8; k++) {
          float x = x_at(32u * l + 8u * j + k);
          [[unroll]] for (uint r = 0; r < STREAMS; r++) total[4 * r + l] += unsigned_byte(w[4 * r + l][k / 4u], k % 4u) * x;
        }
    }
    [[unroll]] for (uint l = 0; l < 4; l++) {
      float middle = 32.0 * x_sum(32u * l + 16u * group, 16u);
      [[unroll]] for (uint r = 0; r < STREAMS; r++)
        sum[r] += d[r] * signed_byte(scales[r][l / 2u], l % 2u * 2u + group) * (total[4 * r + l] - middle);
    }
  }
}

#else
void add_portion(uint64_t row[STREAMS], uint portion, inout float sum[STREAMS]) {
  [[unroll]] for (uint r = 0; r < STREAMS; r++) {
    vec4 w[8];
    load32(row[r], portion, w);
    [[unroll]] for (uint k = 0; k < 32; k++) sum[r] += w[k / 4u][k % 4u] * x_at(k);
  }
}
#endif

// Adds all of the rows. x begins at a multiple of 16 bytes.
void add_rows(uint64_t row[STREAMS], uint64_t x, inout float sum[STREAMS]) {
  [[dont_unroll]] for (uint portion = 0; portion < COLUMNS / kPortion; portion++) {
    load_x(x, portion);
    add_portion(row, portion, sum);
  }
#if FORMAT_HAS_TAIL
  [[dont_unroll]] for (uint k = COLUMNS / kPortion * kPortion; k < COLUMNS; k++)
    [[unroll]] for (uint r = 0; r < STREAMS; r++) sum[r] += load1(row[r], k) * Floats(x).v[k];
#endif
}

#endif
