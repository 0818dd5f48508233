// What depends on the format of rows (row_products.glsl), FORMAT_..=1. A shader with rows of two formats includes it once more, with
// other names for what is here: pair_column, kPlaces, load_run, load_x, kRowBytes, kBlockBytes, kSuperWords, kFirstNibbles, touch,
// tile_halves, tile_part, row_product.

// The first column of pair `i` (of four) of this lane's run `run` of a tile: what its words hold. Of blocks a run is eight
// neighbours, of plain numbers lanes have pairs side by side.
uint pair_column(uint run, uint i) {
  uint lane = share_lane(), place = 8u * (lane % 4u) + 2u * i;
#if FORMAT_F32
  return 64u * run + 16u * i + 2u * lane;
#elif FORMAT_Q8_0
  return 32u * (2u * run + lane / 4u) + place;
#elif FORMAT_Q6_K
  return 128u * (run / 2u) + 32u * (lane / 4u + 2u * (run % 2u)) + place;
#else
  return 64u * (run / 2u * 2u + lane / 4u) + 32u * (run % 2u) + place;
#endif
}

// Of unsigned bytes a word's are taken where they stand, times 256 to the power of their place, and activations divided by it.
#if FORMAT_F32 || FORMAT_Q8_0
const float kPlaces[4] = float[4](1.0, 1.0, 1.0, 1.0);
#else
const float kPlaces[4] = float[4](1.0, 1.0 / 256.0, 1.0 / 65536.0, 1.0 / 16777216.0);
#endif
// Run `from` of a tile becomes this lane's run `to`.
void load_run(uint64_t x, uint64_t norm, bool normed, uint tile, uint from, uint to) {
  run_sums[to] = 0.0;
  [[unroll]] for (uint i = 0; i < 4; i++) {
    uint column = tile * kTileColumns + pair_column(from, i);
    bool real = COLUMNS % kTileColumns == 0u || column < COLUMNS;
    vec2 pair = pair_at(x, real ? column : 0u);
    if (!real) pair = vec2(0.0);
    if (normed) {
      squares += pair.x * pair.x + pair.y * pair.y;
      pair *= pair_at(norm, real ? column : 0u);
    }
    own_x[to * 8u + 2u * i] = pair.x * kPlaces[2u * i % 4u];
    own_x[to * 8u + 2u * i + 1u] = pair.y * kPlaces[(2u * i + 1u) % 4u];
    run_sums[to] += pair.x + pair.y;
  }
}
void load_x(uint64_t x, uint64_t norm, uint chunk) {
  [[unroll]] for (uint run = 0; run < kRuns; run++) load_run(x, norm, NORM, chunk * kAtOnce + run / 4u, run % 4u, run);
}
#if FORMAT_F32
const uint kRowBytes = COLUMNS * 4u;
#elif FORMAT_Q8_0
const uint kRowBytes = COLUMNS / 32u * 34u;
#elif FORMAT_Q4_K
const uint kRowBytes = COLUMNS / 256u * 144u;
#elif FORMAT_Q5_K
const uint kRowBytes = COLUMNS / 256u * 176u;
#else
const uint kRowBytes = COLUMNS / 256u * 210u;
#endif
void touch(uint64_t row) { touch_bytes(row, kRowBytes); }

// This lane's part of the product of a row with `halves` halves of a tile from `first` on, whose runs begin with `run`.
#if FORMAT_F32
float tile_halves(uint64_t row, uint tile, uint run, uint first, uint halves) {
  const uint kPairs = kTileColumns / 32u;  // of a lane and half
  Addresses pairs = Addresses(row + uint64_t(tile * kTileColumns * 4u));
  precise float sum = 0.0;
  [[unroll]] for (uint i = 0; i < halves * kPairs; i++) {
    vec2 w = uintBitsToFloat(unpackUint2x32(pairs.v[min(8u * (first * kPairs + i) + share_lane(), (COLUMNS - tile * kTileColumns) / 2u - 1u)]));
    sum += w.x * own_x[run * 8u + 2u * i] + w.y * own_x[run * 8u + 2u * i + 1u];
  }
  return sum;
}

#elif FORMAT_Q8_0
const uint kBlockBytes = 34u;
float tile_halves(uint64_t row, uint tile, uint run, uint first, uint halves) {
  uint lane = share_lane();
  const uint last = COLUMNS / 32u - 1u;
  uint64_t own_scale = row + uint64_t(min(tile * 8u + lane, last) * kBlockBytes);
  uint scales = Uints(own_scale & ~uint64_t(3)).v[0] >> (8u * (uint(own_scale) & 2u));
  precise float sum = 0.0;
  [[unroll]] for (uint t = 0; t < 2u * halves; t++) {
    uint block = 2u * (2u * first + t) + lane / 4u;
    uint64_t at = row + uint64_t(min(tile * 8u + block, last) * kBlockBytes + 2u + 8u * (lane % 4u));
    uvec2 quants;
    if (kWordsAnywhere) {
      quants = unpackUint2x32(Addresses(at).v[0]);
    } else {
      Addresses words = Addresses(at & ~uint64_t(7));
      quants = unpackUint2x32(joined(words.v[0], words.v[1], 8u * (uint(at) & 6u)));
    }
    float product = 0.0;
    [[unroll]] for (uint k = 0; k < 8; k++) product += signed_byte(quants[k / 4u], k % 4u) * own_x[(run + t) * 8u + k];
    sum += unpackHalf2x16(of_lane(scales, block)).x * product;
  }
  return sum;
}

