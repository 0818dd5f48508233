// The choice of one slot by one workgroup: the masses of its pages, each query's best pages, as many of the remote pages as
// the budget allows by falling (forced, mass), of equal ones the later, and the list. Masses are compared by their bits and
// added as integers, so neither order nor shape of the workgroup changes a choice; the logarithms of the sums of exponentials
// are added up in the order of the blocks by each lane and then over lanes. Needs page_rule.glsl and RANKS_SHARED.
#ifndef FOVEA_PAGE_CHOICE_GLSL
#define FOVEA_PAGE_CHOICE_GLSL

#include "shaders/sample/workgroup_sum.glsl"

const uint kForced = 1u << 30;  // above the bits of every mass, which is at most 1
const float kMassUnit = 1073741824.0;  // 2^30

shared float normalizers[QUERIES];
shared uint forced[(ROOM + 31) / 32];
shared uint ranks[RANKS_SHARED ? ROOM : 1];

// (forced, mass) of a page; every invocation reads what it wrote itself. Where shared memory is too small, a rank takes the
// place of the page's score for the first query, which nobody else reads.
uint rank_of(uint slot, uint page) { return RANKS_SHARED ? ranks[page] : SharedUints(p.scores).v[scores_of(slot, 0u) + page]; }
void keep_rank(uint slot, uint page, uint rank) {
  if (RANKS_SHARED)
    ranks[page] = rank;
  else
    SharedUints(p.scores).v[scores_of(slot, 0u) + page] = rank;
}
uint mass_of(uint rank) { return uint(uintBitsToFloat(rank & (kForced - 1u)) * kMassUnit); }

// Without a carry, which would have to be waited for.
void add_fact(uint kv_head, uint fact, uint value) {
  SharedUints facts = SharedUints(p.facts + uint64_t(kv_head * kFactWords + fact) * 4ul);
  atomicAdd(facts.v[0], value % kFactSplit);
  atomicAdd(facts.v[1], value / kFactSplit);
}

// Sums of eight counts of 16 bits each over the workgroup; one barrier.
shared uvec4 count_totals[2][kMostSubgroups / 4u];
uint count_turn = 0u;
uvec4 group_counts(uvec4 counts) {
  uint turn = count_turn;
  count_turn ^= 1u;
  counts = subgroupAdd(counts);
  if (subgroupElect()) count_totals[turn][gl_SubgroupID] = counts;
  barrier();
  uvec4 total = uvec4(0u);
  for (uint s = 0u; s < gl_NumSubgroups; s++) total += count_totals[turn][s];
  return total;
}

void list_page(uint slot, uint at, uint page) {
  Uints(p.list).v[slot * ROOM + at] = page;
  Addresses(p.table).v[slot * ROOM + at] = Addresses(p.pages).v[page];
}

// Of every query: the logarithm of its sum of exponentials, and its best pages marked.
void normalize_queries(PageTile t, uint slot) {
  uint place = group_place();
  for (uint i = place; i < (ROOM + 31u) / 32u; i += gl_WorkGroupSize.x) forced[i] = 0u;
  barrier();
  [[dont_unroll]] for (uint q = gl_SubgroupID; q < QUERIES; q += gl_NumSubgroups) {
    uint blocks = blocks_of(estimated_pages(t, q / GROUP)), first_at = blocks_at(slot, q);
    float maximum = -3.0e38, sum = 0.0;
    uint64_t first = 0ul, second = 0ul;
    [[dont_unroll]] for (uint block = gl_SubgroupInvocationID; block < blocks; block += gl_SubgroupSize) {
      vec2 total = SharedFloat2s(p.totals).v[first_at + block];
      float highest = max(maximum, total.x);
      sum = sum * exp(maximum - highest) + total.y * exp(total.x - highest);
      maximum = highest;
      uint64_t best = SharedKeys(p.best).v[2u * (first_at + block)], next = SharedKeys(p.best).v[2u * (first_at + block) + 1u];
      second = best > first ? max(first, next) : max(second, best);
      first = max(first, best);
    }
    float highest = subgroupMax(maximum), total = subgroupAdd(sum * exp(maximum - highest));
    uint64_t best = subgroupMax(first), next = subgroupMax(first == best ? second : first);
    if (subgroupElect()) {
      normalizers[q] = highest + log(total);
      if (best != 0ul) atomicOr(forced[(uint(best) - 1u) / 32u], 1u << ((uint(best) - 1u) % 32u));
      if (SAMPLES == 1u && next != 0ul) atomicOr(forced[(uint(next) - 1u) / 32u], 1u << ((uint(next) - 1u) % 32u));
    }
  }
  barrier();
}

