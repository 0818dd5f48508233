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

// Sums over the workgroup, zero at first; whoever adds, a barrier comes before they are read.
const uint kKept = 0, kEntropy = 1, kForcedPages = 2, kForcedMass = 3, kTaken = 4, kSums = 5;
shared uint group_sums[kSums];
void add_to_group(uint sum, uint value) {
  value = subgroupAdd(value);
  if (subgroupElect()) atomicAdd(group_sums[sum], value);
}

// The order of prefix sums; gl_LocalInvocationIndex need not follow the subgroups.
uint group_place() { return gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID; }
// Sums of the values of all places before this one and of all; of both parts or, by a constant, of the first alone. One barrier;
// two turns, since while one operation's totals are still being read the next one writes.
const uint kMostSubgroups = 32u;
shared uvec2 group_totals[2][kMostSubgroups];
uint group_turn = 0u;
uvec2 group_prefix(uvec2 values, bool both, out uvec2 total) {
  uvec2 within = uvec2(subgroupInclusiveAdd(values.x), both ? subgroupInclusiveAdd(values.y) : 0u);
  uint turn = group_turn;
  group_turn ^= 1u;
  if (gl_SubgroupInvocationID == gl_SubgroupSize - 1u) group_totals[turn][gl_SubgroupID] = within;
  barrier();
  uvec2 before = uvec2(0u), all = uvec2(0u);
  for (uint s = gl_SubgroupInvocationID; s < gl_NumSubgroups; s += gl_SubgroupSize) {
    uvec2 one = group_totals[turn][s];
    before += s < gl_SubgroupID ? one : uvec2(0u);
    all += one;
  }
  total = uvec2(subgroupAdd(all.x), both ? subgroupAdd(all.y) : 0u);
  before = uvec2(subgroupAdd(before.x), both ? subgroupAdd(before.y) : 0u);
  return before + within - values;
}

