// Hand-made vocabularies for tests, as model files hold them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/io/gguf.hpp"
#include "engine/text/tokenizer.hpp"
#include "engine/text/utf8.hpp"
#include "tests/unit/io/gguf_bytes.hpp"

namespace fovea::test {

struct ListedToken {
  std::string piece;
  std::int32_t kind = 1;
  float score = 0;
};

inline GgufBytes& listed(GgufBytes& gguf, const std::vector<ListedToken>& tokens) {
  std::vector<std::string> pieces;
  for (const ListedToken& token : tokens) pieces.push_back(token.piece);
  gguf.strings("tokenizer.ggml.tokens", pieces);
  gguf.array("tokenizer.ggml.token_type", 5, tokens.size());
  for (const ListedToken& token : tokens) gguf.raw().put(token.kind);
  gguf.array("tokenizer.ggml.scores", 6, tokens.size());
  for (const ListedToken& token : tokens) gguf.raw().put(token.score);
  return gguf;
}

// The 256 characters of byte-level BPE, worked out apart from the code under test: ids 0-255 are the bytes themselves.
inline std::vector<ListedToken> byte_tokens() {
  std::vector<ListedToken> tokens;
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool shows = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
    tokens.push_back({to_utf8(shows ? byte : next++)});
  }
  return tokens;
}

// Byte-level BPE with the 256 bytes, then `more` from id 256 on.
inline GgufBytes byte_level(const std::string& pre, const std::vector<std::string>& merges,
                            const std::vector<ListedToken>& more) {
  std::vector<ListedToken> tokens = byte_tokens();
  tokens.insert(tokens.end(), more.begin(), more.end());
  GgufBytes gguf;
  gguf.string("tokenizer.ggml.model", "gpt2")
      .string("tokenizer.ggml.pre", pre)
      .strings("tokenizer.ggml.merges", merges);
  listed(gguf, tokens);
  return gguf;
}

// SentencePiece with <unk>, <s>, </s>, the 256 bytes from id 3, then `more` from id 259 on.
inline GgufBytes sentence_piece(const std::vector<ListedToken>& more) {
  std::vector<ListedToken> tokens{{"<unk>", 2}, {"<s>", 3}, {"</s>", 3}};
  for (int byte = 0; byte < 256; ++byte) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    tokens.push_back({std::string("<0x") + digits[static_cast<std::size_t>(byte / 16)] +
                          digits[static_cast<std::size_t>(byte % 16)] + ">",
                      6});
  }
  tokens.insert(tokens.end(), more.begin(), more.end());
  GgufBytes gguf;
  gguf.string("tokenizer.ggml.model", "llama");
  listed(gguf, tokens);
  return gguf;
}

inline Result<Tokenizer> make_tokenizer(const GgufBytes& image) {
  auto gguf = Gguf::parse(image.bytes());
  if (!gguf) return tl::unexpected<Error>(gguf.error());
  return Tokenizer::create(*gguf);
}

using Ids = std::vector<TokenId>;
inline constexpr EncodeOptions plain{.add_bos = false, .parse_special = false};

}  // namespace fovea::test
