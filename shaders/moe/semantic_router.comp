// What the semantic router says of each token of a batch: how much more or fewer experts than most it needs, and which experts the
// later layers will call. A workgroup per token. Twin: engine/reference/semantic_router.
//
// A token that is decoded alone takes all stages in one step; the tokens of a prompt wait for each other between stages, since a
// block reads what the one before made of earlier tokens. Sums run in one order whatever the batch.
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/state.glsl"
#include "shaders/interface/semantic_router.h"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint INPUT = 512;
layout(constant_id = 2) const uint WIDTH = 64;
layout(constant_id = 3) const uint PREDICTED = 4;  // layers
layout(constant_id = 4) const uint EXPERTS = 16;
layout(constant_id = 5) const uint NEEDS = 3;
layout(constant_id = 6) const uint DOMAINS = 6;
layout(constant_id = 7) const uint MEMORY = 8;     // experts of a layer that count as predicted
layout(constant_id = 8) const uint FIRST = 0;      // stages FIRST to LAST
layout(constant_id = 9) const uint LAST = 3;
layout(constant_id = 10) const uint LOCAL = 64;    // invocations of the workgroup

layout(push_constant, scalar) uniform Push { SemanticRouterPush p; };

const uint PARTS = LOCAL < WIDTH ? 1u : LOCAL / WIDTH;  // of the first product's sum, side by side
const uint WORDS = (EXPERTS + 31u) / 32u;
const uint kNormed = INPUT * WIDTH;         // biases of the first product, then gain and bias of the norm
const uint kBlocks = kNormed + 3u * WIDTH, kBlock = kSemanticTaps * WIDTH + WIDTH + WIDTH * WIDTH + WIDTH;
const uint kDomain = kBlocks + kSemanticBlocks * kBlock, kNeed = kDomain + WIDTH * DOMAINS + DOMAINS;
const uint kPrior = kNeed + WIDTH + NEEDS, kPriorBias = kPrior + WIDTH * PREDICTED * EXPERTS;
const float kNormEpsilon = 1e-5;

shared float hidden[WIDTH], other[WIDTH];
shared float sums[PARTS * WIDTH];
shared float squares[LOCAL];
shared float prior[EXPERTS];
shared uint words[WORDS];

uint me() { return gl_LocalInvocationID.x; }
float parameter(uint at) { return Floats(p.parameters).v[at]; }

// Abramowitz and Stegun 7.1.26: within 1.5e-7.
float error_function(float x) {
  float t = 1.0 / (1.0 + 0.3275911 * abs(x));
  float y = 1.0 - ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * exp(-x * x);
  return x < 0.0 ? -y : y;
}
float gelu(float x) { return 0.5 * x * (1.0 + error_function(x * 0.70710678)); }

uint64_t ring_row(uint block, uint position) {
  return p.ring + (uint64_t(block) * uint64_t(p.ring_rows) + uint64_t(position % p.ring_rows)) * uint64_t(WIDTH * 4u);
}

// hidden = LayerNorm(frame W + b), the frame being the residual over its root mean square.
void first_product(uint token) {
  Floats x = Floats(p.x + uint64_t(token) * uint64_t(p.stride) * 4ul);
  float mine = 0.0;
  for (uint i = me(); i < INPUT; i += LOCAL) mine += x.v[i] * x.v[i];
  squares[me()] = mine;
  barrier();
  float square = 0.0;
  for (uint i = 0; i < LOCAL; i++) square += squares[i];
  float scale = square > 0.0 ? inversesqrt(square / float(INPUT)) : 0.0;
  for (uint at = me(); at < PARTS * WIDTH; at += LOCAL) {
    uint c = at % WIDTH;
    float sum = 0.0;
    for (uint i = at / WIDTH; i < INPUT; i += PARTS) sum += x.v[i] * parameter(i * WIDTH + c);
    sums[at] = sum;
  }
  barrier();
  for (uint c = me(); c < WIDTH; c += LOCAL) {
    float sum = 0.0;
    for (uint part = 0; part < PARTS; part++) sum += sums[part * WIDTH + c];
    other[c] = parameter(kNormed + c) + scale * sum;
  }
  barrier();
  float mean = 0.0, variance = 0.0;
  for (uint c = 0; c < WIDTH; c++) mean += other[c];
  mean /= float(WIDTH);
  for (uint c = 0; c < WIDTH; c++) variance += (other[c] - mean) * (other[c] - mean);
  float inverse = inversesqrt(variance / float(WIDTH) + kNormEpsilon);
  for (uint c = me(); c < WIDTH; c += LOCAL) hidden[c] = (other[c] - mean) * inverse * parameter(kNormed + WIDTH + c) + parameter(kNormed + 2u * WIDTH + c);
}

