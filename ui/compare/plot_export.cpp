#include "ui/compare/plot_export.hpp"

#include <QBuffer>
#include <QClipboard>
#include <QCoreApplication>
#include <QDir>
#include <QFileDialog>
#include <QFontMetrics>
#include <QGuiApplication>
#include <QMenu>
#include <QMessageBox>
#include <QPageSize>
#include <QPdfWriter>
#include <QSaveFile>
#include <QStandardPaths>
#include <QSvgGenerator>
#include <optional>
#include <utility>

#include "ui/theme/paper_colors.hpp"

namespace fovea {

namespace {

// Of a picture, in pixels at 96 to the inch: the plot, the margin around its words, a line of them.
constexpr QSize kPlot(800, 420);
constexpr int kMargin = 12, kTitle = 26, kLine = 19;
constexpr int kPixelsPerInch = 96, kPointsPerInch = 72, kScale = 2;

QCustomPlot* plot_of(const ExportedPlot& exported) { return qobject_cast<QCustomPlot*>(exported.widget); }

// While it lives, the widget is as a picture has it: its size, paper's colours, the ranges that are shown.
class AsPicture {
 public:
  explicit AsPicture(const ExportedPlot& exported) : exported_(exported), size_(exported.widget->size()) {
    if (const QCustomPlot* plot = plot_of(exported))
      for (const QCPAxisRect* rect : plot->axisRects())
        for (QCPAxis* axis : rect->axes()) ranges_.emplace_back(axis, axis->range());
    paper_.emplace(*exported_.theme);
    lay_out(kPlot);
  }
  ~AsPicture() {
    paper_.reset();
    lay_out(size_);
  }
  AsPicture(const AsPicture&) = delete;
  AsPicture& operator=(const AsPicture&) = delete;

 private:
  void lay_out(const QSize& size) {
    QCustomPlot* const plot = plot_of(exported_);
    exported_.widget->resize(size);
    if (plot != nullptr) plot->replot();  // sizes of axes, by which ticks and names are chosen
    exported_.restyle();
    for (const auto& [axis, range] : ranges_) axis->setRange(range);
    if (plot != nullptr) plot->replot();
  }

