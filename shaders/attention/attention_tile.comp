// Causal attention of a batch of queries over the KV cache in tiles of shared memory, online softmax (Milakov & Gimelshein
// 2018; Dao 2023): prefill on GPUs.
//
// A workgroup takes fragments of 16 queries, HEADS query heads of one KV head for each 16 tokens, one fragment a subgroup,
// and walks the keys in blocks of whole pages up to its last query; blocks beyond that are never visited, and only blocks
// that reach beyond a fragment's first query test positions. Over lists of pages (shaders/include/key_table.glsl) it takes
// the tokens that share one, of fewer than 16 several heads a fragment; subgroups beyond their heads then help to bring keys. On matrix cores a block's values are on their way from
// memory while its scores are computed, the next block's keys while its values are summed.
//
// Precision: queries (times scale and log2 e), weights relative to the running maximum, and keys and values of a q8_0
// cache are rounded to halves (each off by 2^-11 of itself at most), products are exact and sums, maxima and the weights'
// sum are float. Scaled queries beyond 65504 are taken as 65504 of their sign. Twin: engine/reference/attention.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_basic : require

layout(local_size_x_id = 0) in;                       // LANES * SUBGROUPS
layout(constant_id = 1) const uint LANES = 32;        // of a subgroup
layout(constant_id = 2) const uint HEAD_WIDTH = 128;  // a multiple of 16
layout(constant_id = 3) const uint SUBGROUPS = 4;
layout(constant_id = 4) const uint BLOCK_KEYS = 64;   // whole pages
layout(constant_id = 5) const uint HEADS = 1;
layout(constant_id = 6) const bool IN_HALVES = false;  // y is half, beyond 65504 taken as that
layout(constant_id = 7) const uint TILE = 16;         // tokens that share a list of pages: a power of two

const uint INVOCATIONS = LANES * SUBGROUPS, TILE_TOKENS = 16u * SUBGROUPS / HEADS;
const uint FRAGMENT_HEADS = 16u / TILE, FRAGMENTS = (HEADS + FRAGMENT_HEADS - 1u) / FRAGMENT_HEADS;  // of the same tokens
const uint WIDTH_UNITS = HEAD_WIDTH / 8u, PITCH = WIDTH_UNITS + 1u;
const uint VALUES = BLOCK_KEYS * PITCH;  // behind the keys
#if MATRIX_PLAIN
// Queries stay in shared memory, behind the values.
const uint QUERIES = 2u * BLOCK_KEYS * PITCH, TILE_UNITS = QUERIES + SUBGROUPS * 16u * PITCH, QUERY_TURN = SUBGROUPS;
#else
// Queries come through the room of keys and values to registers, as many fragments a turn as it holds.
const uint QUERIES = 0u, TILE_UNITS = 2u * BLOCK_KEYS * PITCH, QUERY_ROOM = BLOCK_KEYS / 8u;
const uint QUERY_TURN = SUBGROUPS < QUERY_ROOM ? SUBGROUPS : QUERY_ROOM;
#endif

#include "shaders/include/key_table.glsl"
#include "shaders/include/pages.glsl"
#include "shaders/include/state.glsl"
#include "shaders/include/attention_fragments.glsl"
#include "shaders/interface/sparse_attention.h"

const uint PAGES = BLOCK_KEYS / kPageKeys, KEY_FRAGMENTS = BLOCK_KEYS / kFragment, WIDTH_FRAGMENTS = HEAD_WIDTH / kFragment;
const float kMasked = -3.0e38, kLowest = -1.0e30;  // a masked score weighs nothing even where all are masked
const float kLog2E = 1.4426950408889634;

layout(push_constant, scalar) uniform Push { AttentionPush p; };

// What an invocation brings of a block's keys or values: pieces of 16 bytes.
#if KV_F16
const uint PIECES = BLOCK_KEYS * WIDTH_UNITS;
#elif KV_Q8_0
const uint PIECES = BLOCK_KEYS * (HEAD_WIDTH / kKvPiece);
#endif
const uint OWN_PIECES = (PIECES + INVOCATIONS - 1u) / INVOCATIONS;
#if MATRIX_PLAIN
const uint KEPT_PIECES = 1u;  // nothing is fetched ahead
#else
const uint KEPT_PIECES = OWN_PIECES;
#endif
uvec4 pieces[KEPT_PIECES];
#if KV_Q8_0
float scales[KEPT_PIECES];
#endif
uint64_t key_pages, block_pages[PAGES];  // page table; this layer's part of a block's

