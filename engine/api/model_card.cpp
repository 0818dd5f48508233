#include "engine/api/model_card.hpp"

#include <algorithm>

namespace fovea {

const ModelCard* card_for(std::span<const ModelCard> cards, std::string_view language) {
  for (const std::string_view wanted : {language, std::string_view()}) {
    const auto found = std::ranges::find(cards, wanted, &ModelCard::language);
    if (found != cards.end()) return &*found;
  }
  return cards.empty() ? nullptr : &cards.front();
}

}  // namespace fovea
