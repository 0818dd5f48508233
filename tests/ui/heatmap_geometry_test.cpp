#include "ui/heatmap/heatmap_geometry.hpp"

#include <gtest/gtest.h>

namespace fovea {
namespace {

HeatmapGeometry map_of(std::uint32_t cells) {
  HeatmapGeometry geometry;
  geometry.set_plot(QRectF(60, 40, 400, 300));
  geometry.set_cells(cells);
  return geometry;
}

TEST(HeatmapGeometry, FitsTheShorterSideWithSquareCells) {
  const HeatmapGeometry geometry = map_of(100);
  EXPECT_DOUBLE_EQ(geometry.scale(), 3);
  EXPECT_EQ(geometry.to_pixel({0, 0}), QPointF(60, 40));
  EXPECT_EQ(geometry.to_pixel({100, 100}), QPointF(360, 340));
  EXPECT_TRUE(geometry.fitted());
}

TEST(HeatmapGeometry, PicksQueryDownAndKeyAcross) {
  const HeatmapGeometry geometry = map_of(100);
  EXPECT_EQ(geometry.cell_at({60 + 3 * 7 + 1, 40 + 3 * 12 + 2}), (HeatmapCell{12, 7}));
  EXPECT_FALSE(geometry.cell_at({59, 100}));
  EXPECT_FALSE(geometry.cell_at({361, 100}));  // right of the last key, still inside the plot
}

TEST(HeatmapGeometry, ZoomKeepsTheCellUnderTheMouse) {
  HeatmapGeometry geometry = map_of(100);
  const QPointF mouse(60 + 123, 40 + 77);
  const QPointF before = geometry.to_cell(mouse);
  geometry.zoom(2.5, mouse);
  EXPECT_NEAR(geometry.to_cell(mouse).x(), before.x(), 1e-9);
  EXPECT_NEAR(geometry.to_cell(mouse).y(), before.y(), 1e-9);
  EXPECT_FALSE(geometry.fitted());
}

TEST(HeatmapGeometry, ZoomEndsAtTheWholeMapAndAtTheLargestCell) {
  HeatmapGeometry geometry = map_of(100);
  geometry.zoom(1e6, {100, 100});
  EXPECT_DOUBLE_EQ(geometry.scale(), HeatmapGeometry::kLargestCell);
  geometry.zoom(1e-6, {300, 300});
  EXPECT_DOUBLE_EQ(geometry.scale(), 3);
  EXPECT_TRUE(geometry.fitted());
  EXPECT_EQ(geometry.origin(), QPointF(0, 0));
}

TEST(HeatmapGeometry, PanStopsAtTheEdges) {
  HeatmapGeometry geometry = map_of(100);
  geometry.zoom(4, {200, 200});
  geometry.pan({1e6, 1e6});
  EXPECT_EQ(geometry.origin(), QPointF(0, 0));
  geometry.pan({-1e6, -1e6});
  EXPECT_NEAR(geometry.origin().x(), 100 - 400 / 12.0, 1e-9);
  EXPECT_NEAR(geometry.origin().y(), 100 - 300 / 12.0, 1e-9);
}

TEST(HeatmapGeometry, GrowingKeepsAChosenZoomAndRefitsAFittedView) {
  HeatmapGeometry fitted = map_of(100);
  fitted.set_cells(150);
  EXPECT_DOUBLE_EQ(fitted.scale(), 2);
  HeatmapGeometry zoomed = map_of(100);
  zoomed.zoom(4, {60, 40});
  zoomed.set_cells(150);
  EXPECT_DOUBLE_EQ(zoomed.scale(), 12);
}

TEST(HeatmapGeometry, RevealBringsACellIntoViewAndNoFurther) {
  HeatmapGeometry geometry = map_of(100);
  geometry.zoom(4, {60, 40});
  geometry.reveal({99, 2});
  EXPECT_TRUE(geometry.plot().contains(geometry.to_pixel({2.5, 99.5})));
  const QPointF origin = geometry.origin();
  geometry.reveal({98, 3});
  EXPECT_EQ(geometry.origin(), origin);
}

TEST(HeatmapGeometry, NoCellsAndNoRoomAreHarmless) {
  HeatmapGeometry geometry;
  geometry.zoom(2, {0, 0});
  geometry.pan({5, 5});
  EXPECT_FALSE(geometry.cell_at({0, 0}));
}

TEST(TickStep, IsOneTwoOrFiveTimesAPowerOfTen) {
  EXPECT_EQ(tick_step(0.3), 1u);
  EXPECT_EQ(tick_step(1.1), 2u);
  EXPECT_EQ(tick_step(2.5), 5u);
  EXPECT_EQ(tick_step(7), 10u);
  EXPECT_EQ(tick_step(130), 200u);
  EXPECT_EQ(tick_step(1000), 1000u);
}

}  // namespace
}  // namespace fovea
