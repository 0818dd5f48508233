// The choice of one slot by one workgroup: the masses of its pages, each query's best pages, as many of the remote pages as
// the budget allows by falling (forced, mass), of equal ones the later, and the list. Masses are compared by their bits and
// added as integers, so neither order nor shape of the workgroup changes a choice; the logarithms of the sums of exponentials
// are added up in the order of the blocks by each lane and then over lanes. Needs page_rule.glsl and IN_SHARED: whether there
// is shared memory for what a choice keeps of all pages.
#ifndef FOVEA_PAGE_CHOICE_GLSL
#define FOVEA_PAGE_CHOICE_GLSL

#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_EXT_shader_subgroup_extended_types_int64 : require

#include "meeting.glsl"

const uint kForced = 1u << 30;  // above the bits of every mass, which is at most 1
const float kMassUnit = 1073741824.0;  // 2^30

const uint kWords = (ROOM + 31) / 32;  // a bit for each page
shared float normalizers[QUERIES];
shared float factors[IN_SHARED ? QUERIES * BLOCKS : 1];  // from weights relative to their block's largest to shares of all
shared uint marked[kWords];                              // forced pages, then those that are read
shared uint before[kWords];                              // pages read before each word
shared uint ranks[IN_SHARED ? ROOM : 1];

// (forced, mass) of a page. Where shared memory is too small, a rank takes the place of the page's score for the first query,
// once that has been read.
uint rank_of(uint slot, uint page) { return IN_SHARED ? ranks[page] : SharedUints(p.scores).v[scores_of(slot, 0u) + page]; }
void keep_rank(uint slot, uint page, uint rank) {
  if (IN_SHARED)
    ranks[page] = rank;
  else
    SharedUints(p.scores).v[scores_of(slot, 0u) + page] = rank;
}
uint mass_of(uint rank) { return uint(uintBitsToFloat(rank & (kForced - 1u)) * kMassUnit); }

// Tokens that read this choice.
uint readers() { return EVERY > 1u ? EVERY - State(p.state).s.position % EVERY : 1u; }

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
  meet();
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

const uint kPagesAtOnce = 4;  // whose loads are issued together
// The page table's entries of this invocation's pages from `first` on, for the list.
void ask_pages(PageTile t, uint first, out uint64_t found[kPagesAtOnce]) {
  [[unroll]] for (uint i = 0; i < kPagesAtOnce; i++) found[i] = Addresses(p.pages).v[min(first + i * gl_WorkGroupSize.x, t.pages - 1u)];
}
void list_page(uint slot, uint at, uint page, uint64_t where) {
  Uints(p.list).v[slot * ROOM + at] = page;
  Addresses(p.table).v[slot * ROOM + at] = where;
}

float factor_of(uint slot, uint q, uint block) {
  if (IN_SHARED) return factors[q * BLOCKS + block];
  return exp(SharedFloat2s(p.totals).v[blocks_at(slot, q) + block].x - normalizers[q]);
}

// Of four neighbouring pages, the first of which 4 divides; some samples' loads are issued together. What is not estimated has none,
// and what is no number has all.
const uint kSamplesAtOnce = SAMPLES > 1u ? 2u : 1u;
vec4 page_masses(PageTile t, uint slot, uint page) {
  vec4 mass = vec4(0.0);
  uvec4 pages = uvec4(page) + uvec4(0, 1, 2, 3);
  [[dont_unroll]] for (uint some = 0; some < SAMPLES; some += kSamplesAtOnce) {
    vec4 weight[kSamplesAtOnce * GROUP];
    [[unroll]] for (uint n = 0; n < kSamplesAtOnce; n++) {
      if (some + n >= SAMPLES || page >= estimated_pages(t, some + n)) continue;
      [[unroll]] for (uint g = 0; g < GROUP; g++)
        weight[n * GROUP + g] = SharedFloat4s(p.scores + uint64_t(scores_of(slot, (some + n) * GROUP + g) + page) * 4ul).v[0];
    }
    [[unroll]] for (uint n = 0; n < kSamplesAtOnce; n++) {
      if (some + n >= SAMPLES || page >= estimated_pages(t, some + n)) continue;
      vec4 sum = vec4(0.0);
      [[unroll]] for (uint g = 0; g < GROUP; g++) sum += weight[n * GROUP + g] * factor_of(slot, (some + n) * GROUP + g, page / kPageBlock);
      mass += mix(vec4(0.0), sum, lessThan(pages, uvec4(estimated_pages(t, some + n))));
    }
  }
  mass /= float(QUERIES);
  return mix(vec4(1.0), mass, lessThan(mass, vec4(1.0)));
}

