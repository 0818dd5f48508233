// A model's card: the Markdown file beside it that says what the model is, as read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"

namespace fovea {

inline constexpr std::size_t kCardBytes = 256u << 10;  // no more of a card is read

struct ModelCard {
  std::string language;  // "zh_CN"; empty: the card for everybody else
  std::string path;
  std::string text;  // Markdown as written, made valid UTF-8
  std::uint64_t file_bytes = 0;
  bool cut = false;              // the file goes on where the text ends
  std::optional<Error> problem;  // it is there and could not be read; the text is then empty
};

// The card for a reader of `language`: the one in it, else the one without a language, else any. Null: there is none.
[[nodiscard]] const ModelCard* card_for(std::span<const ModelCard> cards, std::string_view language);

}  // namespace fovea
