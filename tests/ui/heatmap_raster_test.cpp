#include "ui/heatmap/heatmap_raster.hpp"

#include <gtest/gtest.h>

namespace fovea {
namespace {

const HeatmapGround kGround{qRgb(1, 1, 1), qRgb(2, 2, 2), qRgb(3, 3, 3), qRgb(4, 4, 4), qRgb(5, 5, 5)};

// Rows [first, first + rows) with `weight(query, key)`.
template <class F>
std::shared_ptr<const AttentionChunk> chunk_of(std::uint32_t first, std::uint32_t rows, F weight) {
  auto chunk = std::make_shared<AttentionChunk>();
  chunk->first_query = first;
  chunk->rows = rows;
  for (std::uint32_t q = first; q < first + rows; ++q)
    for (std::uint32_t k = 0; k <= q; ++k) chunk->weights.push_back(half_of_weight(weight(q, k)));
  return chunk;
}

HeatmapQuery query_of(int pixels, std::uint32_t tokens) {
  HeatmapQuery query;
  query.size = QSize(pixels, pixels);
  query.tokens = tokens;
  query.pixels_per_cell = static_cast<double>(pixels) / tokens;
  query.scale = {false, 0, 1, true};
  query.ground = kGround;
  return query;
}

bool is_future(QRgb color) { return color == kGround.future || color == kGround.future_hatch; }
bool is_unrecorded(QRgb color) { return color == kGround.unrecorded || color == kGround.unrecorded_dots; }

TEST(HeatmapRaster, WeightsFutureAndUnrecordedEachLookDifferent) {
  HeadTrace head{{0, 0}, {chunk_of(0, 3, [](auto q, auto k) { return q == 2 && k == 1 ? 1.f : 0.f; })}};
  const auto picture = raster_attention(&head, nullptr, query_of(40, 4));
  const auto at = [&](int query, int key) { return picture.image.pixel(key * 10 + 5, query * 10 + 5); };
  const ColorScale scale{false, 0, 1, true};
  EXPECT_EQ(at(2, 1), scale.color(1));
  EXPECT_EQ(at(2, 0), scale.color(0));
  EXPECT_EQ(at(0, 0), scale.color(0));
  for (int query = 0; query < 4; ++query)
    for (int key = query + 1; key < 4; ++key) EXPECT_TRUE(is_future(at(query, key))) << query << ' ' << key;
  for (int key = 0; key < 4; ++key) EXPECT_TRUE(is_unrecorded(at(3, key)) || key > 3);
  EXPECT_FLOAT_EQ(picture.largest, 1);
}

TEST(HeatmapRaster, TheMaskSaysWhatWasAttendedAndWhatWasLost) {
  // 160 tokens, 5 pages: the last row's choice leaves out page 1 and reads page 2; half of its attention was lost.
  constexpr std::uint32_t kTokens = 160;
  PageTrace pages{.policy = SparseAttention{.window = 33, .sinks = 32, .dense_layers = 0, .dense_below = 0}, .layers = 1, .query_heads = 1, .kv_heads = 1, .every = 1};
  PageChoiceChunk chunk{.first_query = 150, .queries = 10, .tile_rows = 16, .words = 2, .choices = {0, 0b11101}};
  pages.choices = {std::make_shared<const PageChoiceChunk>(chunk)};
  MeasuredRow row{.query = 155, .heads = {{.recall = 0.5f}}, .whole = {0}};
  pages.rows = {std::make_shared<const MeasuredRow>(row)};
  HeadTrace head{{0, 0}, {chunk_of(0, kTokens, [](auto, auto) { return 1.f; })}};
  HeatmapQuery query = query_of(640, kTokens);
  query.mask_colors = {qRgb(10, 0, 0), qRgb(20, 0, 0), qRgb(30, 0, 0), qRgb(40, 0, 0), qRgb(50, 0, 0), qRgb(60, 0, 0)};
  const auto count = [](const QImage& image, int row_of, QRgb color) {
    int found = 0;
    for (int x = 0; x < image.width(); ++x) found += image.pixel(x, row_of) == color ? 1 : 0;
    return found;
  };
  const int line = 155 * 4 + 1, earlier = 100 * 4 + 1;
  const QRgb weight = query.scale.color(1);
  query.mask = MaskLook::only;
  const QImage only = raster_attention(&head, nullptr, query, &pages).image;
  EXPECT_EQ(count(only, line, query.mask_colors.sinks), 128) << "a page of 32 keys, 4 pixels each, of full weight";
  EXPECT_EQ(count(only, line, query.mask_colors.chosen), 128);
  EXPECT_EQ(count(only, line, query.mask_colors.left_out) + count(only, line, query.mask_colors.left_out_hatch), 128);
  EXPECT_EQ(count(only, line, query.mask_colors.window), (156 - 96) * 4);
  EXPECT_EQ(count(only, line, query.mask_colors.lost), (kTokens - 156) * 4) << "as far as there is room behind the row";
  EXPECT_EQ(count(only, earlier, weight), 101 * 4) << "rows whose choice was not recorded show their weights";
  query.mask = MaskLook::beside;
  const QImage beside = raster_attention(&head, nullptr, query, &pages).image;
  EXPECT_EQ(count(beside, line, weight), (156 - 32) * 4);
  EXPECT_GT(count(beside, line, query.mask_colors.left_out_hatch), 10);
  EXPECT_EQ(count(beside, line, query.mask_colors.window), 0);
  query.mask = MaskLook::none;
  EXPECT_EQ(count(raster_attention(&head, nullptr, query, &pages).image, line, weight), 156 * 4);
  query.mask = MaskLook::only;
  EXPECT_EQ(count(raster_attention(nullptr, nullptr, query, &pages).image, line, query.mask_colors.lost), (kTokens - 156) * 4) << "without weights";
}

TEST(HeatmapRaster, PatternsAreThere) {
  HeadTrace head{{0, 0}, {}};
  const auto picture = raster_attention(&head, nullptr, query_of(80, 2));
  int hatch = 0, dots = 0, outside = 0;
  for (int y = 0; y < 80; ++y)
    for (int x = 0; x < 80; ++x) {
      hatch += picture.image.pixel(x, y) == kGround.future_hatch;
      dots += picture.image.pixel(x, y) == kGround.unrecorded_dots;
      outside += picture.image.pixel(x, y) == kGround.outside;
    }
  EXPECT_GT(hatch, 100);
  EXPECT_GT(dots, 100);
  EXPECT_EQ(outside, 0);
}

TEST(HeatmapRaster, NothingRecordedIsNotZero) {
  const auto picture = raster_attention(nullptr, nullptr, query_of(30, 3));
  EXPECT_TRUE(is_unrecorded(picture.image.pixel(5, 25)));
  EXPECT_EQ(picture.largest, 0);
}

TEST(HeatmapRaster, BeyondTheLastTokenIsGround) {
  HeatmapQuery query = query_of(40, 4);
  query.tokens = 2;
  const auto picture = raster_attention(nullptr, nullptr, query);
  EXPECT_EQ(picture.image.pixel(35, 5), kGround.outside);
  EXPECT_EQ(picture.image.pixel(5, 35), kGround.outside);
}

// A single bright cell among a thousand must be seen at every zoom, whatever pixel it falls in.
TEST(HeatmapRaster, OneCellSurvivesEveryZoom) {
  constexpr std::uint32_t kTokens = 1000;
  HeadTrace head{{0, 0},
                 {chunk_of(0, 600, [](auto q, auto k) { return q == 577 && k == 123 ? 1.f : 0.f; }),
                  chunk_of(600, 400, [](auto, auto) { return 0.f; })}};
  HeadPyramid pyramid;
  pyramid.absorb(head);
  const QRgb bright = query_of(1, 1).scale.color(1);
  for (const int pixels : {37, 100, 125, 333, 999, 1500}) {
    const auto picture = raster_attention(&head, &pyramid, query_of(pixels, kTokens));
    int found = 0;
    for (int y = 0; y < pixels; ++y)
      for (int x = 0; x < pixels; ++x) found += picture.image.pixel(x, y) == bright;
    EXPECT_GE(found, 1) << pixels;
    EXPECT_LE(found, 9) << pixels;
    EXPECT_EQ(picture.image.pixel(123 * pixels / 1000, 577 * pixels / 1000), bright) << pixels;
  }
}

TEST(HeatmapRaster, RowsRelativeToTheirLargest) {
  HeadTrace head{{0, 0}, {chunk_of(0, 2, [](auto q, auto k) { return q == 1 ? (k == 0 ? 0.1f : 0.05f) : 1.f; })}};
  HeatmapQuery query = query_of(20, 2);
  query.per_row = true;
  const auto picture = raster_attention(&head, nullptr, query);
  EXPECT_EQ(picture.image.pixel(5, 15), query.scale.color(1));
  EXPECT_EQ(picture.image.pixel(15, 15), query.scale.color(0.5f));
}

TEST(HeatmapRaster, AWindowOfTheMapIsThatPartOfIt) {
  HeadTrace head{{0, 0}, {chunk_of(0, 50, [](auto q, auto k) { return q == 30 && k == 20 ? 1.f : 0.f; })}};
  HeatmapQuery query = query_of(100, 50);
  query.pixels_per_cell = 10;
  query.first_key = 18;
  query.first_query = 27;
  const auto picture = raster_attention(&head, nullptr, query);
  EXPECT_EQ(picture.image.pixel(25, 35), query.scale.color(1));
  EXPECT_EQ(picture.image.pixel(35, 35), query.scale.color(0));
}

// Values that no softmax gives (infinity and not-a-number are larger bit patterns than one) are drawn as one.
TEST(HeatmapRaster, ForeignBitsAreClamped) {
  auto chunk = std::make_shared<AttentionChunk>(*chunk_of(0, 1, [](auto, auto) { return 0.f; }));
  for (const std::uint16_t bits : std::initializer_list<std::uint16_t>{0x7c00, 0x7e00, 0xffff}) {
    auto broken = std::make_shared<AttentionChunk>(*chunk);
    broken->weights[0] = bits;
    HeadTrace head{{0, 0}, {broken}};
    const auto picture = raster_attention(&head, nullptr, query_of(4, 1));
    EXPECT_EQ(picture.image.pixel(1, 1), query_of(4, 1).scale.color(1));
  }
}

TEST(HeadPyramid, KnowsWhatWasRecordedAndTakesEachRowOnce) {
  HeadTrace head{{0, 0}, {chunk_of(8, 8, [](auto, auto) { return 0.5f; })}};
  HeadPyramid pyramid;
  pyramid.absorb(head);
  EXPECT_TRUE(pyramid.row(0).empty());
  ASSERT_EQ(pyramid.row(1).size(), 2u);
  EXPECT_EQ(pyramid.row(1)[1], half_of_weight(0.5f));
  EXPECT_TRUE(pyramid.row(2).empty());
  head.chunks.push_back(chunk_of(16, 1, [](auto, auto k) { return k == 16 ? 1.f : 0.f; }));
  pyramid.absorb(head);
  ASSERT_EQ(pyramid.row(2).size(), 3u);
  EXPECT_EQ(pyramid.row(2)[2], kHalfOne);
  EXPECT_EQ(pyramid.row(2)[0], 0);
}

}  // namespace
}  // namespace fovea
