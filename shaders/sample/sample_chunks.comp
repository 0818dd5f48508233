// First half of sampling: repeat penalty in place, and the highest logit of every chunk of 8 or 64.
// An invocation reads kSampleRun consecutive logits; a workgroup's tile is local size * kSampleRun of them.
// Twin: engine/reference/sample. Followed, after a barrier, by sample_draw.comp.
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/state.glsl"
#include "shaders/interface/sample.h"
#include "shaders/sample/ordered_key.glsl"

layout(local_size_x_id = 0) in;
layout(push_constant, scalar) uniform Push { SamplePush p; };
layout(buffer_reference, scalar, buffer_reference_align = 4) readonly buffer Parameters { SampleParameters s; };

shared uint marks[gl_WorkGroupSize.x];   // bit r of word i: logit r of invocation i is to be penalised
shared uint maxima[gl_WorkGroupSize.x];

// Every workgroup looks through the whole window for tokens of its own tile: no list of distinct tokens is needed, since
// a mark set twice is one mark.
void mark_repeated(uint tile, int repeat_last_n) {
  StepState state = State(p.state).s;
  uint end = state.position + state.tokens;
  uint begin = end - min(end, uint(repeat_last_n));
  Uints history = Uints(p.history);
  marks[gl_LocalInvocationIndex] = 0u;
  barrier();
  for (uint i = begin + gl_LocalInvocationIndex; i < end; i += gl_WorkGroupSize.x) {
    uint place = history.v[i] - tile;  // wraps to huge for tokens before the tile
    if (place < gl_WorkGroupSize.x * kSampleRun) atomicOr(marks[place / kSampleRun], 1u << (place % kSampleRun));
  }
  barrier();
}

void main() {
  SampleParameters parameters = Parameters(p.parameters).s;
  Uints logits = Uints(p.logits);
  uint vocabulary = parameters.vocabulary == 0u ? p.vocabulary : min(p.vocabulary, parameters.vocabulary);
  uint tile = gl_WorkGroupID.x * gl_WorkGroupSize.x * kSampleRun;
  uint first = tile + gl_LocalInvocationIndex * kSampleRun;

  uint bits[kSampleRun];
  [[unroll]] for (uint r = 0u; r < kSampleRun; r++) bits[r] = first + r < vocabulary ? logits.v[first + r] : 0xFF800000u;

  if (parameters.repeat_penalty != 1.0 && parameters.repeat_last_n > 0) {
    mark_repeated(tile, parameters.repeat_last_n);
    uint marked = marks[gl_LocalInvocationIndex];
    [[unroll]] for (uint r = 0u; r < kSampleRun; r++) {
      if ((marked & (1u << r)) != 0u && first + r < vocabulary) {
        float logit = uintBitsToFloat(bits[r]);
        bits[r] = floatBitsToUint(logit > 0.0 ? logit / parameters.repeat_penalty : logit * parameters.repeat_penalty);
        logits.v[first + r] = bits[r];
      }
    }
  }

  uint highest = 0u;
  [[unroll]] for (uint r = 0u; r < kSampleRun; r++) highest = max(highest, ordered_key(bits[r]));
  uint per_chunk = (1u << p.chunk_shift) / kSampleRun;  // invocations that share a chunk
  if (per_chunk > 1u) {
    maxima[gl_LocalInvocationIndex] = highest;
    barrier();
    if (gl_LocalInvocationIndex % per_chunk != 0u) return;
    for (uint i = 1u; i < per_chunk; i++) highest = max(highest, maxima[gl_LocalInvocationIndex + i]);
  }
  if (first < vocabulary) Uints(p.chunks).v[first >> p.chunk_shift] = highest;
}
