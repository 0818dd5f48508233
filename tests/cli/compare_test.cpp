// Run files and comparisons from the outside.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/cli/program.hpp"

namespace fovea::test {
namespace {

class Comparing : public testing::Test {
 protected:
  [[nodiscard]] std::string trace(const std::string& name, const Arguments& more = {}) const {
    const std::string file = folder.file(name);
    Arguments all{"trace", "-m", stories_model(), "-p", "Once upon a time", "-n", "12", "--temp", "0", "--seed", "3", "-o", file};
    all.insert(all.end(), more.begin(), more.end());
    const Outcome outcome = run(all);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return file;
  }
  TemporaryFolder folder;
};

TEST_F(Comparing, ATraceKeepsARunAndPrintsItsHeader) {
  const auto header = run_json({"trace", "-m", stories_model(), "-p", "Once upon a time", "-n", "5", "--temp", "0", "--seed", "3", "--record", "1,2", "-o",
                                folder.file("run.fovea"), "--json"});
  EXPECT_EQ(header["model"]["sha256"].get<std::string>().size(), 64u);
  EXPECT_EQ(header["seed"], 3);
  EXPECT_EQ(header["generated_tokens"], 5);
  EXPECT_EQ(header["policy"]["attention"], "dense");
  EXPECT_EQ(header["coverage"]["attention"]["heads"], 1);
  EXPECT_GT(header["coverage"]["attention"]["rows"].get<int>(), 0);
  EXPECT_TRUE(header["moe"]["k_mean"].is_null()) << "not applicable";
  const auto both = run_json({"compare", folder.file("run.fovea"), folder.file("run.fovea"), "--json"});
  EXPECT_EQ(both["a"], header);
}

TEST_F(Comparing, ARunWithItselfDiffersByNothing) {
  const std::string file = trace("a.fovea");
  const auto plain = run_json({"compare", file, file, "--json"});
  EXPECT_TRUE(plain["kl_mean"].is_null()) << "not measured";
  EXPECT_EQ(plain["speed_ratio"], 1.0);
  EXPECT_TRUE(plain["first_divergence"].is_null());
  EXPECT_TRUE(plain["note"].is_null());
  const auto scored = run_json({"compare", file, file, "--score", "-m", stories_model(), "--json"});
  EXPECT_EQ(scored["kl_mean"], 0.0);
  EXPECT_EQ(scored["same_top"], 1.0);
  EXPECT_EQ(scored["delta_ppl_percent"], 0.0);
  EXPECT_EQ(scored["scored"]["text"], "the tokens of A");
  EXPECT_EQ(scored["scored"]["tokens"], 12);
}

TEST_F(Comparing, TwoPoliciesOnOnePromptAreSavedReadAndExported) {
  const std::string pair = folder.file("pair.fovea"), html = folder.file("pair.html"), csv = folder.file("pair.csv"), whole = folder.file("pair.json");
  const auto made = run_json({"compare", "-m", stories_model(), "--a", "dense", "--b", "sparse:window=32,sinks=32,global=0.1,dense-layers=0,dense-below=0", "-p",
                              "Once upon a time", "-n", "200", "-c", "512", "--temp", "0", "--save", pair, "--html", html, "--csv", csv, "--whole-json", whole, "--json"});
  EXPECT_EQ(made["policy_differs"], (nlohmann::json{"attention"}));
  EXPECT_TRUE(made["note"].is_null()) << made["note"];
  EXPECT_EQ(made["a"]["seed"], made["b"]["seed"]);
  EXPECT_GT(made["kl_mean"].get<double>(), 0);
  EXPECT_LT(made["b"]["attention"]["decode"]["density"].get<double>(), 1);
  EXPECT_EQ(run_json({"compare", pair, "--json"}), made);
  EXPECT_EQ(nlohmann::json::parse(read_whole(whole))["scores"]["kl"].size(), made["scored"]["tokens"].get<std::size_t>());
  EXPECT_NE(read_whole(html).find("<svg"), std::string::npos);
  EXPECT_NE(read_whole(csv).find("decode_tps"), std::string::npos);
  EXPECT_NE(run({"compare", pair}).out.find("first different token"), std::string::npos);
}

TEST_F(Comparing, OtherSeedsAreTold) {
  const std::string a = trace("a.fovea"), b = trace("b.fovea", {"--top-k", "1"});
  EXPECT_NE(run_json({"compare", a, b, "--json"})["note"].get<std::string>().find("top-k 1"), std::string::npos);
}

TEST_F(Comparing, MistakesFailInOneSentence) {
  const std::string file = trace("a.fovea");
  expect_failure(run({"compare"}), "nothing to compare");
  expect_failure(run({"compare", file}), "it holds one run");
  expect_failure(run({"compare", file, folder.file("none.fovea")}), "no such file");
  expect_failure(run({"compare", file, folder.write("x.fovea", "hello, this is no run file")}), "no run file");
  expect_failure(run({"compare", file, file, "--a", "dense"}), "policies of their own");
  expect_failure(run({"compare", "--a", "dense", "--b", "dense"}), "one prompt");
  expect_failure(run({"compare", "-m", stories_model(), "--b", "static:k=2", "-p", "x", "-n", "2"}), "dense");
  expect_failure(run({"compare", file, file, "--html", folder.file("no/such/folder.html")}), "No such file");
  expect_usage(run({"compare", file, file, "--score", "--no-score"}));
  expect_usage(run({"compare", "--a", "sparse:window=x", "-p", "x"}), "window");
}

TEST_F(Comparing, AFrontierHoldsStaticNumbersAgainstAPolicy) {
  const std::string model = FOVEA_SHARED "/fixtures/logits/qwen3moe-q4_k.gguf";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "the mixtures of random weights are not here: " << model;
  const std::string whole = folder.file("whole.json");
  const Outcome outcome = run({"compare", "-m", model, "--b", "dynamic:p=0.5", "-p", "the cat sat down", "-n", "24", "--frontier", "--whole-json", whole});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const auto points = nlohmann::json::parse(read_whole(whole))["frontier"]["points"];
  const auto used = run_json({"inspect", model})["experts_used"].get<std::size_t>();
  ASSERT_EQ(points.size(), used + 1);
  EXPECT_EQ(points[0]["moe"], "static:k=" + std::to_string(used));
  EXPECT_EQ(points[0]["delta_ppl_percent"], 0.0);
  EXPECT_EQ(points[0]["expert_bytes_ratio"], 1.0);
  EXPECT_EQ(points[used - 1]["k_mean"], 1.0);
  EXPECT_FALSE(points[used]["static"].get<bool>());
}

}  // namespace
}  // namespace fovea::test
