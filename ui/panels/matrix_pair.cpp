#include "ui/panels/matrix_pair.hpp"

#include <QFontMetrics>
#include <QImage>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPaintEngine>
#include <QPainter>
#include <algorithm>
#include <cmath>

#include "ui/heatmap/color_scale.hpp"
#include "ui/heatmap/heatmap_geometry.hpp"
#include "ui/text/format.hpp"
#include "ui/theme/oklab.hpp"

namespace fovea {

namespace {
constexpr int kTitle = 20, kTicks = 18, kLegend = 18, kGap = 12, kEdge = 2;
constexpr int kNameGap = 6, kWidestName = 96, kRowHeight = 12;
constexpr int kLongestLegend = 96, kShortestLegend = 40, kLegendHeight = 8;
constexpr int kNarrowest = 110;  // pixels of a matrix beside which there is room for words
constexpr double kGridFrom = 7;   // pixels of a cell from which a line parts it from its neighbours
constexpr float kMostRatio = 4;   // times as much as even; as little as one over that

// Neutral where it is even, blue below and orange above: hues that people with any colour vision tell apart.
QColor ratio_color(float ratio, bool dark) {
  const double place = std::clamp(std::log(std::max(static_cast<double>(ratio), 1e-6)) / std::log(static_cast<double>(kMostRatio)), -1.0, 1.0);
  const Oklab even = dark ? oklch(0.31, 0.008, 250) : oklch(0.945, 0.006, 250);
  const Oklab end = place < 0 ? (dark ? oklch(0.68, 0.15, 250) : oklch(0.50, 0.16, 255)) : (dark ? oklch(0.80, 0.145, 65) : oklch(0.63, 0.16, 52));
  const double t = std::fabs(place);
  return color_of({even.l + t * (end.l - even.l), even.a + t * (end.a - even.a), even.b + t * (end.b - even.b)});
}
}  // namespace

MatrixPair::MatrixPair(const Theme& theme, MatrixScale scale, QWidget* parent) : QWidget(parent), theme_(theme), scale_(scale) {
  setMouseTracking(true);
  setFocusPolicy(Qt::StrongFocus);
  setMinimumSize(160, 90);
  connect(&theme, &Theme::changed, this, &MatrixPair::redraw);
}

void MatrixPair::set_table(MatrixTable table) {
  table_ = std::move(table);
  if (pointed_ && (pointed_->row >= table_.rows || pointed_->column >= table_.columns)) point_at(std::nullopt);
  redraw();
  if (pointed_) Q_EMIT cell_pointed(pointed_);  // what stands there has changed
}

void MatrixPair::set_scale(MatrixScale scale) {
  scale_ = scale;
  redraw();
}

void MatrixPair::set_marks(std::vector<std::pair<std::uint32_t, std::uint32_t>> marks) {
  if (marks == marks_) return;
  marks_ = std::move(marks);
  update();
}

QColor MatrixPair::color_of_value(float value) const {
  if (std::isnan(value)) return theme_.colors().unrecorded;
  if (scale_ == MatrixScale::ratio) return ratio_color(value, theme_.dark());
  return QColor(ColorScale{false, 0, most_, theme_.dark()}.color(value));
}

void MatrixPair::redraw() {
  most_ = 0;
  for (const auto& values : table_.values)
    for (const float value : values)
      if (!std::isnan(value)) most_ = std::max(most_, value);
  if (!(most_ > 0)) most_ = 1;
  for (std::size_t i = 0; i < 2; ++i) {
    images_[i] = {};
    blank_[i] = std::ranges::all_of(table_.values[i], [](float value) { return std::isnan(value); });
    const auto& values = table_.values[i];
    if (values.size() < std::size_t{table_.rows} * table_.columns || values.empty()) continue;
    QImage image(static_cast<int>(table_.columns), static_cast<int>(table_.rows), QImage::Format_RGB32);
    for (std::uint32_t row = 0; row < table_.rows; ++row) {
      auto* const line = reinterpret_cast<QRgb*>(image.scanLine(static_cast<int>(row)));
      for (std::uint32_t column = 0; column < table_.columns; ++column) line[column] = color_of_value(values[std::size_t{row} * table_.columns + column]).rgb();
    }
    images_[i] = image;
  }
  update();
}

int MatrixPair::name_width() const {
  const QFontMetrics metrics(theme_.sans(11));
  int widest = metrics.horizontalAdvance(QString(QString::number(std::max(1u, table_.rows) - 1).size(), QLatin1Char('0')));
  for (const QString& name : table_.row_names) widest = std::max(widest, metrics.horizontalAdvance(name));
  return std::min(widest + 2, kWidestName) + kNameGap;
}

int MatrixPair::note_width() const {
  const QFontMetrics metrics(theme_.sans(11));
  int widest = 0;
  for (const QStringList& notes : table_.notes)
    for (const QString& note : notes) widest = std::max(widest, metrics.horizontalAdvance(note));
  if (widest == 0) return 0;
  const int notes = std::max(widest, metrics.horizontalAdvance(table_.note_title)) + 2 + kNameGap;
  return (width() - name_width() - kGap - 2 * notes) / 2 < kNarrowest ? 0 : notes;
}

QRectF MatrixPair::plot(bool prefill) const {
  const double names = name_width(), notes = note_width();
  const double width = std::max(8.0, (this->width() - names - kGap - 2 * notes - 2 * kEdge) / 2);
  const double x = kEdge + names + (prefill ? 0 : width + notes + kGap);
  return {x, kTitle * 1.0, width, std::max(8.0, height() - kTitle - kTicks - kLegend * 1.0)};
}

QRectF MatrixPair::cell_rect(const MatrixCell& cell) const {
  const QRectF at = plot(cell.prefill);
  const double w = at.width() / std::max(1u, table_.columns), h = at.height() / std::max(1u, table_.rows);
  return {at.left() + cell.column * w, at.top() + cell.row * h, w, h};
}

std::optional<MatrixCell> MatrixPair::cell_at(const QPointF& point) const {
  for (const bool prefill : {true, false}) {
    const QRectF at = plot(prefill);
    if (!at.contains(point) || images_[prefill ? 0 : 1].isNull()) continue;
    const auto row = static_cast<std::uint32_t>((point.y() - at.top()) / at.height() * table_.rows);
    const auto column = static_cast<std::uint32_t>((point.x() - at.left()) / at.width() * table_.columns);
    return MatrixCell{prefill, std::min(row, table_.rows - 1), std::min(column, table_.columns - 1)};
  }
  return std::nullopt;
}

void MatrixPair::point_at(const std::optional<MatrixCell>& cell) {
  if (cell == pointed_) return;
  pointed_ = cell;
  Q_EMIT cell_pointed(cell);
  update();
}

void MatrixPair::mouseMoveEvent(QMouseEvent* event) { point_at(cell_at(event->position())); }
void MatrixPair::leaveEvent(QEvent*) { point_at(std::nullopt); }
void MatrixPair::focusOutEvent(QFocusEvent* event) {
  point_at(std::nullopt);
  QWidget::focusOutEvent(event);
}

void MatrixPair::mousePressEvent(QMouseEvent* event) {
  if (event->button() != Qt::LeftButton) return;
  if (const auto cell = cell_at(event->position())) Q_EMIT row_pressed(cell->row);
}

void MatrixPair::keyPressEvent(QKeyEvent* event) {
  if (table_.rows == 0 || table_.columns == 0) return QWidget::keyPressEvent(event);
  MatrixCell cell = pointed_.value_or(MatrixCell{!images_[0].isNull(), 0, 0});
  if (images_[cell.prefill ? 0 : 1].isNull()) return QWidget::keyPressEvent(event);
  if (event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter) {
    if (pointed_) Q_EMIT row_pressed(cell.row);
    return;
  }
  if (pointed_) {
    const bool other = !images_[cell.prefill ? 1 : 0].isNull();
    if (event->key() == Qt::Key_Left && cell.column > 0) {
      --cell.column;
    } else if (event->key() == Qt::Key_Left && !cell.prefill && other) {
      cell = {true, cell.row, table_.columns - 1};
    } else if (event->key() == Qt::Key_Right && cell.column + 1 < table_.columns) {
      ++cell.column;
    } else if (event->key() == Qt::Key_Right && cell.prefill && other) {
      cell = {false, cell.row, 0};
    } else if (event->key() == Qt::Key_Up && cell.row > 0) {
      --cell.row;
    } else if (event->key() == Qt::Key_Down && cell.row + 1 < table_.rows) {
      ++cell.row;
    } else if (event->key() == Qt::Key_Escape) {
      return point_at(std::nullopt);
    } else {
      return QWidget::keyPressEvent(event);
    }
  } else if (event->key() != Qt::Key_Left && event->key() != Qt::Key_Right && event->key() != Qt::Key_Up && event->key() != Qt::Key_Down) {
    return QWidget::keyPressEvent(event);
  }
  point_at(cell);
}

void MatrixPair::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) update();
  QWidget::changeEvent(event);
}

