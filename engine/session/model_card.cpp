#include "engine/session/model_card.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

#include "engine/text/utf8_stream.hpp"

namespace fovea {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 2> kLanguages{"zh_CN", ""};
constexpr std::size_t kFolderEntries = 10'000;  // looked at; a larger folder is nobody's model folder

bool digits(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// "name" of name.gguf and of name-00001-of-00003.gguf.
std::string model_name(const fs::path& model) {
  std::string stem = model.stem().string();
  constexpr std::size_t kEnding = std::string_view("-00001-of-00003").size();
  if (stem.size() <= kEnding) return stem;
  const std::string_view ending = std::string_view(stem).substr(stem.size() - kEnding);
  if (ending[0] == '-' && digits(ending.substr(1, 5)) && ending.substr(6, 4) == "-of-" && digits(ending.substr(10)))
    stem.resize(stem.size() - kEnding);
  return stem;
}

bool holds_only(const fs::path& folder, const std::string& name) {
  std::error_code error;
  std::size_t seen = 0;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (++seen > kFolderEntries) return false;
    if (entry->path().extension() == ".gguf" && model_name(entry->path()) != name) return false;
  }
  return !error;
}

// At most kCardBytes, ending with a line where the file is longer than that.
void read_text(ModelCard& card) {
  std::ifstream file(card.path, std::ios::binary);
  std::string bytes(kCardBytes + 1, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  // A read that fails says so by `bad`; one that merely met the end of the file only by `fail`.
  if (!file.is_open() || file.bad()) {
    card.problem = Error{ErrorCode::file, card.path, "the model's card cannot be read", "check its permissions"};
    return;
  }
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  card.cut = bytes.size() > kCardBytes;
  if (card.cut) {
    bytes.resize(kCardBytes);
    if (const std::size_t line_end = bytes.rfind('\n'); line_end != std::string::npos) bytes.resize(line_end + 1);
  }
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  const bool marked = std::string_view(bytes).starts_with(kByteOrderMark);
  card.text = Utf8Stream().push(std::string_view(bytes).substr(marked ? kByteOrderMark.size() : 0));
}

bool blank(const std::string& text) { return text.find_first_not_of(" \t\r\n") == std::string::npos; }

std::vector<ModelCard> read_cards(const fs::path& folder, const std::string& name) {
  std::vector<ModelCard> cards;
  for (const std::string_view language : kLanguages) {
    std::string file = name;
    if (!language.empty()) file.append(".").append(language);
    const fs::path path = folder / file.append(".md");
    // Pipes and devices would hold us up or never end; a folder of that name is no card.
    std::error_code error;
    if (!fs::is_regular_file(path, error)) continue;
    ModelCard card{.language = std::string(language), .path = path.string(), .text = {}, .problem = {}};
    card.file_bytes = fs::file_size(path, error);
    if (error) card.file_bytes = 0;
    read_text(card);
    if (card.problem || !blank(card.text)) cards.push_back(std::move(card));
  }
  return cards;
}

}  // namespace

std::vector<ModelCard> read_model_cards(const fs::path& model) {
  const std::string name = model_name(model);
  const fs::path folder = model.has_parent_path() ? model.parent_path() : fs::path(".");
  std::vector<ModelCard> cards = read_cards(folder, name);
  if (cards.empty() && holds_only(folder, name)) cards = read_cards(folder, "README");
  return cards;
}

}  // namespace fovea
