// Control, unknown and user-defined tokens, which are cut out of a text before anything else is done to it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/text/vocabulary.hpp"

namespace fovea {

class AddedTokens {
 public:
  struct Part {
    std::string_view text;
    TokenId token = no_token;  // no_token: text for the model's tokenizer
  };

  AddedTokens() = default;
  explicit AddedTokens(const Vocabulary& vocabulary);

  // The parts of a text, in order. Longer tokens win over shorter ones wherever they stand, as in llama.cpp.
  // Only user-defined tokens are found unless `parse_special`.
  [[nodiscard]] std::vector<Part> cut(std::string_view text, const Vocabulary& vocabulary, bool parse_special) const;

 private:
  void mark_present(std::string_view text, const Vocabulary& vocabulary, std::vector<bool>& present) const;

  std::vector<TokenId> by_text_;                 // sorted by piece
  std::array<std::uint32_t, 257> first_byte_{};  // where in by_text_ the pieces with a first byte start
  std::vector<std::uint32_t> by_length_;         // places in by_text_, longest piece first, then by id
};

}  // namespace fovea
