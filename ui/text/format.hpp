// Numbers as a person reads them: three significant digits, thin spaces between thousands, units always.
#pragma once

#include <QString>
#include <cstdint>

#include "engine/api/trace.hpp"

namespace fovea {

[[nodiscard]] QString shown_number(double value);            // 61.3, 0.0123, 1 230 000, 3.2e-7
[[nodiscard]] QString shown_count(std::uint64_t value);      // 12 345
[[nodiscard]] QString shown_short(std::uint64_t value);      // 63.9 M
[[nodiscard]] QString shown_bytes(double bytes);             // 64.1 MiB
[[nodiscard]] QString shown_duration(double milliseconds);   // 42 ms, 1.53 s
[[nodiscard]] QString shown_percent(double fraction);        // 12.3 %
[[nodiscard]] QString shown_rate(double tokens_per_second);  // 61.3 tok/s
// A token for labels: its text in quotes with spaces and line ends visible; its piece when it has no text of its own.
[[nodiscard]] QString shown_token(const TokenText& token);

}  // namespace fovea
