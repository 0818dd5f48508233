#include "engine/io/gguf.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <limits>

#include "tests/unit/io/gguf_bytes.hpp"

namespace fovea {
namespace {

using test::GgufBytes;

std::string refusal(const GgufBytes& file) {
  const auto parsed = Gguf::parse(file.bytes());
  return parsed ? "accepted" : parsed.error().sentence();
}

TEST(Gguf, ReadsEveryValueKind) {
  GgufBytes file;
  file.entry("u8", 0).raw().put<std::uint8_t>(200);
  file.entry("i8", 1).raw().put<std::int8_t>(-5);
  file.entry("u16", 2).raw().put<std::uint16_t>(65535);
  file.entry("i16", 3).raw().put<std::int16_t>(-300);
  file.u32("u32", 4000000000u).i32("i32", -7).f32("f32", 0.5f).boolean("yes", 1).string("text", "a\0b");
  file.entry("u64", 10).raw().put<std::uint64_t>(std::numeric_limits<std::uint64_t>::max());
  file.entry("i64", 11).raw().put<std::int64_t>(std::numeric_limits<std::int64_t>::min());
  file.entry("f64", 12).raw().put<double>(1e300);
  file.strings("words", {"", "one", "two"});
  file.array("numbers", 5, 2).raw().put<std::int32_t>(-1).put<std::int32_t>(2);
  file.array("scores", 6, 1).raw().put<float>(-2.5f);
  file.array("flags", 7, 2).raw().put<std::uint8_t>(0).put<std::uint8_t>(1);
  file.array("bytes", 0, 3).raw().put<std::uint8_t>(1).put<std::uint8_t>(2).put<std::uint8_t>(255);

  const auto gguf = Gguf::parse(file.bytes());
  ASSERT_TRUE(gguf) << gguf.error().sentence();
  EXPECT_EQ(gguf->metadata().size(), 17u);
  EXPECT_EQ(gguf->unsigned_value("u8"), 200u);
  EXPECT_EQ(gguf->unsigned_value("u16"), 65535u);
  EXPECT_EQ(gguf->unsigned_value("u32"), 4000000000u);
  EXPECT_EQ(gguf->unsigned_value("u64"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(gguf->unsigned_value("i32"), std::nullopt);  // negative
  EXPECT_EQ(std::get<std::int64_t>(*gguf->find("i8")), -5);
  EXPECT_EQ(std::get<std::int64_t>(*gguf->find("i16")), -300);
  EXPECT_EQ(std::get<std::int64_t>(*gguf->find("i64")), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(gguf->real_value("f32"), 0.5);
  EXPECT_EQ(gguf->real_value("f64"), 1e300);
  EXPECT_EQ(gguf->real_value("u32"), std::nullopt);
  EXPECT_EQ(gguf->bool_value("yes"), true);
  EXPECT_EQ(gguf->string_value("text"), "a");
  EXPECT_EQ(gguf->string_value("u32"), std::nullopt);
  ASSERT_NE(gguf->strings("words"), nullptr);
  EXPECT_EQ(*gguf->strings("words"), (std::vector<std::string>{"", "one", "two"}));
  EXPECT_EQ(gguf->strings("numbers"), nullptr);
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(*gguf->find("numbers")), (std::vector<std::int64_t>{-1, 2}));
  EXPECT_EQ(std::get<std::vector<double>>(*gguf->find("scores")), (std::vector<double>{-2.5}));
  EXPECT_EQ(std::get<std::vector<bool>>(*gguf->find("flags")), (std::vector<bool>{false, true}));
  EXPECT_EQ(std::get<std::vector<std::uint64_t>>(*gguf->find("bytes")), (std::vector<std::uint64_t>{1, 2, 255}));
  EXPECT_EQ(gguf->find("absent"), nullptr);
}

TEST(Gguf, PlacesTensorsInTheFile) {
  GgufBytes file;
  file.string("general.architecture", "llama");
  file.tensor({"a", {3, 2}, 0, {}}).tensor({"b", {32, 2, 3}, 8, {}}).tensor({"c", {5}, 1, {}});
  const auto bytes = file.bytes();
  const auto gguf = Gguf::parse(bytes);
  ASSERT_TRUE(gguf) << gguf.error().sentence();
  ASSERT_EQ(gguf->tensors().size(), 3u);
  const GgufTensor* b = gguf->find_tensor("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(b->dimensions, 3u);
  EXPECT_EQ(b->shape, (std::array<std::uint64_t, 4>{32, 2, 3, 1}));
  EXPECT_EQ(b->type, DType::Q8_0);
  EXPECT_EQ(b->bytes, 6u * 34);
  EXPECT_EQ(b->offset % 32, 0u);
  EXPECT_EQ(b->offset, gguf->tensors()[0].offset + 32);
  EXPECT_LE(gguf->tensors()[2].offset + 10, bytes.size());
  EXPECT_EQ(gguf->find_tensor("d"), nullptr);
}

TEST(Gguf, VersionTwoAndOtherAlignmentsAreRead) {
  for (const std::uint32_t alignment : {8u, 64u, 4096u}) {
    GgufBytes file;
    file.version = 2;
    file.alignment = alignment;
    file.u32("general.alignment", alignment);
    file.tensor({"a", {3}, 0, {}}).tensor({"b", {3}, 0, {}});
    const auto gguf = Gguf::parse(file.bytes());
    ASSERT_TRUE(gguf) << gguf.error().sentence();
    EXPECT_EQ(gguf->version(), 2u);
    EXPECT_EQ(gguf->tensors()[1].offset - gguf->tensors()[0].offset, std::max(16u, alignment) / alignment * alignment);
  }
}

TEST(Gguf, HeadersThatAreNotOursSayWhy) {
  GgufBytes wrong_magic;
  wrong_magic.magic = 0x04034b50;  // a zip archive
  EXPECT_NE(refusal(wrong_magic).find("not a GGUF file"), std::string::npos);
  GgufBytes big_endian;
  big_endian.version = 0x03000000;
  EXPECT_NE(refusal(big_endian).find("big-endian"), std::string::npos);
  GgufBytes first;
  first.version = 1;
  EXPECT_NE(refusal(first).find("version 1"), std::string::npos);
  for (const std::uint32_t version : {0u, 4u, 77u}) {
    GgufBytes other;
    other.version = version;
    EXPECT_NE(refusal(other).find("version " + std::to_string(version)), std::string::npos);
  }
}

TEST(Gguf, MetadataThatMakesNoSenseIsNamed) {
  EXPECT_NE(refusal(GgufBytes().u32("k", 1).u32("k", 2)).find("'k' appears twice"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().u32("", 1)).find("key is empty"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().boolean("flag", 2)).find("neither true nor false"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().entry("odd", 13)).find("value type 13"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().array("nested", 9, 1)).find("array of arrays"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().array("odd", 99, 1)).find("unknown value type 99"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().i32("general.alignment", 32)).find("alignment"), std::string::npos);
  for (const std::uint32_t alignment : {0u, 1u, 4u, 12u, 33u, 8192u})
    EXPECT_NE(refusal(GgufBytes().u32("general.alignment", alignment)).find("power of two"), std::string::npos);
}

TEST(Gguf, TensorsThatMakeNoSenseAreNamed) {
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {4}, 0, {}}).tensor({"t", {4}, 0, {}})).find("'t' appears twice"),
            std::string::npos);
  EXPECT_NE(refusal(GgufBytes().tensor({"", {4}, 0, {}})).find("no name"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {}, 0, {}})).find("0 dimensions"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {1, 1, 1, 1, 1}, 0, {}})).find("5 dimensions"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {4}, 4, {}})).find("unknown type 4"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {33}, 8, {}})).find("not a multiple of the 32"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {4}, 0, {}, 8})).find("not a multiple of the alignment"),
            std::string::npos);
  EXPECT_NE(refusal(GgufBytes().tensor({"a", {4}, 0, {}}).tensor({"b", {4}, 0, {}, 0})).find("'b' overlaps"),
            std::string::npos);
  EXPECT_NE(refusal(GgufBytes().tensor({"a", {4}, 0, {}, 32}).tensor({"b", {4}, 0, {}, 0})).find("gap"),
            std::string::npos);
}

