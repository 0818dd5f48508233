#include "ui/panels/memory_panel.hpp"

#include <gtest/gtest.h>

#include "tests/ui/synthetic_run.hpp"
#include "ui/text/format.hpp"

namespace fovea {
namespace {

TEST(MemoryPanel, ShowsWhatTheAllocatorGaveBesideTheEstimate) {
  Theme theme;
  theme.set_mode(ThemeMode::light);
  WorkbenchState state;
  MemoryPanel panel(state, theme);
  panel.resize(420, 400);
  panel.show();
  EXPECT_FALSE(panel.shows_plot());
  const synthetic::Shape shape;
  state.take({synthetic::loaded(shape)});
  EXPECT_TRUE(panel.shows_plot());
  EXPECT_EQ(panel.value_text(1), shown_bytes(static_cast<double>(state.model()->measured.kv)));
  synthetic::play(state, shape, synthetic::all_heads());
  int calm = 0;
  ASSERT_TRUE(synthetic::wait_until([&] { return (calm = panel.idle() ? calm + 1 : 0) > 20; }));
  EXPECT_EQ(panel.plotted_samples(), shape.generated + 1);
  EXPECT_EQ(panel.value_text(1), shown_bytes(static_cast<double>(state.trace()->memory.back().bytes.kv)));

  const QImage image = panel.grab().toImage();
  const ThemeColors& colors = theme.colors();
  for (const QColor& fill : {colors.memory_weights, colors.memory_kv, colors.memory_compute}) {
    int area = 0;
    for (int y = 0; y < image.height(); ++y)
      for (int x = 0; x < image.width(); ++x) area += QColor(image.pixel(x, y)) == fill;
    EXPECT_GT(area, 300) << fill.name().toStdString();
  }
}

}  // namespace
}  // namespace fovea
