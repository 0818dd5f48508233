// What went wrong in other readers of this format, one test per public report; every file is made here.
#include <gtest/gtest.h>

#include <limits>

#include "engine/io/checked.hpp"
#include "engine/io/gguf.hpp"
#include "tests/unit/io/gguf_bytes.hpp"

namespace fovea {
namespace {

using test::ByteWriter;
using test::GgufBytes;

constexpr std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();

std::string refusal(std::span<const std::byte> bytes) {
  const auto parsed = Gguf::parse(bytes);
  return parsed ? "accepted" : parsed.error().sentence();
}
std::string refusal(const GgufBytes& file) { return refusal(file.bytes()); }

// The tensor count multiplied by the size of an entry wrapped, and a small heap block was overrun.
TEST(KnownBugs, Cve_2024_21836_TensorCount) {
  for (const std::uint64_t count : {huge, huge / 64 + 1, std::uint64_t{1} << 32, std::uint64_t{65537}}) {
    GgufBytes file;
    file.tensor_count = count;
    EXPECT_NE(refusal(file).find("tensors, more than"), std::string::npos);
  }
}

TEST(KnownBugs, Cve_2024_23605_KeyCount) {
  for (const std::uint64_t count : {huge, huge / 48 + 1, std::uint64_t{65537}}) {
    GgufBytes file;
    file.key_count = count;
    EXPECT_NE(refusal(file).find("metadata keys, more than"), std::string::npos);
  }
}

// length + 1 wrapped to zero before allocation.
TEST(KnownBugs, Cve_2024_23496_StringLength) {
  for (const std::uint64_t length : {huge, huge - 1, std::uint64_t{1} << 31, std::uint64_t{1} << 20}) {
    GgufBytes file;
    file.entry("text", 8).raw().put(length);
    EXPECT_NE(refusal(file).find("ends inside metadata 'text'"), std::string::npos);
  }
}

// Dimensions multiplied unchecked.
TEST(KnownBugs, Cve_2024_21802_DimensionProduct) {
  const std::uint64_t large = std::uint64_t{1} << 40;
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {huge}, 0, {}})).find("more than 2^40"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {large, large}, 0, {}})).find("larger than 64 bits"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {large, 8}, 0, {}})).find("beyond the end"), std::string::npos);
}

// Error paths freed or followed pointers of an object half built: here every prefix of a file is such a path, and
// a moved-from or failed parse leaves nothing behind (the sanitizer builds run this test too).
TEST(KnownBugs, Cve_2024_32878_And_41130_HalfBuiltOnError) {
  GgufBytes file;
  file.strings("words", {"one", "two"}).tensor({"t", {8}, 0, {}});  // 32 bytes: no padding at the end
  const auto bytes = file.bytes();
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_NE(refusal(std::span(bytes).first(size)), "accepted");
}

// The running sum of padded tensor sizes wrapped, although each size alone was checked.
TEST(KnownBugs, Cve_2025_53630_And_2026_27940_SumOfSizes) {
  const std::uint64_t large = std::uint64_t{1} << 38;
  GgufBytes file;
  for (int i = 0; i < 4; ++i)
    file.tensor({"t" + std::to_string(i), {large, 1u << 22}, 0, {}, std::uint64_t{1} << 62});  // 2^62 bytes each
  EXPECT_NE(refusal(file).find("beyond the end"), std::string::npos);
  EXPECT_EQ(checked_add(huge, 1), std::nullopt);
  EXPECT_EQ(checked_add(huge - 1, 1), huge);
}

// offset + size wrapped past zero.
TEST(KnownBugs, OffsetPlusSizeWraps) {
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {64}, 0, {}, huge - 31})).find("beyond the end"), std::string::npos);
}

// ggml_nbytes wrapped to a small number: rows times stride, after the element count had passed.
TEST(KnownBugs, Cve_2026_33298_BytesWrapAfterElementsPass) {
  const std::uint64_t large = std::uint64_t{1} << 31;
  // 2^62 elements fit in 64 bits, 2^64 bytes do not.
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {large, large}, 0, {}})).find("larger than 64 bits"), std::string::npos);
  // 2^61 doubles are 2^64 bytes.
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {large, large / 2}, 28, {}})).find("larger than 64 bits"),
            std::string::npos);
}

// Rounding up to the alignment wrapped to zero.
TEST(KnownBugs, AlignmentRoundingWrapsToZero) {
  EXPECT_EQ(checked_align(huge - 3, 32), std::nullopt);
  EXPECT_EQ(checked_align(huge - 63, 32), huge - 63);
  EXPECT_EQ(checked_align(33, 32), 64u);
  EXPECT_EQ(checked_align(0, 4096), 0u);
}

