// How pages were kept, in figures, in the map and beside it.
#include "ui/heatmap/page_tiers.hpp"

#include <gtest/gtest.h>

#include "tests/ui/synthetic_run.hpp"
#include "ui/heatmap/heatmap_raster.hpp"
#include "ui/panels/attention_panel.hpp"
#include "ui/panels/memory_panel.hpp"

namespace fovea {
namespace {

// Ten pages of 32: one at the start and three of the window stay f16; of six far ones two are hot, and of the newest it is not told.
std::shared_ptr<const KvTierFacts> facts() {
  return std::make_shared<const KvTierFacts>(KvTierFacts{.pages = 10, .first_far = 1, .far = 6, .window = 2, .hot = 2, .fresh_bytes = 6'000'000, .far_bytes = 1'500'000,
                                                         .refinement_bytes = 400'000, .ranking_bytes = 9'000, .hot_pages = {{2, 4}, {1, 3}}, .told = 5});
}

TEST(PageTiers, AreThoseThatARowFound) {
  const std::vector<StepTiming> steps{{.first_token = 0, .tokens = 128, .prefill = true}, {.first_token = 128, .tokens = 64, .prefill = true}, {.first_token = 192, .tokens = 1}};
  const PageTiers tiers(facts(), steps);
  EXPECT_EQ(tiers.of(0, 2, 319), PageTier::eight_bits);
  EXPECT_EQ(tiers.of(1, 2, 319), PageTier::four_bits) << "each layer has hot pages of its own";
  EXPECT_EQ(tiers.of(0, 0, 319), PageTier::f16) << "the start";
  EXPECT_EQ(tiers.of(0, 9, 319), PageTier::f16) << "the window";
  EXPECT_EQ(tiers.of(0, 6, 319), std::nullopt) << "it has left the window since";
  EXPECT_EQ(tiers.of(0, 1, 100), PageTier::f16) << "nothing was far before the first batch";
  EXPECT_EQ(tiers.of(0, 1, 191), PageTier::four_bits) << "far behind the first batch: two pages before the newest of 128 positions";
  EXPECT_EQ(tiers.of(0, 2, 191), PageTier::f16) << "in a batch all rows find what it began with";
  EXPECT_EQ(tiers.of(0, 3, 192), PageTier::four_bits);
  const TierCounts counts = tier_counts(*facts(), 0);
  EXPECT_EQ(counts.f16, 4u);
  EXPECT_EQ(counts.eight_bits, 2u);
  EXPECT_EQ(counts.four_bits, 3u);
  EXPECT_EQ(counts.untold, 1u);
}

TEST(PageTiers, AreTheHuesOfTheMap) {
  HeatmapQuery query;
  query.size = {320, 320};
  query.tokens = 320;
  query.mask = MaskLook::tiers;
  query.mask_colors.f16 = qRgb(0, 0, 200);
  query.mask_colors.eight_bits = qRgb(200, 200, 0);
  query.mask_colors.four_bits = qRgb(200, 0, 200);
  const PageTiers tiers(facts(), {});
  const QImage image = raster_attention(nullptr, nullptr, query, nullptr, &tiers).image;
  const auto hue = [&](int key) { return QColor(image.pixel(key, 318)); };
  EXPECT_GT(hue(16).blue(), 100);  // the start
  EXPECT_EQ(hue(16).red(), 0);
  EXPECT_GT(hue(32 * 2 + 16).green(), 100);  // hot
  EXPECT_EQ(hue(32 * 2 + 16).blue(), 0);
  EXPECT_GT(hue(32 * 3 + 16).red(), 100);  // 4 bits
  EXPECT_GT(hue(32 * 3 + 16).blue(), 100);
  EXPECT_GT(hue(310).blue(), 100);  // the window
  EXPECT_EQ(hue(310).red(), 0);
  query.mask = MaskLook::none;
  EXPECT_NE(raster_attention(nullptr, nullptr, query, nullptr, &tiers).image, image);
}

TEST(PageTiers, AreToldBesideTheMapAndInTheMemoryView) {
  Theme theme;
  WorkbenchState state;
  AttentionPanel panel(state, theme);
  MemoryPanel memory(state, theme);
  panel.resize(720, 420);
  panel.show();
  memory.show();
  const synthetic::Shape shape{.prompt = 300, .generated = 16};
  synthetic::play(state, shape, synthetic::all_heads());
  EXPECT_FALSE(panel.mask_box().isVisible());
  EXPECT_FALSE(panel.tiers_label().isVisible());
  const Generate request = synthetic::all_heads(2);
  state.begin_run(request);
  std::vector<Event> events = synthetic::run(shape, request, 64);
  auto& finished = std::get<RunFinished>(events.back());
  auto trace = std::make_shared<TraceSnapshot>(*finished.trace);
  trace->tiers = facts();
  finished.trace = trace;
  state.take(events);
  ASSERT_TRUE(synthetic::wait_until([&] { return panel.idle() && memory.idle(); }));
  EXPECT_TRUE(panel.mask_box().isVisible());
  EXPECT_EQ(panel.mask_box().currentIndex(), static_cast<int>(MaskLook::tiers)) << "the one look there is beside the weights";
  EXPECT_TRUE(panel.tiers_label().text().contains("far&nbsp;3")) << panel.tiers_label().text().toStdString();
  EXPECT_EQ(memory.tiers_label().text().replace(QChar(0x202f), ' ').toStdString(), "KV by tier: f16 5.72 MiB, far pages 1.43 MiB, more bits of hot ones 391 KiB, ranking 8.79 KiB");
}

}  // namespace
}  // namespace fovea
