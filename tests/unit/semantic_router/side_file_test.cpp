// Side files of semantic routers: what was written comes back, and what is damaged is refused with a sentence.
#include "engine/semantic_router/side_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "engine/runs/array_file.hpp"
#include "engine/tensor/half.hpp"
#include "tests/unit/io/mutation.hpp"
#include "tests/unit/semantic_router/made_traces.hpp"

namespace fovea::test {
namespace {

class RouterFile : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder);
    ASSERT_TRUE(write_semantic_router(path, made()));
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  static SemanticRouter made() {
    SemanticRouter router{RouterNetwork<float>(kSmallShape), {}};
    router.network.initialise(5);
    for (float& value : router.network.parameters()) value = half_to_float(float_to_half(value));
    router.facts = {.model = "Small", .model_sha256 = std::string(64, 'a'), .model_bytes = 12345, .domains = {"books", "code", "法律"}, .width = 9,
                    .first_layer = 2, .layers = 4, .experts = 6, .experts_used = 3, .seed = 7, .tokens = 1000, .passes = 8, .window = 512, .need_tokens = 77, .need_mean = 1.75};
    router.facts.held_out = {.tokens = 100, .domain = .9, .domain_baseline = .4, .domains = {.8, -1, 1}, .layers = {{2, .7, .5}, {3, .6, .5}}, .recall = .65, .recall_baseline = .5};
    return router;
  }
  std::filesystem::path folder = std::filesystem::temp_directory_path() / ("fovea-router-" + std::to_string(getpid()));
  std::filesystem::path path = folder / "small.router";
};

TEST_F(RouterFile, comes_back_as_it_was_written) {
  const SemanticRouter router = made();
  const auto read = read_semantic_router(path);
  ASSERT_TRUE(read) << read.error().sentence();
  EXPECT_EQ(read->network.parameters(), router.network.parameters());
  EXPECT_EQ(read->network.shape(), kSmallShape);
  EXPECT_EQ(read->facts.domains, router.facts.domains);
  EXPECT_EQ(read->facts.model_sha256, router.facts.model_sha256);
  EXPECT_EQ(read->facts.parameters, kSmallShape.parameters());
  EXPECT_EQ(read->facts.bytes, 2 * kSmallShape.parameters());
  EXPECT_EQ(read->facts.held_out.domains, router.facts.held_out.domains);
  EXPECT_EQ(read->facts.held_out.layers[1].recall, .6);
  EXPECT_EQ(read->facts.seed, 7u);
  EXPECT_EQ(read->facts.need_tokens, 77u);
  EXPECT_EQ(read->facts.need_mean, 1.75);
}

TEST_F(RouterFile, belongs_to_one_model) {
  ModelSummary model;
  model.layers = 4;
  model.experts = 6;
  model.experts_used = 3;
  model.file_bytes = 12345;
  const SemanticRouterFacts facts = made().facts;
  EXPECT_EQ(mismatch(facts, model), "");
  model.file_bytes = 12346;
  EXPECT_NE(mismatch(facts, model), "");
  model.file_bytes = 12345;
  model.layers = 5;
  EXPECT_NE(mismatch(facts, model), "");
  EXPECT_EQ(semantic_router_path("/a/model.Q4_K.gguf"), "/a/model.Q4_K.router");
}

// A header that says more than the file holds must not make anything large.
TEST_F(RouterFile, of_a_shape_that_its_parameters_do_not_fill_is_refused) {
  const SemanticRouter router = made();
  for (const auto& [key, value] : {std::pair<const char*, std::uint64_t>{"width", 1000}, {"width", 1u << 31}, {"layers", 2}, {"layers", 1000}, {"first_layer", 4}, {"first_layer", 0},
                                   {"experts_used", 0}, {"experts_used", 7}, {"experts", 1024}, {"input", 0}, {"version", 2}}) {
    ArrayWriter writer;
    const auto file = ArrayFile::open(path);
    ASSERT_TRUE(file);
    nlohmann::ordered_json header = nlohmann::ordered_json::parse(file->header().dump());
    header["semantic_router"][key] = value;
    writer.add("parameters", *file->read<std::uint16_t>("parameters", 1, "f16"), {}, "f16");
    ASSERT_TRUE(writer.write(folder / "other.router", header));
    const auto read = read_semantic_router(folder / "other.router");
    ASSERT_FALSE(read) << key << " " << value;
    EXPECT_EQ(read.error().code, ErrorCode::format);
  }
}

// Files from before need could be learned say nothing of it, and have not learned it.
TEST_F(RouterFile, that_says_nothing_of_need_has_not_learned_it) {
  const auto file = ArrayFile::open(path);
  ASSERT_TRUE(file);
  for (const char* need : {"", "null", "7", R"({"tokens":5,"mean":0.5})", R"({"tokens":-5,"mean":2})"}) {
    nlohmann::ordered_json header = nlohmann::ordered_json::parse(file->header().dump());
    header["semantic_router"].erase("need_learned");
    if (*need != 0) header["semantic_router"]["need_learned"] = nlohmann::ordered_json::parse(need);
    ArrayWriter writer;
    const auto parameters = *file->read<std::uint16_t>("parameters", 1, "f16");
    writer.add("parameters", parameters, {parameters.size()}, "f16");
    ASSERT_TRUE(writer.write(folder / "other.router", header));
    const auto read = read_semantic_router(folder / "other.router");
    ASSERT_EQ(read.has_value(), *need == 0) << need;
    if (!read) continue;
    EXPECT_EQ(read->facts.need_tokens, 0u);
  }
}

TEST_F(RouterFile, with_parameters_that_are_no_numbers_is_refused) {
  SemanticRouter router = made();
  router.network.parameters()[3] = std::nanf("");
  ASSERT_TRUE(write_semantic_router(path, router));
  EXPECT_FALSE(read_semantic_router(path));
}

TEST_F(RouterFile, that_was_damaged_is_read_whole_or_refused) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> chars{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::byte> whole(chars.size());
  std::transform(chars.begin(), chars.end(), whole.begin(), [](char c) { return static_cast<std::byte>(c); });
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 600; ++i) {
    std::vector<std::byte> bytes = whole;
    for (int j = 0; j <= i % 3; ++j) mutate(bytes, random);
    std::ofstream(folder / "damaged.router", std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    const auto read = read_semantic_router(folder / "damaged.router");
    if (!read) {
      ++refused;
      EXPECT_FALSE(read.error().sentence().empty());
    } else {
      EXPECT_EQ(read->network.parameters().size(), read->network.shape().parameters());
    }
  }
  EXPECT_GT(refused, 100);
}

TEST_F(RouterFile, of_another_kind_is_refused) {
  ASSERT_TRUE(ArrayWriter().write(path, {{"a", 1}}));
  EXPECT_FALSE(read_semantic_router(path));
  EXPECT_FALSE(read_semantic_router(folder / "none.router"));
}

}  // namespace
}  // namespace fovea::test
