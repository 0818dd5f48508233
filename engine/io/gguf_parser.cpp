// Gguf::parse: the bytes of a GGUF file, trusted in nothing, to a catalogue.
#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

#include "engine/io/checked.hpp"
#include "engine/io/gguf.hpp"
#include "engine/io/shown_name.hpp"

namespace fovea {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF scalars are read as they lie in memory");

// Caps before allocation (R2). The largest vocabularies known hold 262,144 tokens and twice as many merges.
constexpr std::uint64_t most_tensors = 65536;
constexpr std::uint64_t most_keys = 65536;
constexpr std::uint64_t longest_string = std::uint64_t{1} << 20;
constexpr std::uint64_t longest_name = 256;
constexpr std::uint64_t most_array_elements = std::uint64_t{1} << 22;  // over all arrays of a file
constexpr std::uint64_t longest_dimension = std::uint64_t{1} << 40;
constexpr std::uint64_t default_alignment = 32;

constexpr std::string_view again = "download or copy the file again";
constexpr std::string_view reconvert = "convert the model again with a current converter";

tl::unexpected<Error> malformed(std::string why, std::string_view advice = again) {
  return fail(ErrorCode::format, "GGUF file", std::move(why), std::string(advice));
}

// Value type ids of the format (gguf.md, enum gguf_metadata_value_type).
enum class ValueType : std::uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

// Reads forward through the bytes; every read says what it was for, so that a short file is told by its place.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] std::uint64_t remaining() const { return bytes_.size() - position_; }

