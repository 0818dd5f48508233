#include "app/cli/text_source.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "engine/io/shown_name.hpp"

namespace fovea::cli {
namespace {

// Reads until the end, until `enough` bytes are there or one more than `longest` has come: devices and pipes never end.
Result<std::string> read_stream(std::FILE* stream, std::string_view what, std::size_t longest,
                                std::optional<std::size_t> enough) {
  std::string text;
  std::array<char, 1 << 16> block;
  const std::size_t limit = enough.value_or(longest + 1);
  while (text.size() < limit) {
    errno = 0;
    const std::size_t wanted = std::min(block.size(), limit - text.size());
    const std::size_t got = std::fread(block.data(), 1, wanted, stream);
    text.append(block.data(), got);
    if (got < wanted && std::ferror(stream) != 0)
      return fail(ErrorCode::file, std::string(what), std::strerror(errno), "name a text file that can be read");
    if (got < wanted) break;
  }
  if (!enough && text.size() > longest)
    return fail(ErrorCode::file, std::string(what), fmt::format("it is longer than {} bytes", longest),
                "use a shorter one");
  return text;
}

}  // namespace

void add_text_options(CLI::App& parser, TextSource& source) {
  auto* const group = parser.add_option_group("Text");
  group->add_option("-p,--prompt", source.prompt, "The text; - reads it from standard input")->type_name("TEXT");
  group->add_option("-f,--file", source.file, "Read the text from a file")
      ->type_name("FILE")
      ->check([](const std::string& name) { return std::string(name.empty() ? "the file name is empty" : ""); });
  group->require_option(1);
}

Result<std::string> read_text(const TextSource& source) {
  if (!source.file.empty()) return read_file(source.file, "text file " + shown_name(source.file));
  if (source.prompt == "-") return read_stream(stdin, "standard input", kLongestText, std::nullopt);
  return source.prompt;
}

Result<std::string> read_file(const std::filesystem::path& path, std::string_view what, std::size_t longest,
                              std::optional<std::size_t> first_bytes) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file)
    return fail(ErrorCode::file, std::string(what), std::strerror(errno), "check its name and that you may read it");
  return read_stream(file.get(), what, longest, first_bytes);
}

}  // namespace fovea::cli
