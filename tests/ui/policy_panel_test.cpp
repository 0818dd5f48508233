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
    QObject::connect(&panel_, &PolicyPanel::attention_chosen, &panel_, [this](const auto& attention) { told_.push_back(attention); });
  }
  bool wait_for(std::size_t count) {
    return synthetic::wait_until([&] { return told_.size() >= count; }, 3000);
  }
  Theme theme_;
  PolicyPanel panel_{theme_};
  std::vector<std::optional<SparseAttention>> told_;
};

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
  for (const auto& [language, mode] : {std::pair{"en", ThemeMode::light}, {"zh_CN", ThemeMode::dark}}) {
    use_language(language);
    theme_.set_mode(mode);
    QCoreApplication::processEvents();
    panel_.adjustSize();
    for (const QLabel* label : panel_.findChildren<QLabel*>())
      if (!label->wordWrap()) {
        EXPECT_LE(label->sizeHint().width(), label->width()) << label->text().toStdString();
      }
    ASSERT_TRUE(panel_.grab().save(QStringLiteral(FOVEA_PICTURES "/policy_panel_%1.png").arg(language)));
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
