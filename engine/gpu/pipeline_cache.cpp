#include "engine/gpu/pipeline_cache.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <system_error>

#include "shaders/shader_library.hpp"

namespace fovea::gpu {
namespace {

namespace fs = std::filesystem;

constexpr std::array<char, 8> magic = {'F', 'O', 'V', 'E', 'A', 'P', 'C', '1'};
constexpr std::uint64_t max_file_bytes = 256 * 1024 * 1024;

// As it lies in the file, in the byte order of the machine: the file never leaves it.
struct FileHeader {
  std::array<char, 8> magic{};
  std::uint32_t vendor_id = 0, device_id = 0, driver_version = 0, reserved = 0;
  std::array<std::uint8_t, VK_UUID_SIZE> cache_uuid{};
  std::uint64_t shaders = 0;
  std::uint64_t data_bytes = 0;
  std::uint64_t data_hash = 0;
};
static_assert(sizeof(FileHeader) == 64);

// FNV-1a, 64 bit: against torn and rotten files, not against an attacker, who could write the program's files anyway.
std::uint64_t hash_bytes(std::span<const std::byte> bytes, std::uint64_t hash = 0xcbf29ce484222325u) {
  for (const std::byte byte : bytes) hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3u;
  return hash;
}

FileHeader header_of(const PipelineCacheKey& key, std::span<const std::byte> data) {
  return FileHeader{magic,          key.vendor_id, key.device_id, key.driver_version, 0,
                    key.cache_uuid, key.shaders,   data.size(),   hash_bytes(data)};
}

// Drivers have been known to trust the head of their own data: it is checked before they see it.
bool driver_header_matches(std::span<const std::byte> data, const PipelineCacheKey& key) {
  VkPipelineCacheHeaderVersionOne header{};
  if (data.size() < sizeof header) return false;
  std::memcpy(&header, data.data(), sizeof header);
  return header.headerSize >= sizeof header && header.headerSize <= data.size() &&
         header.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE && header.vendorID == key.vendor_id &&
         header.deviceID == key.device_id &&
         std::equal(key.cache_uuid.begin(), key.cache_uuid.end(), header.pipelineCacheUUID);
}

tl::unexpected<Error> cannot_write(const fs::path& file, const std::string& why) {
  return fail(ErrorCode::file, "Pipeline cache " + file.string(), why, "the next start compiles the kernels again");
}

}  // namespace

PipelineCacheKey pipeline_cache_key(const PhysicalDevice& device) {
  std::uint64_t shaders = hash_bytes({});
  for (std::size_t i = 0; i < shader_count; ++i) {
    const auto code = std::as_bytes(shader_code(static_cast<ShaderId>(i)));
    const std::uint64_t size = code.size();
    shaders = hash_bytes(std::as_bytes(std::span(&size, 1)), shaders);
    shaders = hash_bytes(code, shaders);
  }
  return {device.vendor_id, device.device_id, device.driver_version, device.cache_uuid, shaders};
}

fs::path pipeline_cache_folder(const fs::path& option) {
  if (!option.empty()) return option;
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && fs::path(cache).is_absolute()) return fs::path(cache) / "fovea";
  const char* home = std::getenv("HOME");
  if (home != nullptr && fs::path(home).is_absolute()) return fs::path(home) / ".cache" / "fovea";
  return {};
}

fs::path pipeline_cache_file(const fs::path& folder, const PipelineCacheKey& key) {
  if (folder.empty()) return {};
  char name[64];
  // The UUID tells two drivers of one device apart (a system's Mesa and a newer one, say).
  std::snprintf(name, sizeof name, "pipelines-%04x-%04x-%016llx.bin", key.vendor_id, key.device_id,
                static_cast<unsigned long long>(hash_bytes(std::as_bytes(std::span(key.cache_uuid)))));
  return folder / name;
}

std::optional<std::vector<std::byte>> read_pipeline_cache(const fs::path& file, const PipelineCacheKey& key) {
  std::error_code error;
  if (file.empty() || !fs::is_regular_file(file, error) || error) return std::nullopt;
  const std::uint64_t size = fs::file_size(file, error);
  if (error || size < sizeof(FileHeader) || size > max_file_bytes) return std::nullopt;
  std::ifstream in(file, std::ios::binary);
  FileHeader header;
  std::vector<std::byte> data(size - sizeof header);
  in.read(reinterpret_cast<char*>(&header), sizeof header);
  in.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(data.size()));
  if (!in) return std::nullopt;
  const FileHeader expected = header_of(key, data);
  if (std::memcmp(&header, &expected, sizeof header) != 0 || !driver_header_matches(data, key)) return std::nullopt;
  return data;
}

Result<void> write_pipeline_cache(const fs::path& file, const PipelineCacheKey& key, std::span<const std::byte> data) {
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  if (error) return cannot_write(file, error.message());
  if (data.size() > max_file_bytes - sizeof(FileHeader)) return cannot_write(file, "it has grown beyond 256 MiB");
  const fs::path beside = file.string() + "." + std::to_string(getpid()) + ".new";
  bool written = false;
  {
    std::ofstream out(beside, std::ios::binary | std::ios::trunc);
    const FileHeader header = header_of(key, data);
    out.write(reinterpret_cast<const char*>(&header), sizeof header);
    out.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
    out.close();
    written = static_cast<bool>(out);
  }
  if (written) fs::rename(beside, file, error);
  if (written && !error) return {};
  const std::string why = written ? error.message() : "it cannot be written";
  fs::remove(beside, error);
  return cannot_write(file, why);
}

}  // namespace fovea::gpu
