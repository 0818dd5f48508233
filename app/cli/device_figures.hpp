// What a run takes because of the device, as commands print it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "engine/api/device_fit.hpp"

namespace fovea::cli {

// [{what,taken,why,option,asked}]; option null where nothing overrules it.
[[nodiscard]] nlohmann::ordered_json fits_json(const DeviceFits& fits);
[[nodiscard]] std::string fit_line(const DeviceFit& fit);

}  // namespace fovea::cli
