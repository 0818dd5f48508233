// The choice of one slot by one workgroup: the masses of its pages, each query's best pages, as many of the remote pages as
// the budget allows by falling (forced, mass), of equal ones the later, and the list. Masses are compared by their bits and
// added as integers, so neither order nor shape of the workgroup changes a choice; the logarithms of the sums of exponentials
// are added up in the order of the blocks by each lane and then over lanes. Needs page_rule.glsl and RANKS_SHARED.
#ifndef FOVEA_PAGE_CHOICE_GLSL
#define FOVEA_PAGE_CHOICE_GLSL

#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_EXT_shader_subgroup_extended_types_int64 : require

const uint kForced = 1u << 30;  // above the bits of every mass, which is at most 1
const float kMassUnit = 1073741824.0;  // 2^30

shared float normalizers[QUERIES];
shared uint forced[(ROOM + 31) / 32];
shared uint ranks[RANKS_SHARED ? ROOM : 1];

// (forced, mass) of a page. Where shared memory is too small, a rank takes the place of the page's score for the first query,
// once that has been read.
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

// Sums over the workgroup, whose totals every subgroup adds up by its lanes; one barrier each. Two turns: while one operation's
// totals are still being read, the next one writes the other half.
const uint kMostSubgroups = 32u;
const uint kSums = 3u;  // at once
shared uvec4 group_totals[2][kMostSubgroups * kSums];
uint group_turn = 0u;
// The order of prefix sums; gl_LocalInvocationIndex need not follow the subgroups.
uint group_place() { return gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID; }
uint group_publish(uvec4 of_subgroup[kSums], uint count) {
  uint turn = group_turn;
  group_turn ^= 1u;
  if (subgroupElect())
    for (uint i = 0u; i < count; i++) group_totals[turn][gl_SubgroupID * kSums + i] = of_subgroup[i];
  barrier();
  return turn;
}
// Of the first `count`, a constant.
void group_sums(inout uvec4 values[kSums], uint count) {
  [[unroll]] for (uint i = 0u; i < count; i++) values[i] = subgroupAdd(values[i]);
  uint turn = group_publish(values, count);
  [[unroll]] for (uint i = 0u; i < count; i++) {
    uvec4 all = uvec4(0u);
    for (uint s = gl_SubgroupInvocationID; s < gl_NumSubgroups; s += gl_SubgroupSize) all += group_totals[turn][s * kSums + i];
    values[i] = subgroupAdd(all);
  }
}
uvec4 group_sum(uvec4 values) {
  uvec4 sums[kSums];
  sums[0] = values;
  group_sums(sums, 1u);
  return sums[0];
}
// Of the values of all places before this one.
uvec2 group_prefix(uvec2 values, out uvec2 total) {
  uvec2 own = subgroupExclusiveAdd(values);
  uvec4 of_subgroup[kSums];
  of_subgroup[0] = uvec4(subgroupAdd(values), 0u, 0u);
  uint turn = group_publish(of_subgroup, 1u);
  uvec4 sums = uvec4(0u);  // of the subgroups before, and of all
  for (uint s = gl_SubgroupInvocationID; s < gl_NumSubgroups; s += gl_SubgroupSize) {
    uvec2 one = group_totals[turn][s * kSums].xy;
    sums += uvec4(s < gl_SubgroupID ? one : uvec2(0u), one);
  }
  sums = subgroupAdd(sums);
  total = sums.zw;
  return own + sums.xy;
}

void list_page(uint slot, uint at, uint page, uint64_t where) {
  Uints(p.list).v[slot * ROOM + at] = page;
  Addresses(p.table).v[slot * ROOM + at] = where;
}

