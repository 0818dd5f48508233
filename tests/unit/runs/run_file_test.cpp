#include "engine/runs/run_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/runs/comparison_export.hpp"
#include "engine/runs/run_header.hpp"
#include "tests/unit/io/mutation.hpp"
#include "tests/unit/runs/synthetic_record.hpp"

namespace fovea {
namespace {

class RunFiles : public testing::Test {
 protected:
  void SetUp() override {
    path = std::filesystem::temp_directory_path() / ("fovea-runs-" + std::to_string(std::random_device{}()) + ".fovea");
  }
  void TearDown() override { std::filesystem::remove(path); }
  [[nodiscard]] std::vector<std::byte> bytes() const {
    std::ifstream file(path, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const auto* begin = reinterpret_cast<const std::byte*>(text.data());
    return {begin, begin + text.size()};
  }
  void put(const std::vector<std::byte>& content) const {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
  }
  std::filesystem::path path;
};

TEST_F(RunFiles, GiveBackWhatWasKept) {
  const auto run = test::synthetic_record({0, 1, 2, 3, 10, 11, 12});
  ASSERT_TRUE(write_run_file(path, {.a = run}));
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".part"));
  const auto read = read_run_file(path);
  ASSERT_TRUE(read) << read.error().sentence();
  EXPECT_EQ(read->b, nullptr);
  EXPECT_EQ(run_json(*read->a), run_json(*run));
  const RunRecord& back = *read->a;
  EXPECT_EQ(back.prompt, run->prompt);
  EXPECT_EQ(back.model.sha256, run->model.sha256);
  EXPECT_EQ(back.policy, run->policy);
  ASSERT_EQ(back.tokens().size(), 7u);
  EXPECT_EQ(back.tokens()[5].text, "t11 ");
  EXPECT_EQ(back.tokens()[5].piece, "t11");
  EXPECT_TRUE(back.tokens()[3].prompt);
  EXPECT_FALSE(back.tokens()[4].prompt);
  EXPECT_EQ(back.token_milliseconds(), run->token_milliseconds());
  for (std::uint32_t token = 0; token < 7; ++token)
    for (std::uint32_t layer = 0; layer < 2; ++layer) {
      const auto was = run->trace->routing.chosen(token, layer), is = back.trace->routing.chosen(token, layer);
      ASSERT_EQ(is.size(), was.size());
      for (std::size_t i = 0; i < is.size(); ++i) {
        EXPECT_EQ(is[i].expert, was[i].expert);
        EXPECT_EQ(is[i].weight, was[i].weight);
      }
    }
  ASSERT_NE(back.trace->head({1, 1}), nullptr);
  const auto row = back.trace->head({1, 1})->row(2);
  EXPECT_EQ(std::vector<std::uint16_t>(row.begin(), row.end()), (std::vector<std::uint16_t>{3, 4, 5}));
  EXPECT_TRUE(back.trace->head({1, 1})->row(0).empty()) << "not recorded";
  EXPECT_EQ(back.trace->head({0, 0}), nullptr) << "not recorded";
  EXPECT_EQ(back.trace->note, "a note");
}

TEST_F(RunFiles, KeepAWholeComparison) {
  auto frontier = std::make_shared<Frontier>(Frontier{.text = "the tokens of A", .tokens = 3, .own_bytes = 100, .points = {}});
  frontier->points.push_back({.policy = {}, .fixed = false, .k_mean = 1.5, .expert_bytes = 75, .perplexity = 3, .delta_ppl_percent = 1, .delta_stderr_percent = 0.5});
  const RunFile kept{test::synthetic_record({0, 1, 2, 3, 10, 11, 12}), test::synthetic_record({0, 1, 2, 3, 10, 9}, 1), test::synthetic_scores(), frontier};
  ASSERT_TRUE(write_run_file(path, kept));
  const auto read = read_run_file(path);
  ASSERT_TRUE(read) << read.error().sentence();
  EXPECT_EQ(comparison_json(Comparison(*read), true), comparison_json(Comparison(kept), true));
  EXPECT_EQ(comparison_csv(Comparison(*read)), comparison_csv(Comparison(kept)));
  EXPECT_EQ(comparison_html(Comparison(*read)), comparison_html(Comparison(kept)));
}

TEST_F(RunFiles, ThatAreNoneAreRefusedInASentence) {
  EXPECT_FALSE(read_run_file(path));
  put({std::byte{1}, std::byte{2}});
  EXPECT_FALSE(read_run_file(path));
  ASSERT_TRUE(write_run_file(path, {.a = test::synthetic_record({0, 1, 2, 3, 10})}));
  auto later = bytes();
  later[8] = std::byte{9};
  put(later);
  const auto read = read_run_file(path);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::unsupported);
  EXPECT_NE(read.error().why.find("version 9"), std::string::npos);
}

// Whatever comes out, what is accepted must be safe to compare and to export.
TEST_F(RunFiles, DamagedOnesAreRefusedOrHarmless) {
  const RunFile kept{test::synthetic_record({0, 1, 2, 3, 10, 11, 12}), test::synthetic_record({0, 1, 2, 3, 10, 9}, 1), test::synthetic_scores(), nullptr};
  ASSERT_TRUE(write_run_file(path, kept));
  const auto original = bytes();
  std::mt19937 random(20261128);
  int accepted = 0, refused = 0;
  for (int round = 0; round < 1500; ++round) {
    std::vector<std::byte> damaged = original;
    for (std::size_t n = 1 + random() % 3; n > 0; --n) test::mutate(damaged, random);
    put(damaged);
    const auto read = read_run_file(path);
    if (!read) {
      ++refused;
      ASSERT_FALSE(read.error().why.empty());
      ASSERT_LT(read.error().sentence().size(), 600u);
      continue;
    }
    ++accepted;
    const Comparison comparison({read->a, read->b ? read->b : read->a, read->scores, read->frontier});
    ASSERT_FALSE(comparison_json(comparison, true).empty());
    ASSERT_FALSE(comparison_html(comparison).empty());
    ASSERT_FALSE(comparison_csv(comparison).empty());
  }
  EXPECT_GT(accepted, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace fovea
