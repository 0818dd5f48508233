// Which compute pipeline: a shader of the library and its specialisation constants.
#pragma once

#include <cstdint>
#include <vector>

#include "shaders/shader_library.hpp"

namespace fovea::gpu {

struct PipelineKey {
  ShaderId shader{};
  std::vector<std::uint32_t> constants;  // constant_id 0, 1, 2, ...
  // Required subgroup size; 0: the device's default. Full subgroups are required where the workgroup allows.
  std::uint32_t subgroup = 0;
  friend bool operator==(const PipelineKey&, const PipelineKey&) = default;
};

// Opaque; owned by the device, valid as long as it.
struct Pipeline;

}  // namespace fovea::gpu
