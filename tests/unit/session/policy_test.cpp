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
  EXPECT_EQ(to_string(policy->activations), "auto");
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

TEST(Policy, ActivationsAreFloatsOrEightBitsOrWhatSuitsTheDevice) {
  const auto chosen = [](const char* written) {
    return resolve_policy({.attention = "", .moe = "", .kv = "", .activations = written, .file = ""});
  };
  EXPECT_EQ(activation_type(chosen("").value()), std::nullopt);
  EXPECT_EQ(activation_type(chosen("auto").value()), std::nullopt);
  EXPECT_EQ(activation_type(chosen("f32").value()), ActivationType::f32);
  EXPECT_EQ(activation_type(chosen("q8_0").value()), ActivationType::q8_0);
  for (const char* wrong : {"q4_0", "f16", "q8_0:block=32"}) {
    const auto refused = chosen(wrong);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_EQ(refused.error().code, ErrorCode::unsupported) << wrong;
    EXPECT_NE(refused.error().sentence().find("use --activations auto, f32 or q8_0"), std::string::npos) << wrong;
  }
}

TEST(Policy, AttentionIsDenseOrSparseByPages) {
  const auto chosen = [](const char* written) {
    return resolve_policy({.attention = written, .moe = "", .kv = "", .activations = "", .file = ""});
  };
  EXPECT_EQ(sparse_attention(chosen("").value()), std::nullopt);
  EXPECT_EQ(sparse_attention(chosen("dense").value()), std::nullopt);
  EXPECT_EQ(sparse_attention(chosen("sparse").value()), SparseAttention{});
  const auto all = sparse_attention(
      chosen("sparse:window=100,global=0.125,page=32,sinks=0,scorer=quest,dense-layers=3,dense-below=0,budget=adaptive,mass=0.9,least=0,most=1").value());
  ASSERT_TRUE(all);
  EXPECT_EQ(*all, (SparseAttention{.window = 100, .global = 0.125, .sinks = 0, .scorer = PageScorer::quest, .dense_layers = 3, .dense_below = 0,
                                   .budget = PageBudget::adaptive, .mass = 0.9, .least = 0, .most = 1}));
  SparseAttention strict = *all;
  strict.budget = PageBudget::strict;
  strict.mass = 0.95, strict.least = 0.08, strict.most = 0.4;
  for (const auto& rule : {SparseAttention{}, strict}) {
    const std::string shown = shown_attention(rule);
    EXPECT_EQ(spec_problem("attention", shown), "") << shown;
    EXPECT_EQ(sparse_attention(chosen(shown.c_str()).value()), rule) << shown;
  }
  EXPECT_EQ(shown_attention(std::nullopt), "dense");
  ASSERT_FALSE(chosen("sparse:k=3"));
  EXPECT_EQ(chosen("sparse:k=3").error().code, ErrorCode::unsupported);
}

TEST(Policy, SparseAttentionSaysWhatIsNoValue) {
  for (const auto& [written, said] :
       {std::pair{"sparse:window=0", "window is '0': it must be a whole number of at least 1"}, {"sparse:window=-1", "whole number"},
        {"sparse:window=99999999999", "whole number"}, {"sparse:global=1.01", "global is '1.01': it must be a number from 0 to 1"},
        {"sparse:global=-0.1", "from 0 to 1"}, {"sparse:global=nan", "from 0 to 1"}, {"sparse:global=inf", "from 0 to 1"},
        {"sparse:global=1e-1", "from 0 to 1"}, {"sparse:global=0x1", "from 0 to 1"}, {"sparse:global=0.2.5", "from 0 to 1"},
        {"sparse:page=64", "page is 64: this version has pages of 32"}, {"sparse:page=0", "whole number"}, {"sparse:scorer=best", "auto, quest or mean"},
        {"sparse:budget=large", "strict or adaptive"}, {"sparse:least=0.5,most=0.4", "least must not be above most"}, {"sparse:dense-layers=two", "whole number"}})
    EXPECT_NE(spec_problem("attention", written).find(said), std::string::npos) << written << ": " << spec_problem("attention", written);
  for (const char* fine : {"sparse", "sparse:global=0", "sparse:global=1", "sparse:global=0.333", "sparse:sinks=0,dense-layers=0", "sparse:window=4000000000"})
    EXPECT_EQ(spec_problem("attention", fine), "") << fine;
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
  EXPECT_EQ(activation_type(read("{}").value()), std::nullopt);
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
        {R"({"attention":"entropy:keep=0.3"})", R"(use "attention":"dense" or "sparse")"},
        {R"({"attention":"sparse:width=3"})", "sparse takes no parameter 'width'"},
        {R"({"activations":"f16"})", R"(use "activations":"auto", "f32" or "q8_0")"},
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