// What guides the choices of a KV head: flat, wide, mass, weight (kGuideFlat...).
uvec4 guide_of(uint kv_head) { return Uint4s(p.facts + uint64_t(kv_head * kFactWords + kGuideFlat) * 4ul).v[0]; }
// A share by the head's weight, which is at most 4. Of shares above a quarter it counts the less the more is read anyway, so that
// none is above 1 and their sum stays: 1 + (weight - 1) min(1, (1 / share - 1) / 3).
uint weighted(uint millionths, uint weight) {
  if (weight == 0u || millionths == 0u) return millionths;
  int64_t whole = 1000000l, share = int64_t(millionths), counts = share * 4l <= whole ? whole : (whole - share) * whole / (3l * share);
  return uint(share * (whole + (int64_t(weight) - whole) * counts / whole) / whole);
}
uint share_of(uint remote, uint millionths) { return min(remote, uint((uint64_t(remote) * uint64_t(millionths) + 999999ul) / 1000000ul)); }

// What a budget asks of the remote pages by falling rank: `least` of them and, by mass, as many more as it takes, but no more
// than `most`. Masses in units of 2^-30; all of them together are about 1.
struct Budget { uint least, most, mass; };
bool enough(Budget budget, uint count, uint mass) {
  return count >= budget.least && (count >= budget.most || (MASS != 0u && mass >= budget.mass));
}
// The `count` first pages: those beyond (rank, page) and itself; of rank 2^32 - 1, none.
struct Cut { uint rank, page, count; };
bool is_taken(Cut cut, uint rank, uint page) { return rank > cut.rank || (rank == cut.rank && page >= cut.page); }

// Remote pages among which the cut is, by falling (rank, page): ranks of `size` from `from` on, of the pages of `page_size`.
// They are counted by bins of 2^shift ranks or pages.
struct Stretch { uint from, size, first_page, page_size; };
bool within(Stretch stretch, uint rank, uint page) { return rank - stretch.from < stretch.size && page - stretch.first_page < stretch.page_size; }

const uint kBins = 1024u;
shared uint bins[kBins], bin_masses[MASS != 0u ? kBins : 1];
void clear_bins() {
  for (uint i = group_place(); i < kBins; i += gl_WorkGroupSize.x) {
    bins[i] = 0u;
    if (MASS != 0u) bin_masses[i] = 0u;
  }
}
void count_page(uint bin, uint rank) {
  atomicAdd(bins[bin], 1u);
  if (MASS != 0u) atomicAdd(bin_masses[bin], mass_of(rank));
}
// At first a thirty-second of an octave each, from masses of 1 on downwards: few pages share one, and few lanes meet. The
// lowest bin holds all that is smaller.
const uint kFirstShift = 18u, kFirstBin = (0x3F800000u >> kFirstShift) - (kBins - 1u);
uint first_bin(uint rank) { return max(rank >> kFirstShift, kFirstBin) - kFirstBin; }

