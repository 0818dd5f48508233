#include "engine/reference/parallel.hpp"

#include <algorithm>
#include <system_error>
#include <thread>
#include <vector>

namespace fovea::reference {

void for_each_row(std::size_t rows, std::size_t work, const std::function<void(std::size_t, std::size_t)>& body) {
  constexpr std::size_t worth_a_thread = 1u << 19;  // about half a millisecond
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t parts = std::clamp<std::size_t>(std::min({cores, rows, work / worth_a_thread}), 1, 64);
  const auto start_of = [&](std::size_t part) { return rows * part / parts; };
  std::vector<std::jthread> helpers;
  std::size_t next = 1;
  try {
    for (; next < parts; ++next)
      helpers.emplace_back([&body, first = start_of(next), last = start_of(next + 1)] { body(first, last); });
  } catch (const std::system_error&) {
    // No more threads to be had: the caller does what is left.
    body(start_of(next), rows);
  }
  body(0, start_of(1));
}

}  // namespace fovea::reference