const uint kBlocksAtOnce = 4;  // whose loads are issued together
// Of every query: the logarithm of its sum of exponentials, and its best pages marked.
void normalize_queries(PageTile t, uint slot) {
  uint place = group_place();
  for (uint i = place; i < (ROOM + 31u) / 32u; i += gl_WorkGroupSize.x) forced[i] = 0u;
  barrier();
  [[dont_unroll]] for (uint q = gl_SubgroupID; q < QUERIES; q += gl_NumSubgroups) {
    uint blocks = blocks_of(estimated_pages(t, q / GROUP)), first_at = blocks_at(slot, q);
    float maximum = -3.0e38, sum = 0.0;
    uint64_t first = 0ul, second = 0ul;
    [[dont_unroll]] for (uint some = gl_SubgroupInvocationID; some < blocks; some += kBlocksAtOnce * gl_SubgroupSize) {
      vec2 totals[kBlocksAtOnce];
      uint64_t best[kBlocksAtOnce], next[kBlocksAtOnce];
      [[unroll]] for (uint i = 0; i < kBlocksAtOnce; i++) {
        uint at = first_at + min(some + i * gl_SubgroupSize, blocks - 1u);
        totals[i] = SharedFloat2s(p.totals).v[at];
        best[i] = SharedKeys(p.best).v[2u * at];
        next[i] = SharedKeys(p.best).v[2u * at + 1u];
      }
      [[unroll]] for (uint i = 0; i < kBlocksAtOnce; i++) {
        if (some + i * gl_SubgroupSize >= blocks) continue;
        float highest = max(maximum, totals[i].x);
        sum = sum * exp(maximum - highest) + totals[i].y * exp(totals[i].x - highest);
        maximum = highest;
        second = best[i] > first ? max(first, next[i]) : max(second, best[i]);
        first = max(first, best[i]);
      }
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

// Of pages in ascending order, whose loads are issued together; what is not estimated has none.
const uint kPagesAtOnce = 4;
vec4 page_masses(PageTile t, uint slot, uvec4 pages) {
  vec4 mass = vec4(0.0);
  [[dont_unroll]] for (uint s = 0; s < SAMPLES; s++) {
    uint estimated = estimated_pages(t, s);
    if (pages.x >= estimated) continue;
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

// What a budget asks of the remote pages by falling rank: `least` of them and, by mass, as many more as it takes, but no more
// than `most`. Masses in units of 2^-30; all of them together are about 1.
struct Budget { uint least, most, mass; };
bool enough(Budget budget, uint count, uint mass) {
  return count >= budget.least && (count >= budget.most || (MASS != 0u && mass >= budget.mass));
}
struct Cut { uint threshold, count; };  // the `count` first pages, all of them of ranks from the threshold on

// Digits of kDigit bits, the highest first; pages that share what is known of the threshold are counted by their next digit,
// until a digit is the cut. `forced`: how many are, and their mass.
const uint kDigit = 3, kDigits = 1u << kDigit;
const uint kPagesOfByte = 255;  // that an invocation counts in bytes
Cut cut_of(uint slot, uint begin, uint end, Budget budget, uvec2 forced_pages) {
  uint above = 0u, above_mass = 0u, known = 1u;  // pages beyond the threshold's known digits; these digits
  if (!enough(budget, forced_pages.x, forced_pages.y)) {
    above = forced_pages.x;
    above_mass = forced_pages.y;
    known = 0u;
  }
  uint ending = 0u;  // pages of the digit that is the cut
  int shift = 30;
  do {
    shift -= int(kDigit);
    uvec4 counts = uvec4(0u), low = uvec4(0u), high = uvec4(0u);  // of digits: two in each of counts; masses of 0 to 3, 4 to 7
    [[dont_unroll]] for (uint some = begin; some < end; some += kPagesOfByte) {
      uvec2 bytes = uvec2(0u);
      [[dont_unroll]] for (uint page = some; page < min(some + kPagesOfByte, end); page++) {
        uint rank = rank_of(slot, page), digits = rank >> shift;
        if (digits >> kDigit != known) continue;
        uint one = 1u << (digits % 4u * 8u);
        bool is_high = (digits & 4u) != 0u;
        bytes += uvec2(is_high ? 0u : one, is_high ? one : 0u);
        if (MASS != 0u) {
          uvec4 mass = mix(uvec4(0u), uvec4(mass_of(rank)), equal(uvec4(digits % 4u), uvec4(0u, 1u, 2u, 3u)));
          low += is_high ? uvec4(0u) : mass;
          high += is_high ? mass : uvec4(0u);
        }
      }
      counts += uvec4(bytes.x & 0xFF00FFu, bytes.x >> 8 & 0xFF00FFu, bytes.y & 0xFF00FFu, bytes.y >> 8 & 0xFF00FFu);
    }
    uvec4 sums[kSums] = {counts, low, high};
    group_sums(sums, MASS != 0u ? kSums : 1u);
    counts = sums[0];  // digits 0 and 2, 1 and 3, 4 and 6, 5 and 7
    low = sums[1];
    high = sums[2];
    uint cut_digit = 0u;
    bool found = false;
    [[unroll]] for (uint n = 0; n < kDigits; n++) {
      const uint digit = kDigits - 1u - n;
      uint pair = counts[digit / 4u * 2u + digit % 2u], pages = digit % 4u < 2u ? pair & 0xFFFFu : pair >> 16;
      uint mass = digit < 4u ? low[digit % 4u] : high[digit % 4u];
      if (found) continue;
      found = digit == 0u || enough(budget, above + pages, above_mass + mass);
      if (found) {
        cut_digit = digit;
        ending = pages;
      } else {
        above += pages;
        above_mass += mass;
      }
    }
    known = known << kDigit | cut_digit;
  } while (shift > 0 && ending > 1u && (MASS != 0u || above + ending != budget.most));
  Cut cut = Cut(known << shift, above + ending);
  if (shift > 0) return cut;
  // Ties: as many as it takes.
  uint each = mass_of(known), missing = budget.mass > above_mass ? budget.mass - above_mass : 0u;
  uint ties = budget.most - min(above, budget.most);
  if (MASS != 0u && each != 0u) ties = min(ties, (missing + each - 1u) / each);
  if (MASS != 0u && missing == 0u) ties = 0u;
  cut.count = above + min(ending, max(ties, budget.least - min(above, budget.least)));
  return cut;
}

// What the pages read are thought to hold, for the trace: before the keys of the slots, backwards.
void tell_mass(uint slot, float mass) { Floats(p.keys - uint64_t(slot + 1u) * 4ul).v[0] = mass; }

void take_everything(PageTile t, uint kv_head, uint slot) {
  for (uint page = group_place(); page < t.pages; page += gl_WorkGroupSize.x) list_page(slot, page, page, Addresses(p.pages).v[page]);
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
  uint place = group_place();
  // Pages side by side, as their scores lie.
  uint kept = 0u;
  uvec2 of_forced = uvec2(0u);  // pages and their mass
  float entropy = 0.0;
  [[dont_unroll]] for (uint some = place; some < t.pages; some += kPagesAtOnce * gl_WorkGroupSize.x) {
    uvec4 at_once = some + gl_WorkGroupSize.x * uvec4(0u, 1u, 2u, 3u);
    vec4 masses = page_masses(t, slot, at_once);
    [[unroll]] for (uint i = 0; i < kPagesAtOnce; i++) {
      uint page = at_once[i];
      if (page >= t.pages) continue;
      float mass = masses[i];
      entropy -= mass > 0.0 ? mass * log(mass / float(kPageKeys)) : 0.0;
      uint rank = floatBitsToUint(mass);
      if (page < t.far || page >= t.near) {
        kept += mass_of(rank);
      } else if ((forced[page / 32u] & (1u << (page % 32u))) != 0u) {
        of_forced += uvec2(1u, mass_of(rank));
        rank |= kForced;
      }
      keep_rank(slot, page, rank);
    }
  }
  if (!RANKS_SHARED) memoryBarrierBuffer();
  uvec4 sums = group_sum(uvec4(kept, uint(entropy * 1048576.0), of_forced));

  // From here on consecutive pages, in whose order they are listed.
  uint each = (t.pages + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
  uint begin = min(place * each, t.pages), end = min(begin + each, t.pages);
  uint first = clamp(begin, t.far, t.near), last = clamp(end, t.far, t.near), remote = t.near - t.far;  // its remote pages
  uint most = share_of(remote, GLOBAL);
  Budget budget = Budget(MASS == 0u ? most : min(share_of(remote, LEAST), most), most, MASS > sums.x ? MASS - sums.x : 0u);
  Cut cut = Cut(0xFFFFFFFFu, 0u);
  if (!enough(budget, 0u, 0u)) cut = cut_of(slot, first, last, budget, sums.zw);
  uvec2 counts = uvec2(0u);  // of pages above the threshold, and at it
  [[dont_unroll]] for (uint page = first; page < last; page++) {
    uint rank = rank_of(slot, page);
    counts += uvec2(rank > cut.threshold ? 1u : 0u, rank == cut.threshold ? 1u : 0u);
  }
  uvec2 total, before = group_prefix(counts, total);
  uint spare = total.y - (cut.count - total.x);  // pages at it that stay out: the first ones
  uint at = min(begin, t.far) + max(begin, t.near) - t.near + before.x + max(before.y, spare) - spare, tie = before.y;
  uint mass = 0u;
  [[dont_unroll]] for (uint some = begin; some < end; some += kPagesAtOnce) {
    uint64_t found[kPagesAtOnce];
    [[unroll]] for (uint i = 0; i < kPagesAtOnce; i++) found[i] = Addresses(p.pages).v[min(some + i, end - 1u)];
    [[unroll]] for (uint i = 0; i < kPagesAtOnce; i++) {
      uint page = some + i;
      if (page >= end) continue;
      if (page >= t.far && page < t.near) {
        uint rank = rank_of(slot, page);
        bool taken = rank > cut.threshold || (rank == cut.threshold && tie >= spare);
        tie += rank == cut.threshold ? 1u : 0u;
        if (!taken) continue;
        mass += mass_of(rank);
      }
      list_page(slot, at, page, found[i]);
      at++;
    }
  }
  mass = sums.x + group_sum(uvec4(mass, 0u, 0u, 0u)).x;
  uint pages = t.pages - remote + cut.count, scored = 0u;
  for (uint s = 0u; s < SAMPLES; s++) scored += estimated_pages(t, s);
  if (place == 0u) {
    Uints(p.keys).v[slot] = (pages - 1u) * kPageKeys + t.last % kPageKeys + 1u;
    tell_mass(slot, float(uint(min(kept, 1ul << 30))) / kMassUnit);
    add_fact(kv_head, kFactChoices, 1u);
    add_fact(kv_head, kFactSkipped, (t.pages - pages) * t.rows);
    add_fact(kv_head, kFactScored, scored);
    add_fact(kv_head, kFactRemote, remote);
    add_fact(kv_head, kFactChosen, cut.count);
    add_fact(kv_head, kFactMass, min(mass, 1u << 30) >> 10);
    add_fact(kv_head, kFactEntropy, uint(float(sums.y) / log(float(t.last + 1u))));
  }
}

#endif
