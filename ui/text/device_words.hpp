// What the engine says of devices, in the window's language: its sentences are patterns, whose figures stay as they are.
#pragma once

#include <QString>
#include <string>

#include "engine/api/device_fit.hpp"

namespace fovea {

[[nodiscard]] QString fit_name(const DeviceFit& fit);    // "KV cache"
[[nodiscard]] QString fit_taken(const DeviceFit& fit);   // "f16, as you asked"
[[nodiscard]] QString fit_reason(const DeviceFit& fit);  // a sentence
// Why a device was chosen (DeviceSummary::why).
[[nodiscard]] QString device_reason(const std::string& why);

}  // namespace fovea
