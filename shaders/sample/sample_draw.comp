// Second half of sampling, one workgroup: top-k, top-p, min-p, temperature, the draw, and the step to the next token.
//
// Candidates are ordered by (logit descending, index ascending), so every filter keeps a head of one order. Where the
// head is short, as it nearly always is, all that may belong to it fit a list in shared memory: sample_chunks' maxima
// tell which chunks to look into. Else (flat or tied logits, wide settings) the same cuts are found by bisection over all
// logits. Both add integers, hence agree bit for bit. The draw walks the kept candidates by index.
// Temperature <= 0: the highest logit, of equals the lowest index; so too where every logit is -infinity or NaN.
// Twin: engine/reference/sample. Needs full subgroups.
#version 460
#extension GL_GOOGLE_include_directive : require

#include "shaders/include/state.glsl"
#include "shaders/interface/sample.h"
#include "shaders/sample/ordered_key.glsl"
#include "shaders/sample/philox.glsl"
#include "shaders/sample/workgroup_sum.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 1) const bool KEYED = false;  // chunks are those of the logits as the model has them: what sample_chunks does else is still to do
layout(push_constant, scalar) uniform Push { SamplePush p; };
layout(buffer_reference, scalar, buffer_reference_align = 4) readonly buffer Parameters { SampleParameters s; };
layout(buffer_reference, scalar, buffer_reference_align = 4) readonly buffer Words { uint v[]; };

shared uint list_key[kSampleList];    // candidates by ascending index
shared uint list_index[kSampleList];
shared uint order[kSampleList];       // first the chunks to look into, then list places by rank
shared uint found;

uint vocabulary, chunks, highest;     // highest: key of the highest logit

// Where candidates come from: the list, or all logits.
bool listed = false;
uint count;
// The cut so far: kept are keys above cut_key, and those equal to it up to cut_place; none below floor_key.
uint cut_key = 0u, cut_place = 0xFFFFFFFFu, floor_key = 0u;

