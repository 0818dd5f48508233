// Which experts one token gets under a policy, and how many, in one subgroup. Twin: engine/reference/expert_choice.
//
// Needs what router_choice.glsl needs, which it includes, and the specialisation constants COUNT and LOAD, the rules of the
// number and of the load (kCount*, kLoad*).
#ifndef FOVEA_POLICY_CHOICE_GLSL
#define FOVEA_POLICY_CHOICE_GLSL

#include "router_choice.glsl"
#include "shaders/interface/expert_choice.h"

const float kLeastMass = 0.05, kMostMass = 0.9995, kLeastFactor = 0.05, kMostFactor = 20.0;

const uint PER_LANE_SLOTS = (SLOTS + LANES - 1) / LANES;

// Of the choice that was made last, by rank: slot lane + i * LANES is its lane's, so that nothing is kept in memory.
uint own_id[PER_LANE_SLOTS];
float own_weight[PER_LANE_SLOTS];  // of the router's probabilities
float own_sum[PER_LANE_SLOTS];     // of the model's own choice: weights up to this rank
struct PolicyChoice {
  uint best;         // the expert of rank 0
  uint count, same;  // experts, and those of them that are among as many best
  float total, best_mass, kept;  // probability of the model's own choice, of as many best experts, of these
};

// Routers of a file may be no sensible numbers: what is NaN is liked least, and what is infinite is finite, so that probabilities
// and weights are numbers always. The model's own choice, without a policy, takes logits as they are.
const float kMostLogit = 1e30;
float sane_logit(float x) { return isnan(x) ? -kMostLogit : clamp(x, -kMostLogit, kMostLogit); }

// The threshold in force, where a controller may have moved it.
float policy_threshold(float given, float target, float control) {
  if (target <= 0.0) return given;
  return COUNT == kCountMass ? 1.0 / (1.0 + exp(-control)) : exp(control);
}

uint64_t kept_address(Uints memory, uint word) { return packUint2x32(uvec2(memory.v[word], memory.v[word + 1u])); }

// Moved on the scale on which its controller moves it; a threshold of 1 stays, as does any by what is no number.
float threshold_moved_by(float threshold, float by) {
  if (isnan(by) || COUNT == kCountFixed || (COUNT == kCountMass && threshold >= 1.0)) return threshold;
  if (COUNT == kCountEntropy) return clamp(threshold * exp(by), kLeastFactor, kMostFactor);
  float mass = clamp(threshold, kLeastMass, kMostMass);
  return 1.0 / (1.0 + exp(-(log(mass / (1.0 - mass)) + by)));
}

// The threshold for a token of which a semantic router said something.
float shifted_threshold(float threshold, uint64_t shift, uint token) {
  if (shift == 0ul || COUNT == kCountFixed || (COUNT == kCountMass && threshold >= 1.0)) return threshold;
  float by = Floats(shift).v[token];
  return by == 0.0 ? threshold : threshold_moved_by(threshold, by);
}

// By all lanes: of the experts that were chosen last, those that were predicted.
uint predicted_calls(uint64_t predicted, uint token, uint count) {
  if (predicted == 0ul) return 0u;
  uint hits = 0u, words = (EXPERTS + 31u) / 32u;
  [[unroll]] for (uint i = 0; i < PER_LANE_SLOTS; i++)
    if (gl_SubgroupInvocationID + i * LANES < count) hits += Uints(predicted).v[token * words + own_id[i] / 32u] >> (own_id[i] % 32u) & 1u;
  return subgroupAdd(hits);
}

// exp of the entropy of the experts' shares in `total`.
float effective_number(float total) {
  float entropy = 0.0;
  [[unroll]] for (uint i = 0; i < PER_LANE_SLOTS; i++)
    if (gl_SubgroupInvocationID + i * LANES < SLOTS && own_weight[i] > 0.0) entropy -= own_weight[i] / total * log(own_weight[i] / total);
  return exp(subgroupAdd(entropy));
}
uint entropy_count(float threshold, float effective) {
  precise float wanted = threshold * effective;
  precise float rounded = wanted - 1e-4;
  return uint(min(ceil(rounded), 1e6));
}

