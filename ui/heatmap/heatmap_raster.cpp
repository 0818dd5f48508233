#include "ui/heatmap/heatmap_raster.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace fovea {

namespace {

// Cells [first, last] under a pixel; first > last: beyond the map.
struct Cells {
  std::uint32_t first = 1, last = 0;
  [[nodiscard]] bool none() const { return first > last; }
  friend bool operator==(const Cells&, const Cells&) = default;
};

std::vector<Cells> cells_under(int pixels, double start, double pixels_per_cell, std::uint32_t tokens) {
  std::vector<Cells> cells(static_cast<std::size_t>(std::max(pixels, 0)));
  const double step = 1 / pixels_per_cell;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const double from = start + static_cast<double>(i) * step;
    if (from < 0 || from >= tokens) continue;
    const double last = std::ceil(from + step - 1e-9) - 1;
    cells[i].first = static_cast<std::uint32_t>(from);
    cells[i].last = static_cast<std::uint32_t>(std::clamp(last, std::floor(from), tokens - 1.0));
  }
  return cells;
}

// The largest weights over some queries, per key or per block of keys.
class RowMaxima {
 public:
  RowMaxima(const HeadTrace* head, const HeadPyramid* pyramid, const HeatmapQuery& query)
      : head_(head), pyramid_(pyramid), blocks_(pyramid && query.pixels_per_cell * HeadPyramid::kBlock <= 1) {}

  // False: none of these queries was recorded.
  bool gather(const Cells& queries) {
    const std::uint32_t size = blocks_ ? HeadPyramid::kBlock : 1;
    recorded_ = false;
    const std::size_t length = queries.last / size + 1;
    maxima_.assign(length, 0);
    row_largest_ = 0;
    for (std::uint32_t row = queries.first / size; row <= queries.last / size; ++row) {
      const auto weights = blocks_ ? pyramid_->row(row) : (head_ ? head_->row(row) : std::span<const std::uint16_t>{});
      if (weights.empty()) continue;
      recorded_ = true;
      for (std::size_t i = 0; i < weights.size(); ++i) maxima_[i] = std::max(maxima_[i], weights[i]);
    }
    return recorded_;
  }

  [[nodiscard]] std::uint16_t over(const Cells& keys) const {
    const std::uint32_t size = blocks_ ? HeadPyramid::kBlock : 1;
    const std::size_t first = keys.first / size;
    const std::size_t last = std::min<std::size_t>(keys.last / size, maxima_.size() - 1);
    std::uint16_t largest = 0;
    for (std::size_t i = first; i <= last; ++i) largest = std::max(largest, maxima_[i]);
    return std::min(largest, kHalfOne);
  }

  [[nodiscard]] std::uint16_t largest() {
    if (row_largest_ == 0 && !maxima_.empty()) row_largest_ = *std::max_element(maxima_.begin(), maxima_.end());
    return std::min(row_largest_, kHalfOne);
  }

 private:
  const HeadTrace* head_;
  const HeadPyramid* pyramid_;
  bool blocks_;
  bool recorded_ = false;
  std::vector<std::uint16_t> maxima_;
  std::uint16_t row_largest_ = 0;
};

// Patterns are laid on the image's own pixels, in steps of logical ones.
struct Patterns {
  int hatch, dots, stroke;
  explicit Patterns(double ratio)
      : hatch(std::max(4, static_cast<int>(std::lround(6 * ratio)))),
        dots(std::max(4, static_cast<int>(std::lround(5 * ratio)))),
        stroke(std::max(1, static_cast<int>(std::lround(ratio)))) {}
  [[nodiscard]] bool on_hatch(int x, int y) const { return (x + y) % hatch < stroke; }
  [[nodiscard]] bool on_dot(int x, int y) const { return x % dots < stroke && y % dots < stroke; }
};

std::size_t bin_of(std::uint16_t half) {
  static const std::vector<std::uint8_t> bins = [] {
    const ColorScale log{true, kHistogramLow, 1, false};
    std::vector<std::uint8_t> result(kHalfOne + 1u);
    for (std::uint16_t bits = 0; bits <= kHalfOne; ++bits)
      result[bits] = static_cast<std::uint8_t>(
          std::min(kHistogramBins - 1.f, log.position(weight_of_half(bits)) * kHistogramBins));
    return result;
  }();
  return bins[half];
}

}  // namespace

HeatmapPicture raster_attention(const HeadTrace* head, const HeadPyramid* pyramid, const HeatmapQuery& query) {
  HeatmapPicture picture;
  if (query.size.isEmpty() || !(query.pixels_per_cell > 0)) return picture;
  picture.image = QImage(query.size, QImage::Format_RGB32);
  picture.image.setDevicePixelRatio(query.pixel_ratio);
  const auto columns = cells_under(query.size.width(), query.first_key, query.pixels_per_cell, query.tokens);
  const auto rows = cells_under(query.size.height(), query.first_query, query.pixels_per_cell, query.tokens);
  const std::vector<QRgb> colors = half_colors(query.scale);
  const Patterns patterns(query.pixel_ratio);
  RowMaxima maxima(head, pyramid, query);
  Cells gathered;
  bool recorded = false;
  std::uint16_t largest = 0;

  for (int y = 0; y < query.size.height(); ++y) {
    auto* const line = reinterpret_cast<QRgb*>(picture.image.scanLine(y));
    const Cells& queries = rows[static_cast<std::size_t>(y)];
    if (queries.none()) {
      std::fill_n(line, query.size.width(), query.ground.outside);
      continue;
    }
    if (queries != gathered) {
      recorded = maxima.gather(queries);
      gathered = queries;
    }
    const float row_largest = query.per_row && recorded ? weight_of_half(maxima.largest()) : 1;
    for (int x = 0; x < query.size.width(); ++x) {
      const Cells& keys = columns[static_cast<std::size_t>(x)];
      if (keys.none()) {
        line[x] = query.ground.outside;
      } else if (keys.first > queries.last) {
        line[x] = patterns.on_hatch(x, y) ? query.ground.future_hatch : query.ground.future;
      } else if (!recorded) {
        line[x] = patterns.on_dot(x, y) ? query.ground.unrecorded_dots : query.ground.unrecorded;
      } else {
        const std::uint16_t weight = maxima.over(keys);
        largest = std::max(largest, weight);
        ++picture.histogram[bin_of(weight)];
        const bool relative = query.per_row && row_largest > 0;
        line[x] = colors[relative ? std::min(half_of_weight(weight_of_half(weight) / row_largest), kHalfOne) : weight];
      }
    }
  }
  picture.largest = weight_of_half(largest);
  return picture;
}

}  // namespace fovea
