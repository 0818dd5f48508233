// A plot as a picture or its data, to a file or the clipboard.
#pragma once

#include <QPoint>
#include <QString>
#include <functional>

#include "ui/panels/plot.hpp"

namespace fovea {

// By the ending of `path`: .svg, .csv, anything else PNG at twice the resolution. False: it cannot be written.
[[nodiscard]] bool save_plot(QCustomPlot& plot, const QString& path, const QString& csv);
[[nodiscard]] bool save_text(const QString& path, const QString& text);

// Copy picture, save PNG, SVG; copy data, save CSV. `name`: of the file that is suggested.
void show_export_menu(QCustomPlot& plot, const QString& name, std::function<QString()> csv, const QPoint& at);

// Asks for a name and hands it on; a failure is told in a box. `filter` as QFileDialog has it.
void choose_and_save(QWidget& parent, const QString& suggested, const QString& filter, std::function<bool(const QString&)> save);

}  // namespace fovea