uint policy_count(float total, uint least, uint most, float threshold) {
  uint lane = gl_SubgroupInvocationID, count = most;
  if (COUNT == kCountMass && threshold < 1.0) {
    uint reached = 0xFFFFFFFFu;
    [[unroll]] for (uint i = 0; i < PER_LANE_SLOTS; i++)
      if (lane + i * LANES < SLOTS && own_sum[i] >= threshold * total) reached = min(reached, lane + i * LANES + 1u);
    count = min(subgroupMin(reached), most);
  }
  if (COUNT == kCountEntropy) count = entropy_count(threshold, effective_number(total));
  return clamp(count, least, most);
}

// What slot `slot` holds in its lane, for all lanes: numbers that are not negative.
uint of_slot(uint held[PER_LANE_SLOTS], uint slot) {
  uint one = 0u;
  [[unroll]] for (uint i = 0; i < PER_LANE_SLOTS; i++)
    if (gl_SubgroupInvocationID + i * LANES == slot) one = held[i];
  return subgroupMax(one);
}
float of_slot(float held[PER_LANE_SLOTS], uint slot) {
  uint bits[PER_LANE_SLOTS];
  [[unroll]] for (uint i = 0; i < PER_LANE_SLOTS; i++) bits[i] = floatBitsToUint(held[i]);
  return uintBitsToFloat(of_slot(bits, slot));
}

// Whether load takes a price off a score instead of a factor.
const bool PRICED = LOAD == kLoadPrice || LOAD == kLoadFixedPrice;
// Whether it is remembered how often experts were called; a bias and prices that are frozen stand where that would.
const bool EVENS = LOAD == kLoadSeed || LOAD == kLoadHeadroom || LOAD == kLoadLocality || LOAD == kLoadPrice;
const float kPriceOfGamma = 0.25;

// h of an expert of this load, or its price. `most`: the largest load of all, of a price the mean.
float load_factor(float load, float most, float gamma) {
  return LOAD == kLoadSeed       ? 1.0 - load
         : LOAD == kLoadHeadroom ? 1.0 - gamma * load / most
         : LOAD == kLoadLocality ? 1.0 + gamma * load / most
         : LOAD == kLoadBias     ? exp(load)
         : LOAD == kLoadPrice    ? kPriceOfGamma * gamma * (load / most - 1.0)
         : LOAD == kLoadFixedPrice ? load
                                 : 1.0;
}

