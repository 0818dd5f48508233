#include "engine/api/device_fit.hpp"

#include <cstddef>

namespace fovea {

std::string why(const DeviceFit& fit) {
  std::string sentence;
  for (std::size_t i = 0; i < fit.reason.size(); ++i) {
    const char next = i + 1 < fit.reason.size() ? fit.reason[i + 1] : '\0';
    const auto place = static_cast<std::size_t>(next - '1');
    if (fit.reason[i] != '%' || next < '1' || next > '9' || place >= fit.figures.size()) {
      sentence += fit.reason[i];
      continue;
    }
    sentence += fit.figures[place];
    ++i;
  }
  return sentence;
}

}  // namespace fovea
