// Writes GGUF bytes for tests: valid by default, and wrong wherever a test wants it to be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tensor/dtype.hpp"

namespace fovea::test {

// Appends little-endian scalars and length-prefixed strings.
struct ByteWriter {
  std::vector<std::byte> bytes;

  template <class T>
  ByteWriter& put(T value) {
    const std::size_t at = bytes.size();
    bytes.resize(at + sizeof(T));
    std::memcpy(bytes.data() + at, &value, sizeof(T));
    return *this;
  }
  ByteWriter& text(std::string_view value) {
    put<std::uint64_t>(value.size());
    const std::size_t at = bytes.size();
    bytes.resize(at + value.size());
    if (!value.empty()) std::memcpy(bytes.data() + at, value.data(), value.size());
    return *this;
  }
};

struct TensorEntry {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::uint32_t type = 0;                 // ggml id
  std::vector<std::byte> data;            // empty: zeros of the right size
  std::optional<std::uint64_t> offset{};  // instead of the right one
};

class GgufBytes {
 public:
  std::uint32_t magic = 0x46554747, version = 3;
  std::optional<std::uint64_t> tensor_count{}, key_count{};  // instead of the right ones
  std::uint64_t alignment = 32;                              // of what is written; not the metadata key

  GgufBytes& u32(std::string_view key, std::uint32_t value) { return entry(key, 4).put_value(value); }
  GgufBytes& i32(std::string_view key, std::int32_t value) { return entry(key, 5).put_value(value); }
  GgufBytes& f32(std::string_view key, float value) { return entry(key, 6).put_value(value); }
  GgufBytes& boolean(std::string_view key, std::uint8_t value) { return entry(key, 7).put_value(value); }
  GgufBytes& string(std::string_view key, std::string_view value) {
    entry(key, 8);
    keys_.text(value);
    return *this;
  }
  GgufBytes& strings(std::string_view key, const std::vector<std::string>& values) {
    array(key, 8, values.size());
    for (const auto& value : values) keys_.text(value);
    return *this;
  }
  // Type, then count; the elements are the caller's business.
  GgufBytes& array(std::string_view key, std::uint32_t type, std::uint64_t count) {
    entry(key, 9);
    keys_.put(type).put(count);
    return *this;
  }
  // The start of any entry; the value follows through raw().
  GgufBytes& entry(std::string_view key, std::uint32_t type) {
    keys_.text(key).put(type);
    ++entries_;
    return *this;
  }
  ByteWriter& raw() { return keys_; }
  GgufBytes& tensor(TensorEntry tensor) {
    tensors_.push_back(std::move(tensor));
    return *this;
  }

  [[nodiscard]] std::vector<std::byte> bytes() const {
    ByteWriter out, data;
    out.put(magic).put(version).put<std::uint64_t>(tensor_count.value_or(tensors_.size()));
    out.put<std::uint64_t>(key_count.value_or(entries_));
    out.bytes.insert(out.bytes.end(), keys_.bytes.begin(), keys_.bytes.end());
    for (const TensorEntry& tensor : tensors_) {
      out.text(tensor.name).put(static_cast<std::uint32_t>(tensor.shape.size()));
      for (const std::uint64_t length : tensor.shape) out.put(length);
      out.put(tensor.type).put<std::uint64_t>(tensor.offset.value_or(data.bytes.size()));
      data.bytes.insert(data.bytes.end(), tensor.data.begin(), tensor.data.end());
      if (tensor.data.empty()) data.bytes.resize(data.bytes.size() + honest_bytes(tensor));
      pad(data);
    }
    if (!tensors_.empty()) pad(out);
    out.bytes.insert(out.bytes.end(), data.bytes.begin(), data.bytes.end());
    return out.bytes;
  }

 private:
  template <class T>
  GgufBytes& put_value(T value) {
    keys_.put(value);
    return *this;
  }
  void pad(ByteWriter& writer) const {
    while (writer.bytes.size() % alignment != 0) writer.put(std::uint8_t{0});
  }
  // What an honest tensor of this shape takes; lying shapes get a little data.
  static std::size_t honest_bytes(const TensorEntry& tensor) {
    std::uint64_t elements = 1;
    for (const std::uint64_t length : tensor.shape) {
      if (length == 0 || length > (1u << 24) || elements > (1u << 24)) return 64;
      elements *= length;
    }
    const auto type = dtype_traits(tensor.type);
    return type ? static_cast<std::size_t>(row_bytes(type->type, elements)) : 64;
  }

  ByteWriter keys_;
  std::uint64_t entries_ = 0;
  std::vector<TensorEntry> tensors_;
};

}  // namespace fovea::test
