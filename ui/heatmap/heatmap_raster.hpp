// Draws a part of a head's query x key map into an image: a pure function for the raster pool.
#pragma once

#include <QImage>
#include <array>
#include <cstdint>

#include "engine/api/trace.hpp"
#include "ui/heatmap/color_scale.hpp"
#include "ui/heatmap/head_pyramid.hpp"
#include "ui/heatmap/page_tiers.hpp"

namespace fovea {

// What is no weight has a look of its own.
struct HeatmapGround {
  QRgb outside = 0;                          // beyond the last token
  QRgb future = 0, future_hatch = 0;         // keys that come after the query
  QRgb unrecorded = 0, unrecorded_dots = 0;  // rows that were not recorded
  friend bool operator==(const HeatmapGround&, const HeatmapGround&) = default;
};

// What is drawn of sparse attention and of how pages are kept.
enum class MaskLook {
  none,   // weights alone
  beside, // weights, under a hatch where they were not attended
  only,   // what each page is, as a hue, with the weight as its lightness
  tiers,  // likewise, how each page is kept
};
struct MaskColors {
  QRgb sinks = 0, window = 0, chosen = 0, left_out = 0, left_out_hatch = 0, lost = 0;
  QRgb f16 = 0, eight_bits = 0, four_bits = 0;
  friend bool operator==(const MaskColors&, const MaskColors&) = default;
};

struct HeatmapQuery {
  QSize size;                             // of the image, in device pixels
  double pixels_per_cell = 1;             // device pixels
  double first_key = 0, first_query = 0;  // cell coordinates of the image's top left
  std::uint32_t tokens = 0;               // rows and columns of the map
  double pixel_ratio = 1;                 // device pixels per logical one, for the patterns
  ColorScale scale;
  bool per_row = false;  // weights relative to the largest of their row
  HeatmapGround ground;
  MaskLook mask = MaskLook::none;
  MaskColors mask_colors;
  HeadId head;               // that the mask is of
  std::uint32_t group = 1;   // query heads of a KV head
  friend bool operator==(const HeatmapQuery&, const HeatmapQuery&) = default;
};

inline constexpr int kHistogramBins = 64;

struct HeatmapPicture {
  QImage image;
  std::array<std::uint32_t, kHistogramBins> histogram{};  // pixels by position within kHistogramLow..1, logarithmic
  float largest = 0;                                      // weight seen
};

// The histogram's range: the logarithm of weights from here to one.
inline constexpr float kHistogramLow = 1e-6f;

// Each pixel shows the largest weight of the cells it covers. `head` may be null: nothing was recorded. `pyramid` (may
// be null) is used where a pixel covers at least one of its blocks. `pages` (may be null: not recorded) is the mask's; rows
// that were measured end in a bar as long as the share that was lost. `tiers`: of MaskLook::tiers; null: the cache is in none.
[[nodiscard]] HeatmapPicture raster_attention(const HeadTrace* head, const HeadPyramid* pyramid,
                                              const HeatmapQuery& query, const PageTrace* pages = nullptr, const PageTiers* tiers = nullptr);

}  // namespace fovea
