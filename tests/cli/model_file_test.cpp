// devices, inspect and tokenize: what they print, as text and as JSON.
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "tests/cli/program.hpp"

namespace fovea::test {
namespace {

TEST(Devices, JsonNamesOneChosenDevice) {
  const auto devices = run_json({"devices"});
  ASSERT_TRUE(devices.is_array());
  ASSERT_FALSE(devices.empty());
  int chosen = 0;
  for (const auto& device : devices) {
    for (const char* key : {"index", "name", "type", "driver", "api", "memory_bytes", "subgroup", "cooperative_matrix",
                            "integer_dot", "chosen", "why"})
      EXPECT_TRUE(device.contains(key)) << key;
    EXPECT_FALSE(device["why"].get<std::string>().empty());
    chosen += device["chosen"].get<bool>() ? 1 : 0;
  }
  EXPECT_EQ(chosen, 1);
  EXPECT_NE(run({"devices"}).out.find(devices[0]["name"].get<std::string>()), std::string::npos);
}

TEST(Inspect, JsonDescribesTheModel) {
  const auto model = run_json({"inspect", stories_model()});
  EXPECT_EQ(model["architecture"], "llama");
  EXPECT_EQ(model["layers"], 5);
  EXPECT_EQ(model["experts"], 0);
  EXPECT_EQ(model["experts_used"], 0);
  // Of the embedding table a token reads one row, so a dense model has fewer active parameters too.
  EXPECT_LE(model["active_parameters"].get<std::uint64_t>(), model["parameters"].get<std::uint64_t>());
  EXPECT_GT(model["active_parameters"].get<std::uint64_t>(), 200'000u);
  EXPECT_GT(model["parameters"].get<std::uint64_t>(), 250'000u);
  EXPECT_GT(model["context"].get<int>(), 0);
  EXPECT_EQ(model["bytes"].get<std::uint64_t>(), std::filesystem::file_size(stories_model()));
  int counted = 0;
  for (const auto& [type, count] : model["types"].items()) counted += count.get<int>();
  EXPECT_EQ(counted, static_cast<int>(model["tensors"].size()));
  EXPECT_TRUE(model["types"].contains("F16"));
  const auto& estimate = model["estimate"];
  EXPECT_EQ(estimate["total"].get<std::uint64_t>(),
            estimate["weights"].get<std::uint64_t>() + estimate["kv"].get<std::uint64_t>() +
                estimate["compute"].get<std::uint64_t>() + estimate["other"].get<std::uint64_t>());
  EXPECT_EQ(model["metadata"]["general.architecture"], "llama");
  EXPECT_EQ(model["metadata"]["llama.block_count"], 5);
  for (const auto& tensor : model["tensors"]) {
    EXPECT_TRUE(tensor["name"].is_string());
    EXPECT_TRUE(tensor["type"].is_string());
    EXPECT_GE(tensor["shape"].size(), 1u);
    EXPECT_GT(tensor["bytes"].get<std::uint64_t>(), 0u);
  }
  EXPECT_EQ(run_json({"inspect", "-m", stories_model()}), model);
}

TEST(Inspect, NamesTheCardBesideTheModel) {
  const TemporaryFolder folder;
  const std::string model = folder.file("small.gguf"), card = folder.file("small.md");
  std::filesystem::copy_file(stories_model(), model);
  EXPECT_TRUE(run_json({"inspect", model})["card"].is_null());
  EXPECT_EQ(run({"inspect", model}).out.find("\ncard "), std::string::npos);
  folder.write("small.md", "# Small\n");
  EXPECT_EQ(run_json({"inspect", model})["card"], card);
  EXPECT_NE(run({"inspect", model}).out.find("\ncard " + card + "\n"), std::string::npos);
}

TEST(Inspect, EstimateGrowsWithTheContext) {
  const auto small = run_json({"inspect", stories_model(), "-c", "32"});
  const auto large = run_json({"inspect", stories_model(), "-c", "128"});
  EXPECT_LT(small["estimate"]["kv"].get<std::uint64_t>(), large["estimate"]["kv"].get<std::uint64_t>());
}

TEST(Inspect, EstimateCountsACopyOfTheOutputMatrix) {
  const std::string model = FOVEA_SOURCE "/resources/models/fovea-moe-50m-Q4_K.gguf";
  const auto as_suits = run_json({"inspect", model}), floats = run_json({"inspect", model, "--activations", "f32"});
  const auto reason = [](const nlohmann::json& told) {
    for (const auto& fit : told["adaptation"])
      if (fit["what"] == "activations") return fit["why"].get<std::string>();
    return std::string();
  };
  const bool copied = reason(as_suits).find("output matrix") != std::string::npos;
  EXPECT_EQ(reason(floats).find("output matrix"), std::string::npos);
  // 16,384 rows of 512 weights: a byte each, and a float for 16.
  EXPECT_EQ(as_suits["estimate"]["weights"].get<std::uint64_t>(), floats["estimate"]["weights"].get<std::uint64_t>() + (copied ? 16'384u * (512u + 32u * 4u) : 0u));
}

TEST(Inspect, EstimateFollowsThePolicy) {
  const auto f16 = run_json({"inspect", stories_model()})["estimate"];
  EXPECT_EQ(f16["kv_type"], "f16");
  const auto q8_0 = run_json({"inspect", stories_model(), "--kv", "q8_0"})["estimate"];
  EXPECT_EQ(q8_0["kv_type"], "q8_0");
  // Heads of 8: 16 bytes as halves; as q8_0 a piece of 16 quants and a scale.
  EXPECT_EQ(q8_0["kv"].get<std::uint64_t>() * 16, f16["kv"].get<std::uint64_t>() * 18);
  EXPECT_EQ(q8_0["weights"], f16["weights"]);
  const TemporaryFolder folder;
  EXPECT_EQ(run_json({"inspect", stories_model(), "--policy", folder.write("p.json", R"({"kv":"q8_0"})")})["estimate"],
            q8_0);
  const auto tiered = run_json({"inspect", stories_model(), "--kv", "tiered:window=32,sinks=0"})["estimate"];
  EXPECT_EQ(tiered["kv_type"], "tiered");
  const auto cold = run_json({"inspect", stories_model(), "--kv", "tiered:hot=0,window=32,sinks=0"})["estimate"];
  EXPECT_LT(cold["kv"], tiered["kv"]) << "what is hot costs";
  EXPECT_EQ(tiered["weights"], f16["weights"]);
}

TEST(Inspect, EstimatesOfEveryCacheAreThoseOfThatCache) {
  const auto estimates = run_json({"inspect", stories_model()})["estimates"];
  ASSERT_EQ(estimates.size(), 3u);
  for (const char* kv : {"f16", "q8_0", "tiered"}) {
    const auto own = run_json({"inspect", stories_model(), "--kv", kv});
    EXPECT_EQ(estimates[kv]["kv"], own["estimate"]["kv"]) << kv;
    EXPECT_EQ(estimates[kv]["total"], own["estimate"]["total"]) << kv;
    EXPECT_EQ(own["estimates"], estimates) << kv;
  }
}

TEST(Inspect, TextNamesTheTensors) {
  const Outcome outcome = run({"inspect", stories_model()});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  for (const char* part : {"llama", "token_embd.weight", "general.architecture", "derived, not measured"})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part;
}

TEST(Tokenize, GoldenIds) {
  // As llama2.c cuts it with the model's own vocabulary of 512 pieces; 1 is the start of text.
  EXPECT_EQ(run({"tokenize", "-m", stories_model(), "-p", "Once upon a time"}).out, "1 403 407 261 378\n");
  EXPECT_EQ(run({"tokenize", "-m", stories_model(), "--no-special", "-p", "Once upon a time"}).out,
            "403 407 261 378\n");
}

TEST(Tokenize, TextFromArgumentFileAndInputIsTheSame) {
  const TemporaryFolder folder;
  const std::string text = "The little dog\nran.";
  const std::string expected = run({"tokenize", "-m", stories_model(), "-p", text}).out;
  EXPECT_FALSE(expected.empty());
  EXPECT_EQ(run({"tokenize", "-m", stories_model(), "-f", folder.write("text", text)}).out, expected);
  EXPECT_EQ(run({"tokenize", "-m", stories_model(), "-p", "-"}, text).out, expected);
}

TEST(Tokenize, JsonBytesMakeUpTheText) {
  const std::string text = "A \xe7\x8c\xab!";  // the character takes byte tokens, no single one of which is text
  const auto value = run_json({"tokenize", "-m", stories_model(), "--no-special", "-p", text});
  std::string bytes;
  for (const auto& token : value["tokens"]) {
    EXPECT_TRUE(token["id"].is_number_integer());
    EXPECT_TRUE(token["text"].is_string());
    for (const auto& byte : token["bytes"]) bytes += static_cast<char>(byte.get<int>());
  }
  EXPECT_EQ(bytes, " " + text);  // SentencePiece puts a blank in front
}

TEST(Tokenize, LlamaVocabularyMatchesItsTestStrings) {
  const std::string model = FOVEA_SHARED "/fixtures/vocab/ggml-vocab-llama-spm.gguf";
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "the larger vocabularies are not here: " << model;
  std::istringstream expected(read_whole(model + ".out"));
  std::string inputs = read_whole(model + ".inp");
  const std::string separator = "\n__ggml_vocab_test__\n";
  int cases = 0;
  for (std::string ids; cases < 12 && std::getline(expected, ids); ++cases) {
    const std::size_t end = inputs.find(separator);
    ASSERT_NE(end, std::string::npos);
    std::string printed = run({"tokenize", "-m", model, "--no-special", "-p", "-"}, inputs.substr(0, end)).out;
    EXPECT_EQ(" " + printed, (ids.empty() ? " " : ids) + "\n") << "case " << cases;
    inputs.erase(0, end + separator.size());
  }
  EXPECT_EQ(cases, 12);
}

}  // namespace
}  // namespace fovea::test
