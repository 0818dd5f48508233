// The merging both tokenizers share: neighbours join, best pair first, until no pair is left.
// A linked list and a heap: n log n in the symbols, whatever the text (Kudo & Richardson 2018, 3.1).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace fovea {

// Texts are merged in slices below this, so that 32 bits hold every place in one.
inline constexpr std::size_t longest_slice = std::size_t{1} << 28;  // bytes

inline constexpr std::uint32_t no_symbol = UINT32_MAX;

// Bytes [begin, begin + length) of a slice; length 0 = joined into the one before.
struct Symbol {
  std::uint32_t begin = 0, length = 0;
  std::uint32_t id = 0;
  std::uint32_t previous = no_symbol, next = no_symbol;
};

struct Merge {
  double order = 0;  // lower first; equal ones from the left
  std::uint32_t id = 0;
};

// Buffers to use again for the next word.
struct MergeBuffers {
  struct Candidate {
    Merge merge;
    std::uint32_t left, right, length;
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;

  void append(std::uint32_t length, std::uint32_t id) {
    const auto index = static_cast<std::uint32_t>(symbols.size());
    const std::uint32_t begin = index == 0 ? 0 : symbols.back().begin + symbols.back().length;
    if (index > 0) symbols.back().next = index;
    symbols.push_back({begin, length, id, index == 0 ? no_symbol : index - 1, no_symbol});
  }
};

// `lookup(left, right)` says as std::optional<Merge> whether two neighbouring symbols join.
template <class Lookup>
void merge_symbols(MergeBuffers& buffers, Lookup&& lookup) {
  auto& [symbols, heap] = buffers;
  const auto later = [](const MergeBuffers::Candidate& a, const MergeBuffers::Candidate& b) {
    return a.merge.order > b.merge.order || (a.merge.order == b.merge.order && a.left > b.left);
  };
  const auto consider = [&](std::uint32_t left, std::uint32_t right) {
    if (left == no_symbol || right == no_symbol) return;
    const std::optional<Merge> merge = lookup(symbols[left], symbols[right]);
    if (!merge) return;
    heap.push_back({*merge, left, right, symbols[left].length + symbols[right].length});
    std::push_heap(heap.begin(), heap.end(), later);
  };
  heap.clear();
  for (std::uint32_t i = 1; i < symbols.size(); ++i) consider(i - 1, i);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), later);
    const MergeBuffers::Candidate best = heap.back();
    heap.pop_back();
    Symbol& left = symbols[best.left];
    Symbol& right = symbols[best.right];
    // Symbols only grow, so a pair of the same total length is the pair that was put in.
    if (left.length == 0 || right.length == 0 || left.length + right.length != best.length) continue;
    left.length += right.length;
    left.id = best.merge.id;
    right.length = 0;
    left.next = right.next;
    if (right.next != no_symbol) symbols[right.next].previous = best.left;
    consider(left.previous, best.left);
    consider(best.left, left.next);
  }
}

}  // namespace fovea