// Pages of no key up to `last` are not looked up.
void find_pages(uint block, uint last, out uint64_t found[PAGES]) {
  [[unroll]] for (uint i = 0; i < PAGES; i++) {
    uint page = min(block * PAGES + i, last / kPageKeys);
    found[i] = Addresses(key_pages).v[page] + uint64_t(p.layer_offset);
  }
}

// Where piece `piece` of a block belongs.
struct Place { uint key, part; };
Place place_of(bool value, uint piece) {
#if KV_F16
  return Place(piece / WIDTH_UNITS, piece % WIDTH_UNITS);
#elif KV_Q8_0
  // The keys of a piece follow one another, as the pieces of a value do.
  const uint parts = HEAD_WIDTH / kKvPiece;
  uint in_page = piece % (kPageKeys * parts), page_key = piece / (kPageKeys * parts) * kPageKeys;
  return value ? Place(page_key + in_page / parts, in_page % parts) : Place(page_key + in_page % kPageKeys, in_page / kPageKeys);
#endif
}

// Piece i of a block's keys or values, zero where the page holds no key yet: what lies there is undefined.
void fetch_piece(bool value, uint kv_head, uint keys, uint i, uint slot) {
  uint piece = gl_LocalInvocationID.x + i * INVOCATIONS;
  Place place = place_of(value, piece);
  pieces[slot] = uvec4(0u);
#if KV_Q8_0
  scales[slot] = 0.0;
#endif
  if (place.key >= min(keys, BLOCK_KEYS)) return;
  uint64_t page = block_pages[PAGES == 1u ? 0u : place.key / kPageKeys];
#if KV_F16
  uint at = (value ? value_offset(p.kv_heads, HEAD_WIDTH) : 0u) + key_offset(kv_head, 0u, HEAD_WIDTH);
  pieces[slot] = Uint4s(page + uint64_t(at + piece % (kPageKeys * WIDTH_UNITS) * 16u)).v[0];
#elif KV_Q8_0
  uint quants = value ? value_quants(p.kv_heads, kv_head, place.key, HEAD_WIDTH) + place.part * kKvPiece
                      : key_quants(kv_head, place.key, HEAD_WIDTH) + place.part * kKeyPieceStride;
  uint scale = value ? value_scales(p.kv_heads, kv_head, place.key, HEAD_WIDTH) + place.part / 2u * 2u
                     : key_scales(p.kv_heads, kv_head, place.key, HEAD_WIDTH) + place.part / 2u * kKeyScaleStride;
  pieces[slot] = Uint4s(page + uint64_t(quants)).v[0];
  scales[slot] = scale_at(page + uint64_t(scale));
#endif
}

// To shared memory, as halves.
void put_piece(bool value, uint kv_head, uint i, uint slot) {
  uint piece = gl_LocalInvocationID.x + i * INVOCATIONS;
  if (PIECES % INVOCATIONS != 0u && piece >= PIECES) return;
  Place place = place_of(value, piece);
  uint to = (value ? VALUES : 0u) + place.key * PITCH;
#if KV_F16
  tile[to + place.part] = pieces[slot];
#elif KV_Q8_0
  [[unroll]] for (uint unit = 0; unit < 2u; unit++) {
    vec4 low = scales[slot] * quants_of(pieces[slot][2u * unit]), high = scales[slot] * quants_of(pieces[slot][2u * unit + 1u]);
    tile[to + place.part * 2u + unit] =
        uvec4(packHalf2x16(low.xy), packHalf2x16(low.zw), packHalf2x16(high.xy), packHalf2x16(high.zw));
  }
#endif
}

#if MATRIX_PLAIN
void fetch(bool value, uint kv_head, uint keys) {}
void put(bool value, uint kv_head, uint keys) {
  [[dont_unroll]] for (uint i = 0; i < OWN_PIECES; i++) {
    fetch_piece(value, kv_head, keys, i, 0u);
    put_piece(value, kv_head, i, 0u);
  }
}
#else
void fetch(bool value, uint kv_head, uint keys) {
  [[unroll]] for (uint i = 0; i < OWN_PIECES; i++) fetch_piece(value, kv_head, keys, i, i);
}
void put(bool value, uint kv_head, uint keys) {
  [[unroll]] for (uint i = 0; i < OWN_PIECES; i++) put_piece(value, kv_head, i, i);
}
#endif