void MatrixPair::paintEvent(QPaintEvent*) {
  QPainter painter(this);
  painter.fillRect(rect(), theme_.colors().panel);
  if (table_.rows == 0 || table_.columns == 0) return;
  for (const bool prefill : {true, false}) paint_matrix(painter, prefill);
  paint_names(painter);
  paint_legend(painter);
  if (hasFocus()) {
    painter.setPen(QPen(theme_.colors().accent, 1));
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5));
  }
}

void MatrixPair::paint_matrix(QPainter& painter, bool prefill) const {
  const ThemeColors& colors = theme_.colors();
  const QRectF at = plot(prefill);
  painter.setFont(theme_.sans(12));
  painter.setPen(colors.text);
  painter.drawText(QRectF(at.left(), 0, at.width(), kTitle - 4), Qt::AlignLeft | Qt::AlignVCenter, prefill ? tr("Prefill") : tr("Decode"));
  const QImage& image = images_[prefill ? 0 : 1];
  painter.setFont(theme_.sans(11));
  painter.setPen(colors.dim);
  if (image.isNull()) {
    painter.fillRect(at, colors.unrecorded);
    painter.drawText(at, Qt::AlignCenter | Qt::TextWordWrap, tr("no tokens yet"));
    return;
  }
  const double w = at.width() / table_.columns, h = at.height() / table_.rows;
  const QPaintEngine::Type device = painter.paintEngine()->type();
  if (device == QPaintEngine::SVG || device == QPaintEngine::Pdf) {  // whoever shows these would smooth an image of a pixel a cell
    for (std::uint32_t row = 0; row < table_.rows; ++row)
      for (std::uint32_t column = 0; column < table_.columns; ++column)
        painter.fillRect(cell_rect({prefill, row, column}), image.pixelColor(static_cast<int>(column), static_cast<int>(row)));
  } else {
    painter.drawImage(at, image);
  }
  painter.setPen(QPen(colors.panel, 1));
  if (w >= kGridFrom && h >= kGridFrom) {
    for (double x = at.left() + w; x < at.right() - w / 2; x += w) painter.drawLine(QPointF(x, at.top()), QPointF(x, at.bottom()));
    for (double y = at.top() + h; y < at.bottom() - h / 2; y += h) painter.drawLine(QPointF(at.left(), y), QPointF(at.right(), y));
  }
  if (blank_[prefill ? 0 : 1]) {
    painter.setPen(colors.dim);
    painter.drawText(at, Qt::AlignCenter | Qt::TextWordWrap, tr("too few tokens to tell"));
  }
  painter.setBrush(Qt::NoBrush);
  painter.setPen(QPen(colors.text, 1));
  for (const auto& [row, column] : marks_)
    if (row < table_.rows && column < table_.columns) painter.drawRect(cell_rect({prefill, row, column}).adjusted(0.5, 0.5, -0.5, -0.5));
  if (pointed_ && pointed_->prefill == prefill) {
    painter.setPen(QPen(colors.accent, 2));
    painter.drawRect(cell_rect(*pointed_));
  }
  // Numbers below the columns, words to the right of the rows.
  painter.setPen(colors.dim);
  const std::uint32_t step = tick_step(24 / w);
  for (std::uint32_t column = 0; column < table_.columns; column += step) {
    const QString number = QString::number(column);
    const double half = QFontMetrics(theme_.sans(11)).horizontalAdvance(number) / 2.0 + 1;
    const double x = std::min(at.left() + (column + 0.5) * w, width() - kEdge - half);
    painter.drawText(QRectF(x - half, at.bottom() + 2, 2 * half, kTicks - 4), Qt::AlignHCenter | Qt::AlignVCenter, number);
  }
  const QStringList& notes = table_.notes[prefill ? 0 : 1];
  if (notes.isEmpty() || note_width() == 0) return;
  const double left = at.right() + kNameGap, width = note_width() - kNameGap;
  painter.drawText(QRectF(left, 0, width, kTitle - 4), Qt::AlignRight | Qt::AlignVCenter, table_.note_title);
  const std::uint32_t rows = tick_step(kRowHeight / h);
  for (std::uint32_t row = 0; row < table_.rows && row < static_cast<std::uint32_t>(notes.size()); row += rows)
    painter.drawText(QRectF(left, at.top() + (row + 0.5) * h - 8, width, 16), Qt::AlignRight | Qt::AlignVCenter, notes[static_cast<int>(row)]);
}