// Of consecutive pages, whose loads are issued together; what is not estimated has none.
const uint kPagesAtOnce = 4;
vec4 page_masses(PageTile t, uint slot, uint page) {
  vec4 mass = vec4(0.0);
  uvec4 pages = page + uvec4(0u, 1u, 2u, 3u);
  [[dont_unroll]] for (uint s = 0; s < SAMPLES; s++) {
    uint estimated = estimated_pages(t, s);
    if (page >= estimated) continue;
    uvec4 at = min(pages, estimated - 1u);
    vec4 score[GROUP];
    [[unroll]] for (uint g = 0; g < GROUP; g++) {
      uint row = scores_of(slot, s * GROUP + g);
      [[unroll]] for (uint i = 0; i < 4; i++) score[g][i] = SharedFloats(p.scores).v[row + at[i]];
    }
    vec4 sum = vec4(0.0);
    [[unroll]] for (uint g = 0; g < GROUP; g++) sum += exp(score[g] - normalizers[s * GROUP + g]);
    mass += mix(vec4(0.0), sum, lessThan(pages, uvec4(estimated)));
  }
  return min(mass / float(QUERIES), 1.0);
}

uint share_of(uint remote, uint millionths) { return min(remote, uint((uint64_t(remote) * uint64_t(millionths) + 999999ul) / 1000000ul)); }

// The largest rank that at least `wanted` of this slot's remote pages reach; wanted > 0.
uint rank_of_place(uint slot, uint begin, uint end, uint wanted) {
  uint threshold = 0u;
  [[dont_unroll]] for (int shift = 30; shift >= 0; shift -= 3) {
    uvec4 counts = uvec4(0u);  // of pages above base, base + 2, ... and << 16 above base + 1, base + 3, ...
    uvec4 even = (threshold >> shift) + uvec4(0u, 2u, 4u, 6u);
    [[dont_unroll]] for (uint page = begin; page < end; page++) {
      uvec4 rank = uvec4(rank_of(slot, page) >> shift);
      counts += uvec4(greaterThan(rank, even)) + (uvec4(greaterThan(rank, even + 1u)) << 16u);
    }
    counts = group_counts(counts);
    uvec4 reached = uvec4(greaterThanEqual(counts & 0xFFFFu, uvec4(wanted))) + uvec4(greaterThanEqual(counts >> 16u, uvec4(wanted)));
    threshold |= min(reached.x + reached.y + reached.z + reached.w, 7u) << shift;
  }
  return threshold;
}

// How many remote pages, by falling rank, it takes until their mass reaches `wanted` (units of 2^-30); all where it never does.
uint pages_of_mass(uint slot, uint begin, uint end, uint remote, uint64_t wanted) {
  if (wanted == 0ul) return 0u;
  uint threshold = 0u;
  [[dont_unroll]] for (int bit = 30; bit >= 0; bit--) {
    uint candidate = threshold | (1u << bit);
    uint64_t mass = 0ul;
    [[dont_unroll]] for (uint page = begin; page < end; page++) {
      uint rank = rank_of(slot, page);
      mass += rank >= candidate ? uint64_t(mass_of(rank)) : 0ul;
    }
    if (group_sum(mass) >= wanted) threshold = candidate;
  }
  uint64_t mass = 0ul, above = 0ul, equal = 0ul;
  [[dont_unroll]] for (uint page = begin; page < end; page++) {
    uint rank = rank_of(slot, page);
    if (rank > threshold) {
      mass += uint64_t(mass_of(rank));
      above++;
    } else if (rank == threshold) {
      equal++;
    }
  }
  mass = group_sum(mass);
  above = group_sum(above);
  equal = group_sum(equal);
  uint each = mass_of(threshold);
  uint64_t missing = wanted > mass ? wanted - mass : 0ul;
  uint64_t ties = each == 0u ? equal : min(equal, (missing + uint64_t(each) - 1ul) / uint64_t(each));
  return uint(above + ties);
}

// What the pages read are thought to hold, for the trace: before the keys of the slots, backwards.
void tell_mass(uint slot, float mass) { Floats(p.keys - uint64_t(slot + 1u) * 4ul).v[0] = mass; }

