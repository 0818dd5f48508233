#include "ui/heatmap/page_strip.hpp"

#include <gtest/gtest.h>

#include <QImage>

#include "tests/ui/synthetic_run.hpp"
#include "ui/panels/attention_panel.hpp"

namespace fovea {
namespace {

class PageStripTest : public testing::Test {
 protected:
  PageStripTest() {
    shape_.sparse = true;
    shape_.prompt = 288;
    panel_.resize(1000, 520);
    panel_.show();
  }
  void play(bool measured = true) {
    Generate request = synthetic::all_heads();
    request.trace.measure_every = measured ? 1 : 0;
    synthetic::play(state_, shape_, request);
    int calm = 0;
    ASSERT_TRUE(synthetic::wait_until([&] { return (calm = panel_.idle() ? calm + 1 : 0) > 20; }));
  }
  static int pixels_of(const QWidget& widget, const QColor& color) {
    const QImage image = const_cast<QWidget&>(widget).grab().toImage().convertToFormat(QImage::Format_RGB32);
    int count = 0;
    for (int y = 0; y < image.height(); ++y)
      for (int x = 0; x < image.width(); ++x) count += image.pixel(x, y) == color.rgb() ? 1 : 0;
    return count;
  }
  Theme theme_;
  WorkbenchState state_;
  AttentionPanel panel_{state_, theme_};
  synthetic::Shape shape_;
};

TEST_F(PageStripTest, IsThereForSparseAttentionAlone) {
  shape_.sparse = false;
  play();
  EXPECT_FALSE(panel_.page_strip().isVisible());
  EXPECT_FALSE(panel_.mask_box().isVisible());
  shape_.sparse = true;
  play();
  EXPECT_TRUE(panel_.page_strip().isVisible());
  EXPECT_TRUE(panel_.mask_box().isVisible());
}

TEST_F(PageStripTest, SaysWhatARowLost) {
  play();
  state_.selection().select_head({2, 3});
  state_.selection().select_token(301);
  const RowMeasure& measure = *state_.pages()->measure(2, 3, 301);
  const QString figures = panel_.page_strip().figures();
  EXPECT_TRUE(figures.startsWith("row 301: ")) << figures.toStdString();
  EXPECT_TRUE(figures.contains("of 10 pages read")) << figures.toStdString();
  EXPECT_TRUE(figures.contains(QString::number(static_cast<double>(measure.entropy), 'f', 2)));
  for (const PagePart part : {PagePart::sinks, PagePart::window, PagePart::chosen}) EXPECT_GT(pixels_of(panel_.page_strip(), page_color(theme_.colors(), part)), 100);
  EXPECT_GT(pixels_of(panel_.page_strip(), theme_.colors().loss), 100) << "what was lost";
  EXPECT_TRUE(panel_.work_label().text().contains("the best choice of as many pages")) << panel_.work_label().text().toStdString();
}

TEST_F(PageStripTest, SaysWhatIsNotKnown) {
  play();
  state_.selection().select_head({2, 3});
  state_.selection().select_token(300);
  EXPECT_TRUE(panel_.page_strip().figures().contains("the true one was not measured"));
  state_.selection().select_token(40);
  EXPECT_TRUE(panel_.page_strip().figures().contains("so little is there"));
  state_.selection().select_head({0, 3});
  state_.selection().select_token(300);
  EXPECT_TRUE(panel_.page_strip().figures().contains("the layer is dense"));
  EXPECT_TRUE(panel_.work_label().text().contains("of what dense attention reads"));
  play(false);
  EXPECT_EQ(panel_.page_strip().figures(), "which pages were read was not recorded");
  EXPECT_TRUE(panel_.work_label().text().contains("not recorded"));
}

TEST_F(PageStripTest, TheMaskAloneNeedsNoRecordedHead) {
  Generate request = synthetic::all_heads();
  request.trace.all_heads = false;
  request.trace.heads = {{1, 1}};
  request.trace.measure_every = 1;
  synthetic::play(state_, shape_, request);
  state_.selection().select_head({3, 4});
  EXPECT_FALSE(panel_.shows_map());
  panel_.mask_box().setCurrentIndex(2);
  EXPECT_TRUE(panel_.shows_map());
  EXPECT_TRUE(panel_.map().cell_text({300, 5}).contains("a sink"));
  EXPECT_TRUE(panel_.map().cell_text({300, 299}).contains("in the window"));
}

TEST_F(PageStripTest, TheGridTellsRecallAndEntropy) {
  play();
  QString pointed;
  QObject::connect(&panel_.grid(), &HeadGrid::head_pointed, &panel_, [&](const QString& text) { pointed = text; });
  for (const int figure : {1, 2}) {
    panel_.figure_box().setCurrentIndex(figure);
    const QImage image = panel_.grid().viewport()->grab().toImage();
    const QRect dense = panel_.grid().thumbnail_rect({0, 0}), sparse = panel_.grid().thumbnail_rect({2, 1});
    const auto corner = [&](const QRect& at) { return image.pixel((at.topLeft() + QPoint(1, 1)) * image.devicePixelRatio()); };
    EXPECT_EQ(corner(dense) == theme_.colors().page_left_out.rgb(), figure == 1) << "nothing can be lost in a dense layer";
    EXPECT_NE(corner(sparse), theme_.colors().panel.rgb());
  }
}

}  // namespace
}  // namespace fovea
