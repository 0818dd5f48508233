#include "engine/runs/comparison.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/runs/comparison_export.hpp"
#include "tests/unit/runs/synthetic_record.hpp"

namespace fovea {
namespace {

const std::vector<std::int32_t> kIds{0, 1, 2, 3, 10, 11, 12};

Comparison of_two() {
  return Comparison({test::synthetic_record(kIds), test::synthetic_record({0, 1, 2, 3, 10, 9}, 1), test::synthetic_scores(), nullptr});
}

bool all_zero(const std::vector<std::optional<double>>& values) {
  return std::ranges::all_of(values, [](const auto& v) { return !v || *v == 0; });
}

TEST(Comparison, OfARunWithItselfIsExactlyNothing) {
  const auto run = test::synthetic_record(kIds);
  const auto scores = std::make_shared<PairScores>(PairScores{.text = "", .first = 4, .nll_a = {1.25, 0.3}, .nll_b = {1.25, 0.3}, .kl = {0, 0}, .same_top = {1, 1}});
  const Comparison comparison({run, run, scores, nullptr});
  EXPECT_FALSE(comparison.first_divergence());
  EXPECT_EQ(comparison.note(), "");
  EXPECT_TRUE(comparison.policy_differences().empty());
  for (const ComparedFigure& figure : comparison.figures()) {
    EXPECT_EQ(figure.difference().value_or(0), 0) << figure.key;
    EXPECT_EQ(figure.relative().value_or(0), 0) << figure.key;
  }
  for (const ComparedSeries& series : {comparison.milliseconds(), comparison.memory(), comparison.experts_used(), comparison.expert_counts(), comparison.utilization()}) {
    EXPECT_FALSE(series.empty());
    EXPECT_TRUE(all_zero(series.difference()));
  }
  const auto json = comparison_json(comparison, false);
  EXPECT_EQ(json["kl_mean"], 0.0);
  EXPECT_EQ(json["same_top"], 1.0);
  EXPECT_EQ(json["delta_ppl_percent"], 0.0);
  EXPECT_EQ(json["speed_ratio"], 1.0);
  EXPECT_EQ(json["memory_ratio"], 1.0);
  EXPECT_TRUE(json["first_divergence"].is_null());
  EXPECT_TRUE(json["note"].is_null());
}

TEST(Comparison, SaysWhereTextsPart) {
  EXPECT_EQ(of_two().first_divergence(), 5u);
  const Comparison shorter({test::synthetic_record(kIds), test::synthetic_record({0, 1, 2, 3, 10}), nullptr, nullptr});
  EXPECT_EQ(shorter.first_divergence(), 5u) << "only A has one";
}

TEST(Comparison, FiguresByHand) {
  const Comparison comparison = of_two();
  const auto json = comparison_json(comparison, false);
  // A decodes 3 tokens, the first with the prompt: 2 in 20 ms; B 1 in 10 ms.
  EXPECT_DOUBLE_EQ(json["speed_ratio"].get<double>(), (1 * 1000.0 / 10) / (2 * 1000.0 / 20));
  EXPECT_DOUBLE_EQ(json["memory_ratio"].get<double>(), 1230.0 / 1430.0) << "what recording takes is left out";
  EXPECT_DOUBLE_EQ(json["bytes_ratio"].get<double>(), 0.5);
  EXPECT_EQ(json["k_mean"], (nlohmann::ordered_json{2.0, 1.0}));
  EXPECT_NEAR(json["kl_mean"].get<double>(), 0.1, 1e-15);
  EXPECT_NEAR(json["same_top"].get<double>(), 2.0 / 3, 1e-15);
  // Losses differ by 0.5, 0 and -0.25: a mean of 1/12.
  EXPECT_NEAR(json["delta_ppl_percent"].get<double>(), 100 * std::expm1(1.0 / 12), 1e-12);
  EXPECT_EQ(json["policy_differs"], (nlohmann::ordered_json{"moe"}));
  EXPECT_EQ(comparison.utilization(0).a.size(), 4u);
  EXPECT_EQ(comparison.expert_counts().a, (std::vector<std::optional<double>>{0.0, 1.0}));
  EXPECT_EQ(comparison.expert_counts().b, (std::vector<std::optional<double>>{1.0, 0.0}));
  EXPECT_EQ(comparison.experts_used().difference().front(), -1.0);
  EXPECT_EQ(comparison.milliseconds().a[0], 1.0) << "a prompt's step, spread over its tokens";
  EXPECT_EQ(comparison.divergence().a[4], 0.1);
  EXPECT_FALSE(comparison.divergence().a[3]);
}

TEST(Comparison, SaysWhatDiffersBesideThePolicy) {
  auto b = test::synthetic_record(kIds);
  b->seed = 8;
  b->prompt = "another";
  b->device = "another device";
  b->sampling.temperature = 0;
  b->timings.recording = true;
  b->model.sha256 = std::string(64, 'b');
  const std::string note = Comparison({test::synthetic_record(kIds), b, nullptr, nullptr}).note();
  for (const char* part : {"the seed: 7 and 8", "the prompt", "the device: a device and another device", "temp 0.8", "while recording attention", "two files named tiny.gguf"})
    EXPECT_NE(note.find(part), std::string::npos) << part << " in: " << note;
  EXPECT_EQ(note.find("driver"), std::string::npos) << "of another device it says nothing";
}

TEST(Comparison, WhatWasNotRecordedIsNull) {
  const auto bare = [] {
    auto run = test::synthetic_record(kIds);
    auto trace = std::make_shared<TraceSnapshot>(*run->trace);
    trace->routing.chunks.clear();
    trace->steps.clear();
    trace->memory.clear();
    run->trace = std::move(trace);
    run->token_bytes.reset();
    run->policy.moe = "dynamic:kmin=1,kmax=2,rule=mass,p=0.7,balance=off";
    return run;
  };
  const Comparison comparison({bare(), bare(), nullptr, nullptr});
  const auto json = comparison_json(comparison, true);
  for (const char* key : {"kl_mean", "same_top", "delta_ppl_percent", "bytes_ratio"}) EXPECT_TRUE(json[key].is_null()) << key;
  for (const char* key : {"k_mean", "cv", "utilization"}) EXPECT_EQ(json[key], (nlohmann::ordered_json{nullptr, nullptr})) << key;
  EXPECT_TRUE(comparison.milliseconds().empty());
  EXPECT_TRUE(comparison.memory().empty());
  EXPECT_TRUE(comparison.experts_used().empty());
  EXPECT_TRUE(comparison.utilization().empty());
  EXPECT_NE(comparison_html(comparison).find("not recorded"), std::string::npos);
}

TEST(Comparison, AModelsOwnNumberNeedsNoRecording) {
  auto run = test::synthetic_record(kIds);
  auto trace = std::make_shared<TraceSnapshot>(*run->trace);
  trace->routing.chunks.clear();
  run->trace = std::move(trace);
  EXPECT_EQ(Comparison({run, run, nullptr, nullptr}).figure("k_mean")->a, 2.0);
}

TEST(ComparisonExport, ShowsHostileTextAsText) {
  auto run = test::synthetic_record(kIds);
  auto trace = std::make_shared<TraceSnapshot>(*run->trace);
  auto tokens = run->tokens();
  tokens[4].text = "<script>alert('x')</script>\"&";
  trace->tokens = std::make_shared<const std::vector<TokenText>>(tokens);
  run->trace = std::move(trace);
  run->device = "<b>";
  run->policy.moe = "<i>";
  const std::string page = comparison_html(Comparison({run, test::synthetic_record(kIds, 1), nullptr, nullptr}));
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_NE(page.find("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"), std::string::npos);
  EXPECT_EQ(page.find("<b>,"), std::string::npos);
  EXPECT_NE(page.find("&lt;b&gt;"), std::string::npos);
  EXPECT_NE(page.find("&lt;i&gt;"), std::string::npos);
}

TEST(ComparisonExport, ThePageHasFiguresThatAPersonReads) {
  auto slow = test::synthetic_record(kIds);
  slow->timings.first_token_ms = 48416;
  const std::string page = comparison_html(Comparison({slow, test::synthetic_record(kIds, 1), nullptr, nullptr}));
  EXPECT_NE(page.find("48.42 s"), std::string::npos) << "seconds rather than powers of ten";
  EXPECT_EQ(page.find("e+0"), std::string::npos);
  EXPECT_NE(page.find(">−200 B<"), std::string::npos) << "differences have their sign";
  EXPECT_NE(comparison_html(of_two()).find("Memory, without recording"), std::string::npos);
}

// Sentences come from outside, and with them the order of what is filled in.
TEST(ComparisonExport, ThePageSpeaksInTheWordsThatItGets) {
  PageWords words{.language = "x-<", .say = [](const std::string& english) { return english == "They part at token %1, which is framed." ? "<%1> & %1 %9" : "!" + english; }, .note = ""};
  std::vector<std::int32_t> ids = kIds;
  ids.back() += 1;
  const Comparison comparison({test::synthetic_record(kIds), test::synthetic_record(ids, 1), nullptr, nullptr});
  const std::string page = comparison_html(comparison, words);
  const auto parting = comparison.first_divergence();
  ASSERT_TRUE(parting);
  EXPECT_NE(page.find("&lt;" + std::to_string(*parting) + "&gt; &amp; " + std::to_string(*parting) + " %9"), std::string::npos);
  EXPECT_NE(page.find("<html lang='x-&lt;'>"), std::string::npos);
  EXPECT_NE(page.find("<td>!Decode speed</td>"), std::string::npos);
  EXPECT_NE(page.find("!Two runs compared"), std::string::npos);
}

TEST(ComparisonExport, QuotesFieldsAsCsvDoes) {
  EXPECT_EQ(csv({"t", {"a", "b"}, {{"x,y", "say \"so\""}, {" lead", "two\nlines"}, {"", "-1.5"}}}),
            "a,b\r\n\"x,y\",\"say \"\"so\"\"\"\r\n\" lead\",\"two\nlines\"\r\n,-1.5\r\n");
  EXPECT_EQ(csv({"t", {"a"}, {{"=1+1"}, {"-x"}}}), "a\r\n\"'=1+1\"\r\n\"'-x\"\r\n") << "no formulas";
}

TEST(ComparisonExport, HasATableForAllThatIsThere) {
  std::vector<std::string> names;
  for (const ExportTable& table : comparison_tables(of_two())) {
    names.push_back(table.name);
    for (const auto& row : table.rows) EXPECT_EQ(row.size(), table.columns.size()) << table.name;
  }
  EXPECT_EQ(names, (std::vector<std::string>{"figures", "tokens", "scores", "expert_counts", "utilization", "utilization_by_layer"}));
}

}  // namespace
}  // namespace fovea
