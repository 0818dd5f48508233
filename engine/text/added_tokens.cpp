#include "engine/text/added_tokens.hpp"

#include <algorithm>
#include <numeric>

namespace fovea {
namespace {

// Longer pieces are not looked for: real ones stay below 100 bytes, and a text must not take minutes because a file
// lists pieces of a megabyte.
constexpr std::size_t longest_added = 256;

const std::string& piece_of(const Vocabulary& vocabulary, TokenId token) {
  return vocabulary.pieces[static_cast<std::size_t>(token)];
}

}  // namespace

AddedTokens::AddedTokens(const Vocabulary& vocabulary) {
  for (std::size_t id = 0; id < vocabulary.pieces.size(); ++id) {
    const TokenKind kind = vocabulary.kinds[id];
    if (kind != TokenKind::control && kind != TokenKind::unknown && kind != TokenKind::user_defined) continue;
    if (vocabulary.pieces[id].size() > longest_added) continue;
    // Of tokens with the same text the first is meant; an empty one is in no text.
    if (vocabulary.find(vocabulary.pieces[id]) == static_cast<TokenId>(id))
      by_text_.push_back(static_cast<TokenId>(id));
  }
  std::sort(by_text_.begin(), by_text_.end(),
            [&](TokenId a, TokenId b) { return piece_of(vocabulary, a) < piece_of(vocabulary, b); });
  for (const TokenId token : by_text_) ++first_byte_[static_cast<unsigned char>(piece_of(vocabulary, token)[0]) + 1u];
  std::partial_sum(first_byte_.begin(), first_byte_.end(), first_byte_.begin());
  by_length_.resize(by_text_.size());
  std::iota(by_length_.begin(), by_length_.end(), 0u);
  std::sort(by_length_.begin(), by_length_.end(), [&](std::uint32_t a, std::uint32_t b) {
    const std::size_t length_a = piece_of(vocabulary, by_text_[a]).size(),
                      length_b = piece_of(vocabulary, by_text_[b]).size();
    return length_a != length_b ? length_a > length_b : by_text_[a] < by_text_[b];
  });
}

// Few of the tokens are in a text, so these are found first: at each place the sorted list is narrowed byte by byte.
void AddedTokens::mark_present(std::string_view text, const Vocabulary& vocabulary, std::vector<bool>& present) const {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    auto low = by_text_.begin() + first_byte_[byte], high = by_text_.begin() + first_byte_[byte + 1u];
    for (std::size_t depth = 1; low != high; ++depth) {
      // A piece that ends here comes before its continuations.
      if (piece_of(vocabulary, *low).size() == depth) {
        present[static_cast<std::size_t>(low - by_text_.begin())] = true;
        ++low;
      }
      if (at + depth == text.size()) break;
      const auto next = static_cast<unsigned char>(text[at + depth]);
      const auto byte_at = [&](TokenId token) {
        return static_cast<unsigned char>(piece_of(vocabulary, token)[depth]);
      };
      low = std::lower_bound(low, high, next,
                             [&](TokenId token, unsigned char wanted) { return byte_at(token) < wanted; });
      high = std::upper_bound(low, high, next,
                              [&](unsigned char wanted, TokenId token) { return wanted < byte_at(token); });
    }
  }
}

std::vector<AddedTokens::Part> AddedTokens::cut(std::string_view text, const Vocabulary& vocabulary,
                                                bool parse_special) const {
  if (text.empty()) return {};
  std::vector<bool> present(by_text_.size(), false);
  mark_present(text, vocabulary, present);
  struct Found {
    std::size_t at;
    TokenId token;
  };
  std::vector<Found> found;
  std::vector<bool> taken;
  for (const std::uint32_t place : by_length_) {
    if (!present[place]) continue;
    const TokenId token = by_text_[place];
    if (!parse_special && vocabulary.kinds[static_cast<std::size_t>(token)] != TokenKind::user_defined) continue;
    const std::string& piece = piece_of(vocabulary, token);
    taken.resize(text.size(), false);
    for (std::size_t at = text.find(piece); at != std::string_view::npos;) {
      // What is taken was taken by tokens at least as long: an overlap shows at one of the ends.
      const bool free = !taken[at] && !taken[at + piece.size() - 1];
      if (free) {
        std::fill_n(taken.begin() + static_cast<std::ptrdiff_t>(at), piece.size(), true);
        found.push_back({at, token});
      }
      at = text.find(piece, at + (free ? piece.size() : 1));
    }
  }
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.at < b.at; });
  std::vector<Part> parts;
  std::size_t done = 0;
  for (const Found& one : found) {
    if (one.at > done) parts.push_back({text.substr(done, one.at - done)});
    done = one.at + piece_of(vocabulary, one.token).size();
    parts.push_back({text.substr(one.at, done - one.at), one.token});
  }
  if (done < text.size()) parts.push_back({text.substr(done)});
  return parts;
}

}  // namespace fovea
