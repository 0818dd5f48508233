// Dresses a QCustomPlot in the theme: colours, fonts with Chinese glyphs, quiet grids.
#pragma once

#include "ui/panels/plot.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

void style_plot(QCustomPlot& plot, const Theme& theme);
// Of what the prompt did, beside run_a for what decoding did.
[[nodiscard]] QColor prefill_color(const ThemeColors& colors);
void style_axis(QCPAxis& axis, const Theme& theme, bool grid);

}  // namespace fovea