uvec2 query_halves(vec4 v) {
  v = clamp(v * (p.scale * kLog2E), vec4(-65504.0), vec4(65504.0));
  return uvec2(packHalf2x16(v.xy), packHalf2x16(v.zw));
}

void main() {
  // Tiles of the latest tokens have the most keys and go first.
  StepState state = State(p.state).s;
  uint tile_tokens = p.listed_keys != 0ul ? TILE : TILE_TOKENS, tiles = (state.tokens + tile_tokens - 1u) / tile_tokens;
  if (gl_WorkGroupID.y >= tiles) return;
  uint first = (tiles - 1u - gl_WorkGroupID.y) * tile_tokens, end = min(first + tile_tokens, state.tokens);
  uint head = gl_WorkGroupID.x * HEADS, kv_head = head / (p.query_heads / p.kv_heads);
  KeyTable table = key_table(p.pages, p.listed_keys, p.table_stride, first / TILE * p.kv_heads + kv_head, state.position + end);
  uint last = table.keys - 1u;
  key_pages = table.pages;

  // Rows past the end repeat the last token or head and are not written.
  uint own = gl_SubgroupID, token = first + own / FRAGMENTS * 16u, own_head = own % FRAGMENTS * FRAGMENT_HEADS;
  Left queries[WIDTH_FRAGMENTS];
  [[unroll]] for (uint from = 0; from < SUBGROUPS; from += QUERY_TURN) {
    if (from > 0u) barrier();
    [[dont_unroll]] for (uint unit = gl_LocalInvocationID.x; unit < QUERY_TURN * 16u * WIDTH_UNITS; unit += INVOCATIONS) {
      uint row = unit / WIDTH_UNITS, fragment = from + row / 16u;
      uint of_tile = min(fragment % FRAGMENTS * FRAGMENT_HEADS + row % 16u / TILE, HEADS - 1u);
      uint query = min(first + fragment / FRAGMENTS * 16u + row % TILE, end - 1u) * p.query_heads + head + of_tile;
      Float4s x = Float4s(p.query + uint64_t(query * HEAD_WIDTH + unit % WIDTH_UNITS * 8u) * 4ul);
      tile[QUERIES + row * PITCH + unit % WIDTH_UNITS] = uvec4(query_halves(x.v[0]), query_halves(x.v[1]));
    }
    barrier();
    if (own >= from && own < from + QUERY_TURN)
      [[unroll]] for (uint d = 0; d < WIDTH_FRAGMENTS; d++)
        load_queries(queries[d], QUERIES + (own - from) * 16u * PITCH + d * 2u);
  }
  barrier();

  Sums sums[WIDTH_FRAGMENTS], maxima, totals;
  FRAGMENT_LOOP for (uint d = 0; d < WIDTH_FRAGMENTS; d++) clear(sums[d]);
  clear(totals);
  clear(maxima);
  EACH(i, maxima) AT(maxima, i) = kLowest;
  uint oldest = table.keys - (end - token);  // of the fragment's positions among the keys

  uint blocks = last / BLOCK_KEYS + 1u;
  find_pages(0u, last, block_pages);
  fetch(false, kv_head, last + 1u);
  put(false, kv_head, last + 1u);
  barrier();
  [[dont_unroll]] for (uint block = 0; block < blocks; block++) {
    uint first_key = block * BLOCK_KEYS;
    bool wanted = token < end && first_key <= oldest + (TILE - 1u);
    fetch(true, kv_head, last + 1u - first_key);
    uint64_t next_pages[PAGES];
    find_pages(block + 1u, last, next_pages);

    Left weights[KEY_FRAGMENTS];
    if (wanted) {
      Sums scores[KEY_FRAGMENTS];
      [[unroll]] for (uint k = 0; k < KEY_FRAGMENTS; k++) clear(scores[k]);
      FRAGMENT_LOOP for (uint d = 0; d < WIDTH_FRAGMENTS; d++)
        FRAGMENT_LOOP for (uint k = 0; k < KEY_FRAGMENTS; k++) {
          Right keys;
          load_keys(keys, k * 16u * PITCH + d * 2u);
          add_scores(scores[k], queries[d], keys);
        }
      if (first_key + BLOCK_KEYS - 1u > oldest) {
        Sums slant;
        load_slant(slant, TILE);
        FRAGMENT_LOOP for (uint k = 0; k < KEY_FRAGMENTS; k++) {
          // Key first_key + 16 k + column is seen from position oldest + row % TILE on.
          float most = float(int(oldest) - int(first_key + 16u * k));
          EACH(i, slant)
            if (AT(slant, i) > most) AT(scores[k], i) = kMasked;
        }
      }
      Sums shrink;
      clear(shrink);
      EACH(i, shrink) AT(shrink, i) = AT(scores[0], i);
      FRAGMENT_LOOP for (uint k = 1; k < KEY_FRAGMENTS; k++)
        EACH(i, shrink) AT(shrink, i) = max(AT(shrink, i), AT(scores[k], i));
      reduce_maxima(shrink);
      EACH(i, shrink) {
        float highest = max(AT(maxima, i), AT(shrink, i));
        AT(shrink, i) = exp2(AT(maxima, i) - highest);
        AT(maxima, i) = highest;
        AT(totals, i) *= AT(shrink, i);
      }
      FRAGMENT_LOOP for (uint k = 0; k < KEY_FRAGMENTS; k++) {
        EACH(i, shrink) {
          float weight = exp2(AT(scores[k], i) - AT(maxima, i));
          AT(scores[k], i) = weight;
          AT(totals, i) += weight;
        }
        keep_weights(weights[k], scores[k], k);
      }
      FRAGMENT_LOOP for (uint d = 0; d < WIDTH_FRAGMENTS; d++)
        EACH(i, shrink) AT(sums[d], i) *= AT(shrink, i);
    }
    put(true, kv_head, last + 1u - first_key);
    barrier();
    uint next_key = first_key + BLOCK_KEYS;
    if (block + 1u < blocks) {
      [[unroll]] for (uint i = 0; i < PAGES; i++) block_pages[i] = next_pages[i];
      fetch(false, kv_head, last + 1u - next_key);
    }
    if (wanted)
      FRAGMENT_LOOP for (uint k = 0; k < KEY_FRAGMENTS; k++) {
        load_weights(weights[k], k);
        FRAGMENT_LOOP for (uint d = 0; d < WIDTH_FRAGMENTS; d++) {
          Right values;
          load_values(values, VALUES + k * 16u * PITCH + d * 2u);
          add_values(sums[d], weights[k], values);
        }
      }
    if (block + 1u < blocks) put(false, kv_head, last + 1u - next_key);
    barrier();
  }

  // Each element has summed the weights of its own columns.
  uint rows = token < end ? min(end - token, TILE) : 0u, heads = min(FRAGMENT_HEADS, HEADS - own_head);
  uint64_t y = p.y + uint64_t(token * p.y_stride + (head + own_head) * HEAD_WIDTH) * (IN_HALVES ? 2ul : 4ul);
  reduce_totals(totals);
  if (p.sums != 0ul) {
    uint64_t to = p.sums + uint64_t((token * p.query_heads + head + own_head) * kRowSums) * 4ul;
    RowPlaces of_sums = RowPlaces(TILE, rows, p.query_heads * kRowSums, heads, kRowSums);
    write_sums(totals, to + uint64_t(kRowSum * 4u), of_sums);
    EACH(i, maxima) AT(maxima, i) /= kLog2E;
    write_sums(maxima, to, of_sums);
  }
  FRAGMENT_LOOP for (uint d = 0; d < WIDTH_FRAGMENTS; d++) {
    EACH(i, totals) AT(sums[d], i) /= AT(totals, i);
    RowPlaces of_output = RowPlaces(TILE, rows, p.y_stride, heads, HEAD_WIDTH);
    if (IN_HALVES)
      write_halves(sums[d], y + uint64_t(d * 32u), of_output);
    else
      write_sums(sums[d], y + uint64_t(d * 64u), of_output);
  }
}
