// A plot as a picture or its data, to a file or the clipboard. Pictures are for paper: light whatever the window is in, of a size of their
// own, with a title and what colours and marks stand for.
#pragma once

#include <QColor>
#include <QPoint>
#include <QString>
#include <functional>
#include <vector>

#include "ui/panels/plot.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

struct PlotKey {
  QString mark;  // empty: a sentence that stands without one
  QColor color;
  QString words;
};

struct ExportedPlot {
  QWidget* widget = nullptr;  // a QCustomPlot, or what paints a picture itself
  const Theme* theme = nullptr;
  QString title;                               // also of the file that is suggested
  std::function<std::vector<PlotKey>()> keys;  // in the theme's colours of the moment
  std::function<void()> restyle;               // the widget, likewise; whatever points at a place in it goes
  std::function<QString()> csv;
};

// By the ending of `path`: .svg, .pdf, .csv, anything else PNG at twice the resolution. False: it cannot be written.
[[nodiscard]] bool save_plot(const ExportedPlot& exported, const QString& path);
[[nodiscard]] bool save_text(const QString& path, const QString& text);

// Copy picture, save PNG, SVG, PDF; copy data, save CSV.
void show_export_menu(const ExportedPlot& exported, const QPoint& at);

// Asks for a name and hands it on; a failure is told in a box. `filter` as QFileDialog has it.
void choose_and_save(QWidget& parent, const QString& suggested, const QString& filter, std::function<bool(const QString&)> save);

}  // namespace fovea
