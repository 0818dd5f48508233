// How attention of one token divides its keys among workgroups: whole pages each, so that borders do not depend on how
// far the last page is filled, and at least `least` pages, so that short contexts are not cut into parts that cost more
// to put together than to read. Splits behind the last key are empty.
#ifndef FOVEA_SPLITS_GLSL
#define FOVEA_SPLITS_GLSL

#include "shaders/interface/kv_page.h"

struct KeyRange { uint first, end; };

uint keys_per_split(uint keys, uint splits, uint least) {
  uint pages = (keys + kPageKeys - 1u) / kPageKeys;
  return max((pages + splits - 1u) / splits, least) * kPageKeys;
}
KeyRange split_range(uint keys, uint split, uint splits, uint least) {
  uint each = keys_per_split(keys, splits, least), first = min(split * each, keys);
  return KeyRange(first, min(first + each, keys));
}
// Splits that have keys; they are the first ones.
uint splits_used(uint keys, uint splits, uint least) {
  uint each = keys_per_split(keys, splits, least);
  return (keys + each - 1u) / each;
}

#endif