uint key_at(uint place) { return listed ? list_key[place] : ordered_key(Words(p.logits).v[place]); }
bool kept(uint key, uint place) {
  return key >= floor_key && (key > cut_key || (key == cut_key && place <= cut_place));
}
// The places [begin, end) of this invocation when `all` are dealt out in consecutive runs.
uvec2 own_run(uint all) {
  uint each = (all + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
  return min(uvec2(group_place(), group_place() + 1u) * each, uvec2(all));
}

// One invocation calls this, once.
void commit(uint token) {
  State state = State(p.state);
  uint next = state.s.position + state.s.tokens, drawn = state.s.drawn;
  Uints(p.ring).v[drawn % kTokenRing] = token;
  Uints(p.history).v[next] = token;
  state.s.position = next;
  state.s.tokens = 1u;
  state.s.drawn = drawn + 1u;
}

void look_through(uint chunk) {
  uint top = 0u;
  for (uint i = chunk << p.chunk_shift; i < min((chunk + 1u) << p.chunk_shift, vocabulary); i++) top = max(top, ordered_key(Words(p.logits).v[i]));
  Uints(p.chunks).v[chunk] = top;
}
// The repeat penalty, once for each token that stands in the window, and the chunks with such tokens. Whoever sets a token's bit
// penalises it; all bits are 0 again behind it.
void penalise(float penalty, int repeat_last_n) {
  StepState state = State(p.state).s;
  uint end = state.position + state.tokens, begin = end - min(end, uint(repeat_last_n));
  Uints history = Uints(p.history), logits = Uints(p.logits), bits = Uints(p.chunks + uint64_t((p.vocabulary + 7u) / 8u) * 4ul);
  for (uint i = begin + group_place(); i < end; i += gl_WorkGroupSize.x) {
    uint token = history.v[i], bit = 1u << (token % 32u);
    if (token >= vocabulary || (atomicOr(bits.v[token / 32u], bit) & bit) != 0u) continue;
    float logit = uintBitsToFloat(logits.v[token]);
    logits.v[token] = floatBitsToUint(logit > 0.0 ? logit / penalty : logit * penalty);
  }
  memoryBarrierBuffer();
  barrier();
  for (uint i = begin + group_place(); i < end; i += gl_WorkGroupSize.x) {
    uint token = history.v[i];
    if (token >= vocabulary) continue;
    look_through(token >> p.chunk_shift);
    bits.v[token / 32u] = 0u;
  }
}

void draw_highest() {
  Words maxima = Words(p.chunks);
  uint first = 0xFFFFFFFFu;
  for (uint c = group_place(); c < chunks && first == 0xFFFFFFFFu; c += gl_WorkGroupSize.x)
    if (maxima.v[c] == highest) first = c;
  first = group_min(first) << p.chunk_shift;
  uint end = min(first + (1u << p.chunk_shift), vocabulary), token = 0xFFFFFFFFu;
  for (uint i = first + group_place(); i < end && token == 0xFFFFFFFFu; i += gl_WorkGroupSize.x)
    if (key_at(i) == highest) token = i;
  token = group_min(token);
  if (group_place() == 0u) commit(token);
}

// A key that at least k chunk maxima reach: so do the k highest logits. 0 where there are fewer chunks than k.
// Stops early, as any such key serves; a higher one makes a shorter list.
uint reached_by_chunks(uint k) {
  if (k > chunks) return 0u;
  Words maxima = Words(p.chunks);
  uint low = 0xFFFFFFFFu;
  for (uint c = group_place(); c < chunks; c += gl_WorkGroupSize.x) low = min(low, maxima.v[c]);
  low = group_min(low);
  uint high = highest + 1u;
  while (high - low > 1u) {
    uint middle = low + (high - low) / 2u;
    uint reaching = 0u;
    for (uint c = group_place(); c < chunks; c += gl_WorkGroupSize.x) reaching += maxima.v[c] >= middle ? 1u : 0u;
    reaching = uint(group_sum(uint64_t(reaching)));
    if (reaching < k) {
      high = middle;
    } else {
      low = middle;
      if (reaching <= k + k / 4u) break;
    }
  }
  return low;
}

// Lists every logit whose key reaches `bound`, by index. False where there are more than the list holds.
bool gather(uint bound) {
  Words maxima = Words(p.chunks), logits = Words(p.logits);
  uint64_t total;
  uvec2 own = own_run(chunks);
  uint mine = 0u;
  for (uint c = own.x; c < own.y; c++) mine += maxima.v[c] >= bound ? 1u : 0u;
  uint to = uint(group_prefix(uint64_t(mine), total));
  if (total > kSampleList) return false;
  for (uint c = own.x; c < own.y; c++)
    if (maxima.v[c] >= bound) order[to++] = c;
  barrier();

  uint within = (1u << p.chunk_shift) - 1u;
  own = own_run(uint(total) << p.chunk_shift);
  mine = 0u;
  for (uint i = own.x; i < own.y; i++) {
    uint index = (order[i >> p.chunk_shift] << p.chunk_shift) + (i & within);
    if (index < vocabulary && ordered_key(logits.v[index]) >= bound) mine++;
  }
  to = uint(group_prefix(uint64_t(mine), total));
  if (total > kSampleList) return false;
  for (uint i = own.x; i < own.y; i++) {
    uint index = (order[i >> p.chunk_shift] << p.chunk_shift) + (i & within);
    if (index >= vocabulary) break;
    uint key = ordered_key(logits.v[index]);
    if (key < bound) continue;
    list_key[to] = key;
    list_index[to++] = index;
  }
  barrier();
  listed = true;
  count = uint(total);
  return true;
}

// order[r] = list place of rank r.
void rank_list() {
  for (uint i = group_place(); i < count; i += gl_WorkGroupSize.x) {
    uint key = list_key[i], rank = 0u;
    for (uint j = 0u; j < count; j++) rank += list_key[j] > key || (list_key[j] == key && j < i) ? 1u : 0u;
    order[rank] = i;
  }
  barrier();
}

// Softmax mass of all that is kept, at temperature 1.
uint64_t kept_mass() {
  uint64_t mass = 0ul;
  for (uint i = group_place(); i < count; i += gl_WorkGroupSize.x) {
    uint key = key_at(i);
    if (kept(key, i)) mass += softmax_weight(key, highest, 1.0);
  }
  return group_sum(mass);
}

// The mass that top-p asks for; at least one candidate, whatever top_p.
uint64_t wanted_mass(uint64_t whole, float top_p) {
  return max(portion(whole, uint(max(top_p, 0.0) * 16777216.0)), 1ul);
}

// Cuts the ranked list to its k first and, for top_p < 1, to the shortest head that has top_p of the mass: of these k, or
// of the vocabulary where `whole` is not 0. False where the list lacks that mass and `complete` is false.
bool cut_list(uint k, float top_p, uint64_t whole, bool complete) {
  rank_list();
  uint head = min(count, k);
  if (top_p < 1.0) {
    uvec2 own = own_run(head);
    uint64_t mine = 0ul, total;
    for (uint r = own.x; r < own.y; r++) mine += softmax_weight(list_key[order[r]], highest, 1.0);
    uint64_t reached = group_prefix(mine, total), wanted = wanted_mass(whole == 0ul ? total : whole, top_p);
    if (total >= wanted) {
      if (reached < wanted && wanted <= reached + mine) {
        uint r = own.x;
        while ((reached += softmax_weight(list_key[order[r]], highest, 1.0)) < wanted && r + 1u < own.y) r++;
        found = r + 1u;
      }
      barrier();
      head = found;
    } else if (!complete) {
      return false;
    }
  }
  cut_place = order[head - 1u];
  cut_key = list_key[cut_place];
  return true;
}

// Cuts all logits to the shortest head whose weights reach `wanted`, which they do in all. The weight is 1 (top-k) or the
// softmax weight (top-p).
void cut_all(uint64_t wanted, bool by_mass) {
  uint low = 0u, high = highest + 1u;
  uint64_t above = 0ul;  // weight of the keys >= high, which does not reach `wanted`
  while (high - low > 1u) {
    uint middle = low + (high - low) / 2u;
    uint64_t between = 0ul;
    for (uint i = group_place(); i < count; i += gl_WorkGroupSize.x) {
      uint key = key_at(i);
      if (key >= middle && key < high && kept(key, i)) between += by_mass ? softmax_weight(key, highest, 1.0) : 1ul;
    }
    between = group_sum(between);
    if (above + between >= wanted) {
      low = middle;
    } else {
      above += between;
      high = middle;
    }
  }
  // Of those equal to the last key, the first by index that are needed.
  uint64_t each = by_mass ? softmax_weight(low, highest, 1.0) : 1ul, total;
  uint needed = each == 0ul ? 1u : uint((wanted - above + each - 1ul) / each), mine = 0u;
  uvec2 own = own_run(count);
  for (uint i = own.x; i < own.y; i++)
    if (key_at(i) == low && kept(low, i)) mine++;
  uint before = uint(group_prefix(uint64_t(mine), total));
  if (before < needed && needed <= before + mine) {
    uint i = own.x;
    for (; i + 1u < own.y; i++)
      if (key_at(i) == low && kept(low, i) && ++before == needed) break;
    found = i;
  }
  barrier();
  cut_key = low;
  cut_place = found;
}

void draw_kept(float temperature) {
  uvec2 own = own_run(count);
  uint64_t mine = 0ul, total;
  for (uint i = own.x; i < own.y; i++) {
    uint key = key_at(i);
    if (kept(key, i)) mine += softmax_weight(key, highest, temperature);
  }
  uint64_t before = group_prefix(mine, total);
  StepState state = State(p.state).s;
  uint random = philox(uvec4(state.drawn, 0u, 0u, 0u), uvec2(state.seed_low, state.seed_high)).x >> 8;
  uint64_t drawn = portion(total, random);
  barrier();  // all have read the state
  if (drawn < before || drawn >= before + mine) return;
  uint i = own.x;
  for (; i + 1u < own.y; i++) {
    uint key = key_at(i);
    if (kept(key, i) && drawn < (before += softmax_weight(key, highest, temperature))) break;
  }
  commit(listed ? list_index[i] : i);
}

void main() {
  SampleParameters parameters = Parameters(p.parameters).s;
  vocabulary = parameters.vocabulary == 0u ? p.vocabulary : min(p.vocabulary, parameters.vocabulary);
  chunks = (vocabulary + (1u << p.chunk_shift) - 1u) >> p.chunk_shift;
  count = vocabulary;
  if (KEYED) {
    if (vocabulary < p.vocabulary && group_place() == 0u) look_through(chunks - 1u);
    if (parameters.repeat_penalty != 1.0 && parameters.repeat_last_n > 0) penalise(parameters.repeat_penalty, parameters.repeat_last_n);
    memoryBarrierBuffer();
    barrier();
  }
  uint top = 0u;
  for (uint c = group_place(); c < chunks; c += gl_WorkGroupSize.x) top = max(top, Words(p.chunks).v[c]);
  highest = group_max(top);

  if (!(parameters.temperature > 0.0) || highest <= kLowestKey) {
    draw_highest();
    return;
  }
  bool by_count = parameters.top_k > 0 && uint(parameters.top_k) < vocabulary, by_mass = parameters.top_p < 1.0;
  uint k = by_count ? uint(parameters.top_k) : vocabulary;
  uint probable = 0u;  // min-p: keys from here on
  if (parameters.min_p > 0.0)
    probable = min(ordered_key(floatBitsToUint(key_logit(highest) + log(min(parameters.min_p, 1.0)))), highest);

  if (by_count || by_mass || probable > 0u) {
    // Without top-k, what min-p drops need not be listed; else top-p most often ends within some hundred candidates.
    bool complete = by_count || probable > 0u;
    uint bound = by_count ? reached_by_chunks(k) : complete ? probable : reached_by_chunks(min(chunks, kSampleList / 4u));
    uint64_t whole = !by_count && by_mass ? kept_mass() : 0ul;
    if (!gather(bound) || !cut_list(k, parameters.top_p, whole, complete)) {
      listed = false;
      count = vocabulary;
      if (by_count) cut_all(uint64_t(k), false);
      if (by_mass) cut_all(wanted_mass(by_count ? kept_mass() : whole, parameters.top_p), true);
    }
    floor_key = probable;
  }
  draw_kept(max(parameters.temperature, 1e-30));
}
