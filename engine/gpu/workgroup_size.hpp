// The workgroup size a compute shader will have once its constants are filled in, read from its SPIR-V.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace fovea::gpu {

// `constants[i]` fills constant_id i. Nothing where the module does not say its size.
[[nodiscard]] std::optional<std::array<std::uint32_t, 3>> workgroup_size(std::span<const std::uint32_t> code,
                                                                         std::span<const std::uint32_t> constants);

}  // namespace fovea::gpu
