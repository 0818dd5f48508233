// Which model opens when none is named.
#include "engine/session/embedded_model.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace fovea {
namespace {

namespace fs = std::filesystem;

class EmbeddedModel : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("fovea_models_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    setenv("FOVEA_MODELS", folder_.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("FOVEA_MODELS");
    fs::remove_all(folder_);
  }
  void put(const std::string& name, std::size_t bytes) { std::ofstream(folder_ / name) << std::string(bytes, 'x'); }
  fs::path folder_;
};

TEST_F(EmbeddedModel, is_the_largest_model_of_the_folder_that_the_environment_names) {
  put("small.gguf", 10);
  put("large.gguf", 1000);
  put("larger.txt", 5000);
  fs::create_directories(folder_ / "folder.gguf");
  const auto found = embedded_model();
  ASSERT_TRUE(found) << found.error().sentence();
  EXPECT_EQ(*found, folder_ / "large.gguf");
}

TEST_F(EmbeddedModel, is_not_one_of_an_empty_or_missing_folder) {
  for (const char* folder : {folder_.c_str(), "/nonexistent/folder", ""}) {
    setenv("FOVEA_MODELS", folder, 1);
    const auto found = embedded_model();
    // The source tree or the place of installation may hold one; without, the sentence says what to do.
    if (found) {
      EXPECT_NE(found->parent_path(), folder_);
    } else {
      EXPECT_EQ(found.error().code, ErrorCode::file);
      EXPECT_NE(found.error().sentence().find("FOVEA_MODELS"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace fovea
