#include "ui/panels/experts_panel.hpp"

#include <gtest/gtest.h>

#include <QtTest/QTest>
#include <numeric>

#include "tests/ui/synthetic_run.hpp"

namespace fovea {
namespace {

class ExpertsPanelTest : public testing::Test {
 protected:
  ExpertsPanelTest() {
    panel_.resize(560, 420);
    panel_.show();
  }
  void settle() {
    int calm = 0;
    ASSERT_TRUE(synthetic::wait_until([&] { return (calm = panel_.idle() ? calm + 1 : 0) > 5; }));
  }
  Theme theme_;
  WorkbenchState state_;
  ExpertsPanel panel_{state_, theme_};
  synthetic::Shape shape_;
};

TEST_F(ExpertsPanelTest, ADenseModelIsNotApplicable) {
  shape_.experts = 0;
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  EXPECT_FALSE(panel_.shows_plots());
  EXPECT_EQ(panel_.empty_state().title(), "Not applicable");
}

TEST_F(ExpertsPanelTest, FiguresAreWholeInANarrowPanel) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  for (const int width : {560, 220, 180, 560}) {
    panel_.resize(width, 420);
    settle();
    std::size_t seen = 0;
    for (const QLabel* label : panel_.findChildren<QLabel*>()) {
      if (!label->wordWrap() || !label->isVisible() || !label->text().contains("CV")) continue;
      EXPECT_GE(label->height(), label->heightForWidth(label->width())) << width;
      ++seen;
    }
    EXPECT_EQ(seen, 2u);
  }
}

TEST_F(ExpertsPanelTest, CountsPrefillAndDecodeApartAndByLayer) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  ASSERT_TRUE(panel_.shows_plots());
  const RoutingTrace& routing = state_.trace()->routing;
  const std::uint32_t all = shape_.prompt + shape_.generated;
  EXPECT_EQ(panel_.counts().calls(true, std::nullopt), routing.calls(0, shape_.prompt, std::nullopt));
  EXPECT_EQ(panel_.counts().calls(false, std::nullopt), routing.calls(shape_.prompt, all, std::nullopt));
  EXPECT_EQ(panel_.counts().calls(false, 3), routing.calls(shape_.prompt, all, 3));
  const auto figures = utilization_figures(routing.calls(0, shape_.prompt, std::nullopt));
  EXPECT_TRUE(panel_.figures_text().contains(QStringLiteral("dead&nbsp;%1").arg(figures->dead)));
  const QString before = panel_.figures_text();
  panel_.layer_box().setCurrentIndex(2);
  EXPECT_NE(panel_.figures_text(), before);
}

TEST_F(ExpertsPanelTest, TheMapTellsExpertsAndSharesTheCursor) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  RoutingMap& map = panel_.map();
  const auto chosen = state_.trace()->routing.chosen(30, 2);
  const QString text = map.cell_text(30, 2);
  EXPECT_TRUE(text.contains(QStringLiteral("experts %1 0.500").arg(chosen[0].expert))) << text.toStdString();
  EXPECT_TRUE(text.contains(QStringLiteral(", %1 0.0625").arg(chosen[3].expert)));
  const QPoint at(static_cast<int>(map.token_x(30) + 1), 10);
  QTest::mouseClick(&map, Qt::LeftButton, Qt::NoModifier, at);
  EXPECT_EQ(state_.selection().token(), 30u);
  QTest::keyClick(&map, Qt::Key_Right);
  EXPECT_EQ(state_.selection().token(), 31u);
  QTest::keyClick(&map, Qt::Key_Escape);
  EXPECT_FALSE(state_.selection().token());
  const QImage image = map.grab().toImage();
  const QColor hue = expert_color(state_.trace()->routing.chosen(20, 0)[0].expert, theme_.dark());
  EXPECT_EQ(image.pixel(QPoint(static_cast<int>(map.token_x(20) + 2), 5) * image.devicePixelRatio()), hue.rgb());
}

TEST_F(ExpertsPanelTest, ANewRunStartsFromNothing) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  state_.begin_run(synthetic::all_heads(2));
  EXPECT_EQ(panel_.counts().tokens(), 0u);
  EXPECT_FALSE(panel_.shows_plots());
}

TEST(RoutingCounts, WorkIsDividedIntoBoundedTurns) {
  synthetic::Shape shape;
  shape.prompt = 100;
  shape.generated = 100;
  const auto trace = synthetic::trace(shape, synthetic::all_heads(), 200);
  RoutingCounts counts;
  counts.start(100);
  int turns = 0;
  while (!counts.absorb(trace->routing, 60)) ++turns;
  EXPECT_GT(turns, 15);
  EXPECT_EQ(counts.tokens(), 200u);
  EXPECT_EQ(counts.calls(true, std::nullopt), trace->routing.calls(0, 100, std::nullopt));
  EXPECT_EQ(counts.main_expert(150, 3), trace->routing.chosen(150, 3)[0].expert);
  EXPECT_EQ(counts.main_expert(200, 0), RoutingCounts::kNone);
  EXPECT_EQ(counts.main_expert(0, 99), RoutingCounts::kNone);
}

}  // namespace
}  // namespace fovea
