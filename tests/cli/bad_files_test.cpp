// Files that are not what they should be, and machines without a device: one sentence and status 1, never a crash.
#include <gtest/gtest.h>

#include "tests/cli/program.hpp"
#include "tests/unit/io/gguf_bytes.hpp"

namespace fovea::test {
namespace {

// Every subcommand that opens a model refuses it in the same way.
void expect_refused(const std::string& model, const std::string& part = "") {
  SCOPED_TRACE(model);
  const TemporaryFolder folder;
  expect_failure(run({"inspect", model}), part);
  expect_failure(run({"inspect", model, "--json"}), part);
  expect_failure(run({"generate", "-m", model, "-p", "x", "-n", "1"}), part);
  expect_failure(run({"logits", "-m", model, "--tokens", "1", "-o", folder.file("logits")}), part);
  EXPECT_FALSE(std::filesystem::exists(folder.file("logits")));
}

TEST(BadFiles, MissingEmptyFolderForeign) {
  const TemporaryFolder folder;
  expect_refused(folder.file("missing.gguf"), "missing.gguf");
  expect_refused(folder.write("empty.gguf", ""));
  expect_refused(folder.file(""));
  expect_refused(folder.write("text.gguf", "This is no model at all, only a line of text.\n"));
  expect_refused(
      folder.write("image.gguf", std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16) + std::string(4096, '\7')));
  expect_failure(run({"tokenize", "-m", folder.file("missing.gguf"), "-p", "x"}), "missing.gguf");
  expect_failure(run({"tokenize", "-m", folder.file("empty.gguf"), "-p", "x"}));
}

TEST(BadFiles, TruncatedAnywhere) {
  const TemporaryFolder folder;
  const std::string whole = read_whole(stories_model());
  ASSERT_GT(whole.size(), 1000u);
  for (const std::size_t kept :
       {std::size_t{4}, std::size_t{23}, std::size_t{100}, whole.size() / 2, whole.size() - 64})
    expect_refused(folder.write("truncated.gguf", whole.substr(0, kept)));
}

TEST(BadFiles, UnknownFamilyAndType) {
  const TemporaryFolder folder;
  GgufBytes family;
  family.string("general.architecture", "banana").u32("banana.block_count", 2);
  family.tensor({.name = "token_embd.weight", .shape = {32, 8}, .type = 0, .data = {}});
  expect_refused(folder.write("family.gguf", family.bytes()), "banana");

  GgufBytes type;
  type.string("general.architecture", "llama").u32("llama.block_count", 1);
  type.tensor({.name = "token_embd.weight", .shape = {32, 8}, .type = 9999, .data = std::vector<std::byte>(1024)});
  expect_refused(folder.write("type.gguf", type.bytes()));

  expect_refused(folder.write("bare.gguf", GgufBytes{}.bytes()));
}

TEST(BadFiles, NamesWithControlCharactersStayOnOneLine) {
  expect_failure(run({"inspect", "/nowhere/a\nb\x1b[31m.gguf"}));
  const Outcome outcome = run({"inspect", "/nowhere/\x1b[31mred.gguf"});
  EXPECT_EQ(outcome.err.find('\x1b'), std::string::npos);
}

TEST(BadFiles, ContextTooLong) {
  for (const char* context : {"1000000", "4294967295"})
    expect_failure(run({"generate", "-m", stories_model(), "-c", context, "-p", "x", "-n", "1"}));
  std::string tokens;
  for (int i = 0; i < 3000; ++i) tokens += "1 ";
  const TemporaryFolder folder;
  expect_failure(run({"logits", "-m", stories_model(), "--tokens", tokens, "-o", folder.file("logits")}));
  expect_failure(run({"bench", "-m", stories_model(), "-p", "100000", "-n", "0", "-r", "1", "--json"}));
}

TEST(BadFiles, NoVulkanDevice) {
  const Environment none{{"VK_DRIVER_FILES", "/nonexistent"},
                         {"VK_ICD_FILENAMES", "/nonexistent"},
                         {"VK_ADD_DRIVER_FILES", ""},
                         {"FOVEA_VALIDATION", "0"}};
  expect_failure(run({"devices"}, "", none));
  expect_failure(run({"devices", "--json"}, "", none));
  expect_failure(run({"generate", "-m", stories_model(), "-p", "x", "-n", "1"}, "", none));
  // What needs no device works without one.
  EXPECT_EQ(run({"inspect", stories_model()}, "", none).status, 0);
  EXPECT_EQ(run({"tokenize", "-m", stories_model(), "-p", "x"}, "", none).status, 0);
}

TEST(BadFiles, NoSuchDevice) {
  expect_failure(run({"generate", "-m", stories_model(), "-p", "x", "-n", "1", "--device", "99"}), "99");
}

TEST(BadFiles, TextsThatCannotBeUsed) {
  const TemporaryFolder folder;
  expect_failure(run({"generate", "-m", stories_model(), "-f", folder.file("missing.txt")}), "missing.txt");
  expect_failure(run({"generate", "-m", stories_model(), "-f", "/"}), "text file");
  expect_failure(run({"generate", "-m", stories_model(), "-f", "/dev/zero"}), "longer than");
  expect_failure(run({"perplexity", "-m", stories_model(), "-f", folder.write("short.txt", "Too short."), "-c", "128"}),
                 "do not fill one window");
  expect_failure(run({"perplexity", "-m", stories_model(), "-f", folder.file("short.txt"), "-c", "8", "--last", "8"}));
}

TEST(BadFiles, TokensOutsideTheVocabulary) {
  const TemporaryFolder folder;
  for (const char* tokens : {"512", "-1", "1 2 99999999999", ""})
    expect_failure(run({"logits", "-m", stories_model(), "--tokens", tokens, "-o", folder.file("logits")}));
  expect_failure(run({"logits", "-m", stories_model(), "--tokens", "1", "-o", "/nonexistent/logits"}), "/nonexistent");
}

TEST(BadFiles, HeadsThatTheModelLacks) {
  expect_failure(run({"generate", "-m", stories_model(), "-p", "x", "-n", "1", "--record", "99,0"}), "layers");
}

}  // namespace
}  // namespace fovea::test
