// What kind of text a token is, by the characters that it completes: plain Unicode, the same for every vocabulary.
#pragma once

#include <QString>
#include <cstdint>

#include "engine/api/trace.hpp"

namespace fovea {

enum class TokenClass : std::uint8_t {
  word,         // letters that begin a word: behind a space, or behind what is no letter, digit or apostrophe
  inside,       // letters that go on with one
  cjk,          // Han, Kana, Hangul, Bopomofo
  number,       // digits
  punctuation,  // and symbols
  space,        // spaces and line ends alone
  other,        // no text of its own: control tokens, pieces of a character
};
inline constexpr std::size_t kTokenClasses = 7;

// `before`: the token in front of it; nullptr: it is the first.
[[nodiscard]] TokenClass token_class(const TokenText& token, const TokenText* before);
[[nodiscard]] QString shown_class(TokenClass token_class);  // in the window's language

}  // namespace fovea