  template <class T>
  Result<T> scalar(std::string_view purpose) {
    static_assert(std::is_arithmetic_v<T>);
    if (remaining() < sizeof(T)) return ended(purpose);
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  Result<std::string> string(std::string_view purpose, std::uint64_t longest) {
    FOVEA_ASSIGN(const auto length, scalar<std::uint64_t>(purpose));
    if (length > remaining()) return ended(purpose);
    if (length > longest)
      return malformed(std::string(purpose) + " is " + std::to_string(length) + " bytes long, more than the " +
                           std::to_string(longest) + " allowed",
                       reconvert);
    std::string text(reinterpret_cast<const char*>(bytes_.data() + position_), static_cast<std::size_t>(length));
    position_ += length;
    return text;
  }

 private:
  static tl::unexpected<Error> ended(std::string_view purpose) {
    return malformed("the file ends inside " + std::string(purpose));
  }

  std::span<const std::byte> bytes_;
  std::uint64_t position_ = 0;
};

Result<bool> read_bool(Cursor& cursor, std::string_view purpose) {
  FOVEA_ASSIGN(const auto stored, cursor.scalar<std::uint8_t>(purpose));
  if (stored > 1) return malformed(std::string(purpose) + " is neither true nor false", reconvert);
  return stored == 1;
}

// One scalar of the file's type T, widened to the kind that GgufValue keeps.
template <class T, class Wide>
Result<GgufValue> read_scalar(Cursor& cursor, std::string_view purpose) {
  FOVEA_ASSIGN(const auto value, cursor.scalar<T>(purpose));
  return GgufValue(static_cast<Wide>(value));
}

template <class T, class Wide>
Result<GgufValue> read_scalars(Cursor& cursor, std::uint64_t count, std::string_view purpose) {
  std::vector<Wide> values(static_cast<std::size_t>(count));
  for (Wide& value : values) {
    FOVEA_ASSIGN(const auto stored, cursor.scalar<T>(purpose));
    value = static_cast<Wide>(stored);
  }
  return GgufValue(std::move(values));
}

Result<GgufValue> read_single(Cursor& cursor, ValueType type, std::string_view purpose) {
  switch (type) {
    case ValueType::u8:
      return read_scalar<std::uint8_t, std::uint64_t>(cursor, purpose);
    case ValueType::u16:
      return read_scalar<std::uint16_t, std::uint64_t>(cursor, purpose);
    case ValueType::u32:
      return read_scalar<std::uint32_t, std::uint64_t>(cursor, purpose);
    case ValueType::u64:
      return read_scalar<std::uint64_t, std::uint64_t>(cursor, purpose);
    case ValueType::i8:
      return read_scalar<std::int8_t, std::int64_t>(cursor, purpose);
    case ValueType::i16:
      return read_scalar<std::int16_t, std::int64_t>(cursor, purpose);
    case ValueType::i32:
      return read_scalar<std::int32_t, std::int64_t>(cursor, purpose);
    case ValueType::i64:
      return read_scalar<std::int64_t, std::int64_t>(cursor, purpose);
    case ValueType::f32:
      return read_scalar<float, double>(cursor, purpose);
    case ValueType::f64:
      return read_scalar<double, double>(cursor, purpose);
    case ValueType::boolean: {
      FOVEA_ASSIGN(const bool value, read_bool(cursor, purpose));
      return GgufValue(value);
    }
    case ValueType::string: {
      FOVEA_ASSIGN(std::string value, cursor.string(purpose, longest_string));
      return GgufValue(std::move(value));
    }
    case ValueType::array:
      break;
  }
  return malformed(std::string(purpose) + " is of value type " + std::to_string(static_cast<std::uint32_t>(type)) +
                       ", which this version of the format does not define",
                   "use a newer program or an older file");
}

// Bytes that one element takes in the file at the least; 0 for what cannot stand in an array.
std::uint64_t least_bytes(ValueType type) {
  switch (type) {
    case ValueType::u8:
    case ValueType::i8:
    case ValueType::boolean:
      return 1;
    case ValueType::u16:
    case ValueType::i16:
      return 2;
    case ValueType::u32:
    case ValueType::i32:
    case ValueType::f32:
      return 4;
    case ValueType::string:  // its length field
    case ValueType::u64:
    case ValueType::i64:
    case ValueType::f64:
      return 8;
    case ValueType::array:
      break;
  }
  return 0;
}

Result<GgufValue> read_elements(Cursor& cursor, ValueType type, std::uint64_t count, std::string_view purpose) {
  switch (type) {
    case ValueType::u8:
      return read_scalars<std::uint8_t, std::uint64_t>(cursor, count, purpose);
    case ValueType::u16:
      return read_scalars<std::uint16_t, std::uint64_t>(cursor, count, purpose);
    case ValueType::u32:
      return read_scalars<std::uint32_t, std::uint64_t>(cursor, count, purpose);
    case ValueType::u64:
      return read_scalars<std::uint64_t, std::uint64_t>(cursor, count, purpose);
    case ValueType::i8:
      return read_scalars<std::int8_t, std::int64_t>(cursor, count, purpose);
    case ValueType::i16:
      return read_scalars<std::int16_t, std::int64_t>(cursor, count, purpose);
    case ValueType::i32:
      return read_scalars<std::int32_t, std::int64_t>(cursor, count, purpose);
    case ValueType::i64:
      return read_scalars<std::int64_t, std::int64_t>(cursor, count, purpose);
    case ValueType::f32:
      return read_scalars<float, double>(cursor, count, purpose);
    case ValueType::f64:
      return read_scalars<double, double>(cursor, count, purpose);
    case ValueType::boolean: {
      std::vector<bool> values(static_cast<std::size_t>(count));
      for (std::size_t i = 0; i < values.size(); ++i) {
        FOVEA_ASSIGN(values[i], read_bool(cursor, purpose));
      }
      return GgufValue(std::move(values));
    }
    default: {  // string: array() lets nothing else through
      std::vector<std::string> values(static_cast<std::size_t>(count));
      for (std::string& value : values) {
        FOVEA_ASSIGN(value, cursor.string(purpose, longest_string));
      }
      return GgufValue(std::move(values));
    }
  }
}

// `array_elements` counts over the whole file: the cap must hold however the elements are split.
Result<GgufValue> read_array(Cursor& cursor, std::uint64_t& array_elements, std::string_view purpose) {
  FOVEA_ASSIGN(const auto stored_type, cursor.scalar<std::uint32_t>(purpose));
  FOVEA_ASSIGN(const auto count, cursor.scalar<std::uint64_t>(purpose));
  const auto type = static_cast<ValueType>(stored_type);
  if (type == ValueType::array) return malformed(std::string(purpose) + " is an array of arrays", reconvert);
  const std::uint64_t element_bytes = least_bytes(type);
  if (element_bytes == 0)
    return malformed(std::string(purpose) + " is an array of the unknown value type " + std::to_string(stored_type),
                     "use a newer program or an older file");
  const auto bytes = checked_mul(count, element_bytes);
  if (!bytes || *bytes > cursor.remaining())
    return malformed(std::string(purpose) + " claims " + std::to_string(count) + " elements, more than the file holds");
  const auto total = checked_add(array_elements, count);
  if (!total || *total > most_array_elements)
    return malformed(std::string(purpose) + " brings the arrays of the file to more than " +
                         std::to_string(most_array_elements) + " elements",
                     reconvert);
  array_elements = *total;
  return read_elements(cursor, type, count, purpose);
}

struct Metadata {
  std::vector<std::pair<std::string, GgufValue>> entries;
  std::unordered_map<std::string, std::size_t> index;
};

Result<Metadata> read_metadata(Cursor& cursor, std::uint64_t count) {
  Metadata metadata;
  std::uint64_t array_elements = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    FOVEA_ASSIGN(std::string key, cursor.string("a metadata key", 65535));
    if (key.empty()) return malformed("a metadata key is empty", reconvert);
    const std::string purpose = "metadata " + shown_name(key);
    FOVEA_ASSIGN(const auto type, cursor.scalar<std::uint32_t>(purpose));
    const bool array = static_cast<ValueType>(type) == ValueType::array;
    FOVEA_ASSIGN(GgufValue value, array ? read_array(cursor, array_elements, purpose)
                                        : read_single(cursor, static_cast<ValueType>(type), purpose));
    if (!metadata.index.emplace(key, metadata.entries.size()).second)
      return malformed(purpose + " appears twice", reconvert);
    metadata.entries.emplace_back(std::move(key), std::move(value));
  }
  return metadata;
}

