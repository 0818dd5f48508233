// A file of named arrays behind a JSON header: how runs are kept. Read as untrusted: nothing is believed before it was checked.
//
// Layout, little-endian: "FOVEARUN", uint32 version, uint32 0, uint64 bytes of the header, the header (JSON), zeros up to a
// multiple of 64, the arrays, each from a multiple of 64 on. The header's "arrays" lists {name,type,shape,offset,bytes}; offsets
// count from the end of the padded header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/io/mapped_file.hpp"

namespace fovea {

inline constexpr std::uint32_t kRunFileVersion = 1;

// "u16", "f32", ...: what an element is.
template <class T>
[[nodiscard]] constexpr const char* array_type() {
  if constexpr (std::is_same_v<T, std::uint8_t>) return "u8";
  else if constexpr (std::is_same_v<T, std::uint16_t>) return "u16";
  else if constexpr (std::is_same_v<T, std::int32_t>) return "i32";
  else if constexpr (std::is_same_v<T, std::uint32_t>) return "u32";
  else if constexpr (std::is_same_v<T, std::uint64_t>) return "u64";
  else if constexpr (std::is_same_v<T, float>) return "f32";
  else {
    static_assert(std::is_same_v<T, double>);
    return "f64";
  }
}

class ArrayWriter {
 public:
  // `type` in place of the element's own where the bits mean something else ("f16" in uint16_t).
  template <class T>
  void add(const std::string& name, const std::vector<T>& values, std::vector<std::uint64_t> shape = {}, const char* type = array_type<T>()) {
    if (shape.empty()) shape = {values.size()};
    add_bytes(name, type, std::move(shape), std::as_bytes(std::span(values)));
  }
  // Writes beside the file and renames, so that a file is whole or is not there. Error: what the disk says.
  [[nodiscard]] Result<void> write(const std::filesystem::path& path, nlohmann::ordered_json header) const;

 private:
  void add_bytes(const std::string& name, const char* type, std::vector<std::uint64_t> shape, std::span<const std::byte> bytes);

  struct Entry {
    std::string name, type;
    std::vector<std::uint64_t> shape;
    std::uint64_t offset = 0, bytes = 0;
  };
  std::vector<Entry> entries_;
  std::vector<std::byte> data_;
};

class ArrayFile {
 public:
  // Errors: unreadable, no such file, a later version, a header that is too long, no JSON or lists arrays beyond the file.
  [[nodiscard]] static Result<ArrayFile> open(const std::filesystem::path& path);

  [[nodiscard]] const nlohmann::json& header() const { return header_; }
  [[nodiscard]] const std::string& what() const { return what_; }  // the file, for sentences
  [[nodiscard]] bool has(const std::string& name) const { return entries_.contains(name); }
  // `dimensions` numbers per element of the first axis: 1 for a list. nullopt: not there, or of another type or shape.
  template <class T>
  [[nodiscard]] std::optional<std::vector<T>> read(const std::string& name, std::uint64_t row = 1, const char* type = array_type<T>()) const {
    const auto bytes = find(name, type, sizeof(T), row);
    if (!bytes) return std::nullopt;
    std::vector<T> values(bytes->size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), bytes->data(), bytes->size());
    return values;
  }

 private:
  struct Entry {
    std::string type;
    std::vector<std::uint64_t> shape;
    std::span<const std::byte> bytes;
  };
  ArrayFile(MappedFile file, std::string what) : file_(std::move(file)), what_(std::move(what)) {}
  [[nodiscard]] Result<void> read_header();
  [[nodiscard]] Result<void> read_entry(const nlohmann::json& entry, std::span<const std::byte> data);
  [[nodiscard]] std::optional<std::span<const std::byte>> find(const std::string& name, std::string_view type, std::size_t size, std::uint64_t row) const;

  MappedFile file_;
  std::string what_;
  nlohmann::json header_;
  std::map<std::string, Entry> entries_;
};

}  // namespace fovea
