// Spreads independent rows over the machine's cores; what a row computes may not depend on the split.
#pragma once

#include <cstddef>
#include <functional>

namespace fovea::reference {

// Calls body(first, last) for disjoint ranges that cover [0, rows). `work` is the number of multiplications in all:
// little of it stays on the calling thread.
void for_each_row(std::size_t rows, std::size_t work, const std::function<void(std::size_t, std::size_t)>& body);

}  // namespace fovea::reference
