// Where a dot product takes its activations from, and how a GPU's lanes walk through the rows. STAGED: the workgroup reads
// floats, norms them and rounds them to 8 bits into shared memory, once for all its rows. Otherwise they come in 8 bits,
// from a step of their own (CPU drivers, where shared memory is slow) or from the product before.
//
// Where the workgroup has 16 or 32 neighbouring rows of the output it may leave these in 8 bits for the product behind it.
//
// Needs the specialisation constants COLUMNS, STAGED, NORM, ROUNDED and LANES (subgroup size).
#ifndef FOVEA_DOT_ROWS_GLSL
#define FOVEA_DOT_ROWS_GLSL

#include "dot_blocks.glsl"
#include "quantize_rows.glsl"

const uint kBlocks = COLUMNS / 32u, kPortions = kBlocks / kParts;
const uint kVectors = kQ8Words / 4u;  // 16-byte loads of a block
shared uvec4 staged[STAGED ? kBlocks * kVectors : 1u];
shared float partial_squares[64];
shared float activated[ROUNDED ? 32u : 1u];  // rows of the output
const bool NORM_PENDING = NORM && !STAGED;  // words know the squares of what they were
#include "pending_norm.glsl"

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
    uint sums = both_sums(part);
    if (i % 4u == 0u) staged[2u * kBlocks + i / 8u][i / 4u % 2u] = floatBitsToUint(part.d);
    if (i % 8u == 0u) staged[2u * kBlocks + i / 8u].z = sums;
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

// What leave_rounded multiplies with: asked for ahead, since nobody has read them lately.
vec4 norm_weights(uint64_t norm, uint row, uint count) {
  return gl_SubgroupID == 0u ? Float4s(norm).v[row / 4u + gl_SubgroupInvocationID % (count / 4u)] : vec4(0.0);
}

// `activated`, `count` rows from `row` on of `rows`, to 8 bits; `normed`: times the norm's weights, and with the sums of squares.
// Every invocation of the workgroup takes part.
void leave_rounded(uint64_t words, uint rows, vec4 norm, bool normed, uint row, uint count) {
  barrier();
  if (gl_SubgroupID == 0u) {
    uint i = gl_SubgroupInvocationID % 8u;
    vec4 v = vec4(activated[4u * i], activated[4u * i + 1u], activated[4u * i + 2u], activated[4u * i + 3u]);
    float squares = 0.0;
    if (normed) {
      squares = subgroupClusteredAdd(dot(v, v), 4);
      v *= norm;
    }
    Q8Part part = quantize4(v);
    if (gl_SubgroupInvocationID < count / 4u) {
      write_part(words, rows / 32u, row / 4u + i, part);
      if (normed && i % 4u == 0u) Floats(words).v[q8_squares(rows / 32u, row / 16u + i / 4u)] = squares;
    }
  }
  barrier();
}

Q8Block block_of(uint64_t x, uint block) {
  if (STAGED) return q8_block(staged[block], staged[kBlocks + block], staged[2u * kBlocks + block]);
  Uint4s words = Uint4s(x);
  return q8_block(words.v[block], words.v[kBlocks + block], words.v[2u * kBlocks + block]);
}

#endif