// A product that wraps to exactly zero passes any guard that looks only at the product.
TEST(KnownBugs, ProductThatWrapsToZero) {
  const std::uint64_t large = std::uint64_t{1} << 32;
  EXPECT_EQ(checked_mul(large, large), std::nullopt);
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {large, large}, 24, {}})).find("larger than 64 bits"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {large, large, large, large}, 24, {}})).find("larger than 64 bits"),
            std::string::npos);
}

// A 64-bit length cast to int32 became negative and passed a signed comparison.
TEST(KnownBugs, Cve_2025_49847_And_52566_LengthsNarrowed) {
  for (const std::uint64_t length :
       {std::uint64_t{0x80000000}, std::uint64_t{0xffffffff}, std::uint64_t{0x100000001}}) {
    GgufBytes token;
    token.array("tokenizer.ggml.tokens", 8, 1).raw().put(length).put<std::uint64_t>(0);
    EXPECT_NE(refusal(token).find("ends inside"), std::string::npos);
    GgufBytes count;
    count.array("tokenizer.ggml.scores", 6, length).raw().put<float>(0);
    EXPECT_NE(refusal(count).find("more than the file holds"), std::string::npos);
  }
}

// Tensor data claimed beyond the file: other memory leaked into converted models.
TEST(KnownBugs, Cve_2026_7482_TensorBeyondTheFile) {
  GgufBytes file;
  file.tensor({"t", {64}, 0, {}});
  auto bytes = file.bytes();
  bytes.pop_back();
  EXPECT_NE(refusal(bytes).find("'t' lies beyond the end"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {64}, 0, {}, 32})).find("beyond the end"), std::string::npos);
}

TEST(KnownBugs, Cve_2025_62608_OffsetFarBeyondTheFile) {
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {4}, 0, {}, std::uint64_t{1} << 40})).find("beyond the end"),
            std::string::npos);
}

// A dimension of zero was divided by.
TEST(KnownBugs, ZeroDimensionIsDividedBy) {
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {0}, 0, {}})).find("dimension of zero"), std::string::npos);
  EXPECT_NE(refusal(GgufBytes().tensor({"t", {4, 0, 4}, 0, {}})).find("dimension of zero"), std::string::npos);
}

// Four bytes that say GGUF and nothing more.
TEST(KnownBugs, Cve_2024_39720_FourByteFile) {
  ByteWriter file;
  file.put<std::uint32_t>(0x46554747);
  EXPECT_NE(refusal(file.bytes).find("ends inside the version"), std::string::npos);
  EXPECT_NE(refusal(std::span<const std::byte>()).find("ends inside"), std::string::npos);
}

// A count believed before the bytes were there: gigabytes allocated for a file of a hundred bytes.
TEST(KnownBugs, Cve_2025_0315_And_66960_UnboundedAllocation) {
  for (const std::uint32_t type : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 10u, 11u, 12u})
    for (const std::uint64_t count : {huge, huge / 8 + 1, std::uint64_t{1} << 34, std::uint64_t{100}}) {
      GgufBytes file;
      file.array("a", type, count);
      EXPECT_NE(refusal(file).find("more than the file holds"), std::string::npos) << type << " " << count;
    }
  // Honest bytes, but eight times as much in memory: the cap counts over all arrays.
  GgufBytes file;
  for (const char* key : {"a", "b"}) {
    file.array(key, 0, (1u << 21) + 1);
    file.raw().bytes.resize(file.raw().bytes.size() + (1u << 21) + 1);
  }
  EXPECT_NE(refusal(file).find("'b' brings the arrays of the file to more than"), std::string::npos);
}

// Numbers read as another type than the file declared.
TEST(KnownBugs, LlamaCpp26690_ArrayOfAnotherElementType) {
  GgufBytes file;
  file.array("tokenizer.ggml.tokens", 1, 4).raw().put<std::uint32_t>(0);
  file.u32("n", 1);
  const auto gguf = Gguf::parse(file.bytes());
  ASSERT_TRUE(gguf);
  EXPECT_EQ(gguf->strings("tokenizer.ggml.tokens"), nullptr);
  EXPECT_EQ(gguf->strings("n"), nullptr);
  EXPECT_EQ(gguf->real_value("n"), std::nullopt);
  EXPECT_EQ(gguf->bool_value("n"), std::nullopt);
}

TEST(KnownBugs, LlamaCpp24997_AlignmentOfTwoGigabytes) {
  EXPECT_NE(refusal(GgufBytes().u32("general.alignment", 0x80000000u).tensor({"t", {4}, 0, {}})).find("power of two"),
            std::string::npos);
}

}  // namespace
}  // namespace fovea
