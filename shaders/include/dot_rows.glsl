// Where a dot product takes its activations from. STAGED (GPUs): the workgroup reads floats, norms them and rounds them to
// 8 bits into shared memory, once for all its rows. Otherwise (CPU drivers, where shared memory is slow): they come in
// 8 bits from a step of their own.
//
// Needs the specialisation constants COLUMNS, VECTORS (activation vectors of that width: slots), STAGED and NORM.
#ifndef FOVEA_DOT_ROWS_GLSL
#define FOVEA_DOT_ROWS_GLSL

#include "dot_blocks.glsl"
#include "quantize_rows.glsl"

const uint kBlocks = COLUMNS / 32u;
shared uint staged[STAGED ? VECTORS * kBlocks * kQ8Words : 1u];
shared float partial_squares[64];

// Fills shared memory with vector `which`, at `x`; every invocation of the workgroup takes part. Returns what products
// are still to be multiplied with: 1, or the norm's 1 / sqrt(mean(x^2) + epsilon). Ends with a barrier.
float stage(uint64_t x, uint which, uint64_t norm, float epsilon) {
  float squares = 0.0;
  [[dont_unroll]] for (uint i = gl_LocalInvocationID.x; i < COLUMNS / 4u; i += gl_WorkGroupSize.x) {
    vec4 v = Float4s(x).v[i];
    if (NORM) {
      squares += dot(v, v);
      v *= Float4s(norm).v[i];
    }
    Q8Part part = quantize4(v);
    uint block = (which * kBlocks + i / 8u) * kQ8Words;
    staged[block + i % 8u] = part.q;
    if (i % 8u == 0u) {
      staged[block + kQ8Scale] = floatBitsToUint(part.d);
      staged[block + kQ8Sums] = part.sums;
    }
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

Q8Block block_of(uint64_t x, uint which, uint sub) {
  Q8Block block;
  uint sums;
  if (STAGED) {
    uint at = (which * kBlocks + sub) * kQ8Words;
    [[unroll]] for (uint j = 0; j < 8; j++) block.q[j] = int(staged[at + j]);
    block.d = uintBitsToFloat(staged[at + kQ8Scale]);
    sums = staged[at + kQ8Sums];
  } else {
    Uints words = Uints(x + uint64_t(sub * kQ8Words) * 4ul);
    [[unroll]] for (uint j = 0; j < 8; j++) block.q[j] = int(words.v[j]);
    block.d = uintBitsToFloat(words.v[kQ8Scale]);
    sums = words.v[kQ8Sums];
  }
  block.low = int(sums << 16) >> 16;
  block.high = int(sums) >> 16;
  return block;
}

#endif
