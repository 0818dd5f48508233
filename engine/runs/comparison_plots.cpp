#include "engine/runs/comparison_plots.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace fovea {
namespace {

using Value = std::optional<double>;
constexpr double kWidth = 860, kLeft = 64, kRight = 12, kUpper = 200, kLower = 84, kGap = 14, kBottom = 36;

// A round step that parts a range into about so many pieces.
double round_step(double range, int pieces) {
  if (!(range > 0)) return 1;
  const double raw = range / pieces, unit = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * unit) return factor * unit;
  return 10 * unit;
}

struct Axis {
  double least = 0, most = 1, from = 0, to = 1;  // values; pixels
  [[nodiscard]] double at(double value) const { return from + (value - least) / (most - least) * (to - from); }
};

// Round ends around all values and 0.
Axis value_axis(const std::vector<const std::vector<Value>*>& sets, double scale, double from, double to) {
  double least = 0, most = 0;
  for (const auto* values : sets)
    for (const Value& value : *values)
      if (value) {
        least = std::min(least, *value * scale);
        most = std::max(most, *value * scale);
      }
  if (least == most) most = least + 1;
  const double step = round_step(most - least, 4);
  return {std::floor(least / step) * step, std::ceil(most / step) * step, from, to};
}

std::string line(double x1, double y1, double x2, double y2, const char* style) {
  return fmt::format("<line x1='{:.1f}' y1='{:.1f}' x2='{:.1f}' y2='{:.1f}' class='{}'/>", x1, y1, x2, y2, style);
}

std::string label(double x, double y, const char* anchor, const std::string& text) {
  return fmt::format("<text x='{:.1f}' y='{:.1f}' text-anchor='{}'>{}</text>", x, y, anchor, text);
}

std::string grid(const Axis& y, int pieces) {
  std::string svg;
  const double step = round_step(y.most - y.least, pieces);
  for (double value = std::ceil(y.least / step) * step; value <= y.most + step / 1000; value += step) {
    const double shown = std::abs(value) < step / 1000 ? 0 : value;
    svg += line(kLeft, y.at(shown), kWidth - kRight, y.at(shown), shown == 0 ? "zero" : "grid") + label(kLeft - 6, y.at(shown) + 4, "end", fmt::format("{:.5g}", shown));
  }
  return svg;
}

std::string bottom(const Axis& x, double y, bool whole) {
  std::string svg;
  const double step = std::max(round_step(x.most - x.least, 10), whole ? 1.0 : 0.0);
  for (double value = std::ceil(x.least / step) * step; value <= x.most + step / 1000; value += step)
    svg += label(x.at(value), y + 16, "middle", fmt::format("{:.5g}", std::abs(value) < step / 1000 ? 0 : value));
  return svg;
}

std::string circle(double x, double y) { return fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='3' class='a fill'/>", x, y); }
std::string triangle(double x, double y, const char* style) {
  return fmt::format("<path d='M{:.1f} {:.1f}l4 7h-8z' class='{} fill'/>", x, y - 4, style);
}

// Pieces without gaps; few points get marks.
std::string curve(const std::vector<Value>& values, double scale, const Axis& x, const Axis& y, const char* style, bool marks) {
  std::string svg, path;
  bool pen = false;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i]) path += fmt::format("{}{:.1f} {:.1f}", pen ? "L" : "M", x.at(static_cast<double>(i)), y.at(*values[i] * scale));
    pen = values[i].has_value();
  }
  if (path.empty()) return "";
  svg = fmt::format("<path d='{}' class='{} stroke'/>", path, style);
  const std::size_t every = std::max<std::size_t>(1, values.size() / 40);
  for (std::size_t i = 0; marks && i < values.size(); i += every)
    if (values[i]) svg += style[0] == 'a' ? circle(x.at(static_cast<double>(i)), y.at(*values[i] * scale)) : triangle(x.at(static_cast<double>(i)), y.at(*values[i] * scale), style);
  return svg;
}

std::string frame(double height, const std::string& content, const std::string& described) {
  return fmt::format("<svg viewBox='0 0 {} {}' role='img' aria-label='{}'>{}</svg>", kWidth, height, described, content);
}

bool any(const std::vector<Value>& values) {
  return std::ranges::any_of(values, [](const Value& v) { return v.has_value(); });
}

struct TwoPlots {
  Axis x, upper, lower;
  std::vector<Value> difference;
  double height = 0;
  std::string svg;
};

TwoPlots two_plots(const ComparedSeries& series, const PlotWords& words, Axis x) {
  TwoPlots plots{.x = x, .difference = series.difference()};
  const double top = 18, lower_top = top + kUpper + kGap;
  plots.upper = value_axis({&series.a, &series.b}, words.scale, top + kUpper, top);
  plots.lower = value_axis({&plots.difference}, words.scale, lower_top + kLower, lower_top);
  const bool both = any(plots.difference);
  const double end = both ? lower_top + kLower : top + kUpper;
  plots.height = end + kBottom;
  plots.svg = label(kLeft, 10, "start", words.y) + grid(plots.upper, 4) + bottom(x, end, true) + label((kLeft + kWidth) / 2, end + 32, "middle", words.x);
  if (both) plots.svg += grid(plots.lower, 2) + label(kWidth - kRight, lower_top + 2, "end", "B − A");
  return plots;
}

}  // namespace