// `factor`: of the lane's experts, lane + i * LANES.
PolicyChoice policy_choice(uint64_t row, float factor[PER_LANE], uint least, uint most, float threshold, float tau) {
  uint lane = gl_SubgroupInvocationID;
  uint key[PER_LANE], left[PER_LANE], highest = 0u;
  [[unroll]] for (uint i = 0; i < PER_LANE; i++) {
    uint e = lane + i * LANES;
    key[i] = left[i] = e < EXPERTS ? choice_key(sane_logit(ROUTER_LOGIT(row, e))) : 0u;
    highest = max(highest, key[i]);
  }
  // As choose_experts has it, so that a policy that changes nothing gives the same bits.
  float maximum = choice_value(subgroupMax(highest));
  precise float sum = 0.0;
  [[unroll]] for (uint i = 0; i < PER_LANE; i++)
    if (key[i] != 0u) sum += exp(choice_value(key[i]) - maximum);
  sum = subgroupAdd(sum);

  // The model's own choice.
  PolicyChoice c;
  precise float total = 0.0;
  [[dont_unroll]] for (uint slot = 0; slot < SLOTS; slot++) {
    uint best = 0u, at = EXPERTS;
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (left[i] > best) { best = left[i]; at = lane + i * LANES; }
    highest = subgroupMax(best);
    uint expert = min(subgroupMin(best == highest ? at : EXPERTS), EXPERTS - 1u);
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (lane + i * LANES == expert) left[i] = 0u;
    precise float weight = exp(choice_value(highest) - maximum) / sum;
    total += weight;
    if (slot == 0u) c.best = expert;
    [[unroll]] for (uint i = 0; i < PER_LANE_SLOTS; i++)
      if (lane + i * LANES == slot) {
        own_id[i] = expert;
        own_weight[i] = weight;
        own_sum[i] = total;
      }
  }
  c.total = total;
  c.count = policy_count(c.total, least, most, threshold);
  c.best_mass = c.count == SLOTS ? c.total : of_slot(own_sum, c.count - 1u);
  c.same = c.count;
  c.kept = c.best_mass;
  if (LOAD == kLoadOff) return c;

  // Positive floats are ordered as their bits are; 0: not to be chosen.
  float floor_score = tau * of_slot(own_weight, c.count - 1u);
  uint rank[PER_LANE], fit = 0u;
  bool is_best[PER_LANE];  // whether it is among as many best, which `left` has let go
  [[unroll]] for (uint i = 0; i < PER_LANE; i++) is_best[i] = false;
  [[dont_unroll]] for (uint slot = 0; slot < c.count; slot++) {
    uint expert = of_slot(own_id, slot);
    [[unroll]] for (uint i = 0; i < PER_LANE; i++) is_best[i] = is_best[i] || lane + i * LANES == expert;
  }
  [[unroll]] for (uint i = 0; i < PER_LANE; i++) {
    uint e = lane + i * LANES;
    float score = key[i] != 0u ? exp(choice_value(key[i]) - maximum) / sum : -1.0;
    rank[i] = 0u;
    if (e < EXPERTS && score >= floor_score) rank[i] = PRICED ? choice_key(score / c.total - factor[i]) : floatBitsToUint(max(score * factor[i], 0.0)) + 1u;
    if (e == c.best) rank[i] = 0xFFFFFFFFu;
    fit += rank[i] != 0u ? 1u : 0u;
  }
  if (subgroupAdd(fit) < c.count) return c;  // a tau of 1 may miss a score by its rounding: the model's own choice stays
  uint same = 0u;
  precise float kept = 0.0;
  [[dont_unroll]] for (uint slot = 0; slot < c.count; slot++) {
    uint best = 0u, at = EXPERTS;
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (rank[i] > best) { best = rank[i]; at = lane + i * LANES; }
    highest = subgroupMax(best);
    uint expert = min(subgroupMin(best == highest ? at : EXPERTS), EXPERTS - 1u), chosen_key = 0u;
    [[unroll]] for (uint i = 0; i < PER_LANE; i++)
      if (lane + i * LANES == expert) {
        rank[i] = 0u;
        chosen_key = key[i];
        same += is_best[i] ? 1u : 0u;
      }
    precise float weight = exp(choice_value(subgroupMax(chosen_key)) - maximum) / sum;
    kept += weight;
    [[unroll]] for (uint i = 0; i < PER_LANE_SLOTS; i++)
      if (lane + i * LANES == slot) {
        own_id[i] = expert;
        own_weight[i] = weight;
      }
  }
  c.kept = kept;
  c.same = subgroupAdd(same);
  return c;
}

// By all lanes: uint and float (SLOTS), experts that are used first. A quotient of equal numbers need not be 1 on a GPU.
void write_choice(PolicyChoice c, uint64_t experts, uint64_t weights) {
  [[unroll]] for (uint i = 0; i < PER_LANE_SLOTS; i++) {
    uint slot = gl_SubgroupInvocationID + i * LANES;
    if (slot >= SLOTS) continue;
    bool used = slot < c.count;
    Uints(experts).v[slot] = used ? own_id[i] : kNoExpert;
    precise float normed = own_weight[i] / c.kept;  // and not exp(x) / (sum * kept): the plain choice's bits
    Floats(weights).v[slot] = !used ? 0.0 : NORMALIZE ? normed : c.kept == c.total ? own_weight[i] : own_weight[i] * (c.total / c.kept);
  }
}

uint moved_mass(PolicyChoice c) { return uint(c.kept / c.best_mass * float(kMassUnit) + 0.5); }
uint kept_mass(PolicyChoice c) { return uint(c.kept / c.total * float(kMassUnit) + 0.5); }

#endif
