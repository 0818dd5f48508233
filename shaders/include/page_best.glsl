// A query's best remote pages among those of a subgroup's lanes. Needs subgroup arithmetic and ballots.
#ifndef FOVEA_PAGE_BEST_GLSL
#define FOVEA_PAGE_BEST_GLSL

#include "shaders/sample/ordered_key.glsl"

// Of the lanes' pages from `page` on the one of the largest key, of equal ones the last: the key and the page + 1; 0 where all
// keys are. Takes the lane out of the race.
uint64_t take_best(inout uint key, uint page) {
  uint best = subgroupMax(key), lane = subgroupBallotFindMSB(subgroupBallot(key == best));
  if (gl_SubgroupInvocationID == lane) key = 0u;
  return best == 0u ? 0ul : (uint64_t(best) << 32) | uint64_t(page + lane + 1u);
}
// The best one, and where `both` are wanted the second, of all pages so far and of the lanes' from `page` on.
void add_best(bool remote, float score, uint page, bool both, inout uint64_t first, inout uint64_t second) {
  uint key = remote ? ordered_key(floatBitsToUint(score)) : 0u;
  uint64_t best = take_best(key, page), next = both ? take_best(key, page) : 0ul;
  second = best > first ? max(first, next) : max(second, best);
  first = max(first, best);
}

#endif