void MatrixPair::paint_names(QPainter& painter) const {
  const QRectF at = plot(true);
  const double h = at.height() / table_.rows;
  const QFontMetrics metrics(theme_.sans(11));
  painter.setFont(theme_.sans(11));
  painter.setPen(theme_.colors().dim);
  // Names are told one by one; of numbers a person finds those between.
  const std::uint32_t step = table_.row_names.isEmpty() ? tick_step(kRowHeight / h) : h >= kRowHeight - 1 ? 1 : tick_step(kRowHeight / h);
  const double width = name_width() - kNameGap;
  for (std::uint32_t row = 0; row < table_.rows; row += step) {
    const QString name = row < static_cast<std::uint32_t>(table_.row_names.size()) ? table_.row_names[static_cast<int>(row)] : QString::number(row);
    painter.drawText(QRectF(kEdge, at.top() + (row + 0.5) * h - 8, width, 16), Qt::AlignRight | Qt::AlignVCenter,
                     metrics.elidedText(name, Qt::ElideRight, static_cast<int>(width)));
  }
}

void MatrixPair::paint_legend(QPainter& painter) const {
  const QFontMetrics metrics(theme_.sans(11));
  painter.setFont(theme_.sans(11));
  painter.setPen(theme_.colors().dim);
  const QString low = scale_ == MatrixScale::ratio ? QStringLiteral("≤ ¼") : QStringLiteral("0");
  const QString high = scale_ == MatrixScale::ratio ? QStringLiteral("≥ 4 ×") : shown_percent(static_cast<double>(most_));
  const double y = height() - kLegend, right = width() - kEdge;
  const int length = std::clamp(width() / 5, kShortestLegend, kLongestLegend);
  const double high_width = metrics.horizontalAdvance(high), low_width = metrics.horizontalAdvance(low);
  const QRectF bar(right - high_width - kNameGap - length, y + (kLegend - kLegendHeight) / 2.0, length, kLegendHeight);
  painter.drawText(QRectF(right - high_width, y, high_width, kLegend), Qt::AlignRight | Qt::AlignVCenter, high);
  painter.drawText(QRectF(bar.left() - kNameGap - low_width, y, low_width, kLegend), Qt::AlignRight | Qt::AlignVCenter, low);
  for (int x = 0; x < length; ++x) {
    const float place = (static_cast<float>(x) + 0.5f) / static_cast<float>(length);
    const float value = scale_ == MatrixScale::ratio ? std::pow(kMostRatio, 2 * place - 1) : place * most_;
    painter.fillRect(QRectF(bar.left() + x, bar.top(), 1, bar.height()), color_of_value(value));
  }
  const double room = bar.left() - kNameGap - low_width - 8 - kEdge;
  if (room > 0)
    painter.drawText(QRectF(kEdge, y, room, kLegend), Qt::AlignLeft | Qt::AlignVCenter, metrics.elidedText(table_.axes, Qt::ElideRight, static_cast<int>(room)));
}

}  // namespace fovea
