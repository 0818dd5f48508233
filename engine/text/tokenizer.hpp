// Text to token ids and back, as the model file says.
// Byte-level BPE (GPT-2, Radford et al. 2019) with the gpt-2, qwen2 and llama-bpe pre-tokenizers, and SentencePiece
// BPE with scores as in Llama (Kudo & Richardson 2018; llama.cpp's "llama" tokenizer model).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/io/gguf.hpp"

namespace fovea {

using TokenId = std::int32_t;

struct EncodeOptions {
  bool add_bos = true;        // only where the model asks for it (tokenizer.ggml.add_bos_token and the model's default)
  bool parse_special = true;  // "<|im_end|>" in the text becomes that token; false treats it as plain text
};

class Tokenizer {
 public:
  // Errors: no tokenizer in the file, unknown model or pre-tokenizer, ids out of range.
  [[nodiscard]] static Result<Tokenizer> create(const Gguf& gguf);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Never fails: bytes that are not UTF-8 go through byte fallback.
  [[nodiscard]] std::vector<TokenId> encode(std::string_view text, EncodeOptions options = {}) const;
  // The bytes a token stands for when text is put together; control tokens give "" unless `special`.
  // May be half a code point: see Utf8Stream. Out-of-range ids give "".
  [[nodiscard]] std::string bytes(TokenId token, bool special = false) const;
  // The text of a whole sequence (SentencePiece: without the leading space that encoding added).
  [[nodiscard]] std::string decode(std::span<const TokenId> tokens, bool special = false) const;
  // The vocabulary entry as stored, for display ("Ġthe", "<0x0A>").
  [[nodiscard]] std::string_view piece(TokenId token) const;

  [[nodiscard]] std::uint32_t size() const;
  [[nodiscard]] TokenId bos() const;  // -1 = none
  [[nodiscard]] TokenId eos() const;  // -1 = none
  [[nodiscard]] bool ends_generation(
      TokenId token) const;  // eos, eot, <|im_end|>, <|endoftext|>, ... as llama.cpp collects them
  [[nodiscard]] bool is_control(TokenId token) const;
  [[nodiscard]] bool adds_bos() const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fovea
