// What an answer is known by.
#pragma once

#include <cstdint>

namespace fovea {

using RequestId = std::uint64_t;

}  // namespace fovea
