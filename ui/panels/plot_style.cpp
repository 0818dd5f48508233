#include "ui/panels/plot_style.hpp"

namespace fovea {

void style_axis(QCPAxis& axis, const Theme& theme, bool grid) {
  const ThemeColors& colors = theme.colors();
  axis.setBasePen(QPen(colors.line, 1));
  axis.setTickPen(QPen(colors.line, 1));
  axis.setSubTickPen(Qt::NoPen);
  axis.setTickLengthIn(0);
  axis.setTickLengthOut(4);
  axis.setTickLabelColor(colors.dim);
  axis.setTickLabelFont(theme.sans(11));
  axis.setLabelColor(colors.dim);
  axis.setLabelFont(theme.sans(11));
  axis.setTickLabelPadding(4);
  axis.setLabelPadding(2);
  axis.setNumberFormat(QStringLiteral("g"));
  axis.setNumberPrecision(4);
  axis.grid()->setVisible(grid);
  axis.grid()->setPen(QPen(colors.line, 1));
  axis.grid()->setZeroLinePen(Qt::NoPen);
  axis.grid()->setSubGridVisible(false);
}

QColor prefill_color(const ThemeColors& colors) { return colors.dark ? colors.run_a.darker(160) : colors.run_a.lighter(165); }

void style_plot(QCustomPlot& plot, const Theme& theme) {
  plot.setBackground(QBrush(theme.colors().panel));
  plot.setFont(theme.sans(11));
  style_axis(*plot.xAxis, theme, false);
  style_axis(*plot.yAxis, theme, true);
  plot.xAxis2->setVisible(false);
  plot.yAxis2->setVisible(false);
  plot.axisRect()->setMinimumMargins(QMargins(8, 8, 8, 4));
}

}  // namespace fovea
