// The semantic router from the outside: trained, kept, measured, and refused where it does not belong.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/cli/program.hpp"

namespace fovea::test {
namespace {

class SemanticRouter : public testing::Test {
 protected:
  void SetUp() override {
    std::string prose, code;
    for (int i = 0; i < 40; ++i) {
      prose += "The old man sat by the river number " + std::to_string(i) + " and told a story to the children.\n";
      code += "for (int i" + std::to_string(i) + " = 0; i < n; ++i) { sum += x[i] * y[i]; }\n";
    }
    texts = {"-f", folder.write("prose.txt", prose), "-f", folder.write("code.txt", code)};
  }
  [[nodiscard]] Arguments with(Arguments arguments, const Arguments& more) const {
    arguments.insert(arguments.end(), texts.begin(), texts.end());
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  TemporaryFolder folder;
  Arguments texts;
};

TEST_F(SemanticRouter, is_trained_repeatably_and_measured) {
  const Arguments options{"-c", "32", "--windows", "3", "--passes", "2", "--width", "8", "--need-every", "3", "--need-windows", "1"};
  const std::string one = folder.file("one.router"), two = folder.file("two.router");
  const auto trained = run_json(with({"train-router", "-o", one}, options));
  EXPECT_EQ(trained["domains"], (nlohmann::json{"prose", "code"}));
  EXPECT_EQ(trained["tokens"], 2 * 2 * 32);  // a window of each text is held out
  EXPECT_EQ(trained["held_out"]["tokens"], 2 * 32);
  EXPECT_EQ(trained["held_out"]["need"]["tokens"], 2 * 2);  // of 32 the 27th and 30th: every third of the last quarter; the last predicts nothing
  EXPECT_LT(trained["share_of_model"].get<double>(), 0.01);
  EXPECT_EQ(run({"train-router", "-o", two, "-c", "32", "--windows", "3", "--passes", "2", "--width", "8", "--need-every", "3", "--need-windows", "1", texts[0], texts[1], texts[2], texts[3]}).status, 0);
  EXPECT_EQ(read_whole(one), read_whole(two));
  EXPECT_EQ(trained["need_tokens"], 2 * 2 * 2);

  // A policy takes it: off by its weight nothing changes, and the hit rate of its predictions is told beside that of the last called.
  const auto generate = [&](const std::string& moe) { return run_json({"generate", "-p", "once upon a time", "-n", "12", "--temp", "0", "--moe", moe}); };
  const auto plain = generate("dynamic:p=0.8"), told = generate("dynamic:p=0.8,prior=" + one + ",prior-weight=0"), used = generate("dynamic:p=0.8,prior=" + one + ",prior-weight=4");
  EXPECT_EQ(told["tokens"], plain["tokens"]);
  EXPECT_TRUE(plain["moe"]["prefetch"].is_null());
  for (const auto& run : {told, used}) {
    const auto& prefetch = run["moe"]["prefetch"];
    EXPECT_EQ(prefetch["experts"], 8);
    EXPECT_EQ(prefetch["first_layer"], 2);
    EXPECT_EQ(prefetch["chance"], 0.5);
    for (const char* rate : {"predicted", "recent"}) EXPECT_GT(prefetch[rate].get<double>(), 0) << rate;
  }
  EXPECT_NE(used["moe"]["policy"].get<std::string>().find("prior="), std::string::npos);

  const auto measured = run_json(with({"evaluate-router", "--semantic-router", one, "-c", "32", "--windows", "2", "--need-every", "0"}, {}));
  EXPECT_EQ(measured["tokens"], 2 * 2 * 32);
  EXPECT_TRUE(measured["need"].is_null());
  ASSERT_EQ(measured["layers"].size(), 4u);  // of six the two first are only seen
  EXPECT_EQ(measured["layers"][0]["layer"], 2);
  for (const auto& layer : measured["layers"]) {
    EXPECT_GT(layer["recall"].get<double>(), 0);
    EXPECT_LE(layer["recall"].get<double>(), 1);
  }
  expect_failure(run({"evaluate-router", "--semantic-router", one, "-c", "32", "-f", folder.write("other.txt", read_whole(texts[1]))}), "knows no domain");
}

TEST_F(SemanticRouter, of_the_embedded_model_recalls_its_experts) {
  const std::string router = FOVEA_SOURCE "/resources/models/fovea-moe-50m-Q4_K.router";
  ASSERT_TRUE(std::filesystem::exists(router));
  EXPECT_LE(std::filesystem::file_size(router) * 100, std::filesystem::file_size(FOVEA_SOURCE "/resources/models/fovea-moe-50m-Q4_K.gguf"));
  std::string code;
  for (int i = 0; i < 40; ++i) code += "for (int i" + std::to_string(i) + " = 0; i < n; ++i) { sum += x[i] * y[i]; }\n";
  const auto measured = run_json({"evaluate-router", "-f", folder.write("code.txt", code), "-c", "128", "--windows", "2", "--need-every", "0"});
  EXPECT_GT(measured["recall"].get<double>(), 0.5);
  EXPECT_GT(measured["domain"].get<double>(), 0.5);
}

TEST_F(SemanticRouter, is_refused_where_it_does_not_belong) {
  const std::string router = folder.file("one.router");
  expect_failure(run(with({"train-router", "-m", stories_model(), "-o", router}, {})), "dense");
  expect_failure(run(with({"evaluate-router", "--semantic-router", folder.write("no.router", "nothing")}, {})));
  expect_failure(run({"generate", "-p", "x", "-n", "1", "--moe", "dynamic:prior=" + folder.file("none.router")}), "none.router");
  const Arguments unlearned{"train-router", "-o", router, "-c", "32", "--windows", "2", "--passes", "1", "--width", "8", "--need-every", "0"};
  ASSERT_EQ(run(with(unlearned, {})).status, 0);
  expect_failure(run({"generate", "-p", "x", "-n", "1", "--moe", "dynamic:prior-weight=1,prior=" + router}), "has not learned how many experts");
  EXPECT_EQ(run({"generate", "-p", "x", "-n", "1", "--moe", "dynamic:prior=" + router}).status, 0) << "telling what it predicts needs no need";
  expect_failure(run({"train-router", "-o", router, "-f", folder.write("short.txt", "too short")}), "do not fill two windows");
  expect_failure(run({"train-router", "-o", router, "-c", "32", texts[0], texts[1], "-f", texts[1]}), "another file has this name");
}

}  // namespace
}  // namespace fovea::test
