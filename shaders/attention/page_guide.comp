// How the budgets of page choices follow what choices did: a workgroup per layer, an invocation per KV head, once a step.
//  - The mass that an adaptive budget wants moves so that the mean share of the remote pages is the target's: its logit by
//    5 min(1, tokens / 64) (target - share of this step + target - share since the run began).
//  - A head's weight is its effective number of keys exp(H) over the heads' mean, 1/2 to 2, then over the weights' mean;
//    H from entropies over ln(keys), averaged over 256 tokens.
// Twin: engine/reference/page_guide.
#version 460
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0) in;
#include "shaders/include/addresses.glsl"
#include "shaders/include/meeting.glsl"
#include "shaders/include/state.glsl"
#include "shaders/interface/sparse_attention.h"

layout(push_constant, scalar) uniform Push { PageGuidePush p; };

uint64_t row_of(uint64_t facts, uint head) { return facts + uint64_t((gl_WorkGroupID.x * p.kv_heads + head) * kFactWords) * 4ul; }
uint64_t fact(uint64_t row, uint n) { return uint64_t(Uints(row).v[n]) + uint64_t(Uints(row).v[n + 1u]) * uint64_t(kFactSplit); }
uint64_t both_phases(uint head, uint n) { return fact(row_of(p.facts, head), n) + fact(row_of(p.decode_facts, head), n); }
// What a sum has grown by since it was last seen.
float growth(uint head, uint64_t now, uint seen) {
  Uints known = Uints(row_of(p.facts, head));
  uint64_t before = uint64_t(known.v[seen]) | (uint64_t(known.v[seen + 1u]) << 32);
  known.v[seen] = uint(now & 0xFFFFFFFFul);
  known.v[seen + 1u] = uint(now >> 32);
  return float(now - before);
}
void tell(uint head, uint word, uint value) {
  Uints(row_of(p.facts, head)).v[word] = value;
  Uints(row_of(p.decode_facts, head)).v[word] = value;
}
float keys_of(uint head, float log_keys) { return exp(Floats(row_of(p.facts, head)).v[kGuideEntropy] * log_keys); }

// Sums over the invocations, in their order; each of them once.
const uint kRemote = 0, kChosen = 1, kAllRemote = 2, kAllChosen = 3, kKeys = 4, kWeights = 5, kSums = 6;
shared float terms[kSums][gl_WorkGroupSize.x];
void add(uint sum, float mine) { terms[sum][gl_LocalInvocationID.x] = mine; }
float total(uint sum) {
  float all = 0.0;
  for (uint i = 0; i < gl_WorkGroupSize.x; i++) all += terms[sum][i];
  return all;
}

void main() {
  StepState state = State(p.state).s;
  float tokens = float(p.every > 0u ? p.every - state.position % p.every : state.tokens), memory = 1.0 - exp(-tokens / float(kGuideMemory)), log_keys = log(float(state.position + state.tokens));
  float remote = 0.0, chosen = 0.0, all_remote = 0.0, all_chosen = 0.0, keys = 0.0, known_logit = Floats(row_of(p.facts, 0u)).v[kGuideLogit];
  for (uint head = gl_LocalInvocationID.x; head < p.kv_heads; head += gl_WorkGroupSize.x) {
    uint64_t of_remote = both_phases(head, kFactRemote), of_chosen = both_phases(head, kFactChosen);
    remote += growth(head, of_remote, kGuideRemote);
    all_remote += float(of_remote);
    chosen += growth(head, of_chosen, kGuideChosen);
    all_chosen += float(of_chosen);
    // Choices that read everything tell no entropy.
    float choices = growth(head, both_phases(head, kFactChoices) - both_phases(head, kFactWhole), kGuideChoices);
    float entropy = growth(head, both_phases(head, kFactEntropy), kGuideEntropySum);
    Floats average = Floats(row_of(p.facts, head));
    if (choices > 0.0) {
      float now = entropy / 1048576.0 / choices, before = average.v[kGuideEntropy];
      average.v[kGuideEntropy] = before == 0.0 ? now : before + memory * (now - before);
    }
    keys += keys_of(head, log_keys);
  }
  add(kRemote, remote);
  add(kChosen, chosen);
  add(kAllRemote, all_remote);
  add(kAllChosen, all_chosen);
  add(kKeys, keys);
  meet();
  remote = total(kRemote);
  if (remote == 0.0) return;
  if (p.target != 0u) {
    float target = float(p.target) * 1.0e-6, rule = log(p.mass / (1.0 - p.mass));
    float logit = known_logit + 5.0 * min(1.0, tokens / float(kGuideTokens)) * (target - total(kChosen) / remote + target - total(kAllChosen) / total(kAllRemote));
    logit = clamp(rule + logit, -1.0, 9.0) - rule;
    if (gl_LocalInvocationID.x == 0u) Floats(row_of(p.facts, 0u)).v[kGuideLogit] = logit;
    uint mass = uint(1073741824.0 / (1.0 + exp(-rule - logit)));
    for (uint head = gl_LocalInvocationID.x; head < p.kv_heads; head += gl_WorkGroupSize.x) tell(head, kGuideMass, max(mass, 1u));
  }
  if (p.by_entropy == 0u) return;
  keys = total(kKeys);
  float weights = 0.0;
  for (uint head = gl_LocalInvocationID.x; head < p.kv_heads; head += gl_WorkGroupSize.x) weights += clamp(keys_of(head, log_keys) * float(p.kv_heads) / keys, 0.5, 2.0);
  add(kWeights, weights);
  meet();
  weights = total(kWeights);
  for (uint head = gl_LocalInvocationID.x; head < p.kv_heads; head += gl_WorkGroupSize.x) {
    float weight = clamp(keys_of(head, log_keys) * float(p.kv_heads) / keys, 0.5, 2.0) * float(p.kv_heads) / weights;
    tell(head, kGuideWeight, uint(weight * 1.0e6 + 0.5));
  }
}
