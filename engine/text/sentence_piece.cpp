#include "engine/text/sentence_piece.hpp"

#include <charconv>

#include "engine/text/symbol_merge.hpp"
#include "engine/text/utf8.hpp"

namespace fovea {
namespace {

constexpr std::string_view escaped_space = "\u2581";

}  // namespace

std::optional<char> byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece.back() != '>') return std::nullopt;
  unsigned value = 0;
  const char* last = piece.data() + 5;
  const auto [end, error] = std::from_chars(piece.data() + 3, last, value, 16);
  return error == std::errc() && end == last ? std::optional(static_cast<char>(value)) : std::nullopt;
}

SentencePiece::SentencePiece(const Vocabulary& vocabulary) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (std::size_t byte = 0; byte < byte_tokens_.size(); ++byte) {
    const char piece[]{'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
    TokenId token = vocabulary.find({piece, sizeof piece});
    if (token == no_token) token = vocabulary.find(std::string(1, static_cast<char>(byte)));
    byte_tokens_[byte] = token == no_token ? vocabulary.unknown : token;
  }
}

void SentencePiece::encode(std::string_view slice, bool prefixed, const Vocabulary& vocabulary,
                           std::vector<TokenId>& tokens) const {
  std::string text = prefixed ? std::string(escaped_space) : std::string();
  text.reserve(slice.size() + slice.size() / 2);
  for (const char byte : slice) {
    if (byte == ' ')
      text += escaped_space;
    else
      text += byte;
  }
  MergeBuffers buffers;
  for (std::string_view rest = text; !rest.empty();) {
    const Utf8Step step = utf8_step(rest);
    const TokenId token = vocabulary.find(rest.substr(0, step.length));
    buffers.append(static_cast<std::uint32_t>(step.length), static_cast<std::uint32_t>(token));
    rest.remove_prefix(step.length);
  }
  merge_symbols(buffers, [&](const Symbol& left, const Symbol& right) -> std::optional<Merge> {
    const TokenId token = vocabulary.find(std::string_view(text).substr(left.begin, left.length + right.length));
    if (token == no_token) return std::nullopt;
    return Merge{-static_cast<double>(vocabulary.scores[static_cast<std::size_t>(token)]),
                 static_cast<std::uint32_t>(token)};
  });
  for (const Symbol& symbol : buffers.symbols) {
    if (symbol.length == 0) continue;
    if (const auto token = static_cast<TokenId>(symbol.id); token != no_token) {
      tokens.push_back(token);
      continue;
    }
    for (const char byte : std::string_view(text).substr(symbol.begin, symbol.length)) {
      const TokenId token = byte_tokens_[static_cast<unsigned char>(byte)];
      if (token != no_token) tokens.push_back(token);
    }
  }
}

std::string SentencePiece::bytes(std::string_view piece) {
  std::string bytes;
  bytes.reserve(piece.size());
  while (!piece.empty()) {
    const bool space = piece.starts_with(escaped_space);
    bytes += space ? ' ' : piece.front();
    piece.remove_prefix(space ? escaped_space.size() : 1);
  }
  return bytes;
}

}  // namespace fovea
