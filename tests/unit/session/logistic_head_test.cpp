// The head of the worked case and its figures, and the made records that it is fitted to.
#include "engine/session/logistic_head.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "engine/session/transactions.hpp"

namespace fovea {
namespace {

TEST(LogisticHead, finds_what_the_classes_were_made_from) {
  std::mt19937_64 random(3);
  const auto draw = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  Features features{.width = 5};
  std::vector<bool> positive;
  std::vector<double> truth;
  for (int i = 0; i < 20000; ++i) {
    std::vector<float> row;
    for (int c = 0; c < 5; ++c) row.push_back(static_cast<float>(4 * draw() - 1));
    truth.push_back(3 * static_cast<double>(row[1]) - 2 * static_cast<double>(row[4]) - 1);
    positive.push_back(draw() < 1 / (1 + std::exp(-truth.back())));
    features.values.insert(features.values.end(), row.begin(), row.end());
  }
  const auto head = LogisticHead::fit(features, positive, 0.1);
  ASSERT_TRUE(head) << head.error().sentence();
  for (int i = 0; i < 50; ++i) EXPECT_NEAR(head->score(features.row(i)), truth[i], 0.15 * (1 + std::abs(truth[i])));
}

TEST(LogisticHead, refuses_rows_of_one_class) {
  const Features features{.width = 1, .values = {1, 2, 3}};
  EXPECT_FALSE(LogisticHead::fit(features, {true, true, true}, 1));
  EXPECT_FALSE(LogisticHead::fit(features, {true, false}, 1));
  EXPECT_FALSE(LogisticHead::fit({.width = 2}, {}, 1));
}

// Two of ten negative rows, those of 9 and 8, may lie above the threshold, which is then 7.
TEST(Recall, counts_positives_above_the_threshold_of_false_alarms) {
  const std::vector<double> scores{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 7.5, 8.5, 6.5, 10};
  std::vector<bool> positive(14);
  for (const int i : {10, 11, 12, 13}) positive[i] = true;
  EXPECT_DOUBLE_EQ(recall_at(scores, positive, 0.2), 0.75);
  EXPECT_DOUBLE_EQ(recall_at(scores, positive, 0.0), 0.25);
  EXPECT_DOUBLE_EQ(recall_at(scores, positive, 1.0), 1.0);
  EXPECT_DOUBLE_EQ(area_under_curve(scores, positive), (8 + 9 + 7 + 10) / 40.0);
  EXPECT_DOUBLE_EQ(area_under_curve(std::vector<double>{1, 1}, {true, false}), 0.5);
}

TEST(Transactions, are_the_same_for_a_seed_and_follow_the_hidden_rule) {
  const auto records = make_transactions(1, 4000), same = make_transactions(1, 4000), other = make_transactions(2, 4000);
  double frauds = 0;
  std::vector<double> risk;
  std::vector<bool> fraud;
  std::set<std::string> texts;
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].text, same[i].text);
    EXPECT_EQ(records[i].fraud, same[i].fraud);
    frauds += records[i].fraud;
    risk.push_back(records[i].risk);
    fraud.push_back(records[i].fraud);
    texts.insert(records[i].text);
  }
  EXPECT_NE(records.front().text, other.front().text);
  EXPECT_GT(texts.size(), 3900u);
  EXPECT_GT(frauds / 4000, 0.08);
  EXPECT_LT(frauds / 4000, 0.3);
  const double area = area_under_curve(risk, fraud);  // noise: not even the rule tells all
  EXPECT_GT(area, 0.85);
  EXPECT_LT(area, 0.97);
}

}  // namespace
}  // namespace fovea
