#include "engine/io/bounded_read.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace fovea {

Result<std::string> read_stream(std::FILE* stream, std::string_view what, std::size_t longest,
                                std::optional<std::size_t> first_bytes) {
  std::string text;
  std::array<char, 1 << 16> block;
  const std::size_t limit = first_bytes.value_or(longest + 1);
  while (text.size() < limit) {
    errno = 0;
    const std::size_t wanted = std::min(block.size(), limit - text.size());
    const std::size_t got = std::fread(block.data(), 1, wanted, stream);
    text.append(block.data(), got);
    if (got < wanted && std::ferror(stream) != 0)
      return fail(ErrorCode::file, std::string(what), std::strerror(errno), "name a text file that can be read");
    if (got < wanted) break;
  }
  if (!first_bytes && text.size() > longest)
    return fail(ErrorCode::file, std::string(what), "it is longer than " + std::to_string(longest) + " bytes",
                "use a shorter one");
  return text;
}

Result<std::string> read_file(const std::filesystem::path& path, std::string_view what, std::size_t longest,
                              std::optional<std::size_t> first_bytes) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file)
    return fail(ErrorCode::file, std::string(what), std::strerror(errno), "check its name and that you may read it");
  return read_stream(file.get(), what, longest, first_bytes);
}

}  // namespace fovea
