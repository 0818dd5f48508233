#include "ui/text/policy_words.hpp"

#include <gtest/gtest.h>

#include "engine/session/attention_policy.hpp"
#include "engine/session/moe_policy.hpp"

namespace fovea {
namespace {

std::string words(const char* spec) {
  const auto parsed = parse_spec(spec);
  const std::string mode = parsed->mode;
  if (mode == "sparse" || mode == "dense") {
    const std::optional<SparseAttention> attention = mode == "dense" ? std::nullopt : std::optional(fitted(*read_sparse_attention(*parsed), 6));
    const QString said = attention_words(attention);
    EXPECT_EQ(said, attention_words(shown_attention(attention, std::nullopt))) << "a run that was written down is called the same";
    return said.toStdString();
  }
  ModelSummary model;
  model.layers = 6;
  model.experts = 16;
  model.experts_used = 4;
  model.experts_rule = *read_expert_rule(*parsed);
  const QString said = expert_words(model.experts_rule, 4);
  EXPECT_EQ(said, expert_words(shown_moe(model)));
  return said.toStdString();
}

TEST(PolicyWords, SayOfAttentionWhatTellsRunsApart) {
  EXPECT_EQ(words("dense"), "dense");
  EXPECT_EQ(words("sparse"), "sparse 512 + 25 %, layers 25/75 %");
  EXPECT_EQ(words("sparse:window=256,global=0.125,dense-layers=1"), "sparse 256 + 12.5 %");
  EXPECT_EQ(words("sparse:layers=0.3/1,budget=adaptive,most=0.7"), "sparse 512 + up to 70 %, layers 30/100 %");
  EXPECT_EQ(words("sparse:layers=0.3/1,budget=adaptive,target=0.28,most=0.7"), "sparse 512 + 28 % on average, layers 30/100 %");
  EXPECT_EQ(words("sparse:dense-layers=0,scorer=mean,choice=own,heads=even,periphery=means"), "sparse 512 + 25 %, mean, own, even heads, means");
  EXPECT_EQ(words("sparse:dense-layers=0,every=8"), "sparse 512 + 25 %, chosen every 8");
  EXPECT_EQ(attention_words(std::string("entropy:keep=0.3")), "largest 30 % of a row");
}

TEST(PolicyWords, SayOfExpertsWhatTellsRunsApart) {
  EXPECT_EQ(words("static"), "static k 4");
  EXPECT_EQ(words("static:k=2"), "static k 2");
  EXPECT_EQ(words("static:layers=2/2/2/3/3/3"), "static k 2/2/2/3/3/3");
  EXPECT_EQ(words("dynamic:kmin=2,target-k=2/2/2/2.4/2.8/3.2"), "dynamic k 2/2/2/2.4/2.8/3.2");
  EXPECT_EQ(words("dynamic:target-k=2.4,balance=price"), "dynamic k 2.4, price");
  EXPECT_EQ(words("dynamic:p=0.55/0.55/0.6/0.76/0.82/0.86"), "dynamic p 0.55/0.55/0.6/0.76/0.82/0.86");
  EXPECT_EQ(words("dynamic:rule=entropy,c=1.25,escort=3"), "dynamic c 1.25, escort");
}

TEST(PolicyWords, OfManyLayersSayTheRange) {
  std::vector<double> numbers(48, 2.5);
  numbers[7] = 1;
  EXPECT_EQ(layer_words(numbers), "1–2.5 by layer");
  EXPECT_EQ(layer_words({0.5, 1}, 100, " %"), "50/100 %");
}

}  // namespace
}  // namespace fovea
