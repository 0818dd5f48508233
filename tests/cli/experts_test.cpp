// Policies of experts from the outside: what perplexity and bench tell of them, and the file of a frozen bias.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/cli/program.hpp"

namespace fovea::test {
namespace {

class ExpertPolicies : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(model)) GTEST_SKIP() << "the mixtures of random weights are not here: " << model;
    std::string words;
    for (int i = 0; i < 400; ++i) words += "the cat " + std::to_string(i * i % 97) + " sat down. ";
    text = folder.write("text.txt", words);
    used = run_json({"inspect", model})["experts_used"].get<int>();
  }
  [[nodiscard]] nlohmann::json perplexity(const std::string& moe, const Arguments& more = {}) const {
    Arguments all{"perplexity", "-m", model, "-f", text, "-c", "128", "--windows", "4", "--moe", moe, "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return run_json(all);
  }
  std::string model = FOVEA_SHARED "/fixtures/logits/qwen3moe-q4_k.gguf";
  TemporaryFolder folder;
  std::string text;
  int used = 0;
};

TEST_F(ExpertPolicies, ThatChangeNothingGiveTheSamePerplexity) {
  const auto own = perplexity("static"), same = perplexity("dynamic:p=1", {"--against", "static"});
  EXPECT_EQ(same["nll"], own["nll"]);
  EXPECT_EQ(same["against"]["policy"], "static:k=" + std::to_string(used));
  EXPECT_EQ(same["against"]["kl_mean"], 0.0);
  EXPECT_EQ(same["against"]["same_top"], 1.0);
  EXPECT_EQ(own["moe"]["k_mean"], used);
  EXPECT_TRUE(own["moe"]["cv"].is_null());
  EXPECT_EQ(same["moe"]["k_mean"], static_cast<double>(used));
  EXPECT_EQ(same["moe"]["expert_bytes_ratio"], 1.0);
  EXPECT_EQ(same["moe"]["retained_mass"], 1.0);
  EXPECT_FALSE(same["moe"]["cv"].is_null());
}

TEST_F(ExpertPolicies, TellHowManyExpertsTokensGot) {
  const auto moe = perplexity("dynamic:p=0.5")["moe"];
  const double k = moe["k_mean"].get<double>();
  EXPECT_GE(k, 1);
  EXPECT_LT(k, used);
  double tokens = 0, calls = 0;
  for (std::size_t i = 0; i < moe["k_histogram"].size(); ++i) {
    tokens += moe["k_histogram"][i].get<double>();
    calls += static_cast<double>(i + 1) * moe["k_histogram"][i].get<double>();
  }
  EXPECT_EQ(tokens, 4 * 128 * static_cast<double>(moe["layers"].size()));
  EXPECT_DOUBLE_EQ(calls / tokens, k);
  EXPECT_EQ(moe["tokens"], 512);
  EXPECT_LT(moe["retained_mass"].get<double>(), 1);
  EXPECT_EQ(moe["mass_of_best"], 1.0);
  EXPECT_NEAR(moe["expert_bytes_ratio"].get<double>(), k / used, 0.02);
}

TEST_F(ExpertPolicies, ABiasByLoadIsSavedAndFrozen) {
  const std::string bias = folder.file("bias.json");
  const auto balanced = perplexity("dynamic:p=1,balance=headroom,gamma=0.9,half-life=64,reset=never", {"--save-bias", bias});
  const auto native = perplexity("dynamic:p=1"), frozen = perplexity("dynamic:p=1,reset=frozen,bias=" + bias);
  EXPECT_LT(balanced["moe"]["cv"].get<double>(), native["moe"]["cv"].get<double>());
  EXPECT_LT(frozen["moe"]["agreement"].get<double>(), 1);
  EXPECT_GT(frozen["moe"]["mass_of_best"].get<double>(), 0.5);
  EXPECT_EQ(perplexity("dynamic:p=1,reset=frozen,bias=" + bias)["nll"], frozen["nll"]);
  const auto with = [&](const std::string& file) { return Arguments{"generate", "-m", model, "-p", "x", "-n", "1", "--moe", "dynamic:reset=frozen,bias=" + file}; };
  expect_failure(run(with(folder.file("none.json"))), "bias file");
  for (const char* wrong : {"", "[]", R"({"bias":[]})", R"({"bias":[[1,2]]})", R"({"bias":[["a"]]})", R"({"bias":3})"})
    expect_failure(run(with(folder.write("wrong.json", wrong))), "bias file");
  expect_failure(run({"perplexity", "-m", model, "-f", text, "-c", "128", "--save-bias", bias}), "balances no load");
}

