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
  // One model serves all points: a point behind others is what it is as the first behind the model's own choice.
  const std::string alone = folder.file("alone.json");
  ASSERT_EQ(run({"compare", "-m", model, "--a", "dynamic:p=0.5", "--b", "static:k=1", "-p", "the cat sat down", "-n", "24", "--frontier", "--on",
                 folder.write("words.txt", "the cat sat down and the dog sat up, the cat ran away"), "--whole-json", alone}).status, 0);
  ASSERT_EQ(run({"compare", "-m", model, "--a", "dynamic:p=0.5", "--b", "static:k=1", "-p", "the cat sat down", "-n", "24", "--point", "dynamic:p=0.9", "--on",
                 folder.file("words.txt"), "--whole-json", whole}).status, 0);
  const auto first = nlohmann::json::parse(read_whole(alone))["frontier"]["points"], both = nlohmann::json::parse(read_whole(whole))["frontier"]["points"];
  ASSERT_EQ(first.size(), used + 1);
  ASSERT_EQ(both.size(), used + 2);
  for (std::size_t i = 0; i <= used; ++i) EXPECT_EQ(first[i], both[i]);
}

// Of the length at which people compare: nothing is lost on the way to the file and back, and a policy held against itself
// differs by nothing.
TEST_F(Comparing, TwoLongRunsAreSavedReadAndExportedWhole) {
  const std::string model = FOVEA_SHARED "/fixtures/logits/qwen3moe-q4_k.gguf";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "the mixtures of random weights are not here: " << model;
  const auto compare = [&](const std::string& b, const Arguments& more) {
    Arguments all{"compare", "-m", model, "--a", "static", "--b", b, "-p", "the cat sat down", "-n", "512", "-c", "768", "--temp", "1", "--seed", "7", "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return run_json(all);
  };
  const std::string pair = folder.file("pair.fovea"), whole = folder.file("whole.json"), again = folder.file("again.json"), csv = folder.file("pair.csv"), html = folder.file("pair.html");
  const auto made = compare("dynamic:p=0.5", {"--save", pair, "--whole-json", whole});
  ASSERT_EQ(made["a"]["generated_tokens"], 512);
  ASSERT_EQ(made["b"]["generated_tokens"], 512);
  EXPECT_EQ(made["scored"]["tokens"], 512);
  EXPECT_LT(made["k_mean"][1].get<double>(), made["k_mean"][0].get<double>());
  EXPECT_EQ(run_json({"compare", pair, "--whole-json", again, "--csv", csv, "--html", html, "--json"}), made);
  EXPECT_EQ(nlohmann::json::parse(read_whole(again)), nlohmann::json::parse(read_whole(whole)));
  EXPECT_EQ(nlohmann::json::parse(read_whole(whole))["scores"]["kl"].size(), 512u);
  EXPECT_NE(read_whole(csv).find("decode_tps"), std::string::npos);
  EXPECT_NE(read_whole(html).find("</html>"), std::string::npos);
  const auto same = compare("static", {});
  EXPECT_TRUE(same["first_divergence"].is_null());
  EXPECT_EQ(same["kl_mean"], 0.0);
  EXPECT_EQ(same["same_top"], 1.0);
  EXPECT_EQ(same["delta_ppl_percent"], 0.0);
  EXPECT_EQ(same["expert_bytes_ratio"], 1.0);
}

}  // namespace
}  // namespace fovea::test
