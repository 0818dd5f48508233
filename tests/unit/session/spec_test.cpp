#include "engine/session/spec.hpp"

#include <gtest/gtest.h>

namespace fovea {
namespace {

TEST(Spec, ModeAloneAndWithParameters) {
  EXPECT_EQ(parse_spec("dense")->mode, "dense");
  EXPECT_TRUE(parse_spec("dense")->parameters.empty());
  const auto spec = parse_spec("sparse:window=512,global=0.25,dense-layers=2,budget=strict");
  ASSERT_TRUE(spec);
  EXPECT_EQ(spec->mode, "sparse");
  ASSERT_EQ(spec->parameters.size(), 4u);
  EXPECT_EQ(*spec->find("global"), "0.25");
  EXPECT_EQ(*spec->find("dense-layers"), "2");
  EXPECT_EQ(spec->find("sinks"), nullptr);
  EXPECT_EQ(to_string(*spec), "sparse:window=512,global=0.25,dense-layers=2,budget=strict");
}

TEST(Spec, MalformedTextIsRefused) {
  for (const char* text :
       {"", ":", "a:", "a:b", "a:b=", "a:=b", "a:b=c,", "a:,b=c", "a:b=c,b=d", "a:b=c=d", "A", "a b", "a:B=c", "\xff"})
    EXPECT_FALSE(parse_spec(text)) << text;
  EXPECT_FALSE(parse_spec(std::string(10'000, 'a')));
}

TEST(Spec, CountsAreWholeNumbers) {
  EXPECT_EQ(parse_count("0"), 0u);
  EXPECT_EQ(parse_count("4294967295"), 4294967295u);
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "1.0", "4294967296", "one"})
    EXPECT_FALSE(parse_count(text)) << text;
}

}  // namespace
}  // namespace fovea