void take_everything(PageTile t, uint kv_head, uint slot) {
  for (uint page = group_place(); page < t.pages; page += gl_WorkGroupSize.x) list_page(slot, page, page);
  if (group_place() != 0u) return;
  Uints(p.keys).v[slot] = t.last + 1u;
  tell_mass(slot, 1.0);
  add_fact(kv_head, kFactChoices, 1u);
  add_fact(kv_head, kFactWhole, 1u);
}

// By the whole workgroup.
void choose_pages(PageTile t, uint kv_head, uint slot) {
  if (t.everything) {
    take_everything(t, kv_head, slot);
    return;
  }
  normalize_queries(t, slot);
  uint place = group_place(), each = (t.pages + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
  uint begin = min(place * each, t.pages), end = min(begin + each, t.pages);  // pages of this invocation

  uint64_t kept = 0ul;
  float entropy = 0.0;
  [[dont_unroll]] for (uint some = begin; some < end; some += kPagesAtOnce) {
    vec4 masses = page_masses(t, slot, some);
    [[unroll]] for (uint i = 0; i < kPagesAtOnce; i++) {
      uint page = some + i;
      if (page >= end) continue;
      float mass = masses[i];
      entropy -= mass > 0.0 ? mass * log(mass / float(kPageKeys)) : 0.0;
      uint rank = floatBitsToUint(mass);
      if (page < t.far || page >= t.near)
        kept += uint64_t(mass_of(rank));
      else if ((forced[page / 32u] & (1u << (page % 32u))) != 0u)
        rank |= kForced;
      keep_rank(slot, page, rank);
    }
  }
  kept = group_sum(kept);
  uint64_t entropies = group_sum(uint64_t(uint(entropy * 1048576.0)));

  uint first = clamp(begin, t.far, t.near), last = clamp(end, t.far, t.near), remote = t.near - t.far;  // its remote pages
  uint wanted = share_of(remote, GLOBAL);
  if (MASS != 0u)
    wanted = clamp(pages_of_mass(slot, first, last, remote, uint64_t(MASS) > kept ? uint64_t(MASS) - kept : 0ul),
                   min(share_of(remote, LEAST), wanted), wanted);
  uint threshold = wanted == 0u ? 0xFFFFFFFFu : rank_of_place(slot, first, last, wanted);
  uint64_t counts = 0ul;  // of pages above the threshold, and at it << 32
  [[dont_unroll]] for (uint page = first; page < last; page++) {
    uint rank = rank_of(slot, page);
    counts += (rank > threshold ? 1ul : 0ul) + (rank == threshold ? 1ul << 32 : 0ul);
  }
  uint64_t total, before = group_prefix(counts, total);
  uint spare = wanted == 0u ? 0u : uint(total >> 32) - (wanted - uint(total));  // pages at it that stay out: the first ones
  uint equal = uint(before >> 32);
  uint listed = end - begin - (last - first);
  uint64_t mass = 0ul;
  [[dont_unroll]] for (uint page = first, tie = equal; page < last; page++) {
    uint rank = rank_of(slot, page);
    bool taken = rank > threshold || (rank == threshold && tie >= spare);
    tie += rank == threshold ? 1u : 0u;
    listed += taken ? 1u : 0u;
    mass += taken ? uint64_t(mass_of(rank)) : 0ul;
    keep_rank(slot, page, taken ? 1u : 0u);  // from here on
  }
  uint64_t all;
  uint at = uint(group_prefix(uint64_t(listed), all));
  [[dont_unroll]] for (uint page = begin; page < end; page++) {
    bool taken = page < t.far || page >= t.near || rank_of(slot, page) != 0u;
    if (!taken) continue;
    list_page(slot, at, page);
    at++;
  }
  kept += group_sum(mass);
  uint pages = uint(all), scored = 0u;
  for (uint s = 0u; s < SAMPLES; s++) scored += estimated_pages(t, s);
  if (place == 0u) {
    Uints(p.keys).v[slot] = (pages - 1u) * kPageKeys + t.last % kPageKeys + 1u;
    tell_mass(slot, float(uint(min(kept, 1ul << 30))) / kMassUnit);
    add_fact(kv_head, kFactChoices, 1u);
    add_fact(kv_head, kFactSkipped, (t.pages - pages) * t.rows);
    add_fact(kv_head, kFactScored, scored);
    add_fact(kv_head, kFactRemote, remote);
    add_fact(kv_head, kFactChosen, wanted);
    add_fact(kv_head, kFactMass, uint(min(kept, 1ul << 30) >> 10));
    add_fact(kv_head, kFactEntropy, uint(float(uint(entropies)) / log(float(t.last + 1u))));
  }
}

#endif
