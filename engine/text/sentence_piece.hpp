// SentencePiece BPE as Llama uses it (Kudo & Richardson 2018): neighbours that form a piece join, best score first.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/vocabulary.hpp"

namespace fovea {

class SentencePiece {
 public:
  explicit SentencePiece(const Vocabulary& vocabulary);

  // `slice` is shorter than longest_slice; a space is put before it where `prefixed`.
  void encode(std::string_view slice, bool prefixed, const Vocabulary& vocabulary, std::vector<TokenId>& tokens) const;
  // A normal piece with its escaped spaces (U+2581) as spaces.
  [[nodiscard]] static std::string bytes(std::string_view piece);

 private:
  std::array<TokenId, 256> byte_tokens_{};  // "<0x0A>", else the byte itself, else the unknown token
};

// The byte of a piece "<0x0A>".
[[nodiscard]] std::optional<char> byte_of_piece(std::string_view piece);

}  // namespace fovea
