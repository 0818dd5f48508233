// Damages bytes the way broken and hostile files are damaged: flipped bits, lengths gone wrong, cuts, copies.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace fovea::test {

// Values that have broken length and size arithmetic before.
inline constexpr std::array<std::uint64_t, 12> nasty{0,
                                                     1,
                                                     0x7f,
                                                     0xff,
                                                     0x7fffffff,
                                                     0x80000000,
                                                     0xffffffff,
                                                     0x100000000,
                                                     0x7fffffffffffffff,
                                                     0x8000000000000000,
                                                     0xfffffffffffffff0,
                                                     0xffffffffffffffff};

inline void mutate(std::vector<std::byte>& bytes, std::mt19937& random) {
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random()) % bound; };
  switch (below(6)) {
    case 0:
      bytes[below(bytes.size())] ^= static_cast<std::byte>(1u << below(8));
      break;
    case 1:
      bytes[below(bytes.size())] = static_cast<std::byte>(random());
      break;
    case 2:
    case 3: {
      const std::uint64_t value = nasty[below(nasty.size())];
      const std::size_t width = below(2) ? 8 : 4;
      if (bytes.size() > width) std::memcpy(bytes.data() + below(bytes.size() - width), &value, width);
      break;
    }
    case 4:
      bytes.resize(1 + below(bytes.size()));
      break;
    default: {
      const std::size_t from = below(bytes.size()), to = below(bytes.size());
      const std::size_t count = std::min({below(16) + 1, bytes.size() - from, bytes.size() - to});
      std::memmove(bytes.data() + to, bytes.data() + from, count);
    }
  }
}

}  // namespace fovea::test
