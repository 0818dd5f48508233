#include "engine/text/vocabulary.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <span>

namespace fovea {
namespace {

tl::unexpected<Error> malformed(std::string why) {
  return fail(ErrorCode::format, "tokenizer", std::move(why), "convert the model again with a current converter");
}

// Texts that end a generation whatever the keys say, because many files name only one of theirs as eos.
// The collection is llama.cpp's, without "</s>", which some vocabularies hold as an HTML tag.
constexpr std::array<std::string_view, 21> ending_texts{"<|eot_id|>",
                                                        "<|im_end|>",
                                                        "<|end|>",
                                                        "<|return|>",
                                                        "<|call|>",
                                                        "<|flush|>",
                                                        "<|calls|>",
                                                        "<end_of_turn>",
                                                        "<|endoftext|>",
                                                        "<|eom_id|>",
                                                        "<EOT>",
                                                        "_<EOT>",
                                                        "▁<EOT>",
                                                        "[EOT]",
                                                        "[EOS]",
                                                        "<|end_of_text|>",
                                                        "<end_of_utterance>",
                                                        "<eos>",
                                                        "<turn|>",
                                                        "<|tool_response>",
                                                        "<｜end▁of▁sentence｜>"};

// Fill-in-the-middle roles: the key that names the token, else the first of the texts that is in the vocabulary.
struct MiddleRole {
  std::string_view key;
  bool ends;
  std::array<std::string_view, 8> texts;
};
constexpr std::array<MiddleRole, 6> middle_roles{{
    {"tokenizer.ggml.fim_pre_token_id",
     false,
     {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>",
      "<|prefix|>"}},
    {"tokenizer.ggml.fim_suf_token_id",
     false,
     {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>", "<|code_suffix|>",
      "<|suffix|>"}},
    {"tokenizer.ggml.fim_mid_token_id",
     false,
     {"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>", "<|code_middle|>",
      "<|middle|>"}},
    {"tokenizer.ggml.fim_pad_token_id", true, {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"}},
    {"tokenizer.ggml.fim_rep_token_id", true, {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"}},
    {"tokenizer.ggml.fim_sep_token_id", true, {"<|file_sep|>"}},
}};

Result<void> read_pieces(const Gguf& gguf, Vocabulary& vocabulary) {
  const auto* tokens = gguf.strings("tokenizer.ggml.tokens");
  if (!tokens) return malformed("the file has no list tokenizer.ggml.tokens");
  if (tokens->empty()) return malformed("tokenizer.ggml.tokens is empty");
  if (tokens->size() > static_cast<std::size_t>(std::numeric_limits<TokenId>::max()))
    return malformed("tokenizer.ggml.tokens is longer than a token id can count");
  vocabulary.pieces = *tokens;
  vocabulary.ids.reserve(tokens->size());
  for (std::size_t id = 0; id < vocabulary.pieces.size(); ++id) {
    const std::string& piece = vocabulary.pieces[id];
    if (piece.empty()) continue;  // never matches text
    vocabulary.ids.emplace(piece, static_cast<TokenId>(id));
    vocabulary.longest_piece = std::max(vocabulary.longest_piece, piece.size());
  }
  return {};
}

// Integers of either signedness as they came; anything out of the range of kinds is `undefined`.
Result<void> read_kinds(const Gguf& gguf, Vocabulary& vocabulary) {
  constexpr std::string_view key = "tokenizer.ggml.token_type";
  vocabulary.kinds.assign(vocabulary.pieces.size(), TokenKind::normal);
  const GgufValue* value = gguf.find(key);
  if (!value) return {};
  const auto take = [&](const auto& stored) -> Result<void> {
    if (stored.size() < vocabulary.pieces.size())
      return malformed(std::string(key) + " has " + std::to_string(stored.size()) + " entries for " +
                       std::to_string(vocabulary.pieces.size()) + " tokens");
    for (std::size_t id = 0; id < vocabulary.pieces.size(); ++id)
      vocabulary.kinds[id] =
          stored[id] >= 1 && stored[id] <= 6 ? static_cast<TokenKind>(stored[id]) : TokenKind::undefined;
    return {};
  };
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(value)) return take(*integers);
  if (const auto* naturals = std::get_if<std::vector<std::uint64_t>>(value)) return take(*naturals);
  return malformed(std::string(key) + " is not a list of integers");
}

Result<void> read_scores(const Gguf& gguf, Vocabulary& vocabulary) {
  constexpr std::string_view key = "tokenizer.ggml.scores";
  vocabulary.scores.assign(vocabulary.pieces.size(), 0.0f);
  const GgufValue* value = gguf.find(key);
  if (!value) return {};
  const auto take = [&](const auto& stored) -> Result<void> {
    if (stored.size() < vocabulary.pieces.size())
      return malformed(std::string(key) + " has " + std::to_string(stored.size()) + " entries for " +
                       std::to_string(vocabulary.pieces.size()) + " tokens");
    for (std::size_t id = 0; id < vocabulary.pieces.size(); ++id) {
      const auto score = static_cast<float>(stored[id]);
      // Not a number has no place in an order: such a piece comes last.
      vocabulary.scores[id] = std::isnan(score) ? -std::numeric_limits<float>::infinity() : score;
    }
    return {};
  };
  if (const auto* reals = std::get_if<std::vector<double>>(value)) return take(*reals);
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(value)) return take(*integers);
  return malformed(std::string(key) + " is not a list of numbers");
}

// The id under a key, `fallback` where the key is missing. Converters write 2^32-1 for "none".
Result<TokenId> read_id(const Gguf& gguf, std::string_view key, const Vocabulary& vocabulary, TokenId fallback) {
  const auto stored = gguf.unsigned_value(key);
  if (!stored) return vocabulary.has(fallback) ? fallback : no_token;
  if (*stored == std::numeric_limits<std::uint32_t>::max()) return no_token;
  if (*stored >= vocabulary.pieces.size())
    return malformed(std::string(key) + " is " + std::to_string(*stored) + ", outside the " +
                     std::to_string(vocabulary.pieces.size()) + " tokens");
  return static_cast<TokenId>(*stored);
}

void set_kind(Vocabulary& vocabulary, std::string_view piece, TokenKind kind) {
  if (const TokenId token = vocabulary.find(piece); token != no_token)
    vocabulary.kinds[static_cast<std::size_t>(token)] = kind;
}

void set_ending(Vocabulary& vocabulary, TokenId token, bool ends) {
  if (token != no_token) vocabulary.ends_generation[static_cast<std::size_t>(token)] = ends;
}

// Tokens that look like control tokens are control tokens, whatever type a careless conversion gave them.
Result<void> collect_endings(const Gguf& gguf, Vocabulary& vocabulary) {
  vocabulary.ends_generation.assign(vocabulary.pieces.size(), false);
  for (const std::string_view text : ending_texts) {
    set_ending(vocabulary, vocabulary.find(text), true);
    set_kind(vocabulary, text, TokenKind::control);
  }
  for (const MiddleRole& role : middle_roles) {
    FOVEA_ASSIGN(TokenId token, read_id(gguf, role.key, vocabulary, no_token));
    for (const std::string_view text : role.texts) {
      if (token != no_token) break;
      token = vocabulary.find(text);
      if (token != no_token) set_kind(vocabulary, text, TokenKind::control);
    }
    if (role.ends) set_ending(vocabulary, token, true);
  }
  set_ending(vocabulary, vocabulary.eos, true);
  for (const std::string_view key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    FOVEA_ASSIGN(const TokenId token, read_id(gguf, key, vocabulary, no_token));
    set_ending(vocabulary, token, true);
  }
  // The harmony format: channel marks are part of the visible answer, and <|end|> closes a message, not the answer.
  for (const std::string_view text : {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"})
    set_kind(vocabulary, text, TokenKind::user_defined);
  const bool harmony = vocabulary.find("<|return|>") != no_token && vocabulary.find("<|call|>") != no_token;
  const bool solar = vocabulary.find("<|flush|>") != no_token &&
                     (vocabulary.find("<|call|>") != no_token || vocabulary.find("<|calls|>") != no_token);
  if (harmony || solar) {
    set_ending(vocabulary, vocabulary.find("<|end|>"), false);
    set_kind(vocabulary, "<|end|>", TokenKind::user_defined);
  }
  return {};
}

}  // namespace

Result<Vocabulary> read_vocabulary(const Gguf& gguf, const VocabularyDefaults& defaults) {
  Vocabulary vocabulary;
  FOVEA_TRY(read_pieces(gguf, vocabulary));
  FOVEA_TRY(read_kinds(gguf, vocabulary));
  FOVEA_TRY(read_scores(gguf, vocabulary));
  FOVEA_ASSIGN(vocabulary.bos, read_id(gguf, "tokenizer.ggml.bos_token_id", vocabulary, defaults.bos));
  FOVEA_ASSIGN(vocabulary.eos, read_id(gguf, "tokenizer.ggml.eos_token_id", vocabulary, defaults.eos));
  FOVEA_ASSIGN(vocabulary.unknown, read_id(gguf, "tokenizer.ggml.unknown_token_id", vocabulary, defaults.unknown));
  vocabulary.add_bos =
      gguf.bool_value("tokenizer.ggml.add_bos_token").value_or(defaults.add_bos) && vocabulary.bos != no_token;
  vocabulary.add_space_prefix = gguf.bool_value("tokenizer.ggml.add_space_prefix").value_or(defaults.add_space_prefix);
  FOVEA_TRY(collect_endings(gguf, vocabulary));
  return vocabulary;
}

}  // namespace fovea
