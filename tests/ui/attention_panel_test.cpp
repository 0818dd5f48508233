#include "ui/panels/attention_panel.hpp"

#include <gtest/gtest.h>

#include <QMouseEvent>
#include <QSignalSpy>
#include <QtTest/QTest>

#include "tests/ui/synthetic_run.hpp"

namespace fovea {
namespace {

class AttentionPanelTest : public testing::Test {
 protected:
  AttentionPanelTest() {
    panel_.resize(1000, 520);
    panel_.show();
  }
  void settle() {
    int calm = 0;
    ASSERT_TRUE(synthetic::wait_until([&] { return (calm = panel_.idle() ? calm + 1 : 0) > 20; }));
  }
  QPointF pixel_of(std::uint32_t query, std::uint32_t key) const {
    return panel_.map().geometry_of_map().to_pixel({key + 0.5, query + 0.5});
  }
  QRgb color_at(std::uint32_t query, std::uint32_t key) {
    const QImage image = panel_.map().grab().toImage();
    const QPointF at = pixel_of(query, key) * image.devicePixelRatio();
    return image.pixel(at.toPoint());
  }

  Theme theme_;
  WorkbenchState state_;
  AttentionPanel panel_{state_, theme_};
  synthetic::Shape shape_;
};

TEST_F(AttentionPanelTest, SaysWhatItNeedsBeforeThereIsARun) {
  EXPECT_FALSE(panel_.shows_map());
  EXPECT_EQ(panel_.empty_state().title(), "No model is open");
  state_.take({synthetic::loaded(shape_)});
  EXPECT_EQ(panel_.empty_state().title(), "Nothing has run yet");
}

TEST_F(AttentionPanelTest, DrawsTheWeightsOfTheChosenHead) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  state_.selection().select_head({2, 3});
  settle();
  ASSERT_TRUE(panel_.shows_map());
  ColorScale scale = panel_.range_bar().scale();
  scale.dark = theme_.dark();
  const auto row = state_.trace()->head({2, 3})->row(60);
  EXPECT_EQ(color_at(60, 60), scale.color(weight_of_half(row[60])));
  EXPECT_EQ(color_at(60, 20), scale.color(weight_of_half(row[20])));
  const QRgb later = color_at(20, 60);
  EXPECT_TRUE(later == theme_.colors().future.rgb() || later == theme_.colors().future_hatch.rgb());
}

TEST_F(AttentionPanelTest, EveryHeadGetsAThumbnail) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  for (std::uint32_t layer = 0; layer < shape_.layers; ++layer)
    for (std::uint32_t head = 0; head < shape_.heads; ++head) EXPECT_TRUE(panel_.grid().has_thumbnail({layer, head}));
}

TEST_F(AttentionPanelTest, AHeadThatWasNotRecordedOffersToRecordIt) {
  Generate request = synthetic::all_heads();
  request.trace.all_heads = false;
  request.trace.heads = {{1, 1}};
  synthetic::play(state_, shape_, request);
  state_.selection().select_head({1, 1});
  settle();
  EXPECT_TRUE(panel_.shows_map());
  EXPECT_FALSE(panel_.grid().has_thumbnail({0, 0}));
  state_.selection().select_head({4, 5});
  EXPECT_FALSE(panel_.shows_map());
  EXPECT_EQ(panel_.empty_state().title(), "Layer 4, head 5 was not recorded");
  QSignalSpy record(&panel_, &AttentionPanel::record_requested);
  QTest::mouseClick(panel_.empty_state().button(), Qt::LeftButton);
  EXPECT_EQ(record.count(), 1);
}

TEST_F(AttentionPanelTest, AClickSelectsTheQueryAndHoverOnlyPreviews) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  QTest::mouseMove(&panel_.map(), pixel_of(50, 10).toPoint());
  QMouseEvent move(QEvent::MouseMove, pixel_of(50, 10), panel_.map().mapToGlobal(pixel_of(50, 10)), Qt::NoButton,
                   Qt::NoButton, Qt::NoModifier);
  QApplication::sendEvent(&panel_.map(), &move);
  EXPECT_EQ(panel_.map().hovered_cell(), (HeatmapCell{50, 10}));
  EXPECT_EQ(state_.selection().hovered(), 50u);
  EXPECT_FALSE(state_.selection().token());
  QTest::mouseClick(&panel_.map(), Qt::LeftButton, Qt::NoModifier, pixel_of(50, 10).toPoint());
  EXPECT_EQ(state_.selection().token(), 50u);
  const QString text = panel_.map().cell_text({50, 10});
  EXPECT_TRUE(text.contains("query 50")) << text.toStdString();
  EXPECT_TRUE(text.contains("key 10"));
  EXPECT_TRUE(text.contains("weight 0.0"));
  EXPECT_TRUE(panel_.map().cell_text({10, 50}).contains("later"));
}

