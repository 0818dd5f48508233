#include "app/cli/policy.hpp"

#include <gtest/gtest.h>

namespace fovea::cli {
namespace {

TEST(Policy, DefaultsAreWhatThisVersionRuns) {
  const auto policy = resolve_policy({});
  ASSERT_TRUE(policy);
  EXPECT_EQ(to_string(policy->attention), "dense");
  EXPECT_EQ(to_string(policy->moe), "static");
  EXPECT_EQ(to_string(policy->kv), "f16");
  EXPECT_EQ(to_string(policy->activations), "f32");
  EXPECT_TRUE(resolve_policy(
      {.attention = "dense", .moe = "static:k=4", .kv = "f16", .activations = "f32", .file = ""}));
}

TEST(Policy, TheCommandLineStandsOverTheFileInHowKeysAreKept) {
  const auto kept = [](const char* kv) {
    const auto policy = resolve_policy({.attention = "", .moe = "", .kv = kv, .activations = "", .file = ""});
    return policy ? std::optional(kv_type(*policy)) : std::nullopt;
  };
  EXPECT_EQ(kept(""), KvType::f16);
  EXPECT_EQ(kept("f16"), KvType::f16);
  EXPECT_EQ(kept("q8_0"), KvType::q8_0);
  EXPECT_EQ(kept("q4_0"), std::nullopt);
  EXPECT_EQ(kept("tiered:hot=0.25"), std::nullopt);
}

TEST(Policy, ActivationsAreFloatsOrEightBits) {
  const auto chosen = [](const char* written) {
    return resolve_policy({.attention = "", .moe = "", .kv = "", .activations = written, .file = ""});
  };
  EXPECT_EQ(activation_type(chosen("").value()), ActivationType::f32);
  EXPECT_EQ(activation_type(chosen("f32").value()), ActivationType::f32);
  EXPECT_EQ(activation_type(chosen("q8_0").value()), ActivationType::q8_0);
  for (const char* wrong : {"q4_0", "f16", "q8_0:block=32"}) {
    const auto refused = chosen(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().code, ErrorCode::unsupported) << wrong;
    EXPECT_NE(refused.error().sentence().find("use --activations f32 or q8_0"), std::string::npos) << wrong;
  }
}

TEST(Policy, TypesAreReadAsTheyAreSpelled) {
  for (const KvType type : {KvType::f16, KvType::q8_0}) EXPECT_EQ(kv_type_named(name(type)), type);
  for (const ActivationType type : {ActivationType::f32, ActivationType::q8_0})
    EXPECT_EQ(activation_type_named(name(type)), type);
  EXPECT_EQ(activation_type_named("f16"), std::nullopt);
  EXPECT_EQ(activation_type_named(""), std::nullopt);
}

TEST(Policy, OnlyTheModelsOwnNumberOfExperts) {
  ModelSummary mixture;
  mixture.experts = 16;
  mixture.experts_used = 4;
  const auto check = [&](const char* moe, const ModelSummary& model) {
    return check_policy(resolve_policy({.attention = "", .moe = moe, .kv = "", .activations = "", .file = ""}).value(), model);
  };
  EXPECT_TRUE(check("static", mixture));
  EXPECT_TRUE(check("static:k=4", mixture));
  ASSERT_FALSE(check("static:k=2", mixture));
  EXPECT_EQ(check("static:k=2", mixture).error().code, ErrorCode::unsupported);
  EXPECT_TRUE(check("static", ModelSummary{}));
  EXPECT_FALSE(check("static:k=4", ModelSummary{}));
}

TEST(Policy, ShownMoeSaysWhatIsNotApplicable) {
  ModelSummary model;
  EXPECT_EQ(shown_moe(model), "not applicable");
  model.experts_used = 8;
  EXPECT_EQ(shown_moe(model), "static:k=8");
}

}  // namespace
}  // namespace fovea::cli
