#include "ui/panels/policy_panel.hpp"

#include <gtest/gtest.h>

#include <QCoreApplication>
#include <QDir>
#include <QLabel>
#include <QtTest/QTest>
#include <vector>

#include "tests/ui/synthetic_run.hpp"
#include "ui/text/translation.hpp"

namespace fovea {
namespace {

class PolicyPanelTest : public testing::Test {
 protected:
  PolicyPanelTest() {
    QObject::connect(&panel_, &PolicyPanel::policy_chosen, &panel_, [this](const auto& attention, const auto& experts) {
      told_.push_back(attention);
      told_experts_.push_back(experts);
    });
  }
  bool wait_for(std::size_t count) {
    return synthetic::wait_until([&] { return told_.size() >= count; }, 3000);
  }
  Theme theme_;
  PolicyPanel panel_{theme_};
  std::vector<std::optional<SparseAttention>> told_;
  std::vector<std::optional<ExpertRule>> told_experts_;
};

TEST_F(PolicyPanelTest, ShowsARuleOfExpertsWithoutTellingAnybody) {
  ExpertPolicyForm& form = panel_.experts_form();
  ExpertRule odd{.count = ExpertCount::entropy, .kmin = 2, .kmax = 3, .p = 0.123, .c = 0.777, .target_k = 2.25, .balance = ExpertBalance::locality, .gamma = 0.333,
                 .cv = 0.2, .tau = 0.9, .half_life = 77, .reset = LoadReset::never};
  panel_.show_experts(odd, 4);
  EXPECT_EQ(form.rule(), odd) << "what lies between the sliders' steps and what has no slider stays";
  odd.balance = ExpertBalance::off;
  odd.reset = LoadReset::frozen;
  odd.bias = std::vector<float>(32, 0.5f);
  panel_.show_experts(odd, 4);
  EXPECT_EQ(form.balance_box().count(), 6);
  EXPECT_EQ(form.rule(), odd);
  panel_.show_experts(ExpertRule{.count = ExpertCount::fixed, .layer_kmax = {1, 2, 3}}, 4);
  EXPECT_EQ(form.rule(), (ExpertRule{.count = ExpertCount::fixed, .layer_kmax = {1, 2, 3}}));
  panel_.show_experts(std::nullopt, 4);
  EXPECT_EQ(form.rule(), std::nullopt);
  EXPECT_EQ(form.number_slider().value(), 4);
  EXPECT_FALSE(form.threshold_slider().isEnabled());
  panel_.show_experts(odd, 0);
  EXPECT_EQ(form.rule(), odd) << "a choice for mixtures waits while a dense model is open";
  QTest::qWait(600);
  EXPECT_TRUE(told_.empty());
}

TEST_F(PolicyPanelTest, TellsARuleOfExpertsOnceTheHandRests) {
  ExpertPolicyForm& form = panel_.experts_form();
  panel_.show_experts(std::nullopt, 4);
  form.number_slider().setValue(2);
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(told_experts_.back(), (ExpertRule{.count = ExpertCount::fixed, .kmax = 2}));
  form.dynamic_button().click();
  form.number_slider().setValue(4);
  form.threshold_slider().setValue(65);
  form.mean_slider().setValue(11);
  form.balance_box().setCurrentIndex(2);
  form.strength_slider().setValue(81);
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(told_experts_.back(), (ExpertRule{.kmax = 0, .p = 0.65, .target_k = 2, .balance = ExpertBalance::headroom, .gamma = 0.8}));
  // The other rule has its own number; p is kept for the way back.
  form.count_box().setCurrentIndex(1);
  EXPECT_EQ(form.threshold_slider().value(), 20);
  form.mean_slider().setValue(0);
  form.strength_slider().setValue(0);
  ASSERT_TRUE(wait_for(3));
  EXPECT_EQ(told_experts_.back()->count, ExpertCount::entropy);
  EXPECT_EQ(told_experts_.back()->c, 1);
  EXPECT_EQ(told_experts_.back()->target_k, 0);
  EXPECT_EQ(told_experts_.back()->gamma, std::nullopt);
  form.number_slider().setValue(4);
  form.static_button().click();
  ASSERT_TRUE(wait_for(4));
  EXPECT_EQ(told_experts_.back(), std::nullopt) << "the model's own choice";
  EXPECT_EQ(told_.size(), 4u);
}

TEST_F(PolicyPanelTest, ShowsAPolicyWithoutTellingAnybody) {
  const SparseAttention odd{.window = 500, .global = 0.255, .sinks = 7, .scorer = PageScorer::quest, .dense_layers = 3, .dense_below = 99};
  panel_.show_attention(odd, 6);
  EXPECT_EQ(panel_.attention(), odd) << "what lies between the sliders' steps stays";
  panel_.show_attention(std::nullopt, 6);
  EXPECT_EQ(panel_.attention(), std::nullopt);
  EXPECT_FALSE(panel_.window_slider().isEnabled());
  QTest::qWait(600);
  EXPECT_TRUE(told_.empty());
}

TEST_F(PolicyPanelTest, TellsAChangeOnceTheHandRests) {
  panel_.show_attention(std::nullopt, 6);
  panel_.sparse_button().click();
  for (const int share : {30, 35, 40}) panel_.share_slider().setValue(share);
  panel_.window_slider().setValue(2);
  panel_.scorer_box().setCurrentIndex(2);
  ASSERT_TRUE(wait_for(1));
  ASSERT_TRUE(told_.back());
  EXPECT_EQ(told_.back()->global, 0.4);
  EXPECT_EQ(told_.back()->window, 128u);
  EXPECT_EQ(told_.back()->scorer, PageScorer::mean);
  EXPECT_EQ(told_.back()->sinks, 32u);
  panel_.dense_button().click();
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(told_.back(), std::nullopt);
  QTest::qWait(600);
  EXPECT_EQ(told_.size(), 2u);
}

TEST_F(PolicyPanelTest, IsReadInBothLanguagesAndThemes) {
  QDir().mkpath(FOVEA_PICTURES);
  panel_.show_attention(SparseAttention{}, 6);
  panel_.show_experts(synthetic::dynamic_rule(), 4);
  for (const auto& [language, mode] : {std::pair{"en", ThemeMode::light}, {"zh_CN", ThemeMode::dark}}) {
    use_language(language);
    theme_.set_mode(mode);
    QCoreApplication::processEvents();
    panel_.fit_height();
    ASSERT_TRUE(panel_.grab().save(QStringLiteral(FOVEA_PICTURES "/policy_panel_%1.png").arg(language)));
    for (const QLabel* label : panel_.findChildren<QLabel*>())
      if (!label->wordWrap()) {
        EXPECT_LE(label->sizeHint().width(), label->width()) << label->text().toStdString();
      }
  }
  use_language("en");
}

TEST_F(PolicyPanelTest, AChangeThatIsTakenBackIsNone) {
  panel_.show_attention(SparseAttention{}, 6);
  const int before = panel_.share_slider().value();
  panel_.share_slider().setValue(70);
  panel_.share_slider().setValue(before);
  QTest::qWait(700);
  EXPECT_TRUE(told_.empty());
}

TEST_F(PolicyPanelTest, TheShareOfAnAdaptiveBudgetIsItsMost) {
  SparseAttention adaptive;
  adaptive.budget = PageBudget::adaptive;
  panel_.show_attention(adaptive, 6);
  EXPECT_EQ(panel_.share_slider().value(), 40);
  panel_.share_slider().setValue(5);
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(told_.back()->most, 0.05);
  EXPECT_EQ(told_.back()->least, 0.05) << "never above the most";
  EXPECT_EQ(told_.back()->global, 0.25);
}

}  // namespace
}  // namespace fovea
