#include "engine/api/model_card.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace fovea {
namespace {

ModelCard card(const std::string& language) {
  return {.language = language, .path = language + ".md", .text = {}, .problem = {}};
}

TEST(ModelCard, IsTheOneInTheReadersLanguageElseTheOneForEverybody) {
  const std::vector<ModelCard> cards{card("zh_CN"), card("")};
  EXPECT_EQ(card_for(cards, "zh_CN"), &cards[0]);
  EXPECT_EQ(card_for(cards, "en"), &cards[1]);
  EXPECT_EQ(card_for(cards, ""), &cards[1]);
}

TEST(ModelCard, InAnotherLanguageIsBetterThanNone) {
  const std::vector<ModelCard> cards{card("zh_CN")};
  EXPECT_EQ(card_for(cards, "en"), &cards[0]);
  EXPECT_EQ(card_for({}, "en"), nullptr);
}

}  // namespace
}  // namespace fovea
