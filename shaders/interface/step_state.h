// The one small device buffer that holds everything that changes from token to token; read and written by kernels,
// set by the host before a run's first submission. Included by GLSL and C++ alike.
#ifndef FOVEA_STEP_STATE_H
#define FOVEA_STEP_STATE_H

#ifdef __cplusplus
#include <cstdint>
namespace fovea::shader {
using uint = std::uint32_t;
#endif

const uint kTokenRing = 256;  // drawn tokens wait here for the host; more than one submission may ever draw

struct StepState {
  uint position;       // position of the batch's first token = tokens already in the KV cache
  uint tokens;         // tokens in this batch; 1 in decode
  uint drawn;          // tokens drawn since the run began: counter of the random draw and write index of the ring
  uint seed_low;
  uint seed_high;
  uint reserved0;
  uint kept_pages_low;   // address of a bit for each page that sparse attention always reads beside sinks and window; 0: none
  uint kept_pages_high;
};

// Sampling parameters of a run, in a buffer of their own; names as in engine/api/sampling.hpp.
struct SampleParameters {
  float temperature;
  int top_k;
  float top_p;
  float min_p;
  float repeat_penalty;
  int repeat_last_n;   // resolved by the host: 0 = off, never negative
  uint vocabulary;
  uint reserved0;
};

#ifdef __cplusplus
static_assert(sizeof(StepState) == 32 && sizeof(SampleParameters) == 32);
}  // namespace fovea::shader
#endif

#endif