std::string lines_svg(const ComparedSeries& series, const PlotWords& words, std::optional<std::uint32_t> divergence) {
  if (series.empty()) return "";
  const std::size_t count = std::max(series.a.size(), series.b.size());
  const auto recorded = [](const std::vector<Value>& values) { return std::ranges::find_if(values, [](const Value& v) { return v.has_value(); }) - values.begin(); };
  const auto start = static_cast<double>(std::min(any(series.a) ? recorded(series.a) : std::ptrdiff_t(count), any(series.b) ? recorded(series.b) : std::ptrdiff_t(count)));
  TwoPlots plots = two_plots(series, words, {start, std::max(start + 1, static_cast<double>(count) - 1), kLeft, kWidth - kRight});
  if (divergence) plots.svg += line(plots.x.at(*divergence), 18, plots.x.at(*divergence), plots.height - kBottom, "mark");
  plots.svg += curve(series.a, words.scale, plots.x, plots.upper, "a", true) + curve(series.b, words.scale, plots.x, plots.upper, "b", true) +
               curve(plots.difference, words.scale, plots.x, plots.lower, "d", false);
  return frame(plots.height, plots.svg, words.y);
}

std::string bars_svg(const ComparedSeries& series, const PlotWords& words, std::uint32_t first) {
  if (series.empty()) return "";
  const std::size_t count = std::max(series.a.size(), series.b.size());
  TwoPlots plots = two_plots(series, words, {first - 0.5, first + static_cast<double>(count) - 0.5, kLeft, kWidth - kRight});
  const double slot = (kWidth - kRight - kLeft) / static_cast<double>(count), width = slot * 0.36;
  const auto bar = [&](double x, const Axis& y, double value, const char* style) {
    const double from = y.at(0), to = y.at(value);
    return fmt::format("<rect x='{:.1f}' y='{:.1f}' width='{:.1f}' height='{:.1f}' class='{} fill'/>", x, std::min(from, to), width, std::abs(from - to), style);
  };
  const bool marks = slot > 14;
  for (std::size_t i = 0; i < count; ++i) {
    const double middle = plots.x.at(static_cast<double>(i) + first);
    const auto side = [&](const std::vector<Value>& values, double x, const char* style) {
      if (i >= values.size() || !values[i]) return;
      const double value = *values[i] * words.scale;
      plots.svg += bar(x, plots.upper, value, style);
      const double above = plots.upper.at(value) - 7;  // free of the bar
      if (marks) plots.svg += style[0] == 'a' ? circle(x + width / 2, above) : triangle(x + width / 2, above, style);
    };
    side(series.a, middle - width, "a");
    side(series.b, middle, "b");
    if (i < plots.difference.size() && plots.difference[i]) plots.svg += bar(middle - width / 2, plots.lower, *plots.difference[i] * words.scale, "d");
  }
  return frame(plots.height, plots.svg, words.y);
}

std::string frontier_svg(const Frontier& frontier, const PlotWords& words) {
  if (frontier.points.empty()) return "";
  const double most_bytes = frontier.own_bytes > 0 ? frontier.own_bytes : 1;
  std::vector<Value> ends;
  for (const FrontierPoint& p : frontier.points) {
    ends.emplace_back(p.delta_ppl_percent + p.delta_stderr_percent);
    ends.emplace_back(p.delta_ppl_percent - p.delta_stderr_percent);
  }
  const double top = 18, height = 300;
  const Axis x{0, 105, kLeft, kWidth - kRight}, y = value_axis({&ends}, 1, top + height, top);
  std::string svg = label(kLeft, 10, "start", words.y) + grid(y, 5) + bottom(x, top + height, false) +
                    label((kLeft + kWidth) / 2, top + height + 32, "middle", words.x);
  std::vector<const FrontierPoint*> fixed;
  for (const FrontierPoint& p : frontier.points)
    if (p.fixed) fixed.push_back(&p);
  std::ranges::sort(fixed, {}, &FrontierPoint::expert_bytes);
  const auto at = [&](const FrontierPoint& p) { return std::pair(x.at(100 * p.expert_bytes / most_bytes), y.at(p.delta_ppl_percent)); };
  for (std::size_t i = 1; i < fixed.size(); ++i) svg += line(at(*fixed[i - 1]).first, at(*fixed[i - 1]).second, at(*fixed[i]).first, at(*fixed[i]).second, "a stroke");
  for (const FrontierPoint& p : frontier.points) {
    const auto [px, py] = at(p);
    svg += line(px, y.at(p.delta_ppl_percent - p.delta_stderr_percent), px, y.at(p.delta_ppl_percent + p.delta_stderr_percent), p.fixed ? "a stroke" : "b stroke");
    svg += p.fixed ? circle(px, py) : triangle(px, py, "b");
    // Policies often stand beside a static number or above it: their names go to the left.
    const std::string k = fmt::format("k {:.3g}", p.k_mean);
    svg += p.fixed ? label(px, y.at(p.delta_ppl_percent + p.delta_stderr_percent) - 9, "middle", k) : label(px - 9, py + 4, "end", k);
  }
  return frame(top + height + kBottom, svg, words.y);
}

}  // namespace fovea