#elif FORMAT_Q4_K || FORMAT_Q5_K
// Superblocks of 18 and 22 words: two of scales, Q5_K four of fifth bits, then the nibbles, which two blocks share.
#if FORMAT_Q4_K
const uint kSuperWords = 18u, kFirstNibbles = 2u;
#else
const uint kSuperWords = 22u, kFirstNibbles = 6u;
#endif
float tile_halves(uint64_t row, uint tile, uint run, uint first, uint halves) {
  uint lane = share_lane();
  Addresses words = Addresses(row + uint64_t(tile * kSuperWords * 8u));
  uvec2 head = unpackUint2x32(words.v[min(lane, kFirstNibbles - 1u)]);
  uvec2 dm_low = of_lane(head, 0u), second = of_lane(head, 1u);
#if FORMAT_Q5_K
  uvec2 fifths = of_lane(head, 2u + lane % 4u) >> (lane / 4u * 2u);
#endif
  vec2 dm = unpackHalf2x16(dm_low.x);
  float weighted = 0.0, least = 0.0;
  [[unroll]] for (uint n = 0; n < halves; n++) {
    uint half_super = first + n;
    uvec2 nibbles = unpackUint2x32(words.v[kFirstNibbles + half_super * 8u + lane]);
    uvec2 low = nibbles & 0x0F0F0F0Fu, high = (nibbles >> 4) & 0x0F0F0F0Fu;
#if FORMAT_Q5_K
    low |= ((fifths >> (4u * half_super)) & 0x01010101u) << 4;
    high |= ((fifths >> (4u * half_super + 1u)) & 0x01010101u) << 4;
#endif
    // Of four blocks at once. Of the first four: low six bits of the bytes; of the others four bits of the last word, and above
    // them what is left of the words before.
    uint scales = half_super == 0u ? dm_low.y & 0x3F3F3F3Fu : (second.y & 0x0F0F0F0Fu) | ((dm_low.y >> 2) & 0x30303030u);
    uint minima = half_super == 0u ? second.x & 0x3F3F3F3Fu : ((second.y >> 4) & 0x0F0F0F0Fu) | ((second.x >> 2) & 0x30303030u);
    scales >>= 16u * (lane / 4u);
    minima >>= 16u * (lane / 4u);
    uint at = run + 2u * n;
    weighted += unsigned_byte(scales, 0u) * run_product(low, at) + unsigned_byte(scales, 1u) * run_product(high, at + 1u);
    least += unsigned_byte(minima, 0u) * run_sums[at] + unsigned_byte(minima, 1u) * run_sums[at + 1u];
  }
  precise float sum = dm.x * weighted - dm.y * least;
  return sum;
}

#else
// Superblocks of 210 bytes, aligned to 2: a stream of 27 words, of which lanes take what lies side by side.
// Nibbles: 16 words, of either half first those of its even blocks, then of its odd ones; 8 words of high bits, 4 of either half;
// scales, a byte for 16 weights; the half they are times.
float tile_halves(uint64_t row, uint tile, uint run, uint first, uint halves) {
  uint lane = share_lane(), odd = lane / 4u;
  uint64_t at = row + uint64_t(tile * 210u);
  uvec2 stream[4];
  if (kWordsAnywhere) {
    Addresses words = Addresses(at);
    [[unroll]] for (uint i = 0; i < 4; i++) stream[i] = unpackUint2x32(words.v[i < 3u ? 8u * i + lane : 24u + min(lane, 2u)]);
  } else {  // behind aligned ones
    uint shift = 8u * (uint(at) & 6u), next_lane = (lane + 1u) % 8u;
    Addresses words = Addresses(at & ~uint64_t(7));
    uint64_t own[4], next[4];
    [[unroll]] for (uint i = 0; i < 4; i++) {
      own[i] = words.v[i < 3u ? 8u * i + lane : 24u + min(lane, 2u)];
      next[i] = packUint2x32(of_lane(unpackUint2x32(own[i]), next_lane));
    }
    [[unroll]] for (uint i = 0; i < 4; i++) stream[i] = unpackUint2x32(joined(own[i], i < 3u && lane == 7u ? next[min(i + 1u, 3u)] : next[i], shift));
  }
  float d = unpackHalf2x16(of_lane(stream[3].x, 2u)).x, sum = 0.0;
  [[unroll]] for (uint n = 0; n < halves; n++) {
    uint half_super = first + n;
    uvec2 high = of_lane(stream[2], 4u * half_super + lane % 4u) >> (2u * odd), low = half_super == 0u ? stream[0] : stream[1];
    uvec2 scales = of_lane(stream[3], half_super) >> (16u * odd + 8u * (lane % 4u / 2u));
    uint at_run = run + 2u * n;
    float lower = run_product((low & 0x0F0F0F0Fu) | ((high << 4) & 0x30303030u), at_run) - 32.0 * run_sums[at_run];
    float upper = run_product(((low >> 4) & 0x0F0F0F0Fu) | (high & 0x30303030u), at_run + 1u) - 32.0 * run_sums[at_run + 1u];
    sum += signed_byte(scales.x, 0u) * lower + signed_byte(scales.y, 0u) * upper;
  }
  precise float scaled = d * sum;
  return scaled;
}
#endif

// Each step rounds as it is written: who adds tiles up in another shader (token_layer.h) is to have the same bits.
float tile_part(uint64_t row, uint tile, uint run) { return tile_halves(row, tile, run, 0u, 2u); }

// The product of a row with this chunk of its columns, in all eight lanes.
float row_product(uint64_t row, uint chunk) {
  precise float sum = 0.0;
  [[unroll]] for (uint t = 0; t < kAtOnce; t++) sum += tile_part(row, chunk * kAtOnce + t, 4u * t);
  return over_lanes(sum);
}
