#include "engine/text/byte_level_bpe.hpp"

#include <utility>

#include "engine/text/utf8.hpp"

namespace fovea {
namespace {

constexpr std::uint32_t not_a_byte = 256;
constexpr char32_t first_stand_in = 256, last_stand_in = 323;

// GPT-2's table: bytes that Latin-1 shows stand for themselves, the other 68 for U+0100 and up, in order.
constexpr bool shows_itself(std::uint32_t byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

constexpr std::array<char32_t, 256> make_characters() {
  std::array<char32_t, 256> characters{};
  char32_t next = first_stand_in;
  for (std::uint32_t byte = 0; byte < 256; ++byte) characters[byte] = shows_itself(byte) ? byte : next++;
  return characters;
}
constexpr auto characters = make_characters();
static_assert(characters[' '] == 0x120 && characters['\n'] == 0x10A && characters[0xAD] == last_stand_in);

constexpr std::array<std::uint32_t, last_stand_in + 1> make_bytes() {
  std::array<std::uint32_t, last_stand_in + 1> bytes{};
  bytes.fill(not_a_byte);
  for (std::uint32_t byte = 0; byte < 256; ++byte) bytes[characters[byte]] = byte;
  return bytes;
}
constexpr auto bytes_of = make_bytes();

std::string shown(std::string_view bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char byte : bytes) text += to_utf8(characters[static_cast<unsigned char>(byte)]);
  return text;
}

constexpr std::uint64_t pair_key(std::uint32_t left, std::uint32_t right) { return std::uint64_t{left} << 32 | right; }

}  // namespace

// The finaliser of SplitMix64: neighbouring ids must not share buckets.
std::size_t ByteLevelBpe::PairHash::operator()(std::uint64_t pair) const {
  pair = (pair ^ (pair >> 30)) * 0xBF58476D1CE4E5B9u;
  pair = (pair ^ (pair >> 27)) * 0x94D049BB133111EBu;
  return static_cast<std::size_t>(pair ^ (pair >> 31));
}

ByteLevelBpe ByteLevelBpe::create(PreTokenizer pre_tokenizer, const std::vector<std::string>& merges,
                                  const Vocabulary& vocabulary) {
  ByteLevelBpe bpe(std::move(pre_tokenizer));
  std::unordered_map<std::string, std::uint32_t> others;  // strings of merges that are no tokens
  const auto symbol = [&](const std::string& text) {
    if (const TokenId token = vocabulary.find(text); token != no_token) return static_cast<std::uint32_t>(token);
    const auto next = static_cast<std::uint32_t>(vocabulary.pieces.size() + others.size());
    return others.try_emplace(text, next).first->second;
  };
  for (std::uint32_t byte = 0; byte < 256; ++byte) bpe.byte_symbols_[byte] = symbol(to_utf8(characters[byte]));
  bpe.merges_.reserve(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::size_t space = merges[rank].find(' ', 1);
    if (space == std::string::npos) continue;
    const std::string left = merges[rank].substr(0, space), right = merges[rank].substr(space + 1);
    bpe.merges_.try_emplace(pair_key(symbol(left), symbol(right)),
                            Merge{static_cast<double>(rank), symbol(left + right)});
  }
  return bpe;
}

void ByteLevelBpe::encode(std::string_view slice, const Vocabulary& vocabulary, std::vector<TokenId>& tokens) const {
  MergeBuffers buffers;
  for (const std::string_view word : pre_tokenizer_.split(slice)) encode_word(word, vocabulary, buffers, tokens);
}

void ByteLevelBpe::encode_word(std::string_view word, const Vocabulary& vocabulary, MergeBuffers& buffers,
                               std::vector<TokenId>& tokens) const {
  if (pre_tokenizer_.ignores_merges() && word.size() <= vocabulary.longest_piece) {
    if (const TokenId token = vocabulary.find(shown(word)); token != no_token) {
      tokens.push_back(token);
      return;
    }
  }
  buffers.symbols.clear();
  for (const char byte : word) buffers.append(1, byte_symbols_[static_cast<unsigned char>(byte)]);
  merge_symbols(buffers, [this](const Symbol& left, const Symbol& right) -> std::optional<Merge> {
    const auto at = merges_.find(pair_key(left.id, right.id));
    return at == merges_.end() ? std::nullopt : std::optional(at->second);
  });
  for (const Symbol& symbol : buffers.symbols) {
    if (symbol.length == 0) continue;
    if (symbol.id < vocabulary.pieces.size()) {
      tokens.push_back(static_cast<TokenId>(symbol.id));
      continue;
    }
    // A merge made something that is no token: byte by byte, and the unknown token for bytes that are none either.
    for (const char byte : word.substr(symbol.begin, symbol.length)) {
      const std::uint32_t id = byte_symbols_[static_cast<unsigned char>(byte)];
      if (id < vocabulary.pieces.size())
        tokens.push_back(static_cast<TokenId>(id));
      else if (vocabulary.unknown != no_token)
        tokens.push_back(vocabulary.unknown);
    }
  }
}

std::string ByteLevelBpe::bytes(std::string_view piece) {
  std::string bytes;
  bytes.reserve(piece.size());
  while (!piece.empty()) {
    const Utf8Step step = utf8_step(piece);
    const char32_t character = step.kind == Utf8Step::Kind::complete ? code_point(piece) : last_stand_in + 1;
    if (character <= last_stand_in && bytes_of[character] != not_a_byte)
      bytes += static_cast<char>(bytes_of[character]);
    else
      bytes += piece.substr(0, step.length);
    piece.remove_prefix(step.length);
  }
  return bytes;
}

}  // namespace fovea
