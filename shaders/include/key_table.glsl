// The keys that a query tile attends to: all of the sequence, or those of a list of pages, which is a shorter sequence that
// ends with the same key (shaders/interface/attention.h). A list may have been made for an earlier key of its last page.
#ifndef FOVEA_KEY_TABLE_GLSL
#define FOVEA_KEY_TABLE_GLSL

#include "addresses.glsl"
#include "shaders/interface/kv_page.h"

struct KeyTable {
  uint64_t pages;
  uint keys;  // that the tile's last query sees
};

KeyTable key_table(uint64_t pages, uint64_t listed_keys, uint table_stride, uint slot, uint keys) {
  if (listed_keys == 0ul) return KeyTable(pages, keys);
  uint before = Uints(listed_keys).v[slot] - 1u;
  return KeyTable(pages + uint64_t(slot * table_stride) * 8ul, before - before % kPageKeys + (keys - 1u) % kPageKeys + 1u);
}

#endif
