#include "engine/session/policy.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "engine/session/attention_policy.hpp"

namespace fovea {
namespace {

TEST(Policy, DefaultsAreWhatThisVersionRuns) {
  const auto policy = resolve_policy({});
  ASSERT_TRUE(policy);
  EXPECT_EQ(to_string(policy->attention), "dense");
  EXPECT_EQ(to_string(policy->moe), "static");
  EXPECT_EQ(to_string(policy->kv), "auto");
  EXPECT_EQ(chosen_kv(*policy), std::nullopt);
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
  EXPECT_EQ(kept("tiered:hot=0.25"), KvType::tiered);
}

TEST(Policy, TiersSayHowMuchIsHotAndWhatStaysAsItIs) {
  const auto tiers = [](const char* kv) {
    return kv_tiers(resolve_policy({.attention = "", .moe = "", .kv = kv, .activations = "", .file = ""}).value());
  };
  EXPECT_EQ(tiers("tiered"), KvTiers{});
  EXPECT_EQ(tiers("tiered:hot=0.5,hot-type=q8_0,cold-type=q4,window=64,sinks=0"), (KvTiers{.hot = 0.5, .window = 64, .sinks = 0}));
  EXPECT_EQ(shown_kv(KvType::tiered, {.hot = 0.5, .window = 64, .sinks = 0}), "tiered:hot=0.5,hot-type=q8_0,cold-type=q4,window=64,sinks=0");
  EXPECT_EQ(shown_kv(KvType::q8_0, {}), "q8_0");
  for (const auto& [written, said] : {std::pair{"tiered:hot=1.5", "hot is '1.5'"}, {"tiered:window=0", "at least 1"}, {"tiered:cold-type=q2", "q4 in this version"},
                                      {"tiered:hot-type=f16", "q8_0 in this version"}, {"tiered:sinks=-1", "at least 0"}})
    EXPECT_NE(spec_problem("kv", written).find(said), std::string::npos) << spec_problem("kv", written);
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
  EXPECT_EQ(sparse_attention(chosen("sparse").value()), SparseAttention{.by_depth = true});
  const auto all = sparse_attention(
      chosen("sparse:window=100,global=0.125,page=32,sinks=0,scorer=quest,dense-layers=3,dense-below=0,budget=adaptive,mass=0.9,least=0,most=1").value());
  ASSERT_TRUE(all);
  EXPECT_EQ(*all, (SparseAttention{.window = 100, .global = 0.125, .sinks = 0, .scorer = PageScorer::quest, .dense_layers = 3, .dense_below = 0,
                                   .budget = PageBudget::adaptive, .mass = 0.9, .least = 0, .most = 1}));
  SparseAttention strict = *all;
  strict.budget = PageBudget::strict;
  strict.mass = 0.95, strict.least = 0.08, strict.most = 0.4;
  SparseAttention decoding = strict;
  decoding.decode_dense_below = 20000;
  SparseAttention own, ahead, held;
  held.every = 8;
  own.chooser = PageChooser::own;
  ahead.chooser = PageChooser::ahead;
  for (const auto& rule : {SparseAttention{}, SparseAttention{.by_depth = true}, SparseAttention{.dense_layers = 0, .layer_shares = {0.5, 1}}, strict, decoding, own, ahead, held, SparseAttention{.dense_layers = 0, .layer_shares = {0.5, 1}, .layer_rows = {4, 16, 1}, .layer_samples = {4, 1}}}) {
    const std::string shown = shown_attention(rule);
    EXPECT_EQ(spec_problem("attention", shown), "") << shown;
    EXPECT_EQ(sparse_attention(chosen(shown.c_str()).value()), rule) << shown;
  }
  EXPECT_EQ(sparse_attention(chosen("sparse:decode-dense-below=auto,dense-layers=auto,every=auto").value()), SparseAttention{.by_depth = true});
  EXPECT_EQ(SparseAttention{}.every_on(true), 4u);
  EXPECT_EQ(SparseAttention{}.every_on(false), 2u);
  EXPECT_EQ(held.every_on(true), 8u);
  EXPECT_EQ(shown_attention(std::nullopt), "dense");
  const SparseAttention guided = sparse_attention(chosen("sparse:budget=adaptive,target=0.2,heads=even,flat=0.9,widen=0.5").value()).value();
  EXPECT_EQ(guided.target, 0.2);
  EXPECT_FALSE(guided.heads_by_entropy);
  EXPECT_EQ(guided.flat, 0.9);
  EXPECT_EQ(guided.widen, 0.5);
  EXPECT_EQ(sparse_attention(chosen(shown_attention(guided).c_str()).value()), guided);
  const SparseAttention seen = sparse_attention(chosen("sparse:layers=0.25/1,periphery=means,scorer=mean").value()).value();
  EXPECT_EQ(seen.layer_shares, (std::vector<double>{0.25, 1}));
  EXPECT_EQ(seen.dense_layers, 0u);
  EXPECT_EQ(seen.periphery, PagePeriphery::means);
  EXPECT_EQ(sparse_attention(chosen(shown_attention(seen).c_str()).value()), seen);
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
        {"sparse:budget=large", "strict or adaptive"}, {"sparse:least=0.5,most=0.4", "least must not be above most"}, {"sparse:dense-layers=two", "whole number"},
        {"sparse:decode-dense-below=soon", "a whole number or auto"}, {"sparse:target=0.2", "it is of budget=adaptive"},
        {"sparse:budget=adaptive,target=0.5", "lies between least and most"}, {"sparse:budget=adaptive,target=0", "above 0 and at most 1"},
        {"sparse:budget=adaptive,target=0.25,mass=1", "above 0 and below 1"}, {"sparse:heads=odd", "even or entropy"}, {"sparse:widen=2", "from 0 to 1"},
        {"sparse:flat=-1", "from 0 to 1"}, {"sparse:choice=later", "own or ahead"}, {"sparse:every=3", "1, 2, 4, ... or 32, or auto"}, {"sparse:every=64", "1, 2, 4, ... or 32"}, {"sparse:every=0", "at least 1"},
        {"sparse:rows=3", "1, 2, 4, 8 or 16"}, {"sparse:rows=0", "1, 2, 4, 8 or 16"}, {"sparse:rows=8/32", "1, 2, 4, 8 or 16"}, {"sparse:samples=8", "1, 2 or 4"}, {"sparse:samples=2/3", "1, 2 or 4"},
        {"sparse:layers=odd", "with / between them"}, {"sparse:layers=0.5/", "with / between them"},
        {"sparse:layers=0.5/2", "with / between them"}, {"sparse:layers=0.5,dense-layers=auto", "leave one out"}, {"sparse:periphery=on", "off or means"},
        {"sparse:periphery=means,scorer=quest", "choose auto or mean"}})
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

TEST(Policy, NoMoreExpertsThanTheModelsOwnNumber) {
  ModelSummary mixture;
  mixture.experts = 16;
  mixture.experts_used = 4;
  const auto check = [&](const char* moe, const ModelSummary& model) {
    const auto policy = resolve_policy({.attention = "", .moe = moe, .kv = "", .activations = "", .file = ""});
    return check_policy(policy.value(), model);
  };
  EXPECT_TRUE(check("static", mixture));
  EXPECT_TRUE(check("static:k=4", mixture));
  EXPECT_TRUE(check("static:k=2", mixture));
  EXPECT_TRUE(check("dynamic:kmin=1,kmax=4,p=0.7,target-k=2.5", mixture));
  for (const char* wrong : {"static:k=5", "dynamic:kmax=5", "dynamic:kmin=5", "dynamic:target-k=4.5", "static:layers=1/5", "dynamic:target-k=2/5"}) {
    ASSERT_FALSE(check(wrong, mixture)) << wrong;
    EXPECT_NE(check(wrong, mixture).error().sentence().find("this model takes 4 experts a token"), std::string::npos) << check(wrong, mixture).error().sentence();
  }
  mixture.layers = 3;
  EXPECT_TRUE(check("static:layers=1/4/2", mixture));
  EXPECT_FALSE(check("static:layers=1/4", mixture));
  EXPECT_TRUE(check("static", ModelSummary{}));
  for (const char* spec : {"static:k=4", "dynamic", "dynamic:p=1"}) {
    ASSERT_FALSE(check(spec, ModelSummary{})) << spec;
    EXPECT_NE(check(spec, ModelSummary{}).error().sentence().find("not applicable"), std::string::npos);
  }
}

TEST(Policy, AttentionToTheLargestWeightsKeepsAShare) {
  const auto policy = [](const char* attention) {
    return resolve_policy({.attention = attention, .moe = "", .kv = "", .activations = "", .file = ""}).value();
  };
  EXPECT_EQ(top_share(policy("entropy")), 0.3);
  EXPECT_EQ(top_share(policy("entropy:keep=0.05")), 0.05);
  EXPECT_EQ(sparse_attention(policy("entropy:keep=0.05")), std::nullopt);
  EXPECT_EQ(top_share(policy("sparse")), std::nullopt);
  EXPECT_EQ(shown_attention(std::nullopt, 0.05), "entropy:keep=0.05");
  EXPECT_EQ(shown_attention(std::nullopt), "dense");
  for (const char* wrong : {"entropy:keep=0", "entropy:keep=1.5", "entropy:keep=nan", "entropy:keep=30%"})
    EXPECT_NE(spec_problem("attention", wrong).find("above 0 and at most 1"), std::string::npos) << wrong;
}

TEST(Policy, ExpertsAreChosenByTheModelOrByARule) {
  ModelSummary model;
  model.experts = 16, model.experts_used = 4, model.layers = 2;
  const auto rule = [&](const char* written) {
    const auto policy = resolve_policy({.attention = "", .moe = written, .kv = "", .activations = "", .file = ""});
    return expert_rule(policy.value().moe, model).value();
  };
  EXPECT_EQ(rule("static"), std::nullopt);
  EXPECT_EQ(rule("static:k=4"), std::nullopt);
  EXPECT_EQ(rule("static:k=2"), (ExpertRule{.count = ExpertCount::fixed, .kmax = 2}));
  EXPECT_EQ(rule("dynamic"), ExpertRule{});
  EXPECT_EQ(rule("dynamic:kmin=2,kmax=3,rule=entropy,c=0.8,target-k=2.5,layers=3/2,balance=seed,gamma=0.5,cv=0.1,retained=0.9,tau=0.4,half-life=100,reset=never"),
            (ExpertRule{.count = ExpertCount::entropy, .kmin = 2, .kmax = 3, .layer_kmax = {3, 2}, .c = 0.8, .target_k = 2.5, .balance = ExpertBalance::seed,
                        .gamma = 0.5, .cv = 0.1, .retained = 0.9, .tau = 0.4, .half_life = 100, .reset = LoadReset::never}));
  for (const char* written : {"static:k=2", "static:layers=3/1", "dynamic:kmax=3,p=0.9,target-k=2.5", "dynamic:p=0.9/0.5", "dynamic:target-k=3/1.5", "dynamic:rule=entropy,c=0.5,balance=headroom,gamma=0.8",
                              "dynamic:balance=headroom,cv=0.2,retained=0.9,half-life=512", "dynamic:balance=locality,gamma=0.5,tau=0.25,reset=never", "dynamic:p=1,escort=1,escort-mode=weight,escort-weight=0.1",
                              "dynamic:escort=new.gguf,escort-share=0.1,escort-calls=20"}) {
    model.experts_rule = rule(written);
    const std::string shown = shown_moe(model);
    EXPECT_EQ(spec_problem("moe", shown), "") << shown;
    ExpertRule again = rule(shown.c_str()).value(), before = *model.experts_rule;
    if (before.kmax == 0 && before.count != ExpertCount::fixed) before.kmax = 4;  // told as what it is
    EXPECT_EQ(again, before) << shown;
  }
}

TEST(Policy, RulesOfExpertsSayWhatIsNoValue) {
  for (const auto& [written, said] :
       {std::pair{"dynamic:p=1.01", "p is '1.01': it must be a number from 0 to 1"}, {"dynamic:p=-0.1", "from 0 to 1"}, {"dynamic:p=nan", "from 0 to 1"},
        {"dynamic:p=1e-1", "from 0 to 1"}, {"dynamic:gamma=2", "from 0 to 1"}, {"dynamic:kmin=0", "whole number of at least 1"}, {"dynamic:kmax=two", "whole number"},
        {"dynamic:kmin=3,kmax=2", "kmin must not be above kmax"}, {"dynamic:target-k=0.5", "at least 1"}, {"dynamic:kmax=2,target-k=3", "between kmin and kmax"},
        {"dynamic:rule=best", "mass or entropy"}, {"dynamic:balance=even", "off, seed, headroom, locality or price"}, {"dynamic:reset=often", "session, never or frozen"},
        {"dynamic:reset=frozen", "go together"}, {"dynamic:bias=x.json", "go together"}, {"dynamic:reset=frozen,bias=x,balance=seed", "leave balance out"},
        {"static:layers=1/0", "for each layer"}, {"static:layers=1//2", "for each layer"}, {"dynamic:half-life=0", "at least 1"}, {"dynamic:c=0", "0.05 to 20"},
        {"dynamic:p=0.5/2", "one for each layer"}, {"dynamic:p=0.5/", "one for each layer"}, {"dynamic:rule=entropy,p=0.5/0.6", "rule=mass"}, {"dynamic:target-k=2/0.5", "one for each layer"},
        {"dynamic:kmin=2,target-k=2/1", "between kmin and kmax"}, {"dynamic:prior=oracle", "semantic, or a .router file"}, {"dynamic:prior-weight=1", "goes with prior"},
        {"dynamic:prior=semantic,prior-weight=21", "-20 to 20"},
        {"dynamic:escort=best", "number of an expert"}, {"dynamic:escort-share=0.1", "goes with escort"}, {"dynamic:escort=1,escort-share=0.5", "0.0001 to 0.2"},
        {"dynamic:escort=1,escort-mode=loud", "shadow or weight"}})
    EXPECT_NE(spec_problem("moe", written).find(said), std::string::npos) << written << ": " << spec_problem("moe", written);
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
  EXPECT_TRUE(read(R"({"kv":"q4_0"})", "f16")) << "and what it replaces need not run";
}

TEST_F(PolicyFile, OfAnotherVersionIsRefusedInItsOwnWords) {
  for (const auto& [content, said] :
       {std::pair{R"({"kv":"tiered:heat=0.25"})", R"(tiered takes no parameter 'heat')"},
        {R"({"attention":"banana"})", R"(use "attention":"dense", "sparse" or "entropy")"},
        {R"({"attention":"entropy:window=3"})", "entropy takes no parameter 'window'"},
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
