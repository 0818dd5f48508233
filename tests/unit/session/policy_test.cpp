#include "engine/session/policy.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace fovea {
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
    const auto policy = resolve_policy({.attention = "", .moe = moe, .kv = "", .activations = "", .file = ""});
    return check_policy(policy.value(), model);
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

class PolicyFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / ("fovea_policies_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  // A file of this content, and perhaps --kv on the command line.
  Result<Policy> read(const std::string& content, const std::string& kv = "") {
    std::ofstream(folder_ / "p.json", std::ios::binary) << content;
    return resolve_policy({.attention = "", .moe = "", .kv = kv, .activations = "", .file = folder_ / "p.json"});
  }
  std::filesystem::path folder_;
};

TEST_F(PolicyFile, ChoosesAmongWhatThisVersionRuns) {
  EXPECT_TRUE(read(R"({"attention":"dense","moe":"static:k=4","kv":"f16"})"));
  EXPECT_EQ(kv_type(read("{}").value()), KvType::f16);
  EXPECT_EQ(activation_type(read("{}").value()), ActivationType::f32);
  const auto both = read(R"({"kv":"q8_0","activations":"q8_0"})");
  ASSERT_TRUE(both);
  EXPECT_EQ(kv_type(*both), KvType::q8_0);
  EXPECT_EQ(activation_type(*both), ActivationType::q8_0);
  EXPECT_EQ(kv_type(read(R"({"kv":"q8_0"})", "f16").value()), KvType::f16) << "the command line stands over the file";
  EXPECT_TRUE(read(R"({"kv":"tiered"})", "f16")) << "and what it replaces need not run";
}

TEST_F(PolicyFile, OfAnotherVersionIsRefusedInItsOwnWords) {
  for (const auto& [content, said] :
       {std::pair{R"({"kv":"tiered:hot=0.25"})", R"("kv": tiered is not available in this version)"},
        {R"({"attention":"sparse:window=512"})", R"(use "attention":"dense")"},
        {R"({"activations":"f16"})", R"(use "activations":"f32" or "q8_0")"},
        {R"({"kv":"q8_0:hot=1"})", "q8_0 takes no parameter 'hot'"}}) {
    const auto refused = read(content);
    ASSERT_FALSE(refused) << content;
    EXPECT_EQ(refused.error().code, ErrorCode::unsupported) << content;
    EXPECT_NE(refused.error().sentence().find(said), std::string::npos) << refused.error().sentence();
  }
}

TEST_F(PolicyFile, IsReadWithSuspicion) {
  const std::string deep(60'000, '[');
  for (const std::string& content :
       {std::string(), std::string("[1]"), std::string("{"), std::string("null"), std::string(R"({"attention":3})"),
        std::string(R"({"activations":8})"), std::string(R"({"color":"red"})"), std::string(R"({"kv":""})"),
        std::string(R"({"kv":"f16\u0000"})"), std::string("{\"kv\":\"\xff\"}"), std::string(R"({"moe":"static:k=0"})"),
        std::string("{\0}", 3), deep, deep + std::string(5'000, ']')}) {
    const auto refused = read(content);
    ASSERT_FALSE(refused) << content.substr(0, 40);
    EXPECT_EQ(refused.error().code, ErrorCode::format) << refused.error().sentence();
  }
  const auto hostile = read("{\"b\\n\\u001b[31m\":\"dense\"}");
  ASSERT_FALSE(hostile);
  for (const char c : hostile.error().sentence()) EXPECT_GE(c, 0x20);
  EXPECT_EQ(read(std::string(1 << 20, ' ')).error().code, ErrorCode::file);
  for (const char* name : {"none.json", "."}) {
    const auto refused =
        resolve_policy({.attention = "", .moe = "", .kv = "", .activations = "", .file = folder_ / name});
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::file);
  }
}

}  // namespace
}  // namespace fovea
