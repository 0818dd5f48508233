#include "app/cli/written_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "engine/io/shown_name.hpp"

namespace fovea::cli {

Result<void> write_text(const std::string& path, std::string_view text) {
  const auto refuse = [&] { return fail(ErrorCode::file, "the file " + shown_name(path), std::strerror(errno), "name one in a folder that can be written and has room"); };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wb"), &std::fclose);
  if (!file || std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() || std::fflush(file.get()) != 0) return refuse();
  return {};
}

}  // namespace fovea::cli
