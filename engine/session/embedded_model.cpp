#include "engine/session/embedded_model.hpp"

#include <cstdlib>
#include <string>
#include <system_error>
#include <vector>

namespace fovea {
namespace {

namespace fs = std::filesystem;

// resources/models under the folders above the program (build tree, installed tree) and under the working folder.
std::vector<fs::path> places() {
  std::vector<fs::path> result;
  std::error_code error;
  if (const char* folder = std::getenv("FOVEA_MODELS"); folder != nullptr && *folder != '\0') result.emplace_back(folder);
  fs::path at = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (int up = 0; up < 5 && !at.empty(); ++up, at = at.parent_path()) {
    result.push_back(at / "resources" / "models");
    result.push_back(at / "share" / "fovea" / "models");
    if (at == at.root_path()) break;
  }
  result.push_back(fs::current_path(error) / "resources" / "models");
  return result;
}

}  // namespace

Result<fs::path> embedded_model() {
  std::error_code error;
  for (const fs::path& folder : places()) {
    fs::path best;
    std::uintmax_t best_bytes = 0;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
      if (entry.path().extension() != ".gguf" || !entry.is_regular_file(error)) continue;
      if (const std::uintmax_t bytes = entry.file_size(error); bytes > best_bytes) {
        best = entry.path();
        best_bytes = bytes;
      }
    }
    if (!best.empty()) return best;
  }
  return fail(ErrorCode::file, "the embedded model", "no *.gguf was found in resources/models beside or above the program",
              "name a model file, or set FOVEA_MODELS to the folder that holds one");
}

}  // namespace fovea
