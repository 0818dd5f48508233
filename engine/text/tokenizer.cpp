#include "engine/text/tokenizer.hpp"

#include <optional>
#include <utility>
#include <variant>

#include "engine/io/shown_name.hpp"
#include "engine/text/added_tokens.hpp"
#include "engine/text/byte_level_bpe.hpp"
#include "engine/text/sentence_piece.hpp"
#include "engine/text/vocabulary.hpp"

namespace fovea {

struct Tokenizer::State {
  Vocabulary vocabulary;
  AddedTokens added;
  std::variant<ByteLevelBpe, SentencePiece> model;

  [[nodiscard]] bool is_sentence_piece() const { return std::holds_alternative<SentencePiece>(model); }
  [[nodiscard]] TokenKind kind(TokenId token) const { return vocabulary.kinds[static_cast<std::size_t>(token)]; }
  void encode_text(std::string_view text, bool prefixed, std::vector<TokenId>& tokens) const;
};

namespace {

// The part of `text` that is encoded at once. A text above the limit is cut at the start of a code point.
std::string_view next_slice(std::string_view text) {
  constexpr std::size_t limit = longest_slice / 4;  // escaping a space makes three bytes of one
  if (text.size() <= limit) return text;
  std::size_t end = limit;
  while (end > limit - 4 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u) --end;
  return text.substr(0, end);
}

}  // namespace

void Tokenizer::State::encode_text(std::string_view text, bool prefixed, std::vector<TokenId>& tokens) const {
  while (!text.empty()) {
    const std::string_view slice = next_slice(text);
    if (const auto* bpe = std::get_if<ByteLevelBpe>(&model))
      bpe->encode(slice, vocabulary, tokens);
    else
      std::get<SentencePiece>(model).encode(slice, std::exchange(prefixed, false), vocabulary, tokens);
    text.remove_prefix(slice.size());
  }
}

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::create(const Gguf& gguf) {
  const auto model = gguf.string_value("tokenizer.ggml.model");
  if (!model)
    return fail(ErrorCode::format, "tokenizer", "the file names no tokenizer.ggml.model",
                "convert the model again, with its tokenizer");
  if (*model == "llama") {
    // What the SentencePiece models of Llama have where converters left the keys out.
    constexpr VocabularyDefaults defaults{.bos = 1, .eos = 2, .unknown = 0, .add_bos = true, .add_space_prefix = true};
    FOVEA_ASSIGN(Vocabulary vocabulary, read_vocabulary(gguf, defaults));
    SentencePiece pieces(vocabulary);
    AddedTokens added(vocabulary);
    return Tokenizer(std::make_unique<State>(State{std::move(vocabulary), std::move(added), std::move(pieces)}));
  }
  if (*model != "gpt2")
    return fail(ErrorCode::unsupported, "tokenizer", "the kind " + shown_name(*model) + " is not known",
                "use a model with a byte-level BPE (gpt2) or SentencePiece (llama) tokenizer");
  const auto* merges = gguf.strings("tokenizer.ggml.merges");
  if (!merges)
    return fail(ErrorCode::format, "tokenizer", "the file has no list tokenizer.ggml.merges",
                "convert the model again with a current converter");
  FOVEA_ASSIGN(PreTokenizer pre_tokenizer, PreTokenizer::create(gguf.string_value("tokenizer.ggml.pre").value_or("")));
  FOVEA_ASSIGN(Vocabulary vocabulary, read_vocabulary(gguf, {.add_bos = pre_tokenizer.adds_bos()}));
  ByteLevelBpe bpe = ByteLevelBpe::create(std::move(pre_tokenizer), *merges, vocabulary);
  AddedTokens added(vocabulary);
  return Tokenizer(std::make_unique<State>(State{std::move(vocabulary), std::move(added), std::move(bpe)}));
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  const Vocabulary& vocabulary = state_->vocabulary;
  std::vector<TokenId> tokens;
  if (options.add_bos && vocabulary.add_bos) tokens.push_back(vocabulary.bos);
  bool after_added = true;  // SentencePiece puts a space at the start and after each added token
  for (const AddedTokens::Part& part : state_->added.cut(text, vocabulary, options.parse_special)) {
    if (part.token != no_token)
      tokens.push_back(part.token);
    else
      state_->encode_text(part.text, vocabulary.add_space_prefix && after_added, tokens);
    after_added = part.token != no_token;
  }
  return tokens;
}

std::string Tokenizer::bytes(TokenId token, bool special) const {
  if (!state_->vocabulary.has(token)) return {};
  const std::string_view stored = piece(token);
  switch (state_->kind(token)) {
    case TokenKind::control:
    case TokenKind::unknown:
      return special ? std::string(stored) : std::string();
    case TokenKind::user_defined:
      return std::string(stored);
    case TokenKind::byte: {
      const auto byte = byte_of_piece(stored);
      return byte ? std::string(1, *byte) : std::string();
    }
    case TokenKind::normal:
      return state_->is_sentence_piece() ? SentencePiece::bytes(stored) : ByteLevelBpe::bytes(stored);
    case TokenKind::unused:
    case TokenKind::undefined:
      break;
  }
  return {};
}

std::string Tokenizer::decode(std::span<const TokenId> tokens, bool special) const {
  std::string text;
  bool after_added = true;
  for (const TokenId token : tokens) {
    if (!state_->vocabulary.has(token)) continue;
    const std::string part = bytes(token, special);
    const TokenKind kind = state_->kind(token);
    const bool added = kind == TokenKind::control || kind == TokenKind::unknown || kind == TokenKind::user_defined;
    const bool prefixed = after_added && !added && state_->vocabulary.add_space_prefix && part.starts_with(' ');
    text.append(part, prefixed ? 1 : 0);
    after_added = added;
  }
  return text;
}

std::string_view Tokenizer::piece(TokenId token) const {
  const Vocabulary& vocabulary = state_->vocabulary;
  return vocabulary.has(token) ? std::string_view(vocabulary.pieces[static_cast<std::size_t>(token)])
                               : std::string_view();
}

std::uint32_t Tokenizer::size() const { return static_cast<std::uint32_t>(state_->vocabulary.pieces.size()); }
TokenId Tokenizer::bos() const { return state_->vocabulary.bos; }
TokenId Tokenizer::eos() const { return state_->vocabulary.eos; }
bool Tokenizer::adds_bos() const { return state_->vocabulary.add_bos; }

bool Tokenizer::ends_generation(TokenId token) const {
  return state_->vocabulary.has(token) && state_->vocabulary.ends_generation[static_cast<std::size_t>(token)];
}

bool Tokenizer::is_control(TokenId token) const {
  return state_->vocabulary.has(token) && state_->kind(token) == TokenKind::control;
}

}  // namespace fovea
