#include "app/cli/passkey_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>
#include <span>
#include <vector>

namespace fovea::cli {
namespace {

constexpr std::array<std::string_view, 8> kNames{"Ada", "Bo", "Dora", "Eli", "Hana", "Kai", "Mei", "Otto"};  // of people

std::string sentence(const Passkey& passkey) { return fmt::format("\nThe secret number of {} is {}.\n", passkey.name, passkey.number); }
std::string question(const Passkey& passkey) { return fmt::format("\nThe secret number of {} is", passkey.name); }

}  // namespace

Passkey make_passkey(std::uint64_t seed, std::uint32_t trial, std::uint32_t trials) {
  std::mt19937_64 random(seed * 1'000'003 + trial);  // its numbers are the same everywhere, unlike those of distributions
  Passkey passkey{.name = std::string(kNames[random() % kNames.size()]), .number = "", .depth = (trial + 0.5) / std::max(trials, 1u)};
  passkey.number += static_cast<char>('1' + random() % 9);
  while (passkey.number.size() < kPasskeyDigits) passkey.number += static_cast<char>('0' + random() % 10);
  return passkey;
}

std::string passkey_prompt(const Tokenizer& tokenizer, const Passkey& passkey, std::string_view filler, std::uint32_t tokens) {
  const auto count = [&](const std::string& text) { return tokenizer.encode(text, {.parse_special = false}).size(); };
  const std::string told = sentence(passkey), asked = question(passkey);
  std::vector<TokenId> ids = tokenizer.encode(filler, {.add_bos = false, .parse_special = false});
  if (ids.empty()) return "";
  const std::size_t length = ids.size();
  while (ids.size() < tokens) ids.push_back(ids[ids.size() - length]);
  // Where pieces meet, tokens may fall otherwise than in each alone: less filler until all of it fits.
  const std::size_t fixed = count(told + asked);
  for (std::size_t left = tokens > fixed ? tokens - fixed : 0; left > 0; left -= std::min<std::size_t>(left, 4)) {
    const auto before = static_cast<std::size_t>(passkey.depth * static_cast<double>(left));
    const std::span<const TokenId> used = std::span(ids).first(std::min(left, ids.size()));
    const std::string text = tokenizer.decode(used.first(before)) + told + tokenizer.decode(used.subspan(before)) + asked;
    if (count(text) <= tokens) return text;
  }
  return "";
}

std::size_t right_digits(std::string_view answer, std::string_view number) {
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto* const first = std::ranges::find_if(answer, digit);
  std::size_t right = 0;
  for (std::size_t i = 0; i < number.size() && first + i != answer.end() && digit(first[i]); ++i) right += first[i] == number[i] ? 1 : 0;
  return right;
}

}  // namespace fovea::cli