// Cut anywhere, the file is refused with a sentence; only the padding at the very end may be missing.
TEST(Gguf, EveryShortFileIsRefused) {
  GgufBytes file;
  file.string("general.architecture", "llama").strings("words", {"a", "b"}).f32("x", 1);
  file.tensor({"a", {3, 2}, 0, {}}).tensor({"b", {8}, 0, {}});
  const auto bytes = file.bytes();
  ASSERT_TRUE(Gguf::parse(bytes));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto parsed = Gguf::parse(std::span(bytes).first(size));
    ASSERT_FALSE(parsed) << size;
    EXPECT_FALSE(parsed.error().why.empty());
    EXPECT_FALSE(parsed.error().advice.empty());
  }
}

TEST(Gguf, NamesAreMadeSafeToPrint) {
  const std::string sentence = refusal(GgufBytes().tensor({"a\x1b[2J\n", {0}, 0, {}}));
  EXPECT_NE(sentence.find("'a?[2J?'"), std::string::npos) << sentence;
  const std::string key(3000, 'k');
  EXPECT_LT(refusal(GgufBytes().boolean(key, 2)).size(), 300u);
}

TEST(Gguf, AVocabularyOf150000TokensIsReadQuickly) {
  std::vector<std::string> words(150000);
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = "word" + std::to_string(i);
  GgufBytes file;
  file.strings("tokenizer.ggml.tokens", words).strings("tokenizer.ggml.merges", words);
  const auto bytes = file.bytes();
  const auto start = std::chrono::steady_clock::now();
  const auto gguf = Gguf::parse(bytes);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(gguf);
  EXPECT_EQ(gguf->strings("tokenizer.ggml.tokens")->back(), "word149999");
  EXPECT_LT(seconds.count(), 0.3);
}

TEST(GgufFile, GivesTheBytesOfATensorAndNamesTheFileInErrors) {
  const auto path = std::filesystem::path(testing::TempDir()) / "gguf_file_test.gguf";
  const auto write = [&](const std::vector<std::byte>& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  };
  GgufBytes file;
  std::vector<std::byte> data(8);
  data[5] = std::byte{42};
  file.tensor({"a", {2}, 0, data});
  write(file.bytes());
  const auto opened = GgufFile::open(path);
  ASSERT_TRUE(opened) << opened.error().sentence();
  const auto stored = opened->data(*opened->gguf().find_tensor("a"));
  EXPECT_TRUE(std::equal(stored.begin(), stored.end(), data.begin(), data.end()));
  EXPECT_EQ(opened->file_bytes(), file.bytes().size());
  GgufTensor foreign;
  foreign.offset = opened->file_bytes();
  foreign.bytes = 1;
  EXPECT_TRUE(opened->data(foreign).empty());

  write({std::byte{'G'}, std::byte{'G'}});
  const auto refused = GgufFile::open(path);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, path.string());
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace fovea
