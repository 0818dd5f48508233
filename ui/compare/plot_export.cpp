#include "ui/compare/plot_export.hpp"

#include <QClipboard>
#include <QCoreApplication>
#include <QDir>
#include <QFileDialog>
#include <QGuiApplication>
#include <QMenu>
#include <QMessageBox>
#include <QSaveFile>
#include <QStandardPaths>
#include <QSvgGenerator>
#include <utility>

namespace fovea {

namespace {

bool save_svg(QCustomPlot& plot, const QString& path) {
  QSvgGenerator generator;
  generator.setFileName(path);
  generator.setSize(plot.size());
  generator.setViewBox(QRect(QPoint(0, 0), plot.size()));
  QCPPainter painter;
  if (!painter.begin(&generator)) return false;
  painter.setMode(QCPPainter::pmVectorized);
  painter.setMode(QCPPainter::pmNoCaching);
  painter.fillRect(QRect(QPoint(0, 0), plot.size()), plot.palette().window());
  plot.toPainter(&painter, plot.width(), plot.height());
  return painter.end();
}

}  // namespace

bool save_text(const QString& path, const QString& text) {
  QSaveFile file(path);
  const QByteArray bytes = text.toUtf8();
  return file.open(QIODevice::WriteOnly) && file.write(bytes) == bytes.size() && file.commit();
}

bool save_plot(QCustomPlot& plot, const QString& path, const QString& csv) {
  if (path.endsWith(QLatin1String(".csv"), Qt::CaseInsensitive)) return save_text(path, csv);
  if (path.endsWith(QLatin1String(".svg"), Qt::CaseInsensitive)) return save_svg(plot, path);
  return plot.toPixmap(plot.width(), plot.height(), 2).save(path, "png");
}

void choose_and_save(QWidget& parent, const QString& suggested, const QString& filter, std::function<bool(const QString&)> save) {
  const QString folder = QStandardPaths::writableLocation(QStandardPaths::DocumentsLocation);
  auto* dialog = new QFileDialog(&parent, QCoreApplication::translate("fovea::export", "Save as"), QDir(folder).filePath(suggested), filter);
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setAcceptMode(QFileDialog::AcceptSave);
  dialog->setDefaultSuffix(suggested.section('.', -1));
  QObject::connect(dialog, &QFileDialog::fileSelected, &parent, [&parent, save = std::move(save)](const QString& path) {
    if (save(path)) return;
    auto* box = new QMessageBox(QMessageBox::Warning, QCoreApplication::translate("fovea::export", "Not saved"), QCoreApplication::translate("fovea::export", "%1 cannot be written. Name a file in a folder that can be, with room on its disk.").arg(path),
                                QMessageBox::Close, &parent);
    box->setAttribute(Qt::WA_DeleteOnClose);
    box->open();
  });
  dialog->open();
}

void show_export_menu(QCustomPlot& plot, const QString& name, std::function<QString()> csv, const QPoint& at) {
  auto* menu = new QMenu(&plot);
  menu->setAttribute(Qt::WA_DeleteOnClose);
  const auto save_as = [&plot, name, csv](const char* ending, const QString& filter) {
    choose_and_save(plot, name + ending, filter, [&plot, csv](const QString& path) { return save_plot(plot, path, csv()); });
  };
  menu->addAction(QCoreApplication::translate("fovea::export", "&Copy the picture"), &plot, [&plot] { QGuiApplication::clipboard()->setPixmap(plot.toPixmap(plot.width(), plot.height(), 2)); });
  menu->addAction(QCoreApplication::translate("fovea::export", "Save as &PNG…"), &plot, [save_as] { save_as(".png", QStringLiteral("PNG (*.png)")); });
  menu->addAction(QCoreApplication::translate("fovea::export", "Save as &SVG…"), &plot, [save_as] { save_as(".svg", QStringLiteral("SVG (*.svg)")); });
  menu->addSeparator();
  menu->addAction(QCoreApplication::translate("fovea::export", "Copy the &data"), &plot, [csv] { QGuiApplication::clipboard()->setText(csv()); });
  menu->addAction(QCoreApplication::translate("fovea::export", "Save as CS&V…"), &plot, [save_as] { save_as(".csv", QStringLiteral("CSV (*.csv)")); });
  menu->popup(at);
}

}  // namespace fovea