void list_page(uint slot, uint at, uint page, uint64_t where) {
  Uints(p.list).v[slot * ROOM + at] = page;
  Addresses(p.table).v[slot * ROOM + at] = where;
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

// Of pages whose ranks begin with what is known of the threshold: how many have which next digit, and their mass.
const uint kDigit = 10, kBins = 1u << kDigit;
shared uint bins[kBins], bin_masses[MASS != 0u ? kBins : 1];
void clear_bins() {
  for (uint i = group_place(); i < kBins; i += gl_WorkGroupSize.x) {
    bins[i] = 0u;
    if (MASS != 0u) bin_masses[i] = 0u;
  }
}
void count_page(uint rank, uint shift) {
  uint bin = (rank >> shift) % kBins;
  atomicAdd(bins[bin], 1u);
  if (MASS != 0u) atomicAdd(bin_masses[bin], mass_of(rank));
}

// Digits of the threshold, the highest first, until few pages have it or all that have it are equal. Of few each one finds its
// place by comparing itself with the others. `bins` hold the first digits of all remote pages of `begin` to `end` of all
// invocations that are not forced.
const uint kFewPages = 128;
shared uvec2 few[kFewPages];  // ranks, pages
shared uint few_count;
shared uint cut_digits, cut_above, cut_above_mass, cut_pages;  // of the digit that is the cut: pages beyond it, and of it
shared Cut the_cut;
Cut cut_of(uint slot, uint begin, uint end, Budget budget) {
  uint above = 0u, above_mass = 0u, known = 1u, shift = 30u, place = group_place();
  bool counted = !enough(budget, group_sums[kForcedPages], group_sums[kForcedMass]);
  if (counted) {
    above = group_sums[kForcedPages];
    above_mass = group_sums[kForcedMass];
    known = 0u;
  }
  uint pages;  // that share what is known
  do {
    shift -= kDigit;
    if (!counted) {
      clear_bins();
      barrier();
      [[dont_unroll]] for (uint page = begin; page < end; page++) {
        uint rank = rank_of(slot, page);
        if (rank >> shift >> kDigit == known) count_page(rank, shift);
      }
      barrier();
    }
    counted = false;
    uint each = (kBins + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x, first = min(place * each, kBins), last = min(first + each, kBins);
    uvec2 own = uvec2(0u), total;
    for (uint i = first; i < last; i++) own += uvec2(bins[i], MASS != 0u ? bin_masses[i] : 0u);
    uvec2 before = group_prefix(own, MASS != 0u, total), beyond = uvec2(above, above_mass) + total - before - own;
    if (!enough(budget, beyond.x, beyond.y) && enough(budget, beyond.x + own.x, beyond.y + own.y)) {
      uint bin = last - 1u;
      uvec2 one = uvec2(bins[bin], MASS != 0u ? bin_masses[bin] : 0u);
      while (bin > first && !enough(budget, beyond.x + one.x, beyond.y + one.y)) {
        beyond += one;
        bin--;
        one = uvec2(bins[bin], MASS != 0u ? bin_masses[bin] : 0u);
      }
      cut_digits = known << kDigit | bin;
      cut_above = beyond.x;
      cut_above_mass = beyond.y;
      cut_pages = one.x;
      few_count = 0u;
    }
    barrier();
    known = cut_digits;
    above = cut_above;
    above_mass = cut_above_mass;
    pages = cut_pages;
  } while (shift > 0u && pages > kFewPages);
  if (pages <= kFewPages) {
    [[dont_unroll]] for (uint page = begin; page < end; page++) {
      uint rank = rank_of(slot, page);
      if (rank >> shift == known) few[atomicAdd(few_count, 1u)] = uvec2(rank, page);
    }
    barrier();
    for (uint i = place; i < pages; i += gl_WorkGroupSize.x) {
      uvec2 mine = few[i], beyond = uvec2(above, above_mass);
      for (uint n = 0u; n < pages; n++) {
        uvec2 other = few[n];
        bool before = other.x > mine.x || (other.x == mine.x && other.y > mine.y);
        beyond += before ? uvec2(1u, mass_of(other.x)) : uvec2(0u);
      }
      if (!enough(budget, beyond.x, beyond.y) && enough(budget, beyond.x + 1u, beyond.y + mass_of(mine.x))) the_cut = Cut(mine.x, beyond.x + 1u);
    }
    barrier();
    return the_cut;
  }
  // Equal ones: as many as it takes.
  uint each = mass_of(known), missing = budget.mass > above_mass ? budget.mass - above_mass : 0u, ties = budget.most - above;
  if (MASS != 0u && each != 0u) ties = min(ties, (missing + each - 1u) / each);
  if (MASS != 0u && missing == 0u) ties = 0u;
  return Cut(known, above + min(pages, max(ties, budget.least - min(above, budget.least))));
}

const uint kBlocksAtOnce = 4;  // whose loads are issued together
// Of every query: the logarithm of its sum of exponentials, and its best pages marked.
void normalize_queries(PageTile t, uint slot) {
  uint place = group_place();
  for (uint i = place; i < (ROOM + 31u) / 32u; i += gl_WorkGroupSize.x) forced[i] = 0u;
  for (uint i = place; i < kSums; i += gl_WorkGroupSize.x) group_sums[i] = 0u;
  clear_bins();
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
  uint kept = 0u, forced_pages = 0u, forced_mass = 0u;
  float entropy = 0.0;
  [[dont_unroll]] for (uint some = place; some < t.pages; some += kPagesAtOnce * gl_WorkGroupSize.x) {
    // Added one by one: a vector of multiples of a specialization constant is folded wrongly by SPIRV-Tools where another
    // constant, HEAD_WIDTH, has the same value.
    uvec4 at_once = uvec4(some);
    at_once.yzw += gl_WorkGroupSize.x;
    at_once.zw += gl_WorkGroupSize.x;
    at_once.w += gl_WorkGroupSize.x;
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
        forced_pages++;
        forced_mass += mass_of(rank);
        rank |= kForced;
      } else {
        count_page(rank, 30u - kDigit);
      }
      keep_rank(slot, page, rank);
    }
  }
  if (!RANKS_SHARED) memoryBarrierBuffer();
  add_to_group(kKept, kept);
  add_to_group(kEntropy, uint(entropy * 1048576.0));
  add_to_group(kForcedPages, forced_pages);
  add_to_group(kForcedMass, forced_mass);
  barrier();

  // From here on consecutive pages, in whose order they are listed.
  uint each = (t.pages + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x;
  uint begin = min(place * each, t.pages), end = min(begin + each, t.pages);
  uint first = clamp(begin, t.far, t.near), last = clamp(end, t.far, t.near), remote = t.near - t.far;  // its remote pages
  uint most = share_of(remote, GLOBAL);
  Budget budget = Budget(MASS == 0u ? most : min(share_of(remote, LEAST), most), most, MASS > group_sums[kKept] ? MASS - group_sums[kKept] : 0u);
  Cut cut = Cut(0xFFFFFFFFu, 0u);
  if (!enough(budget, 0u, 0u)) cut = cut_of(slot, first, last, budget);
  uint counts = 0u;  // of pages above the threshold, and << 16 at it
  [[dont_unroll]] for (uint page = first; page < last; page++) {
    uint rank = rank_of(slot, page);
    counts += (rank > cut.threshold ? 1u : 0u) + (rank == cut.threshold ? 1u << 16 : 0u);
  }
  uvec2 all, sums = group_prefix(uvec2(counts, 0u), false, all);
  uvec2 total = uvec2(all.x & 0xFFFFu, all.x >> 16), before = uvec2(sums.x & 0xFFFFu, sums.x >> 16);
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
  add_to_group(kTaken, mass);
  barrier();
  uint pages = t.pages - remote + cut.count, scored = 0u;
  for (uint s = 0u; s < SAMPLES; s++) scored += estimated_pages(t, s);
  if (place == 0u) {
    uint mass_read = min(group_sums[kKept] + group_sums[kTaken], 1u << 30);
    Uints(p.keys).v[slot] = (pages - 1u) * kPageKeys + t.last % kPageKeys + 1u;
    tell_mass(slot, float(mass_read) / kMassUnit);
    add_fact(kv_head, kFactChoices, 1u);
    add_fact(kv_head, kFactSkipped, (t.pages - pages) * t.rows);
    add_fact(kv_head, kFactScored, scored);
    add_fact(kv_head, kFactRemote, remote);
    add_fact(kv_head, kFactChosen, cut.count);
    add_fact(kv_head, kFactMass, mass_read >> 10);
    add_fact(kv_head, kFactEntropy, uint(float(group_sums[kEntropy]) / log(float(t.last + 1u))));
  }
}

#endif