// hidden += GELU(conv(hidden of this token and those before)) P + b.
void block(uint which, uint position) {
  uint at = kBlocks + which * kBlock, dilation = 1u << which, mix = at + (kSemanticTaps + 1u) * WIDTH;
  for (uint c = me(); c < WIDTH; c += LOCAL) {
    float u = parameter(at + kSemanticTaps * WIDTH + c) + parameter(at + c) * hidden[c];
    for (uint tap = 1; tap < kSemanticTaps; tap++)
      if (tap * dilation <= position) u += parameter(at + tap * WIDTH + c) * Floats(ring_row(which, position - tap * dilation)).v[c];
    other[c] = gelu(u);
  }
  barrier();
  for (uint c = me(); c < WIDTH; c += LOCAL) {
    float more = parameter(mix + WIDTH * WIDTH + c);
    for (uint j = 0; j < WIDTH; j++) more += other[j] * parameter(mix + j * WIDTH + c);
    hidden[c] += more;
  }
}

void answer(uint token) {
  if (me() == 0u) {
    float score = 0.0, need = 0.0;
    for (uint c = 0; c < WIDTH; c++) score += hidden[c] * parameter(kNeed + c);
    for (uint j = 0; j < NEEDS; j++) need += 1.0 / (1.0 + exp(-(score + parameter(kNeed + WIDTH + j))));
    Floats(p.shift).v[token] = p.weight == 0.0 ? 0.0 : p.weight * (1.0 + need - p.mean);
  }
  for (uint layer = 0; layer < PREDICTED; layer++) {
    for (uint e = me(); e < EXPERTS; e += LOCAL) {
      uint column = layer * EXPERTS + e;
      float logit = parameter(kPriorBias + column);
      for (uint c = 0; c < WIDTH; c++) logit += hidden[c] * parameter(kPrior + c * PREDICTED * EXPERTS + column);
      prior[e] = logit;
    }
    for (uint word = me(); word < WORDS; word += LOCAL) words[word] = 0u;
    barrier();
    for (uint e = me(); e < EXPERTS; e += LOCAL) {
      uint better = 0u;
      for (uint o = 0; o < EXPERTS; o++) better += prior[o] > prior[e] || (prior[o] == prior[e] && o < e) ? 1u : 0u;
      if (better < MEMORY) atomicOr(words[e / 32u], 1u << (e % 32u));
    }
    barrier();
    for (uint word = me(); word < WORDS; word += LOCAL) Uints(p.masks).v[(layer * p.room + token) * WORDS + word] = words[word];
    barrier();
  }
}

void main() {
  uint token = gl_WorkGroupID.x;
  if (token >= State(p.state).s.tokens) return;
  uint position = State(p.state).s.position + token;
  if (FIRST == 0u)
    first_product(token);
  else
    for (uint c = me(); c < WIDTH; c += LOCAL) hidden[c] = Floats(ring_row(FIRST - 1u, position)).v[c];
  // A row of the ring is written by the stage before the block that reads it.
  for (uint stage = FIRST; stage <= LAST; stage++) {
    barrier();
    if (stage > 0u) {
      block(stage - 1u, position);
      barrier();
    }
    if (stage < kSemanticBlocks)
      for (uint c = me(); c < WIDTH; c += LOCAL) Floats(ring_row(stage, position)).v[c] = hidden[c];
  }
  if (LAST == kSemanticBlocks) answer(token);
}
