// logits, perplexity and bench: file layout, agreement with each other, what they print.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <sstream>

#include "tests/cli/program.hpp"

namespace fovea::test {
namespace {

struct Logits {
  std::int32_t positions = 0, vocabulary = 0;
  std::vector<float> values;
  [[nodiscard]] std::span<const float> row(std::size_t position) const {
    const auto width = static_cast<std::size_t>(vocabulary);
    return std::span(values).subspan(position * width, width);
  }
};

Logits read_logits(const std::string& path) {
  const std::string bytes = read_whole(path);
  Logits logits;
  if (bytes.size() < 8) return logits;
  std::memcpy(&logits.positions, bytes.data(), 4);
  std::memcpy(&logits.vocabulary, bytes.data() + 4, 4);
  logits.values.resize((bytes.size() - 8) / sizeof(float));
  std::memcpy(logits.values.data(), bytes.data() + 8, logits.values.size() * sizeof(float));
  return logits;
}

Logits logits_of(const std::vector<int>& tokens) {
  const TemporaryFolder folder;
  std::string text;
  for (const int token : tokens) text += std::to_string(token) + " ";
  const Outcome outcome = run({"logits", "-m", stories_model(), "--tokens", text, "-o", folder.file("out")});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return read_logits(folder.file("out"));
}

TEST(Logits, FileHasHeaderAndEveryPosition) {
  const Logits logits = logits_of({1, 403, 407, 261, 378});
  EXPECT_EQ(logits.positions, 5);
  EXPECT_EQ(logits.vocabulary, 512);
  ASSERT_EQ(logits.values.size(), 5u * 512u);
  for (const float value : logits.values) ASSERT_TRUE(std::isfinite(value));
  EXPECT_NE(logits.values[0], logits.values[512]);
}

TEST(Logits, TextIsTheSameAsItsIds) {
  const TemporaryFolder folder;
  const auto value = run_json({"logits", "-m", stories_model(), "-p", "Once upon a time", "-o", folder.file("out")});
  EXPECT_EQ(value["tokens"], 5);
  EXPECT_EQ(value["vocab"], 512);
  EXPECT_EQ(read_logits(folder.file("out")).values, logits_of({1, 403, 407, 261, 378}).values);
}

TEST(Logits, CommasSeparateToo) {
  const TemporaryFolder folder;
  EXPECT_EQ(run({"logits", "-m", stories_model(), "--tokens", "1,403, 407", "-o", folder.file("out")}).status, 0);
  EXPECT_EQ(read_logits(folder.file("out")).positions, 3);
}

std::vector<int> ids_of(const std::string& text) {
  std::vector<int> ids;
  const auto value = run_json({"tokenize", "-m", stories_model(), "-p", text});
  for (const auto& token : value["tokens"]) ids.push_back(token["id"].get<int>());
  return ids;
}

// The definition, written out: windows of consecutive tokens that begin with the start of text, each from an empty
// cache; positions `first` to window - 2 predict their successors.
struct Expected {
  double nll = 0, perplexity = 0, standard_error = 0;
  std::size_t tokens = 0;
};
Expected by_definition(const std::vector<int>& ids, std::size_t window, std::size_t windows, std::size_t first) {
  std::vector<double> losses;
  for (std::size_t i = 0; i < windows; ++i) {
    std::vector<int> part(ids.begin() + static_cast<std::ptrdiff_t>(i * window),
                          ids.begin() + static_cast<std::ptrdiff_t>((i + 1) * window));
    part[0] = 1;
    const Logits logits = logits_of(part);
    for (std::size_t position = first; position + 1 < window; ++position) {
      double sum = 0;
      for (const float logit : logits.row(position)) sum += std::exp(static_cast<double>(logit));
      losses.push_back(std::log(sum) -
                       static_cast<double>(logits.row(position)[static_cast<std::size_t>(part[position + 1])]));
    }
  }
  Expected expected;
  double squares = 0;
  for (const double loss : losses) {
    expected.nll += loss;
    squares += loss * loss;
  }
  const auto count = static_cast<double>(losses.size());
  expected.tokens = losses.size();
  expected.nll /= count;
  expected.perplexity = std::exp(expected.nll);
  expected.standard_error =
      expected.perplexity * std::sqrt((squares / count - expected.nll * expected.nll) / (count - 1));
  return expected;
}

void expect_close(const nlohmann::json& value, const Expected& expected) {
  EXPECT_EQ(value["tokens"], expected.tokens);
  EXPECT_NEAR(value["nll"].get<double>(), expected.nll, 1e-5 * expected.nll);
  EXPECT_NEAR(value["perplexity"].get<double>(), expected.perplexity, 1e-4 * expected.perplexity);
  EXPECT_NEAR(value["stderr"].get<double>(), expected.standard_error, 1e-3 * expected.standard_error);
}

TEST(Perplexity, IsWhatItsDefinitionSays) {
  const TemporaryFolder folder;
  const std::string text = read_whole(FOVEA_TEST_DATA "/stories260K/stories260K.golden.t0.n200.The_little_dog.txt");
  const std::string file = folder.write("text", text);
  const std::vector<int> ids = ids_of(text);
  ASSERT_GE(ids.size(), 128u);

  const auto half = run_json({"perplexity", "-m", stories_model(), "-f", file, "-c", "64", "--windows", "2"});
  expect_close(half, by_definition(ids, 64, 2, 32));
  EXPECT_EQ(half["windows"], 2);
  EXPECT_EQ(half["attention"]["density"], 1.0);
  EXPECT_TRUE(half["attention"]["mass_recall"]["mean"].is_null());
  EXPECT_TRUE(half["moe"]["k_mean"].is_null());

  const auto last =
      run_json({"perplexity", "-m", stories_model(), "-f", file, "-c", "33", "--windows", "1", "--last", "5"});
  expect_close(last, by_definition(ids, 33, 1, 27));

  // The model wrote this text itself, so it is less surprised than by one that is turned round.
  const std::string reversed = folder.write("reversed", std::string(text.rbegin(), text.rend()));
  const auto surprised = run_json({"perplexity", "-m", stories_model(), "-f", reversed, "-c", "64", "--windows", "1"});
  EXPECT_GT(surprised["perplexity"].get<double>(), half["perplexity"].get<double>());
}

TEST(Perplexity, BytesCutTheText) {
  const TemporaryFolder folder;
  const std::string text = read_whole(FOVEA_TEST_DATA "/stories260K/stories260K.golden.t0.n200.empty.txt");
  const auto cut =
      run_json({"perplexity", "-m", stories_model(), "-f", folder.write("a", text), "-c", "32", "--bytes", "200"});
  const auto whole =
      run_json({"perplexity", "-m", stories_model(), "-f", folder.write("b", text.substr(0, 200)), "-c", "32"});
  EXPECT_EQ(cut["text_tokens"], whole["text_tokens"]);
  EXPECT_EQ(cut["nll"], whole["nll"]);
  const Outcome shown = run({"perplexity", "-m", stories_model(), "-f", folder.file("b"), "-c", "32"});
  EXPECT_EQ(shown.out.rfind("PPL = ", 0), 0u) << shown.out;
}

TEST(Perplexity, ACacheOfQ8CostsLittleAndSaysItsBytes) {
  const TemporaryFolder folder;
  const std::string file =
      folder.write("t", read_whole(FOVEA_TEST_DATA "/stories260K/stories260K.golden.t0.n200.The_little_dog.txt"));
  const auto f16 = run_json({"perplexity", "-m", stories_model(), "-f", file, "-c", "64"});
  const auto q8_0 = run_json({"perplexity", "-m", stories_model(), "-f", file, "-c", "64", "--kv", "q8_0"});
  EXPECT_EQ(f16["attention"]["kv_bytes"], f16["attention"]["kv_bytes_f16"]);
  EXPECT_EQ(q8_0["attention"]["kv"], "q8_0");
  EXPECT_EQ(q8_0["attention"]["kv_bytes_f16"].get<std::uint64_t>() * 18,
            q8_0["attention"]["kv_bytes"].get<std::uint64_t>() * 16);
  const double before = f16["perplexity"].get<double>(), after = q8_0["perplexity"].get<double>();
  EXPECT_NE(after, before);
  EXPECT_NEAR(after, before, 0.01 * before);
}

TEST(Perplexity, TakesFloatsUnderAnyPolicyAndSaysSo) {
  const std::string model = FOVEA_SHARED "/fixtures/logits/mixtral-q5_k.gguf";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "the mixtures of random weights are not here: " << model;
  const TemporaryFolder folder;
  const std::string file = folder.write("t", "Once upon a time there was a little girl who liked to walk in the wood.");
  const Arguments start{"perplexity", "-m", model, "-f", file, "-c", "16"};
  Arguments chosen = start;
  chosen.insert(chosen.end(), {"--activations", "q8_0"});
  const auto f32 = run_json(start), q8_0 = run_json(chosen);
  EXPECT_EQ(f32["activations"], "f32");
  EXPECT_EQ(q8_0["activations"], "f32");
  EXPECT_EQ(q8_0["nll"], f32["nll"]);
}

TEST(Perplexity, IsHeldAgainstAnotherPolicy) {
  const TemporaryFolder folder;
  std::string text;
  for (const char* name : {"The_little_dog", "Once_upon_a_time", "empty"})
    text += read_whole(FOVEA_TEST_DATA "/stories260K/stories260K.golden.t0.n200." + std::string(name) + ".txt");
  const Arguments start{"perplexity", "-m", stories_model(), "-f", folder.write("text", text), "-c", "320", "--windows", "1"};
  const auto with = [&](const Arguments& more) {
    Arguments all = start;
    all.insert(all.end(), more.begin(), more.end());
    return run_json(all);
  };
  const std::string narrow = "sparse:window=32,sinks=0,global=0,dense-layers=1,dense-below=0";
  const auto dense = run_json(start), alone = with({"--attention", narrow});
  EXPECT_TRUE(dense["against"].is_null());
  EXPECT_LT(alone["attention"]["density"].get<double>(), 0.9);
  EXPECT_LT(alone["attention"]["flops_ratio"].get<double>(), 0.95);
  EXPECT_EQ(alone["attention"]["prefill"]["layers"][0]["density"], 1.0);
  EXPECT_EQ(alone["attention"]["prefill"]["layers"][1]["chosen_pages"], 0);
  EXPECT_TRUE(alone["attention"]["decode"].is_null());
  EXPECT_GT(alone["attention"]["fallback_share"].get<double>(), 0) << "the first tiles have little behind them";
  EXPECT_LT(alone["attention"]["fallback_share"].get<double>(), 0.9);
  EXPECT_EQ(alone["attention"]["fallback_share"], alone["attention"]["prefill"]["fallback_share"]);
  EXPECT_EQ(alone["attention"]["chosen_share"], 0.0);

  const auto measured = with({"--attention", narrow, "--measure", "16"})["attention"];
  EXPECT_EQ(alone["attention"]["measured_rows"], 320 / 257);
  EXPECT_EQ(measured["measured_rows"], 320 / 16);
  const double recall = measured["mass_recall"]["mean"];
  EXPECT_GT(recall, 0.05);
  EXPECT_LT(recall, 0.999);
  EXPECT_LE(measured["mass_recall"]["p5"].get<double>(), recall);
  EXPECT_EQ(measured["oracle_recall"]["mean"], recall) << "no page may be chosen, so none could be chosen better";
  EXPECT_TRUE(measured["layers"][0]["recall"]["mean"].is_null()) << "a dense layer leaves nothing out";
  EXPECT_GT(measured["layers"][0]["entropy"].get<double>(), 0);
  EXPECT_LT(measured["layers"][1]["recall"]["mean"].get<double>(), 1);
  const auto choosing = with({"--attention", "sparse:window=32,sinks=0,global=0.3,dense-layers=1,dense-below=0", "--measure", "16"})["attention"];
  EXPECT_GT(choosing["mass_recall"]["mean"].get<double>(), recall);
  EXPECT_GE(choosing["chosen_share"].get<double>(), 0.3) << "shares are rounded up";
  EXPECT_LT(choosing["chosen_share"].get<double>(), 0.5);
  EXPECT_GE(choosing["oracle_recall"]["mean"].get<double>(), choosing["mass_recall"]["mean"].get<double>());
  const auto off = with({"--attention", narrow, "--measure", "0"});
  EXPECT_TRUE(off["attention"]["mass_recall"]["mean"].is_null());
  EXPECT_EQ(off["perplexity"], alone["perplexity"]) << "measuring changes nothing";

  const auto top = with({"--attention", "entropy:keep=0.3"});
  EXPECT_EQ(top["attention"]["policy"], "entropy:keep=0.3");
  EXPECT_NEAR(top["attention"]["density"].get<double>(), 0.3, 0.01);
  EXPECT_NEAR(top["attention"]["flops_ratio"].get<double>(), 0.65, 0.005);
  EXPECT_NE(top["nll"], dense["nll"]);
  EXPECT_NEAR(top["nll"].get<double>(), dense["nll"].get<double>(), 0.2);
  EXPECT_NEAR(with({"--attention", "entropy:keep=1"})["nll"].get<double>(), dense["nll"].get<double>(), 2e-4) << "sums in another order";

  const auto both = with({"--attention", narrow, "--against", "dense"});
  EXPECT_EQ(both["perplexity"], alone["perplexity"]);
  EXPECT_EQ(both["against"]["policy"], "dense");
  EXPECT_EQ(both["against"]["perplexity"], dense["perplexity"]);
  EXPECT_GT(both["against"]["kl_mean"].get<double>(), 0);
  EXPECT_GE(both["against"]["kl_p99"].get<double>(), both["against"]["kl_mean"].get<double>());
  EXPECT_NEAR(both["against"]["delta_ppl_percent"].get<double>(),
              100 * (alone["perplexity"].get<double>() / dense["perplexity"].get<double>() - 1), 1e-9);
  EXPECT_GT(both["against"]["delta_ppl_stderr_percent"].get<double>(), 0);
  EXPECT_LT(both["against"]["delta_ppl_stderr_percent"].get<double>(), 100 * dense["stderr"].get<double>() / dense["perplexity"].get<double>())
      << "paired losses vary less than losses";
  const auto same = with({"--attention", narrow, "--against", narrow});
  EXPECT_EQ(same["against"]["delta_ppl_stderr_percent"], 0.0);
  EXPECT_EQ(same["against"]["kl_mean"], 0.0);
  EXPECT_EQ(same["against"]["same_top"], 1.0);
  EXPECT_EQ(same["against"]["delta_ppl_percent"], 0.0);
}

TEST(Passkey, TellsWhatWasFoundByDepth) {
  const Arguments start{"passkey", "-m", stories_model(), "-c", "200", "--trials", "4"};
  Arguments sparse = start;
  sparse.insert(sparse.end(), {"--attention", "sparse:window=32,global=0.25,dense-layers=1,dense-below=0"});
  const auto dense = run_json(start), narrow = run_json(sparse);
  EXPECT_EQ(dense["trials"], 4);
  EXPECT_EQ(dense["digits"], 20);
  EXPECT_LE(dense["correct"].get<int>(), 4);
  EXPECT_LE(dense["digits_correct"].get<int>(), 20);
  ASSERT_EQ(dense["by_depth"].size(), 4u);
  EXPECT_EQ(dense["by_depth"][0]["depth"], 0.15);
  EXPECT_EQ(dense["by_depth"][3]["trials"], 1);
  EXPECT_EQ(dense["attention"]["density"], 1.0);
  EXPECT_LT(narrow["attention"]["density"].get<double>(), 1.0);
  EXPECT_EQ(run_json(start)["digits_correct"], dense["digits_correct"]);
  EXPECT_TRUE(dense["against"].is_null());
  expect_failure(run({"passkey", "-m", stories_model(), "-c", "30"}), "no room");
}

TEST(Passkey, AgainstAnotherPolicyAsksBothTheSame) {
  Arguments both{"passkey", "-m", stories_model(), "-c", "200", "--trials", "2", "--seed", "5"};
  const auto alone = run_json(both);
  both.insert(both.end(), {"--against", "sparse:window=32,global=0.1,dense-layers=0,dense-below=0"});
  const auto held = run_json(both);
  EXPECT_EQ(held["digits_correct"], alone["digits_correct"]);
  const auto& other = held["against"];
  EXPECT_EQ(other["policy"], "sparse:window=32,global=0.1,page=32,sinks=32,scorer=auto,dense-layers=0,dense-below=0,budget=strict");
  EXPECT_EQ(other["trials"], 2);
  ASSERT_EQ(other["by_depth"].size(), 2u);
  EXPECT_NEAR(other["delta_digit_points"].get<double>(), 10.0 * (held["digits_correct"].get<int>() - other["digits_correct"].get<int>()), 1e-9);
  EXPECT_NEAR(other["delta_points"].get<double>(), 50.0 * (held["correct"].get<int>() - other["correct"].get<int>()), 1e-9);
}

TEST(Sweep, TellsTimeMemoryAndPerplexityAtEachLength) {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 60; ++i) text += "One day the cat sat on the mat and was happy. ";
  const auto swept = run_json({"sweep", "-m", stories_model(), "-f", folder.write("text", text), "--lengths", "256,64", "--attention",
                               "sparse:window=32,global=0.25,dense-layers=0,dense-below=0"});
  EXPECT_EQ(swept["against"], "dense");
  EXPECT_TRUE(swept.contains("faster_from"));
  ASSERT_EQ(swept["lengths"].size(), 2u);
  EXPECT_EQ(swept["lengths"][0]["context"], 64);
  const auto& longer = swept["lengths"][1];
  EXPECT_EQ(longer["context"], 256);
  EXPECT_LT(longer["density"][0].get<double>(), 0.8);
  EXPECT_EQ(longer["density"][1], 1.0);
  EXPECT_GT(longer["kv_bytes"][0].get<std::uint64_t>(), longer["kv_bytes"][1].get<std::uint64_t>()) << "what pages are chosen by takes memory";
  EXPECT_GT(longer["seconds"][0].get<double>(), 0);
  const double a = longer["perplexity"][0].get<double>(), b = longer["perplexity"][1].get<double>();
  EXPECT_NEAR(longer["delta_ppl_percent"].get<double>(), 100 * (a / b - 1), 1e-6);
  expect_failure(run({"sweep", "-m", stories_model(), "-f", folder.write("short", "One day"), "--lengths", "64"}), "do not fill one window");
}

TEST(Perplexity, AgainstAnotherTypeOfTheCache) {
  const TemporaryFolder folder;
  const std::string file = folder.write("text", "One day the cat sat on the mat and was happy. The sun was warm and the dog ran to the tree.");
  const auto held = run_json({"perplexity", "-m", stories_model(), "-f", file, "-c", "16", "--kv", "q8_0", "--against", "f16"});
  EXPECT_EQ(held["against"]["policy"], "f16");
  EXPECT_GT(held["against"]["kl_mean"].get<double>(), 0);
  EXPECT_GE(held["against"]["kl_p99"].get<double>(), held["against"]["kl_mean"].get<double>());
  EXPECT_LE(held["against"]["same_top"].get<double>(), 1);
}

TEST(Perplexity, SpecialTokensSpelledInTheTextAreText) {
  const TemporaryFolder folder;
  const std::string file = folder.write("text", "One day</s>the cat sat</s>on the mat</s>and was happy.");
  const auto plain = run_json({"tokenize", "-m", stories_model(), "--no-special", "-f", file});
  const auto parsed = run_json({"tokenize", "-m", stories_model(), "-f", file});
  const auto scored = run_json({"perplexity", "-m", stories_model(), "-f", file, "-c", "16"});
  EXPECT_NE(parsed["tokens"].size(), plain["tokens"].size() + 1);
  EXPECT_EQ(scored["text_tokens"], plain["tokens"].size() + 1);  // the start of text in front
}

TEST(Bench, OneJsonObjectALine) {
  const Outcome outcome = run({"bench", "-m", stories_model(), "-p", "8,16", "-n", "4", "-d", "0,8", "-r", "2",
                               "--json", "--peak-gbs", "50", "--profile"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  std::istringstream lines(outcome.out);
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    const auto value = nlohmann::json::parse(line, nullptr, false);
    ASSERT_FALSE(value.is_discarded()) << line;
    names.push_back(value["test"].get<std::string>() + "@" + std::to_string(value["depth"].get<int>()));
    EXPECT_GT(value["tps"]["mean"].get<double>(), 0);
    EXPECT_GT(value["tps"]["median"].get<double>(), 0);
    EXPECT_GE(value["tps"]["stddev"].get<double>(), 0);
    for (const char* key : {"bytes_per_token", "steps_per_token", "gb_per_s", "bound_us", "bound_tps", "of_bound",
                            "device", "driver", "model", "attention", "moe", "kv", "activations"})
      EXPECT_TRUE(value.contains(key)) << key;
    EXPECT_FALSE(value["profile"].empty());
    if (names.back().rfind("tg", 0) == 0) {
      EXPECT_GT(value["bytes_per_token"].get<double>(), 400'000);
      EXPECT_GE(value["steps_per_token"].get<int>(), 5 * 5) << "at least five steps a layer";
      const double bytes_us = value["bound_us"]["bytes"].get<double>();
      EXPECT_NEAR(bytes_us, value["bytes_per_token"].get<double>() / 50e3, 1e-6);
      const auto& steps = value["bound_us"]["steps"];  // null on a CPU driver
      const double bound = 1e6 / (bytes_us + (steps.is_null() ? 0 : steps.get<double>()));
      EXPECT_NEAR(value["bound_tps"].get<double>(), bound, 1e-6 * bound);
      EXPECT_NEAR(value["of_bound"].get<double>(), value["tps"]["mean"].get<double>() / bound, 1e-6);
      EXPECT_EQ(value["activations"], "f32");
    } else {
      EXPECT_TRUE(value["bound_tps"].is_null());
      EXPECT_TRUE(value["activations"].is_null()) << "prompts take floats under any policy";
    }
  }
  EXPECT_EQ(names, (std::vector<std::string>{"pp8@0", "pp16@0", "tg4@0", "pp8@8", "pp16@8", "tg4@8"}));
}

TEST(Bench, CountsTheBytesOfTheCacheThatIsUsed) {
  const auto bytes = [](const char* kv) {
    const auto value =
        run_json({"bench", "-m", stories_model(), "-p", "0", "-n", "2", "-d", "64", "-r", "1", "--json", "--kv", kv});
    EXPECT_EQ(value["kv"], kv);
    return value["bytes_per_token"].get<double>();
  };
  // 5 layers, 4 KV heads of 8, keys and values: 16 bytes or 18; the 64 positions before, half of one between, one
  // written.
  EXPECT_NEAR(bytes("q8_0") - bytes("f16"), 5 * 4 * 2 * 2 * 65.5, 1e-6);
}

TEST(Bench, TellsWhatSparseAttentionReads) {
  const auto of = [](const std::string& attention) {
    return run_json({"bench", "-m", stories_model(), "-p", "0", "-n", "8", "-d", "300", "-r", "1", "--attention", attention});
  };
  const auto dense = of("dense"), sparse = of("sparse:window=32,global=0.25,dense-layers=0,dense-below=0");
  EXPECT_EQ(dense["attention"], "dense");
  EXPECT_EQ(dense["attention_density"], 1.0);
  EXPECT_EQ(sparse["attention"], "sparse:window=32,global=0.25,page=32,sinks=32,scorer=auto,dense-layers=0,dense-below=0,budget=strict");
  EXPECT_LT(sparse["attention_density"].get<double>(), 0.7);
  EXPECT_GT(sparse["attention_flops_ratio"].get<double>(), sparse["attention_density"].get<double>());
  EXPECT_LT(sparse["bytes_per_token"].get<double>(), dense["bytes_per_token"].get<double>());
}

TEST(Bench, TellsWhatDecodingTakes) {
  const std::string model = FOVEA_SHARED "/fixtures/logits/mixtral-q5_k.gguf";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "the mixtures of random weights are not here: " << model;
  const TemporaryFolder folder;
  const std::string policy = folder.write("policy.json", R"({"kv":"q8_0","activations":"q8_0"})");
  const auto with = [&](const Arguments& more) {
    Arguments all{"bench", "-m", model, "-p", "0", "-n", "2", "-r", "1", "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return run_json(all);
  };
  EXPECT_EQ(with({})["activations"], "f32");
  const auto chosen = with({"--policy", policy});
  EXPECT_EQ(chosen["kv"], "q8_0");
  if (chosen["activations"] == "f32") GTEST_SKIP() << "this device has no packed integer dot product";
  EXPECT_EQ(chosen["activations"], "q8_0");
}

TEST(Bench, TableHasARowPerTest) {
  const Outcome outcome = run({"bench", "-m", stories_model(), "-p", "8", "-n", "4", "-d", "8", "-r", "1"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("pp8 @ d8"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("tg4 @ d8"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("MB/token | steps | GB/s (derived) | bound t/s | of bound"), std::string::npos);
}

TEST(Bench, NothingToMeasureFails) { expect_failure(run({"bench", "-m", stories_model(), "-p", "0", "-n", "0"})); }

}  // namespace
}  // namespace fovea::test
