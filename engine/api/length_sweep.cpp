#include "engine/api/length_sweep.hpp"

#include <algorithm>

namespace fovea {

std::optional<std::uint32_t> pays_from(std::span<const LengthPoint> a, std::span<const LengthPoint> b, LengthTime time) {
  std::optional<std::uint32_t> pays;
  for (std::size_t i = std::min(a.size(), b.size()); i-- > 0 && a[i].*time < b[i].*time;) pays = a[i].context;
  return pays;
}

}  // namespace fovea