Result<std::uint64_t> read_alignment(const Metadata& metadata) {
  const auto at = metadata.index.find("general.alignment");
  if (at == metadata.index.end()) return default_alignment;
  const auto* stored = std::get_if<std::uint64_t>(&metadata.entries[at->second].second);
  if (!stored) return malformed("general.alignment is not an unsigned integer", reconvert);
  if (!std::has_single_bit(*stored) || *stored < 8 || *stored > 4096)
    return malformed("general.alignment is " + std::to_string(*stored) + ", not a power of two between 8 and 4096",
                     reconvert);
  return *stored;
}

// Elements and bytes of a tensor: each multiplication is checked before its product is used, because a product that
// wraps to something small slips through any later comparison.
Result<std::uint64_t> tensor_bytes(const GgufTensor& tensor) {
  const DTypeTraits& type = traits(tensor.type);
  const std::string named = "tensor " + shown_name(tensor.name);
  if (tensor.shape[0] % type.block_length != 0)
    return malformed(named + " has rows of " + std::to_string(tensor.shape[0]) + " elements, not a multiple of the " +
                         std::to_string(type.block_length) + " that a " + std::string(type.name) + " block holds",
                     reconvert);
  std::optional<std::uint64_t> bytes = checked_mul(tensor.shape[0] / type.block_length, type.block_bytes);
  std::optional<std::uint64_t> elements = tensor.shape[0];
  for (std::uint32_t d = 1; d < 4 && bytes && elements; ++d) {
    bytes = checked_mul(*bytes, tensor.shape[d]);
    elements = checked_mul(*elements, tensor.shape[d]);
  }
  if (!bytes || !elements) return malformed(named + " is larger than 64 bits can count");
  return *bytes;
}

// The catalogue entry; its offset is still relative to the data.
Result<GgufTensor> read_tensor(Cursor& cursor) {
  GgufTensor tensor;
  FOVEA_ASSIGN(tensor.name, cursor.string("a tensor name", longest_name));
  if (tensor.name.empty()) return malformed("a tensor has no name", reconvert);
  const std::string named = "tensor " + shown_name(tensor.name);
  FOVEA_ASSIGN(tensor.dimensions, cursor.scalar<std::uint32_t>(named));
  if (tensor.dimensions < 1 || tensor.dimensions > 4)
    return malformed(named + " has " + std::to_string(tensor.dimensions) + " dimensions, not one to four", reconvert);
  for (std::uint32_t d = 0; d < tensor.dimensions; ++d) {
    FOVEA_ASSIGN(tensor.shape[d], cursor.scalar<std::uint64_t>(named));
    if (tensor.shape[d] == 0) return malformed(named + " has a dimension of zero", reconvert);
    if (tensor.shape[d] > longest_dimension)
      return malformed(named + " has a dimension of " + std::to_string(tensor.shape[d]) + ", more than 2^40");
  }
  FOVEA_ASSIGN(const auto type_id, cursor.scalar<std::uint32_t>(named));
  const auto type = dtype_traits(type_id);
  if (!type)
    return fail(ErrorCode::unsupported, "GGUF file", named + " is of the unknown type " + std::to_string(type_id),
                "use a file in F16, Q8_0, Q4_0, Q5_0, Q4_K, Q5_K or Q6_K");
  tensor.type = type->type;
  FOVEA_ASSIGN(tensor.offset, cursor.scalar<std::uint64_t>(named));
  FOVEA_ASSIGN(tensor.bytes, tensor_bytes(tensor));
  return tensor;
}