TEST_F(AttentionPanelTest, WheelZoomsDragPansDoubleClickResets) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  AttentionMap& map = panel_.map();
  const double fitted = map.geometry_of_map().scale();
  const QPointF at = pixel_of(40, 20);
  QWheelEvent wheel(at, map.mapToGlobal(at), {}, {0, 480}, Qt::NoButton, Qt::NoModifier, Qt::NoScrollPhase, false);
  QApplication::sendEvent(&map, &wheel);
  EXPECT_GT(map.geometry_of_map().scale(), fitted * 1.8);
  const QPointF origin = map.geometry_of_map().origin();
  QTest::mousePress(&map, Qt::LeftButton, Qt::NoModifier, at.toPoint());
  QTest::mouseMove(&map, at.toPoint() + QPoint(-40, -30));
  QMouseEvent drag(QEvent::MouseMove, at + QPointF(-40, -30), map.mapToGlobal(at), Qt::LeftButton, Qt::LeftButton,
                   Qt::NoModifier);
  QApplication::sendEvent(&map, &drag);
  QTest::mouseRelease(&map, Qt::LeftButton, Qt::NoModifier, at.toPoint() + QPoint(-40, -30));
  EXPECT_GT(map.geometry_of_map().origin().x(), origin.x());
  EXPECT_FALSE(state_.selection().token());  // a drag is no click
  QTest::mouseDClick(&map, Qt::LeftButton, Qt::NoModifier, at.toPoint());
  EXPECT_TRUE(map.geometry_of_map().fitted());
}

TEST_F(AttentionPanelTest, KeysMoveTheCursorAndChooseHeads) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  QTest::keyClick(&panel_.map(), Qt::Key_Up);
  EXPECT_EQ(state_.selection().token(), shape_.prompt + shape_.generated - 1);
  QTest::keyClick(&panel_.map(), Qt::Key_PageUp);
  EXPECT_EQ(state_.selection().token(), shape_.prompt + shape_.generated - 17);
  QTest::keyClick(&panel_.map(), Qt::Key_Escape);
  EXPECT_FALSE(state_.selection().token());
  QTest::keyClick(&panel_.grid(), Qt::Key_Down);
  QTest::keyClick(&panel_.grid(), Qt::Key_Right);
  EXPECT_EQ(state_.selection().head(), (HeadId{1, 1}));
  QTest::keyClick(&panel_.grid(), Qt::Key_End);
  EXPECT_EQ(state_.selection().head(), (HeadId{1, shape_.heads - 1}));
}

TEST_F(AttentionPanelTest, TheRangeBarChangesThePicture) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  panel_.set_logarithmic(false);
  settle();
  const QRgb before = color_at(60, 60);
  panel_.range_bar().fit();
  settle();
  EXPECT_LT(panel_.range_bar().scale().high, 1);
  EXPECT_NE(color_at(60, 60), before);
  QTest::keyClick(&panel_.range_bar(), Qt::Key_Left);
  EXPECT_LT(panel_.range_bar().scale().high, 1);
}

TEST_F(AttentionPanelTest, ALongContextIsDrawnOffTheUiThread) {
  // 3,000 tokens of one head: nine million weights.
  constexpr std::uint32_t kTokens = 3000;
  shape_.layers = shape_.heads = 1;
  shape_.prompt = kTokens;
  shape_.generated = 0;
  Generate request = synthetic::all_heads();
  state_.take({synthetic::loaded(shape_)});
  state_.begin_run(request);
  auto trace = std::make_shared<TraceSnapshot>();
  trace->heads.push_back({{0, 0}, {}});
  auto chunk = std::make_shared<AttentionChunk>();
  chunk->rows = kTokens;
  chunk->weights.assign(std::size_t{kTokens} * (kTokens + 1) / 2, half_of_weight(0.25f));
  trace->heads[0].chunks.push_back(std::move(chunk));
  state_.take({PromptTokenized{1, std::make_shared<const std::vector<TokenText>>(synthetic::tokens(shape_)), 1},
               TraceAdvanced{1, trace}});
  settle();
  ColorScale scale = panel_.range_bar().scale();
  scale.dark = theme_.dark();
  EXPECT_EQ(color_at(2000, 700), scale.color(0.25f));
}

}  // namespace
}  // namespace fovea
