// Dresses a QCustomPlot in the theme: colours, fonts with Chinese glyphs, quiet grids.
#pragma once

#include "ui/panels/plot.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

void style_plot(QCustomPlot& plot, const Theme& theme);
void style_axis(QCPAxis& axis, const Theme& theme, bool grid);

}  // namespace fovea
