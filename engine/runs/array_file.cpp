#include "engine/runs/array_file.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>
#include <utility>

#include "engine/io/checked.hpp"
#include "engine/io/shown_name.hpp"

namespace fovea {
namespace {

constexpr std::array<char, 8> kMagic{'F', 'O', 'V', 'E', 'A', 'R', 'U', 'N'};
constexpr std::size_t kPreamble = 24, kAlignment = 64;
constexpr std::uint64_t kLongestHeader = 8 << 20;
constexpr std::size_t kMostArrays = 256, kMostDimensions = 4;
constexpr int kDeepestHeader = 12;

std::uint64_t aligned(std::uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

template <class T>
T value_at(std::span<const std::byte> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::optional<std::uint64_t> element_bytes(std::string_view type) {
  if (type == "u8") return 1;
  if (type == "u16" || type == "f16") return 2;
  if (type == "i32" || type == "u32" || type == "f32") return 4;
  if (type == "u64" || type == "f64") return 8;
  return std::nullopt;
}

std::optional<std::uint64_t> number(const nlohmann::json& of, const char* key) {
  const auto found = of.find(key);
  if (found == of.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

}  // namespace

void ArrayWriter::add_bytes(const std::string& name, const char* type, std::vector<std::uint64_t> shape, std::span<const std::byte> bytes) {
  entries_.push_back({name, type, std::move(shape), data_.size(), bytes.size()});
  data_.insert(data_.end(), bytes.begin(), bytes.end());
  data_.resize(aligned(data_.size()));
}

Result<void> ArrayWriter::write(const std::filesystem::path& path, nlohmann::ordered_json header) const {
  const std::string what = "run file " + shown_name(path.string());
  const std::string advice = "name a file in a folder that can be written";
  header["arrays"] = nlohmann::ordered_json::array();
  for (const Entry& entry : entries_)
    header["arrays"].push_back({{"name", entry.name}, {"type", entry.type}, {"shape", entry.shape}, {"offset", entry.offset}, {"bytes", entry.bytes}});
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  if (text.size() > kLongestHeader) return fail(ErrorCode::internal, what, "its header is too long", "this is a mistake in the program: report it");
  text.resize(aligned(kPreamble + text.size()) - kPreamble, ' ');
  const std::uint32_t version = kRunFileVersion, zero = 0;
  const std::uint64_t length = text.size();
  const std::filesystem::path part = path.string() + ".part";
  {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(part.c_str(), "wb"), &std::fclose);
    if (!file) return fail(ErrorCode::file, what, std::generic_category().message(errno), advice);
    const auto put = [&](const void* bytes, std::size_t size) { return size == 0 || std::fwrite(bytes, 1, size, file.get()) == size; };
    if (!put(kMagic.data(), kMagic.size()) || !put(&version, sizeof version) || !put(&zero, sizeof zero) || !put(&length, sizeof length) ||
        !put(text.data(), text.size()) || !put(data_.data(), data_.size()) || std::fflush(file.get()) != 0) {
      const std::string why = std::generic_category().message(errno);
      std::remove(part.c_str());
      return fail(ErrorCode::file, what, why, "make room or write it somewhere else");
    }
  }
  std::error_code error;
  std::filesystem::rename(part, path, error);
  if (error) {
    std::remove(part.c_str());
    return fail(ErrorCode::file, what, error.message(), advice);
  }
  return {};
}

Result<ArrayFile> ArrayFile::open(const std::filesystem::path& path) {
  FOVEA_ASSIGN(MappedFile mapped, MappedFile::open(path));
  ArrayFile file(std::move(mapped), "run file " + shown_name(path.string()));
  FOVEA_TRY(file.read_header());
  return file;
}

Result<void> ArrayFile::read_header() {
  const std::span<const std::byte> bytes = file_.bytes();
  const auto refuse = [&](std::string why) { return fail(ErrorCode::format, what_, std::move(why), "open a file that fovea-cli trace or the workbench saved"); };
  if (bytes.size() < kPreamble || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) return refuse("it is no run file");
  if (const auto version = value_at<std::uint32_t>(bytes, 8); version != kRunFileVersion)
    return fail(ErrorCode::unsupported, what_, "it is of version " + std::to_string(version) + ", this program reads version " + std::to_string(kRunFileVersion),
                "open it with the version that saved it");
  const auto length = value_at<std::uint64_t>(bytes, 16);
  if (length > kLongestHeader || length > bytes.size() - kPreamble) return refuse("its header is longer than it may be");
  const auto* const begin = reinterpret_cast<const char*>(bytes.data()) + kPreamble;
  const auto shallow = [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) { return depth <= kDeepestHeader; };
  header_ = nlohmann::json::parse(begin, begin + length, shallow, false);
  if (!header_.is_object()) return refuse("its header is not a JSON object");
  const auto arrays = header_.find("arrays");
  if (arrays == header_.end() || !arrays->is_array() || arrays->size() > kMostArrays) return refuse("its header lists no arrays");
  const std::uint64_t start = aligned(kPreamble + length);
  const std::span<const std::byte> data = start <= bytes.size() ? bytes.subspan(start) : std::span<const std::byte>{};
  for (const auto& entry : *arrays) FOVEA_TRY(read_entry(entry, data));
  return {};
}

Result<void> ArrayFile::read_entry(const nlohmann::json& entry, std::span<const std::byte> data) {
  const auto refuse = [&](std::string why) { return fail(ErrorCode::format, what_, std::move(why), "the file is damaged: copy it again"); };
  if (!entry.is_object()) return refuse("an array has no description");
  const auto name = entry.find("name"), type = entry.find("type"), shape = entry.find("shape");
  const auto offset = number(entry, "offset"), bytes = number(entry, "bytes");
  if (name == entry.end() || !name->is_string() || type == entry.end() || !type->is_string() || shape == entry.end() || !shape->is_array() ||
      shape->empty() || shape->size() > kMostDimensions || !offset || !bytes)
    return refuse("an array's description is incomplete");
  Entry found{.type = type->get<std::string>()};
  auto size = element_bytes(found.type);
  for (const auto& extent : *shape) {
    if (!extent.is_number_unsigned()) return refuse("an array's shape is no list of numbers");
    found.shape.push_back(extent.get<std::uint64_t>());
    if (size) size = checked_mul(*size, found.shape.back());
  }
  const auto end = checked_add(*offset, *bytes);
  if (!size || *size != *bytes || !end || *end > data.size()) return refuse("an array reaches beyond the file, or is not as long as its shape");
  found.bytes = data.subspan(*offset, *bytes);
  if (!entries_.emplace(name->get<std::string>(), std::move(found)).second) return refuse("it has two arrays of one name");
  return {};
}

std::optional<std::span<const std::byte>> ArrayFile::find(const std::string& name, std::string_view type, std::size_t size, std::uint64_t row) const {
  const auto found = entries_.find(name);
  if (found == entries_.end() || found->second.type != type || row == 0) return std::nullopt;
  const Entry& entry = found->second;
  if (entry.bytes.size() % size != 0 || entry.bytes.size() / size % row != 0) return std::nullopt;
  return entry.bytes;
}

}  // namespace fovea
