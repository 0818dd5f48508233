// The token list of a model file: pieces, kinds, scores and the ids with a meaning of their own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/io/gguf.hpp"
#include "engine/text/tokenizer.hpp"

namespace fovea {

// tokenizer.ggml.token_type
enum class TokenKind : std::uint8_t {
  undefined = 0,
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

inline constexpr TokenId no_token = -1;

// What the kind of tokenizer decides where the file says nothing.
struct VocabularyDefaults {
  TokenId bos = no_token, eos = no_token, unknown = no_token;
  bool add_bos = false, add_space_prefix = false;
};

struct Vocabulary {
  std::vector<std::string> pieces;
  std::vector<TokenKind> kinds;
  std::vector<float> scores;  // 0 where the file has none
  std::vector<bool> ends_generation;
  // First id of each piece. The keys look into `pieces`: moving keeps them good, copying would not.
  std::unordered_map<std::string_view, TokenId> ids;
  std::size_t longest_piece = 0;  // bytes
  TokenId bos = no_token, eos = no_token, unknown = no_token;
  bool add_bos = false, add_space_prefix = false;

  Vocabulary() = default;
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;

  [[nodiscard]] TokenId find(std::string_view piece) const {
    if (piece.size() > longest_piece) return no_token;
    const auto at = ids.find(piece);
    return at == ids.end() ? no_token : at->second;
  }
  [[nodiscard]] bool has(TokenId token) const { return token >= 0 && static_cast<std::size_t>(token) < pieces.size(); }
};

[[nodiscard]] Result<Vocabulary> read_vocabulary(const Gguf& gguf, const VocabularyDefaults& defaults);

}  // namespace fovea
