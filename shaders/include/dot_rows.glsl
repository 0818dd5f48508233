// Where a dot product takes its activations from, and how a GPU's lanes walk through the rows. STAGED: the workgroup reads
// floats, norms them and rounds them to 8 bits into shared memory, once for all its rows. Otherwise they come in 8 bits,
// from a step of their own (CPU drivers, where shared memory is slow) or from the product before.
//
// Where the workgroup has 32 neighbouring rows of the output it may leave these in 8 bits for the product behind it.
//
// Needs the specialisation constants COLUMNS, STAGED, NORM and ROUNDED.
#ifndef FOVEA_DOT_ROWS_GLSL
#define FOVEA_DOT_ROWS_GLSL

#include "dot_blocks.glsl"
#include "quantize_rows.glsl"

const uint kBlocks = COLUMNS / 32u, kPortions = kBlocks / kParts;
const uint kVectors = kQ8Words / 4u;  // 16-byte loads of a block
shared uvec4 staged[STAGED ? kBlocks * kVectors : 1u];
shared float partial_squares[64];
shared float activated[ROUNDED ? 32u : 1u];  // rows of the output
const bool NORM_PENDING = NORM && !STAGED;   // words know the squares of what they were

// Fills shared memory with the vector at `x`; every invocation of the workgroup takes part. Returns what products are
// still to be multiplied with: 1, or the norm's 1 / sqrt(mean(x^2) + epsilon). Ends with a barrier.
float stage(uint64_t x, uint64_t norm, float epsilon) {
  float squares = 0.0;
  [[dont_unroll]] for (uint i = gl_LocalInvocationID.x; i < COLUMNS / 4u; i += gl_WorkGroupSize.x) {
    vec4 v = Float4s(x).v[i];
    if (NORM) {
      squares += dot(v, v);
      v *= Float4s(norm).v[i];
    }
    Q8Part part = quantize4(v);
    staged[i / 4u % 2u * kBlocks + i / 8u][i % 4u] = part.q;
    if (i % 8u == 0u) staged[2u * kBlocks + i / 8u].xy = uvec2(floatBitsToUint(part.d), part.sums);
  }
  float scale = 1.0;
  if (NORM) {
    squares = subgroupAdd(squares);
    if (subgroupElect()) partial_squares[gl_SubgroupID] = squares;
    barrier();
    float all = 0.0;
    [[dont_unroll]] for (uint i = 0; i < gl_NumSubgroups; i++) all += partial_squares[i];
    scale = inversesqrt(all / float(COLUMNS) + epsilon);
  }
  barrier();
  return scale;
}

float pending_scale(float squares, float epsilon) { return inversesqrt(subgroupAdd(squares) / float(COLUMNS) + epsilon); }

// `activated`, rows from `row` on of `rows`, to 8 bits; with `norm` times its weights, and with the sum of squares. Every invocation
// of the workgroup takes part.
void leave_rounded(uint64_t words, uint rows, uint64_t norm, bool normed, uint row) {
  barrier();
  if (gl_SubgroupID == 0u) {
    uint i = gl_SubgroupInvocationID % 8u;
    vec4 v = vec4(activated[4u * i], activated[4u * i + 1u], activated[4u * i + 2u], activated[4u * i + 3u]);
    float squares = 0.0;
    if (normed) {
      squares = subgroupClusteredAdd(dot(v, v), 8);
      v *= Float4s(norm).v[row / 4u + i];
    }
    Q8Part part = quantize4(v);
    if (gl_SubgroupInvocationID < 8u) write_part(words, rows / 32u, row / 4u + i, part);
    if (normed && gl_SubgroupInvocationID == 0u) Uints(words).v[q8_word(rows / 32u, row / 32u, kQ8Squares)] = floatBitsToUint(squares);
  }
  barrier();
}

Q8Block block_of(uint64_t x, uint block) {
  if (STAGED) return q8_block(staged[block], staged[kBlocks + block], staged[2u * kBlocks + block]);
  Uint4s words = Uint4s(x);
  return q8_block(words.v[block], words.v[kBlocks + block], words.v[2u * kBlocks + block]);
}

#endif
