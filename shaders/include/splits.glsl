// How attention of one token divides its keys among workgroups: whole pages each, so that borders do not depend on how
// far the last page is filled, and at least `least` pages, so that short contexts are not cut into parts that cost more
// to put together than to read. Splits behind the last key are empty. Where a workgroup takes `whole` pages at a time, splits have a
// multiple of them: others would take as long, and be more to put together.
#ifndef FOVEA_SPLITS_GLSL
#define FOVEA_SPLITS_GLSL

#include "shaders/interface/kv_page.h"

struct KeyRange { uint first, end; };

uint keys_per_split(uint keys, uint splits, uint least, uint whole) {
  uint pages = (keys + kPageKeys - 1u) / kPageKeys;
  return (max((pages + splits - 1u) / splits, least) + whole - 1u) / whole * whole * kPageKeys;
}
KeyRange split_range(uint keys, uint split, uint splits, uint least, uint whole) {
  uint each = keys_per_split(keys, splits, least, whole), first = min(split * each, keys);
  return KeyRange(first, min(first + each, keys));
}
KeyRange split_range(uint keys, uint split, uint splits, uint least) { return split_range(keys, split, splits, least, 1u); }
// Splits that have keys; they are the first ones.
uint splits_used(uint keys, uint splits, uint least, uint whole) {
  uint each = keys_per_split(keys, splits, least, whole);
  return (keys + each - 1u) / each;
}
uint splits_used(uint keys, uint splits, uint least) { return splits_used(keys, splits, least, 1u); }

#endif
