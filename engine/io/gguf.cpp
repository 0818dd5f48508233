#include "engine/io/gguf.hpp"

#include <utility>

namespace fovea {

const GgufValue* Gguf::find(std::string_view key) const {
  const auto at = metadata_index_.find(std::string(key));
  return at == metadata_index_.end() ? nullptr : &metadata_[at->second].second;
}

const GgufTensor* Gguf::find_tensor(std::string_view name) const {
  const auto at = tensor_index_.find(std::string(name));
  return at == tensor_index_.end() ? nullptr : &tensors_[at->second];
}

std::optional<std::uint64_t> Gguf::unsigned_value(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return std::nullopt;
  if (const auto* natural = std::get_if<std::uint64_t>(value)) return *natural;
  if (const auto* integer = std::get_if<std::int64_t>(value); integer && *integer >= 0)
    return static_cast<std::uint64_t>(*integer);
  return std::nullopt;
}

std::optional<double> Gguf::real_value(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto* real = value ? std::get_if<double>(value) : nullptr;
  return real ? std::optional(*real) : std::nullopt;
}

std::optional<bool> Gguf::bool_value(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto* truth = value ? std::get_if<bool>(value) : nullptr;
  return truth ? std::optional(*truth) : std::nullopt;
}

std::optional<std::string_view> Gguf::string_value(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto* text = value ? std::get_if<std::string>(value) : nullptr;
  return text ? std::optional<std::string_view>(*text) : std::nullopt;
}

const std::vector<std::string>* Gguf::strings(std::string_view key) const {
  const GgufValue* value = find(key);
  return value ? std::get_if<std::vector<std::string>>(value) : nullptr;
}

Result<GgufFile> GgufFile::open(const std::filesystem::path& path) {
  FOVEA_ASSIGN(MappedFile file, MappedFile::open(path));
  auto gguf = Gguf::parse(file.bytes());
  if (!gguf) {
    Error error = std::move(gguf).error();
    error.what = path.string();
    return tl::unexpected<Error>(std::move(error));
  }
  return GgufFile(path, std::move(file), std::move(*gguf));
}

std::span<const std::byte> GgufFile::data(const GgufTensor& tensor) const {
  // parse() has placed every tensor of this catalogue inside the file; a tensor of another file gets nothing.
  const auto bytes = file_.bytes();
  if (tensor.offset > bytes.size() || tensor.bytes > bytes.size() - tensor.offset) return {};
  return bytes.subspan(tensor.offset, tensor.bytes);
}

}  // namespace fovea
