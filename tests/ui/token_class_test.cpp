#include "ui/text/token_class.hpp"

#include <gtest/gtest.h>

#include <set>

namespace fovea {
namespace {

TokenText text(const char* characters) { return {1, characters, characters, false}; }

TokenClass behind(const char* before, const char* characters) {
  const TokenText first = text(before), token = text(characters);
  return token_class(token, &first);
}

TEST(TokenClass, IsToldByCharacters) {
  EXPECT_EQ(token_class(text("Once"), nullptr), TokenClass::word);
  EXPECT_EQ(behind("Once", " upon"), TokenClass::word);
  EXPECT_EQ(behind(" liv", "ed"), TokenClass::inside);
  EXPECT_EQ(behind("\n", "One"), TokenClass::word);
  EXPECT_EQ(behind("(", "see"), TokenClass::word);
  EXPECT_EQ(behind(" don'", "t"), TokenClass::inside);
  EXPECT_EQ(behind(" don’", "t"), TokenClass::inside);
  EXPECT_EQ(behind(" B", "2"), TokenClass::number);
  EXPECT_EQ(behind("2", "nd"), TokenClass::inside);
  EXPECT_EQ(behind(" in", " 1984"), TokenClass::number);
  EXPECT_EQ(behind("x", ","), TokenClass::punctuation);
  EXPECT_EQ(behind("x", " ="), TokenClass::punctuation);
  EXPECT_EQ(behind("x", "\n\n"), TokenClass::space);
  EXPECT_EQ(behind("x", "  "), TokenClass::space);
}

TEST(TokenClass, KnowsScriptsThatPutNoSpacesBetweenWords) {
  EXPECT_EQ(behind("从前", "有"), TokenClass::cjk);
  EXPECT_EQ(behind("x", "ひと"), TokenClass::cjk);
  EXPECT_EQ(behind("x", "한"), TokenClass::cjk);
  EXPECT_EQ(behind("有", "，"), TokenClass::punctuation);
  EXPECT_EQ(behind("x", "𠀀"), TokenClass::cjk) << "beyond the basic plane";
  EXPECT_EQ(behind(" сло", "во"), TokenClass::inside);
}

TEST(TokenClass, WhatHasNoTextIsOther) {
  EXPECT_EQ(token_class({2, "", "</s>", false}, nullptr), TokenClass::other);
  EXPECT_EQ(behind("", "One"), TokenClass::word);
  EXPECT_EQ(behind("x", "\xff"), TokenClass::punctuation) << "bytes that are no character become a symbol";
}

TEST(TokenClass, EveryClassHasANameOfItsOwn) {
  std::set<QString> names;
  for (std::size_t c = 0; c < kTokenClasses; ++c) names.insert(shown_class(static_cast<TokenClass>(c)));
  EXPECT_EQ(names.size(), kTokenClasses);
}

}  // namespace
}  // namespace fovea
