// GGUF v2/v3: metadata and tensor catalogue of an untrusted file, bounds checked before every use.
// Format: ggml/docs/gguf.md. Rules R1-R7 of untrusted input: checked arithmetic, caps before allocation,
// 64-bit sizes end to end, offsets inside the data, nothing half built.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/io/mapped_file.hpp"
#include "engine/tensor/dtype.hpp"

namespace fovea {

// Scalars are widened to 64 bits, arrays keep one kind. Strings are bytes as stored (not necessarily UTF-8).
using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string,
                               std::vector<std::uint64_t>, std::vector<std::int64_t>, std::vector<double>,
                               std::vector<bool>, std::vector<std::string>>;

struct GgufTensor {
  std::string name;
  std::array<std::uint64_t, 4> shape{1, 1, 1, 1};  // ggml order: shape[0] is contiguous
  std::uint32_t dimensions = 1;
  DType type = DType::F32;
  std::uint64_t offset = 0;  // from the start of the file
  std::uint64_t bytes = 0;
};

// The catalogue of a file; pure over the bytes it was read from, so it can be fuzzed.
class Gguf {
 public:
  // `bytes` must outlive the result only for data(); the catalogue is copied out of it.
  [[nodiscard]] static Result<Gguf> parse(std::span<const std::byte> bytes);

  [[nodiscard]] std::uint32_t version() const { return version_; }
  [[nodiscard]] const std::vector<std::pair<std::string, GgufValue>>& metadata() const { return metadata_; }
  [[nodiscard]] const std::vector<GgufTensor>& tensors() const { return tensors_; }

  [[nodiscard]] const GgufValue* find(std::string_view key) const;
  [[nodiscard]] const GgufTensor* find_tensor(std::string_view name) const;

  // Typed reads: nullopt when absent or of another kind. Integers are accepted in either signedness when in range.
  [[nodiscard]] std::optional<std::uint64_t> unsigned_value(std::string_view key) const;
  [[nodiscard]] std::optional<double> real_value(std::string_view key) const;
  [[nodiscard]] std::optional<bool> bool_value(std::string_view key) const;
  [[nodiscard]] std::optional<std::string_view> string_value(std::string_view key) const;
  [[nodiscard]] const std::vector<std::string>* strings(std::string_view key) const;

 private:
  std::uint32_t version_ = 3;
  std::vector<std::pair<std::string, GgufValue>> metadata_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string, std::size_t> metadata_index_, tensor_index_;
};

// A mapped model file with its catalogue.
class GgufFile {
 public:
  [[nodiscard]] static Result<GgufFile> open(const std::filesystem::path& path);

  [[nodiscard]] const Gguf& gguf() const { return gguf_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::uint64_t file_bytes() const { return file_.bytes().size(); }
  // The tensor's stored bytes, in the map.
  [[nodiscard]] std::span<const std::byte> data(const GgufTensor& tensor) const;

 private:
  GgufFile(std::filesystem::path path, MappedFile file, Gguf gguf)
      : path_(std::move(path)), file_(std::move(file)), gguf_(std::move(gguf)) {}
  std::filesystem::path path_;
  MappedFile file_;
  Gguf gguf_;
};

}  // namespace fovea
