#include "engine/io/mapped_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <utility>

namespace fovea {
namespace {

class MappedFileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / ("mapped_file_test." + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path write(const char* name, std::string_view text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  static std::string refusal(const std::filesystem::path& path) {
    const auto file = MappedFile::open(path);
    return file ? "accepted" : file.error().sentence();
  }
  std::filesystem::path folder_;
};

TEST_F(MappedFileTest, MapsTheWholeFileAndMoves) {
  auto file = MappedFile::open(write("a", "abc"));
  ASSERT_TRUE(file);
  MappedFile moved = std::move(*file);
  ASSERT_EQ(moved.bytes().size(), 3u);
  EXPECT_EQ(moved.bytes()[2], std::byte{'c'});
  auto other = MappedFile::open(write("b", "xy"));
  ASSERT_TRUE(other);
  moved = std::move(*other);
  EXPECT_EQ(moved.bytes().size(), 2u);
}

TEST_F(MappedFileTest, EachFailureHasItsOwnSentence) {
  EXPECT_NE(refusal(folder_ / "absent").find("no such file"), std::string::npos);
  EXPECT_NE(refusal(folder_).find("folder"), std::string::npos);
  EXPECT_NE(refusal(write("empty", "")).find("empty"), std::string::npos);
  const auto pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_NE(refusal(pipe).find("pipe"), std::string::npos);
  if (::geteuid() != 0) {
    const auto secret = write("secret", "abc");
    std::filesystem::permissions(secret, std::filesystem::perms::none);
    EXPECT_NE(refusal(secret).find("permission"), std::string::npos);
  }
}

}  // namespace
}  // namespace fovea
