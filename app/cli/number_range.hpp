// Checks of numeric options: complete, finite, in range, told in numbers a person can read.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>

namespace fovea::cli {

// As the option parser calls it: "" when the text will do, else what to write instead.
using NumberCheck = std::function<std::string(const std::string&)>;

[[nodiscard]] NumberCheck whole_number(std::int64_t lowest,
                                       std::int64_t highest = std::numeric_limits<std::int64_t>::max());
[[nodiscard]] NumberCheck real_number(double lowest, double highest);

}  // namespace fovea::cli