  const ExportedPlot& exported_;
  QSize size_;
  std::vector<std::pair<QCPAxis*, QCPRange>> ranges_;
  std::optional<PaperColors> paper_;
};

// Lines of words above the plot, none wider than it.
struct Head {
  std::vector<PlotKey> keys;
  [[nodiscard]] int height() const { return kMargin + kTitle + static_cast<int>(keys.size()) * kLine; }
};

QSize picture_size(const Head& head) { return {kPlot.width(), kPlot.height() + head.height()}; }

void paint(QCPPainter& painter, const ExportedPlot& exported, const Head& head) {
  const Theme& theme = *exported.theme;
  const ThemeColors& colors = theme.colors();
  painter.fillRect(QRect(QPoint(0, 0), picture_size(head)), colors.panel);
  const int width = kPlot.width() - 2 * kMargin;
  QFont bold = theme.sans(15);
  bold.setWeight(QFont::DemiBold);
  painter.setFont(bold);
  painter.setPen(colors.text);
  painter.drawText(QRect(kMargin, kMargin, width, kTitle - 4), Qt::AlignLeft | Qt::AlignVCenter, QFontMetrics(bold).elidedText(exported.title, Qt::ElideRight, width));
  const QFont font = theme.sans(12);
  const QFontMetrics metrics(font);
  painter.setFont(font);
  int y = kMargin + kTitle;
  for (const PlotKey& key : head.keys) {
    int x = kMargin;
    if (!key.mark.isEmpty()) {
      painter.setPen(key.color);
      painter.drawText(QRect(x, y, 16, kLine), Qt::AlignLeft | Qt::AlignVCenter, key.mark);
      x += 18;
    }
    painter.setPen(key.mark.isEmpty() ? colors.dim : colors.text);
    painter.drawText(QRect(x, y, width + kMargin - x, kLine), Qt::AlignLeft | Qt::AlignVCenter, metrics.elidedText(key.words, Qt::ElideRight, width + kMargin - x));
    y += kLine;
  }
  painter.translate(0, head.height());
  if (QCustomPlot* const plot = plot_of(exported))
    plot->toPainter(&painter, kPlot.width(), kPlot.height());
  else
    exported.widget->render(&painter, QPoint(), QRegion(), QWidget::DrawChildren);
}

Head head_of(const ExportedPlot& exported) { return {exported.keys ? exported.keys() : std::vector<PlotKey>()}; }

QImage image_of(const ExportedPlot& exported) {
  const AsPicture as_picture(exported);
  const Head head = head_of(exported);
  QImage image(picture_size(head) * kScale, QImage::Format_RGB32);
  image.setDevicePixelRatio(kScale);
  image.fill(Qt::white);
  QCPPainter painter(&image);
  painter.setRenderHint(QPainter::TextAntialiasing);
  paint(painter, exported, head);
  return image;
}

// Lines and letters, not pixels.
bool paint_vectors(QPaintDevice& device, const ExportedPlot& exported, const Head& head) {
  QCPPainter painter;
  if (!painter.begin(&device)) return false;
  painter.setMode(QCPPainter::pmVectorized);
  painter.setMode(QCPPainter::pmNoCaching);
  paint(painter, exported, head);
  return painter.end();
}

bool save_bytes(const QString& path, const QByteArray& bytes) {
  QSaveFile file(path);
  return file.open(QIODevice::WriteOnly) && file.write(bytes) == bytes.size() && file.commit();
}

bool save_svg(const ExportedPlot& exported, const QString& path) {
  const AsPicture as_picture(exported);
  const Head head = head_of(exported);
  QBuffer buffer;
  buffer.open(QIODevice::WriteOnly);
  QSvgGenerator generator;
  generator.setOutputDevice(&buffer);
  generator.setTitle(exported.title);
  generator.setDescription(QStringLiteral("Fovea"));
  generator.setResolution(kPixelsPerInch);
  generator.setSize(picture_size(head));
  generator.setViewBox(QRect(QPoint(0, 0), picture_size(head)));
  return paint_vectors(generator, exported, head) && save_bytes(path, buffer.data());
}

bool save_pdf(const ExportedPlot& exported, const QString& path) {
  const AsPicture as_picture(exported);
  const Head head = head_of(exported);
  QBuffer buffer;
  buffer.open(QIODevice::WriteOnly);
  {
    QPdfWriter writer(&buffer);
    writer.setTitle(exported.title);
    writer.setCreator(QStringLiteral("Fovea"));
    writer.setResolution(kPixelsPerInch);
    writer.setPageSize(QPageSize(QSizeF(picture_size(head)) * kPointsPerInch / kPixelsPerInch, QPageSize::Point, QString(), QPageSize::ExactMatch));
    writer.setPageMargins(QMarginsF());
    if (!paint_vectors(writer, exported, head)) return false;
  }
  return save_bytes(path, buffer.data());
}

}  // namespace

bool save_text(const QString& path, const QString& text) { return save_bytes(path, text.toUtf8()); }

bool save_plot(const ExportedPlot& exported, const QString& path) {
  const auto ends = [&](const char* ending) { return path.endsWith(QLatin1String(ending), Qt::CaseInsensitive); };
  if (ends(".csv")) return save_text(path, exported.csv());
  if (ends(".svg")) return save_svg(exported, path);
  if (ends(".pdf")) return save_pdf(exported, path);
  QByteArray bytes;
  QBuffer buffer(&bytes);
  return buffer.open(QIODevice::WriteOnly) && image_of(exported).save(&buffer, "png") && save_bytes(path, bytes);
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

void show_export_menu(const ExportedPlot& exported, const QPoint& at) {
  auto* menu = new QMenu(exported.widget);
  menu->setAttribute(Qt::WA_DeleteOnClose);
  const auto save_as = [exported](const char* ending, const QString& filter) {
    QString name = exported.title;
    name.replace('/', QLatin1Char('-'));
    choose_and_save(*exported.widget, name + ending, filter, [exported](const QString& path) { return save_plot(exported, path); });
  };
  menu->addAction(QCoreApplication::translate("fovea::export", "&Copy the picture"), exported.widget, [exported] { QGuiApplication::clipboard()->setImage(image_of(exported)); });
  menu->addAction(QCoreApplication::translate("fovea::export", "Save as &PNG…"), exported.widget, [save_as] { save_as(".png", QStringLiteral("PNG (*.png)")); });
  menu->addAction(QCoreApplication::translate("fovea::export", "Save as &SVG…"), exported.widget, [save_as] { save_as(".svg", QStringLiteral("SVG (*.svg)")); });
  menu->addAction(QCoreApplication::translate("fovea::export", "Save as P&DF…"), exported.widget, [save_as] { save_as(".pdf", QStringLiteral("PDF (*.pdf)")); });
  menu->addSeparator();
  menu->addAction(QCoreApplication::translate("fovea::export", "Copy the d&ata"), exported.widget, [exported] { QGuiApplication::clipboard()->setText(exported.csv()); });
  menu->addAction(QCoreApplication::translate("fovea::export", "Save as CS&V…"), exported.widget, [save_as] { save_as(".csv", QStringLiteral("CSV (*.csv)")); });
  menu->popup(at);
}

}  // namespace fovea