TEST_F(ExpertPolicies, CalibrationFindsABiasThatEvensTheLoadOfATextThatItDidNotSee) {
  const std::string bias = folder.file("found.json");
  const Arguments request{"calibrate", "-m", model, "-f", text, "-c", "128", "--windows", "12", "--passes", "3", "--cv", "0.1", "--retained", "0.9", "-o", bias, "--json"};
  const auto found = run_json(request);
  EXPECT_EQ(found["held_out_tokens"], 6 * 128);
  EXPECT_LT(found["after"]["cv"].get<double>(), found["before"]["cv"].get<double>());
  EXPECT_GT(found["after"]["mass_of_best"].get<double>(), 0.85);
  EXPECT_EQ(found["before"]["mass_of_best"], 1.0);
  double mean = 0, worst = 0;
  for (const auto& layer : found["layers"]) {
    const double cv = layer["after"]["cv"].get<double>();
    mean += cv / static_cast<double>(found["layers"].size());
    worst = std::max(worst, cv);
    EXPECT_TRUE(layer["ended"] == "reached" || layer["ended"] == "guard" || layer["ended"] == "text") << layer["ended"];
  }
  EXPECT_NEAR(found["after"]["cv"].get<double>(), mean, 1e-9);
  EXPECT_EQ(found["after"]["worst_cv"], worst);
  // The file is what reset=frozen reads, and another go gives the same bytes.
  EXPECT_LT(perplexity("dynamic:p=1,reset=frozen,bias=" + bias)["moe"]["agreement"].get<double>(), 1);
  const std::string bytes = read_whole(bias);
  EXPECT_TRUE(bytes.starts_with(R"({"price":[[)")) << bytes.substr(0, 40);
  EXPECT_EQ(run_json(request)["after"], found["after"]);
  EXPECT_EQ(read_whole(bias), bytes);
  expect_failure(run({"calibrate", "-m", model, "-f", text, "-c", "128", "--bytes", "100", "-o", bias}), "do not fill two windows");
  expect_failure(run({"calibrate", "-m", stories_model(), "-f", text, "-c", "128", "-o", bias}), "dense");
  expect_usage(run({"calibrate", "-m", model, "-f", text, "-o", bias, "--passes", "0"}));
}

TEST_F(ExpertPolicies, AShadowChangesNothingAndAnEscortIsToldOf) {
  const auto own = perplexity("dynamic:p=1"), shadow = perplexity("dynamic:p=1,escort=1,reset=never");
  EXPECT_EQ(shadow["nll"], own["nll"]);
  EXPECT_TRUE(own["moe"]["escort"].is_null());
  EXPECT_EQ(shadow["moe"]["cv"], own["moe"]["cv"]);
  EXPECT_EQ(shadow["moe"]["escort"]["mode"], "shadow");
  EXPECT_GT(shadow["moe"]["k_mean"].get<double>(), own["moe"]["k_mean"].get<double>());
  for (const auto& layer : shadow["moe"]["escort"]["layers"]) {
    EXPECT_NEAR(layer["share"].get<double>(), 0.05, 0.005);
    EXPECT_GE(layer["log_probability_called"].get<double>(), layer["log_probability"].get<double>());
  }
  const auto weighed = perplexity("dynamic:p=1,escort=0,escort-mode=weight,escort-calls=20,reset=never");
  EXPECT_NE(weighed["nll"], own["nll"]);
  for (const auto& layer : weighed["moe"]["escort"]["layers"]) EXPECT_EQ(layer["calls"], 20);
  const Arguments request{"generate", "-m", model, "-p", "the cat", "-n", "12", "--temp", "0", "--json", "--moe"};
  const auto with = [&](const std::string& moe) {
    Arguments all = request;
    all.push_back(moe);
    return all;
  };
  EXPECT_EQ(run_json(with("dynamic:p=1,escort=2"))["tokens"], run_json(with("static"))["tokens"]);
  expect_failure(run(with("dynamic:escort=9999")), "9999");
  expect_failure(run(with("dynamic:escort=" + folder.file("none.gguf"))), "none.gguf");
  expect_failure(run(with("dynamic:escort=" + folder.write("wrong.gguf", "GGUF, it says"))), "wrong.gguf");
  expect_failure(run(with("dynamic:escort=" + model)), "ffn_gate_exps");  // all experts of a model are not one
}

