// Seeded mutations of a small valid file: whatever comes out, what is accepted must lie inside the bytes.
#include <gtest/gtest.h>

#include <random>

#include "engine/io/gguf.hpp"
#include "tests/unit/io/gguf_bytes.hpp"
#include "tests/unit/io/mutation.hpp"

namespace fovea {
namespace {

std::vector<std::byte> small_file() {
  test::GgufBytes file;
  file.string("general.architecture", "llama").u32("general.alignment", 32).f32("llama.rope.freq_base", 1e4f);
  file.strings("tokenizer.ggml.tokens", {"<s>", "a", "b"}).boolean("tokenizer.ggml.add_bos_token", 1);
  file.array("tokenizer.ggml.scores", 6, 3).raw().put(0.f).put(-1.f).put(-2.f);
  file.tensor({"token_embd.weight", {32, 3}, 8, {}}).tensor({"blk.0.attn_norm.weight", {32}, 0, {}});
  file.tensor({"blk.0.ffn_up_exps.weight", {32, 4, 2}, 1, {}});
  return file.bytes();
}

TEST(GgufMutations, WhatIsAcceptedLiesInsideTheFile) {
  const auto original = small_file();
  ASSERT_TRUE(Gguf::parse(original)) << Gguf::parse(original).error().sentence();
  std::mt19937 random(20260711);
  int accepted = 0, refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::byte> bytes = original;
    for (std::size_t n = 1 + random() % 3; n > 0; --n) test::mutate(bytes, random);
    // The exact size on the heap, so that a sanitizer sees every byte read beyond it.
    const std::vector<std::byte> exact(bytes.begin(), bytes.end());
    const auto gguf = Gguf::parse(exact);
    if (!gguf) {
      ++refused;
      ASSERT_FALSE(gguf.error().why.empty());
      ASSERT_LT(gguf.error().sentence().size(), 400u);
      continue;
    }
    ++accepted;
    std::uint64_t end = 0;
    for (const GgufTensor& tensor : gguf->tensors()) {
      ASSERT_GE(tensor.offset, end);
      ASSERT_LE(tensor.offset, exact.size());
      ASSERT_LE(tensor.bytes, exact.size() - tensor.offset);
      end = tensor.offset + tensor.bytes;
      ASSERT_EQ(gguf->find_tensor(tensor.name), &tensor);
    }
  }
  // Both outcomes must occur, or the mutations prove nothing.
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace fovea
