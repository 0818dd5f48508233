// How a device's subgroups hold the fragments that matrix cores multiply: asked of the device itself, by a shader.
#pragma once

#include "engine/gpu/device.hpp"

namespace fovea::gpu {

// Whether the device has matrix cores and lays fragments out as shaders/gpu/fragment_order.comp describes. Submits and waits.
[[nodiscard]] Result<bool> finds_quad_fragments(Device& device);

}  // namespace fovea::gpu
