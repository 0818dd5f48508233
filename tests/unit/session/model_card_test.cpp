// Which file is a model's card, and how a hostile one is read.
#include "engine/session/model_card.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace fovea {
namespace {

namespace fs = std::filesystem;

class ModelCardFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("fovea_cards_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    put("small.Q8_0.gguf", "x");
  }
  void TearDown() override { fs::remove_all(folder_); }
  void put(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  std::vector<ModelCard> cards(const std::string& model = "small.Q8_0.gguf") {
    return read_model_cards(folder_ / model);
  }
  // The text of the only card there should be.
  std::string text() {
    const auto found = cards();
    return found.size() == 1 ? found[0].text : std::to_string(found.size()) + " cards";
  }
  fs::path folder_;
};

TEST_F(ModelCardFile, LiesBesideTheModelUnderItsName) {
  EXPECT_TRUE(cards().empty());
  put("small.md", "not of this name");
  EXPECT_TRUE(cards().empty());
  put("README.md", "of the folder");
  put("small.Q8_0.md", "# Small\n");
  const auto found = cards();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].path, (folder_ / "small.Q8_0.md").string());
  EXPECT_EQ(found[0].text, "# Small\n");
  EXPECT_EQ(found[0].file_bytes, 8u);
  EXPECT_EQ(found[0].language, "");
  EXPECT_FALSE(found[0].cut);
  EXPECT_FALSE(found[0].problem);
}

TEST_F(ModelCardFile, MayExistInChineseToo) {
  put("small.Q8_0.md", "small");
  put("small.Q8_0.zh_CN.md", "小");
  const auto found = cards();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(card_for(found, "zh_CN")->text, "小");
  EXPECT_EQ(card_for(found, "en")->text, "small");
}

TEST_F(ModelCardFile, IsTheReadmeOfAFolderThatHoldsThisModelAlone) {
  put("README.md", "of the folder");
  EXPECT_EQ(text(), "of the folder");
  put("another.gguf", "x");
  EXPECT_TRUE(cards().empty());
}

TEST_F(ModelCardFile, TakesShardsForOneModel) {
  fs::remove(folder_ / "small.Q8_0.gguf");
  for (const char* shard : {"big-00001-of-00002.gguf", "big-00002-of-00002.gguf"}) put(shard, "x");
  put("README.md", "of the folder");
  const auto readme = cards("big-00001-of-00002.gguf");
  ASSERT_EQ(readme.size(), 1u);
  EXPECT_EQ(readme[0].text, "of the folder");
  put("big.md", "big");
  const auto own = cards("big-00002-of-00002.gguf");
  ASSERT_EQ(own.size(), 1u);
  EXPECT_EQ(own[0].text, "big");
  put("big-0000a-of-00002.gguf", "x");
  EXPECT_TRUE(cards("big-0000a-of-00002.gguf").empty());
}

TEST_F(ModelCardFile, IsFoundWithoutAFolderInThePath) {
  put("small.Q8_0.md", "here");
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  const auto found = read_model_cards("small.Q8_0.gguf");
  fs::current_path(before);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].text, "here");
  EXPECT_TRUE(read_model_cards("/nonexistent/folder/a.gguf").empty());
}

TEST_F(ModelCardFile, IsReadToALimitAndCutAtALine) {
  const std::string line(999, 'x');
  std::string all;
  while (all.size() <= 3 * kCardBytes) all += line + "\n";
  put("small.Q8_0.md", all);
  const auto found = cards();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].cut);
  EXPECT_EQ(found[0].file_bytes, all.size());
  EXPECT_EQ(found[0].text.size(), kCardBytes / 1000 * 1000);
  put("small.Q8_0.md", std::string(kCardBytes, 'x'));
  EXPECT_FALSE(cards()[0].cut);
  put("small.Q8_0.md", std::string(kCardBytes + 1, 'x'));
  EXPECT_TRUE(cards()[0].cut);
  EXPECT_EQ(cards()[0].text.size(), kCardBytes);
}

TEST_F(ModelCardFile, IsMadeValidText) {
  put("small.Q8_0.md", "\xef\xbb\xbf# T\xff\xc3(\n");
  EXPECT_EQ(text(), "# T\xef\xbf\xbd\xef\xbf\xbd(\n");
}

TEST_F(ModelCardFile, IsNoneWhenItIsBlankOrNoFile) {
  put("small.Q8_0.md", " \r\n\t\n");
  EXPECT_TRUE(cards().empty());
  fs::remove(folder_ / "small.Q8_0.md");
  fs::create_directory(folder_ / "small.Q8_0.md");
  EXPECT_TRUE(cards().empty());
  fs::remove(folder_ / "small.Q8_0.md");
  ASSERT_EQ(mkfifo((folder_ / "small.Q8_0.md").c_str(), 0600), 0);
  EXPECT_TRUE(cards().empty());  // and is not waited for
}

TEST_F(ModelCardFile, ThatCannotBeReadSaysSo) {
  // A regular file whose first byte nobody may read, not even root.
  fs::create_symlink("/proc/self/mem", folder_ / "small.Q8_0.md");
  const auto found = cards();
  ASSERT_EQ(found.size(), 1u);
  ASSERT_TRUE(found[0].problem);
  EXPECT_EQ(found[0].problem->code, ErrorCode::file);
  EXPECT_NE(found[0].problem->sentence().find("small.Q8_0.md"), std::string::npos);
  EXPECT_EQ(found[0].text, "");
}

}  // namespace
}  // namespace fovea
