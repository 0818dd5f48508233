// Byte-level byte pair encoding (Radford et al. 2019): every byte is a visible character, merges join them by rank.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/text/pre_tokenizer.hpp"
#include "engine/text/symbol_merge.hpp"
#include "engine/text/vocabulary.hpp"

namespace fovea {

class ByteLevelBpe {
 public:
  // `merges` as stored, "left right" by rank; entries without a space are passed over.
  [[nodiscard]] static ByteLevelBpe create(PreTokenizer pre_tokenizer, const std::vector<std::string>& merges,
                                           const Vocabulary& vocabulary);

  // `slice` is shorter than longest_slice.
  void encode(std::string_view slice, const Vocabulary& vocabulary, std::vector<TokenId>& tokens) const;
  // The bytes behind a piece; characters that stand for no byte give their own.
  [[nodiscard]] static std::string bytes(std::string_view piece);

 private:
  struct PairHash {
    std::size_t operator()(std::uint64_t pair) const;
  };

  explicit ByteLevelBpe(PreTokenizer pre_tokenizer) : pre_tokenizer_(std::move(pre_tokenizer)) {}
  void encode_word(std::string_view word, const Vocabulary& vocabulary, MergeBuffers& buffers,
                   std::vector<TokenId>& tokens) const;

  PreTokenizer pre_tokenizer_;
  // Symbols are token ids; from the vocabulary's size on, strings that occur in merges only.
  std::array<std::uint32_t, 256> byte_symbols_{};
  std::unordered_map<std::uint64_t, Merge, PairHash> merges_;  // (left << 32 | right)
};

}  // namespace fovea