// Of few pages each one finds its place by comparing itself with the others. `bins` hold all remote pages that are not forced, by
// first_bin. Remote pages of this invocation: `begin`, and every WorkGroupSize-th behind it, up to `end`.
const uint kFewPages = 64;
shared uvec2 few[kFewPages];  // ranks, pages
shared uint few_count;
shared uint cut_bin, cut_above, cut_above_mass, cut_pages;  // the bin with the cut; pages beyond it, and of it
shared Cut the_cut;
Cut cut_of(uint slot, uint begin, uint end, uint remote, Budget budget) {
  uint place = group_place(), above = 0u, above_mass = 0u, pages = group_sums[kForcedPages], shift = 20u;
  Stretch stretch = Stretch(kForced, kForced, 0u, 0xFFFFFFFFu);
  // Whatever it finds, no loop behind it may be longer than the pages are many.
  if (place == 0u) the_cut = Cut(0u, 0u, remote);
  bool counted = !enough(budget, group_sums[kForcedPages], group_sums[kForcedMass]);
  if (counted) {
    above = group_sums[kForcedPages];
    above_mass = group_sums[kForcedMass];
    pages = remote - above;
    stretch.from = 0u;
  }
  // Ranks of at most 30 bits take three turns after the first, pages one: bins of 64 pages hold few.
  [[dont_unroll]] for (uint turn = 0; turn < 6u && pages > kFewPages; turn++) {
    bool by_page = stretch.size == 1u, by_first = counted;
    counted = false;
    if (!by_first) {
      clear_bins();
      meet();
      [[dont_unroll]] for (uint page = begin; page < end; page += gl_WorkGroupSize.x) {
        uint rank = rank_of(slot, page);
        if (within(stretch, rank, page)) count_page(by_page ? page / kFewPages : (rank - stretch.from) >> shift, rank);
      }
      meet();
    }
    uint each = (kBins + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x, first = min(place * each, kBins), last = min(first + each, kBins);
    uvec2 own = uvec2(0u), total;
    for (uint i = first; i < last; i++) own += uvec2(bins[i], MASS != 0u ? bin_masses[i] : 0u);
    uvec2 lower = group_prefix(own, MASS != 0u, total), beyond = uvec2(above, above_mass) + total - lower - own;
    if (!enough(budget, beyond.x, beyond.y) && enough(budget, beyond.x + own.x, beyond.y + own.y)) {
      uint bin = last - 1u;
      uvec2 one = uvec2(bins[bin], MASS != 0u ? bin_masses[bin] : 0u);
      while (bin > first && !enough(budget, beyond.x + one.x, beyond.y + one.y)) {
        beyond += one;
        bin--;
        one = uvec2(bins[bin], MASS != 0u ? bin_masses[bin] : 0u);
      }
      cut_bin = bin;
      cut_above = beyond.x;
      cut_above_mass = beyond.y;
      cut_pages = one.x;
    }
    meet();
    above = cut_above;
    above_mass = cut_above_mass;
    pages = min(cut_pages, remote);
    if (by_page) {
      stretch.first_page = cut_bin * kFewPages;
      stretch.page_size = kFewPages;
    } else if (by_first && cut_bin == 0u) {
      stretch.size = (kFirstBin + 1u) << kFirstShift;
    } else {
      stretch.from = by_first ? (kFirstBin + cut_bin) << kFirstShift : stretch.from + (cut_bin << shift);
      stretch.size = 1u << (by_first ? kFirstShift : shift);
    }
    // 1024 bins span the stretch.
    shift = stretch.size > (1u << 20) ? 20u : stretch.size > (1u << 10) ? uint(findMSB(stretch.size)) - 10u : 0u;
  }
  [[dont_unroll]] for (uint page = begin; page < end; page += gl_WorkGroupSize.x) {
    uint rank = rank_of(slot, page);
    if (within(stretch, rank, page)) few[min(atomicAdd(few_count, 1u), kFewPages - 1u)] = uvec2(rank, page);
  }
  meet();
  pages = min(pages, kFewPages);
  for (uint i = place; i < pages; i += gl_WorkGroupSize.x) {
    uvec2 mine = few[i], beyond = uvec2(above, above_mass);
    for (uint n = 0u; n < pages; n++) {
      uvec2 other = few[n];
      bool first = other.x > mine.x || (other.x == mine.x && other.y > mine.y);
      beyond += first ? uvec2(1u, mass_of(other.x)) : uvec2(0u);
    }
    if (!enough(budget, beyond.x, beyond.y) && enough(budget, beyond.x + 1u, beyond.y + mass_of(mine.x))) the_cut = Cut(mine.x, mine.y, beyond.x + 1u);
  }
  meet();
  return the_cut;
}

const uint kBlocksAtOnce = 4, kQueriesAtOnce = SAMPLES > 1u ? 2u : 1u;  // whose loads are issued together
// Of every query: the logarithm of its sum of exponentials, and its best pages marked.
void normalize_queries(PageTile t, uint slot) {
  uint place = group_place();
  for (uint i = place; i < kWords; i += gl_WorkGroupSize.x) marked[i] = t.kept != 0ul ? Uints(t.kept).v[i] : 0u;
  if (place == 0u) few_count = 0u;
  for (uint i = place; i < kSums; i += gl_WorkGroupSize.x) group_sums[i] = 0u;
  clear_bins();
  meet();
  [[dont_unroll]] for (uint some_queries = gl_SubgroupID; some_queries < QUERIES; some_queries += kQueriesAtOnce * gl_NumSubgroups) {
    uint blocks[kQueriesAtOnce], first_at[kQueriesAtOnce], most = 0u;
    float maximum[kQueriesAtOnce], sum[kQueriesAtOnce];
    uint64_t first[kQueriesAtOnce], second[kQueriesAtOnce];
    vec2 totals[kQueriesAtOnce * kBlocksAtOnce];
    [[unroll]] for (uint n = 0; n < kQueriesAtOnce; n++) {
      uint q = some_queries + n * gl_NumSubgroups;
      blocks[n] = q < QUERIES ? blocks_of(estimated_pages(t, q / GROUP)) : 0u;
      first_at[n] = blocks_at(slot, min(q, QUERIES - 1u));
      most = max(most, blocks[n]);
      maximum[n] = kLowestScore;
      sum[n] = 0.0;
      first[n] = second[n] = 0ul;
    }
    [[dont_unroll]] for (uint some = gl_SubgroupInvocationID; some < most; some += kBlocksAtOnce * gl_SubgroupSize) {
      uint64_t best[kQueriesAtOnce * kBlocksAtOnce], next[kQueriesAtOnce * kBlocksAtOnce];
      [[unroll]] for (uint n = 0; n < kQueriesAtOnce; n++)
        [[unroll]] for (uint i = 0; i < kBlocksAtOnce; i++) {
          uint at = first_at[n] + min(some + i * gl_SubgroupSize, max(blocks[n], 1u) - 1u), to = n * kBlocksAtOnce + i;
          totals[to] = SharedFloat2s(p.totals).v[at];
          best[to] = SharedKeys(p.best).v[2u * at];
          next[to] = SAMPLES == 1u ? SharedKeys(p.best).v[2u * at + 1u] : 0ul;
        }
      [[unroll]] for (uint n = 0; n < kQueriesAtOnce; n++)
        [[unroll]] for (uint i = 0; i < kBlocksAtOnce; i++) {
          uint of = n * kBlocksAtOnce + i;
          if (some + i * gl_SubgroupSize >= blocks[n]) continue;
          float highest = max(maximum[n], totals[of].x);
          sum[n] = sum[n] * exp(maximum[n] - highest) + totals[of].y * exp(totals[of].x - highest);
          maximum[n] = highest;
          second[n] = best[of] > first[n] ? max(first[n], next[of]) : max(second[n], best[of]);
          first[n] = max(first[n], best[of]);
        }
    }
    bool at_once = most <= kBlocksAtOnce * gl_SubgroupSize;  // totals are still there
    [[unroll]] for (uint n = 0; n < kQueriesAtOnce; n++) {
      uint q = some_queries + n * gl_NumSubgroups;
      if (q >= QUERIES) continue;
      float highest = subgroupMax(maximum[n]), total = subgroupAdd(sum[n] * exp(maximum[n] - highest));
      uint64_t best = subgroupMax(first[n]), next = subgroupMax(first[n] == best ? second[n] : first[n]);
      float normalizer = highest + log(total);
      if (subgroupElect()) {
        normalizers[q] = normalizer;
        if (best != 0ul) atomicOr(marked[(uint(best) - 1u) / 32u], 1u << ((uint(best) - 1u) % 32u));
        if (SAMPLES == 1u && next != 0ul) atomicOr(marked[(uint(next) - 1u) / 32u], 1u << ((uint(next) - 1u) % 32u));
      }
      if (!IN_SHARED) continue;
      if (at_once) {
        [[unroll]] for (uint i = 0; i < kBlocksAtOnce; i++) {
          uint block = gl_SubgroupInvocationID + i * gl_SubgroupSize;
          if (block < blocks[n]) factors[q * BLOCKS + block] = exp(totals[n * kBlocksAtOnce + i].x - normalizer);
        }
      } else {
        [[dont_unroll]] for (uint block = gl_SubgroupInvocationID; block < blocks[n]; block += gl_SubgroupSize)
          factors[q * BLOCKS + block] = exp(SharedFloat2s(p.totals).v[first_at[n] + block].x - normalizer);
      }
    }
  }
  meet();
}

// What the pages read are thought to hold, for the trace: before the keys of the slots, backwards.
void tell_mass(uint slot, float mass) { Floats(p.keys - uint64_t(slot + 1u) * 4ul).v[0] = mass; }

void take_everything(PageTile t, uint kv_head, uint slot) {
  for (uint page = group_place(); page < t.pages; page += gl_WorkGroupSize.x) list_page(slot, page, page, Addresses(p.pages).v[page]);
  if (group_place() != 0u) return;
  Uints(p.keys).v[slot] = t.last + 1u;
  tell_mass(slot, 1.0);
  add_fact(kv_head, kFactChoices, readers());
  add_fact(kv_head, kFactWhole, readers());
}

// By the whole workgroup.
void choose_pages(PageTile t, uint kv_head, uint slot) {
  if (t.everything) {
    take_everything(t, kv_head, slot);
    return;
  }
  uvec4 guide = guide_of(kv_head);
  uint of_layer = Uints(p.facts + uint64_t(kv_head * kFactWords + kGuideShare) * 4ul).v[0];
  uint place = group_place();
  uint64_t found[kPagesAtOnce];  // long before they are listed
  ask_pages(t, place, found);
  normalize_queries(t, slot);
  // Pages side by side, as their scores lie.
  uint kept = 0u, forced_pages = 0u, forced_mass = 0u;
  uint entropy = 0u;  // page by page in units of 2^-20, so that it does not depend on who adds
  [[dont_unroll]] for (uint some = place * kPagesAtOnce; some < t.pages; some += kPagesAtOnce * gl_WorkGroupSize.x) {
    vec4 masses = page_masses(t, slot, some);
    [[unroll]] for (uint i = 0; i < kPagesAtOnce; i++) {
      uint page = some + i;
      if (page >= t.pages) continue;
      float mass = masses[i];
      entropy += mass > 0.0 ? uint(-mass * log(mass / float(kPageKeys)) * 1048576.0 + 0.5) : 0u;
      uint rank = floatBitsToUint(mass);
      if (page < t.far || page >= t.near) {
        kept += mass_of(rank);
      } else if ((marked[page / 32u] & (1u << (page % 32u))) != 0u) {
        forced_pages++;
        forced_mass += mass_of(rank);
        rank |= kForced;
      } else {
        count_page(first_bin(rank), rank);
      }
      keep_rank(slot, page, rank);
    }
  }
  if (!IN_SHARED) memoryBarrierBuffer();
  add_to_group(kKept, kept);
  add_to_group(kEntropy, entropy);
  add_to_group(kForcedPages, forced_pages);
  add_to_group(kForcedMass, forced_mass);
  meet();

  for (uint i = place; i < kWords; i += gl_WorkGroupSize.x) marked[i] = 0u;
  uint remote = t.near - t.far, begin = place < t.far ? place + (t.far - place + gl_WorkGroupSize.x - 1u) / gl_WorkGroupSize.x * gl_WorkGroupSize.x : place;
  uint flatness = uint(float(group_sums[kEntropy]) / log(float(t.last + 1u)));
  uint most = share_of(remote, weighted(of_layer != 0u ? of_layer - 1u : GLOBAL, guide.w)), wanted = guide.z != 0u ? guide.z : MASS;
  if (guide.x != 0u && flatness > guide.x) most = max(most, share_of(remote, guide.y));
  Budget budget = Budget(MASS == 0u || of_layer != 0u ? most : min(share_of(remote, weighted(LEAST, guide.w)), most), most, wanted > group_sums[kKept] ? wanted - group_sums[kKept] : 0u);
  if (t.kept != 0ul) {  // they are among the forced pages, none of which is left out then
    budget.least = max(budget.least, group_sums[kForcedPages]);
    budget.most = max(budget.most, group_sums[kForcedPages]);
  }
  Cut cut = Cut(0xFFFFFFFFu, 0u, 0u);
  if (!enough(budget, 0u, 0u))
    cut = cut_of(slot, begin, t.near, remote, budget);
  else
    meet();
  // Bits of the pages that are read, then the list: a page stands behind as many as there are bits before its own. Lanes of a
  // subgroup take neighbouring pages.
  uint mass = 0u, lane = gl_SubgroupInvocationID;
  [[dont_unroll]] for (uint first = place - lane; first < t.pages; first += gl_WorkGroupSize.x) {
    uint page = first + lane;
    bool remote_page = page >= t.far && page < t.near, taken = page < t.pages && !remote_page;
    if (remote_page) {
      uint rank = rank_of(slot, page);
      taken = is_taken(cut, rank, page);
      if (taken) mass += mass_of(rank);
    }
    uvec4 ballot = subgroupBallot(taken);
    if (subgroupElect()) {
      atomicOr(marked[first / 32u], ballot.x << (first % 32u));
      if (gl_SubgroupSize > 32u && first / 32u + 1u < kWords) atomicOr(marked[first / 32u + 1u], ballot.y);
    }
  }
  add_to_group(kTaken, mass);
  meet();
  uint words = (t.pages + 31u) / 32u, already = 0u;
  [[dont_unroll]] for (uint first = 0u; first < words; first += gl_WorkGroupSize.x) {
    uint word = first + place;
    uvec2 all, lower = group_prefix(uvec2(word < words ? bitCount(marked[min(word, words - 1u)]) : 0u, 0u), false, all);
    if (word < words) before[word] = already + lower.x;
    already += all.x;
  }
  meet();
  [[dont_unroll]] for (uint some = place; some < t.pages; some += kPagesAtOnce * gl_WorkGroupSize.x) {
    if (some != place) ask_pages(t, some, found);
    [[unroll]] for (uint i = 0; i < kPagesAtOnce; i++) {
      uint page = some + i * gl_WorkGroupSize.x;
      if (page >= t.pages) continue;
      uint word = marked[page / 32u], bit = 1u << (page % 32u);
      if ((word & bit) != 0u) list_page(slot, before[page / 32u] + bitCount(word & (bit - 1u)), page, found[i]);
    }
  }
  uint pages = t.pages - remote + cut.count, scored = 0u;
  for (uint s = 0u; s < SAMPLES; s++) scored += estimated_pages(t, s);
  if (place == 0u) {
    uint mass_read = min(group_sums[kKept] + group_sums[kTaken], 1u << 30);
    Uints(p.keys).v[slot] = (pages - 1u) * kPageKeys + t.last % kPageKeys + 1u;
    tell_mass(slot, float(mass_read) / kMassUnit);
    uint times = readers();
    add_fact(kv_head, kFactChoices, times);
    add_fact(kv_head, kFactSkipped, (t.pages - pages) * t.rows * times);
    add_fact(kv_head, kFactScored, scored);
    add_fact(kv_head, kFactRemote, remote * times);
    add_fact(kv_head, kFactChosen, cut.count * times);
    add_fact(kv_head, kFactMass, (mass_read >> 10) * times);
    add_fact(kv_head, kFactEntropy, flatness * times);
  }
}

#endif
