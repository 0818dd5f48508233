// The plots of a comparison as SVG, for a page that needs no other file. A: circles and a solid line; B: triangles and a dashed
// one, so that they differ without colour; colours are the page's CSS variables.
#pragma once

#include <cstdint>
#include <string>

#include "engine/runs/comparison.hpp"

namespace fovea {

struct PlotWords {
  std::string x, y;  // text of HTML
  double scale = 1;  // of values before they are drawn: 100 for percent
};

// Above A and B, below B - A around its own zero; gaps where nothing was recorded, and lines begin where anything was. "" where nothing was at all. `first`: the
// index of the first value on the x axis. A mark at `divergence`.
[[nodiscard]] std::string lines_svg(const ComparedSeries& series, const PlotWords& words, std::optional<std::uint32_t> divergence = std::nullopt);
[[nodiscard]] std::string bars_svg(const ComparedSeries& series, const PlotWords& words, std::uint32_t first);
// Loss of quality against expert bytes: static numbers joined, the others as triangles, a standard error each way.
[[nodiscard]] std::string frontier_svg(const Frontier& frontier, const PlotWords& words);

}  // namespace fovea
