#include "ui/heatmap/heatmap_raster.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
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

QRgb mixed(QRgb from, QRgb to, float share) {
  const auto part = [share](int a, int b) { return static_cast<int>(std::lround(static_cast<float>(a) + share * static_cast<float>(b - a))); };
  return qRgb(part(qRed(from), qRed(to)), part(qGreen(from), qGreen(to)), part(qBlue(from), qBlue(to)));
}

// The mask of one row of pixels: the choice of the last of its queries, and how it found its pages.
class RowMask {
 public:
  RowMask(const PageTrace* pages, const PageTiers* tiers, const HeatmapQuery& query) : pages_(pages), tiers_(query.mask == MaskLook::tiers ? tiers : nullptr), query_(query) {}

  void gather(const Cells& queries) {
    choice_.reset();
    lost_ = 0;
    if (tiers_ != nullptr) settled_ = tiers_->settled(queries.last);
    if (pages_ == nullptr || query_.mask == MaskLook::none) return;
    choice_ = pages_->choice(query_.head.layer, query_.head.head / query_.group, queries.last);
    const RowMeasure* measure = pages_->measure(query_.head.layer, query_.head.head, queries.last);
    if (measure != nullptr) lost_ = 1 - measure->recall;
  }
  [[nodiscard]] bool known() const { return tiers_ != nullptr || (choice_.has_value() && query_.mask != MaskLook::tiers); }
  [[nodiscard]] bool alone() const { return known() && query_.mask != MaskLook::beside; }  // also where no weights are
  [[nodiscard]] float lost() const { return lost_; }
  // Over the weight's own colour, whose place in the scale is 0..1; nullopt: it was not recorded.
  [[nodiscard]] QRgb color(const Cells& keys, QRgb of_weight, std::optional<float> position, bool hatched) const {
    const MaskColors& colors = query_.mask_colors;
    const std::uint32_t page = keys.last / kAttentionPage;
    const PagePart part = choice_ ? choice_->part(page) : PagePart::chosen;
    const bool read = part != PagePart::left_out;
    if (query_.mask == MaskLook::beside) {
      if (read) return of_weight;
      return hatched ? colors.left_out_hatch : mixed(of_weight, colors.left_out, 0.5f);
    }
    if (!read) return hatched ? colors.left_out_hatch : colors.left_out;
    return mixed(colors.left_out, tiers_ != nullptr ? tier_hue(page, hatched) : part_hue(part), position ? 0.35f + 0.65f * *position : 0.7f);
  }

 private:
  [[nodiscard]] QRgb part_hue(PagePart part) const {
    const MaskColors& colors = query_.mask_colors;
    return part == PagePart::sinks ? colors.sinks : part == PagePart::window ? colors.window : colors.chosen;
  }
  [[nodiscard]] QRgb tier_hue(std::uint32_t page, bool hatched) const {
    const MaskColors& colors = query_.mask_colors;
    const std::optional<PageTier> tier = tiers_->of_row(query_.head.layer, page, settled_);
    if (!tier) return hatched ? colors.left_out_hatch : colors.four_bits;
    return *tier == PageTier::f16 ? colors.f16 : *tier == PageTier::eight_bits ? colors.eight_bits : colors.four_bits;
  }

  const PageTrace* pages_;
  const PageTiers* tiers_;
  const HeatmapQuery& query_;
  std::optional<ChosenPages> choice_;
  std::uint32_t settled_ = 0;
  float lost_ = 0;
};

constexpr double kLostWidth = 48;  // logical pixels of a bar that says that everything was lost

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

HeatmapPicture raster_attention(const HeadTrace* head, const HeadPyramid* pyramid, const HeatmapQuery& query,
                                const PageTrace* pages, const PageTiers* tiers) {
  HeatmapPicture picture;
  if (query.size.isEmpty() || !(query.pixels_per_cell > 0)) return picture;
  picture.image = QImage(query.size, QImage::Format_RGB32);
  picture.image.setDevicePixelRatio(query.pixel_ratio);
  const auto columns = cells_under(query.size.width(), query.first_key, query.pixels_per_cell, query.tokens);
  const auto rows = cells_under(query.size.height(), query.first_query, query.pixels_per_cell, query.tokens);
  const std::vector<QRgb> colors = half_colors(query.scale);
  const Patterns patterns(query.pixel_ratio);
  RowMaxima maxima(head, pyramid, query);
  RowMask mask(pages, tiers, query);
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
      mask.gather(queries);
      gathered = queries;
    }
    int lost_left = static_cast<int>(std::lround(static_cast<double>(mask.lost()) * kLostWidth * query.pixel_ratio));
    const float row_largest = query.per_row && recorded ? weight_of_half(maxima.largest()) : 1;
    for (int x = 0; x < query.size.width(); ++x) {
      const Cells& keys = columns[static_cast<std::size_t>(x)];
      if (keys.none()) {
        line[x] = query.ground.outside;
      } else if (keys.first > queries.last && lost_left > 0) {
        --lost_left;
        line[x] = query.mask_colors.lost;
      } else if (keys.first > queries.last) {
        line[x] = patterns.on_hatch(x, y) ? query.ground.future_hatch : query.ground.future;
      } else if (!recorded && mask.alone()) {
        line[x] = mask.color(keys, 0, std::nullopt, patterns.on_hatch(x, y));
      } else if (!recorded) {
        line[x] = patterns.on_dot(x, y) ? query.ground.unrecorded_dots : query.ground.unrecorded;
      } else {
        const std::uint16_t weight = maxima.over(keys);
        largest = std::max(largest, weight);
        ++picture.histogram[bin_of(weight)];
        const bool relative = query.per_row && row_largest > 0;
        const std::uint16_t shown = relative ? std::min(half_of_weight(weight_of_half(weight) / row_largest), kHalfOne) : weight;
        line[x] = colors[shown];
        if (mask.known()) line[x] = mask.color(keys, colors[shown], query.scale.position(weight_of_half(shown)), patterns.on_hatch(x, y));
      }
    }
  }
  picture.largest = weight_of_half(largest);
  return picture;
}

}  // namespace fovea