// Turns offsets into places in the file. Tensors lie in catalogue order, each at the next aligned place (R4).
Result<void> place_tensors(std::vector<GgufTensor>& tensors, std::uint64_t header_bytes, std::uint64_t file_bytes,
                           std::uint64_t alignment) {
  if (tensors.empty()) return {};
  const auto data_start = checked_align(header_bytes, alignment);
  if (!data_start || *data_start > file_bytes) return malformed("the file ends before the tensor data");
  const std::uint64_t data_bytes = file_bytes - *data_start;
  std::uint64_t expected = 0;
  for (GgufTensor& tensor : tensors) {
    const std::string named = "tensor " + shown_name(tensor.name);
    if (tensor.offset % alignment != 0)
      return malformed(named + " starts at " + std::to_string(tensor.offset) + ", not a multiple of the alignment " +
                           std::to_string(alignment),
                       reconvert);
    const auto end = checked_add(tensor.offset, tensor.bytes);
    if (!end || *end > data_bytes) return malformed(named + " lies beyond the end of the file");
    if (tensor.offset < expected) return malformed(named + " overlaps the tensor before it", reconvert);
    if (tensor.offset > expected) return malformed(named + " leaves a gap after the tensor before it", reconvert);
    const auto next = checked_align(*end, alignment);
    if (!next) return malformed(named + " lies beyond the end of the file");
    expected = *next;
    tensor.offset += *data_start;  // fits: offset <= data_bytes
  }
  return {};
}

struct Header {
  std::uint32_t version = 0;
  std::uint64_t tensors = 0, keys = 0;
};

Result<Header> read_header(Cursor& cursor) {
  FOVEA_ASSIGN(const auto magic, cursor.scalar<std::uint32_t>("its first four bytes"));
  if (magic != 0x46554747u)  // "GGUF"
    return malformed("this is not a GGUF file (it does not begin with the letters GGUF)", "choose a .gguf model");
  Header header;
  FOVEA_ASSIGN(header.version, cursor.scalar<std::uint32_t>("the version"));
  if ((header.version & 0xffffu) == 0 && header.version != 0)
    return fail(ErrorCode::unsupported, "GGUF file", "it was written for a big-endian machine",
                "convert it to little-endian (gguf_convert_endian.py)");
  if (header.version == 1)
    return fail(ErrorCode::unsupported, "GGUF file", "it is of GGUF version 1, which nobody writes any more",
                std::string(reconvert));
  if (header.version != 2 && header.version != 3)
    return fail(ErrorCode::unsupported, "GGUF file",
                "it is of GGUF version " + std::to_string(header.version) + "; versions 2 and 3 are read",
                "use a newer program or a file of version 3");
  FOVEA_ASSIGN(header.tensors, cursor.scalar<std::uint64_t>("the number of tensors"));
  FOVEA_ASSIGN(header.keys, cursor.scalar<std::uint64_t>("the number of metadata keys"));
  if (header.tensors > most_tensors)
    return malformed("it claims " + std::to_string(header.tensors) + " tensors, more than the " +
                     std::to_string(most_tensors) + " allowed");
  if (header.keys > most_keys)
    return malformed("it claims " + std::to_string(header.keys) + " metadata keys, more than the " +
                     std::to_string(most_keys) + " allowed");
  return header;
}

}  // namespace

Result<Gguf> Gguf::parse(std::span<const std::byte> bytes) {
  Cursor cursor(bytes);
  FOVEA_ASSIGN(const Header header, read_header(cursor));
  FOVEA_ASSIGN(Metadata metadata, read_metadata(cursor, header.keys));
  FOVEA_ASSIGN(const auto alignment, read_alignment(metadata));

  Gguf gguf;
  for (std::uint64_t i = 0; i < header.tensors; ++i) {
    FOVEA_ASSIGN(GgufTensor tensor, read_tensor(cursor));
    if (!gguf.tensor_index_.emplace(tensor.name, gguf.tensors_.size()).second)
      return malformed("tensor " + shown_name(tensor.name) + " appears twice", reconvert);
    gguf.tensors_.push_back(std::move(tensor));
  }
  FOVEA_TRY(place_tensors(gguf.tensors_, cursor.position(), bytes.size(), alignment));
  gguf.version_ = header.version;
  gguf.metadata_ = std::move(metadata.entries);
  gguf.metadata_index_ = std::move(metadata.index);
  return gguf;
}

}  // namespace fovea
