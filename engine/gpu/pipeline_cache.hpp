// The pipeline cache on disk: one file per device, good for one driver and one shader library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/gpu/device_choice.hpp"

namespace fovea::gpu {

// Everything that makes a cache file worthless when it changes.
struct PipelineCacheKey {
  std::uint32_t vendor_id = 0, device_id = 0, driver_version = 0;
  std::array<std::uint8_t, VK_UUID_SIZE> cache_uuid{};
  std::uint64_t shaders = 0;  // hash of the shader library
  friend bool operator==(const PipelineCacheKey&, const PipelineCacheKey&) = default;
};

[[nodiscard]] PipelineCacheKey pipeline_cache_key(const PhysicalDevice& device);

// Empty where there is neither an option nor $XDG_CACHE_HOME nor $HOME: nothing is kept then.
[[nodiscard]] std::filesystem::path pipeline_cache_folder(const std::filesystem::path& option);
[[nodiscard]] std::filesystem::path pipeline_cache_file(const std::filesystem::path& folder,
                                                        const PipelineCacheKey& key);

// The driver's data; nothing where the file is missing, damaged, or was made for anything but `key`.
[[nodiscard]] std::optional<std::vector<std::byte>> read_pipeline_cache(const std::filesystem::path& file,
                                                                        const PipelineCacheKey& key);
// Whole or not at all: written beside and renamed.
[[nodiscard]] Result<void> write_pipeline_cache(const std::filesystem::path& file, const PipelineCacheKey& key,
                                                std::span<const std::byte> data);

}  // namespace fovea::gpu