TEST_F(ExpertPolicies, BenchCountsTheBytesOfTheExpertsThatWereUsed) {
  const auto of = [&](const std::string& moe) {
    return run_json({"bench", "-m", model, "-p", "0", "-n", "4", "-d", "16", "-r", "1", "--json", "--moe", moe});
  };
  const auto own = of("static"), one = of("static:k=1");
  EXPECT_EQ(own["expert_k_mean"], used);
  EXPECT_EQ(one["expert_k_mean"], 1.0);
  const double whole = own["expert_bytes_per_token"].get<double>(), less = one["expert_bytes_per_token"].get<double>();
  EXPECT_NEAR(less, whole / used, 1e-6 * whole);
  EXPECT_NEAR(own["bytes_per_token"].get<double>() - one["bytes_per_token"].get<double>(), whole - less, 1e-6 * whole);
}

// The budget is kept by the allocator's bytes, and the list of what the load took says so.
TEST_F(ExpertPolicies, KeepExpertsWithinABudgetOfMemory) {
  const std::string halves = FOVEA_SHARED "/fixtures/logits/qwen3moe-f16.gguf";
  const auto load = [&](const std::string& budget) { return run_json({"generate", "-m", halves, "-p", "the cat", "-n", "4", "--temp", "0", "-c", "512", "--expert-budget", budget}); };
  const auto stored = load("0"), fitted = load("2.5");
  const auto entry = [](const nlohmann::json& run) {
    for (const auto& fit : run["adaptation"])
      if (fit["what"] == "experts") return fit;
    return nlohmann::json();
  };
  EXPECT_TRUE(entry(stored).is_null());
  ASSERT_FALSE(entry(fitted).is_null());
  EXPECT_EQ(entry(fitted)["option"], "--expert-budget");
  EXPECT_TRUE(entry(fitted)["asked"].get<bool>());
  std::uint64_t experts = 0;
  const auto inspected = run_json({"inspect", halves});
  for (const auto& tensor : inspected["tensors"])
    if (tensor["name"].get<std::string>().find("_exps") != std::string::npos) experts += tensor["bytes"].get<std::uint64_t>();
  const std::uint64_t rest = stored["memory"]["weights"].get<std::uint64_t>() - experts, budget = 2621440;
  ASSERT_GT(experts, budget);
  EXPECT_LE(fitted["memory"]["weights"].get<std::uint64_t>(), rest + budget + 256 * 64);  // tensors are aligned
  EXPECT_LT(fitted["memory"]["estimate"].get<std::uint64_t>(), stored["memory"]["estimate"].get<std::uint64_t>());
  expect_failure(run({"generate", "-m", halves, "-p", "x", "-n", "1", "--expert-budget", "1"}), "even in the smallest types");
  expect_failure(run({"generate", "-m", stories_model(), "-p", "x", "-n", "1", "--expert-budget", "1"}), "dense");
}

}  // namespace
}  // namespace fovea::test
