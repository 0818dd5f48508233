// Which experts one token gets under a policy, and how many, in one subgroup. Twin: engine/reference/expert_choice.
//
// Needs what router_choice.glsl needs, which it includes, and the specialisation constants COUNT and LOAD, the rules of the
// number and of the load (kCount*, kLoad*).
#ifndef FOVEA_POLICY_CHOICE_GLSL
#define FOVEA_POLICY_CHOICE_GLSL

#include "router_choice.glsl"
#include "shaders/interface/expert_choice.h"

const float kLeastMass = 0.05, kMostMass = 0.9995, kLeastFactor = 0.05, kMostFactor = 20.0;

// Of the choice that was made last: experts and router probabilities, by rank.
uint chosen_id[SLOTS];
float chosen_weight[SLOTS];
struct PolicyChoice {
  uint count, same;  // experts, and those of them that are among as many best
  float total, best_mass, kept;  // probability of the model's own choice, of as many best experts, of these
};

// The threshold in force, where a controller may have moved it.
float policy_threshold(float given, float target, float control) {
  if (target <= 0.0) return given;
  return COUNT == kCountMass ? 1.0 / (1.0 + exp(-control)) : exp(control);
}

uint policy_count(float total, uint least, uint most, float threshold) {
  uint count = most;
  if (COUNT == kCountMass && threshold < 1.0) {
    float sum = 0.0;
    [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) {
      sum += chosen_weight[slot];
      if (sum >= threshold * total) {
        count = slot + 1u;
        break;
      }
    }
  }
  if (COUNT == kCountEntropy) {
    float entropy = 0.0;
    [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++)
      if (chosen_weight[slot] > 0.0) entropy -= chosen_weight[slot] / total * log(chosen_weight[slot] / total);
    count = uint(min(ceil(threshold * exp(entropy) - 1e-4), 1e6));
  }
  return clamp(count, least, most);
}

// h of an expert of this load, beside the largest load of all.
float load_factor(float load, float most, float gamma) {
  return LOAD == kLoadSeed       ? 1.0 - load
         : LOAD == kLoadHeadroom ? 1.0 - gamma * load / most
         : LOAD == kLoadLocality ? 1.0 + gamma * load / most
         : LOAD == kLoadBias     ? exp(load)
                                 : 1.0;
}

// `factor`: of the lane's experts, lane + i * LANES.
PolicyChoice policy_choice(uint64_t row, float factor[PER_LANE], uint least, uint most, float threshold, float tau) {
  uint lane = gl_SubgroupInvocationID;
  Floats logits = Floats(row);
  uint key[PER_LANE], left[PER_LANE], highest = 0u;
  [[unroll]] for (uint i = 0; i < PER_LANE; i++) {
    uint e = lane + i * LANES;
    key[i] = left[i] = e < EXPERTS ? choice_key(logits.v[e]) : 0u;
    highest = max(highest, key[i]);
  }
  // As choose_experts has it, so that a policy that changes nothing gives the same bits.
  float maximum = choice_value(subgroupMax(highest)), sum = 0.0;
  [[unroll]] for (uint i = 0; i < PER_LANE; i++)
    if (key[i] != 0u) sum += exp(choice_value(key[i]) - maximum);
  sum = subgroupAdd(sum);

  // The model's own choice.
  PolicyChoice c;
  c.total = 0.0;
  [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) {
    uint best = 0u, at = EXPERTS;
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (left[i] > best) { best = left[i]; at = lane + i * LANES; }
    highest = subgroupMax(best);
    uint expert = min(subgroupMin(best == highest ? at : EXPERTS), EXPERTS - 1u);
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (lane + i * LANES == expert) left[i] = 0u;
    chosen_id[slot] = expert;
    chosen_weight[slot] = exp(choice_value(highest) - maximum) / sum;
    c.total += chosen_weight[slot];
  }
  c.count = policy_count(c.total, least, most, threshold);
  c.best_mass = 0.0;
  [[dont_unroll]] for (uint slot = 0; slot < c.count; slot++) c.best_mass += chosen_weight[slot];
  c.same = c.count;
  c.kept = c.best_mass;
  if (LOAD == kLoadOff) return c;

  // Positive floats are ordered as their bits are; 0: not to be chosen.
  float floor_score = tau * chosen_weight[c.count - 1u];
  uint rank[PER_LANE], fit = 0u;
  [[unroll]] for (uint i = 0; i < PER_LANE; i++) {
    uint e = lane + i * LANES;
    float score = key[i] != 0u ? exp(choice_value(key[i]) - maximum) / sum : -1.0;
    rank[i] = 0u;
    if (e < EXPERTS && score >= floor_score) rank[i] = floatBitsToUint(max(score * factor[i], 0.0)) + 1u;
    if (e == chosen_id[0]) rank[i] = 0xFFFFFFFFu;
    fit += rank[i] != 0u ? 1u : 0u;
  }
  if (subgroupAdd(fit) < c.count) return c;  // some logits are no numbers: the model's own choice stays
  uint own[SLOTS];
  [[dont_unroll]] for (uint slot = 0; slot < c.count; slot++) own[slot] = chosen_id[slot];
  c.same = 0u;
  c.kept = 0.0;
  [[dont_unroll]] for (uint slot = 0; slot < c.count; slot++) {
    uint best = 0u, at = EXPERTS;
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (rank[i] > best) { best = rank[i]; at = lane + i * LANES; }
    highest = subgroupMax(best);
    uint expert = min(subgroupMin(best == highest ? at : EXPERTS), EXPERTS - 1u);
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (lane + i * LANES == expert) rank[i] = 0u;
    chosen_id[slot] = expert;
    chosen_weight[slot] = exp(logits.v[expert] - maximum) / sum;
    c.kept += chosen_weight[slot];
    [[dont_unroll]] for (uint i = 0; i < c.count; i++) c.same += own[i] == expert ? 1u : 0u;
  }
  return c;
}

// By one invocation: uint and float (SLOTS), experts that are used first.
void write_choice(PolicyChoice c, uint64_t experts, uint64_t weights) {
  [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) {
    bool used = slot < c.count;
    Uints(experts).v[slot] = used ? chosen_id[slot] : kNoExpert;
    Floats(weights).v[slot] = !used ? 0.0 : NORMALIZE ? chosen_weight[slot] / c.kept : chosen_weight[slot] * (c.total / c.kept);
  }
}

uint moved_mass(PolicyChoice c) { return uint(c.kept / c.best_mass * float(kMassUnit) + 0.5); }
uint kept_mass(PolicyChoice c) { return uint(c.kept / c.total * float(kMassUnit) + 0.5); }

#endif
