// A long text that hides a number and asks for it at the end, and how much of an answer is right.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/text/tokenizer.hpp"

namespace fovea::cli {

inline constexpr std::size_t kPasskeyDigits = 5;
inline constexpr std::uint32_t kAnswerTokens = 12;  // room for an answer, whatever the tokens of digits are

struct Passkey {
  std::string name;    // whose number it is
  std::string number;  // kPasskeyDigits digits
  double depth = 0;    // 0: the text begins with it, 1: it ends with it
};

// Numbers and names follow from the seed and the trial alone; depths of `trials` lie evenly.
[[nodiscard]] Passkey make_passkey(std::uint64_t seed, std::uint32_t trial, std::uint32_t trials);

// At most `tokens` tokens: as much of `filler` (repeated where it is short) as there is room for, the number somewhere in it,
// the question behind it. "" where they leave no room for any filler.
[[nodiscard]] std::string passkey_prompt(const Tokenizer& tokenizer, const Passkey& passkey, std::string_view filler, std::uint32_t tokens);

// How many digits of the first number in `answer` are right, place by place.
[[nodiscard]] std::size_t right_digits(std::string_view answer, std::string_view number);

}  // namespace fovea::cli
