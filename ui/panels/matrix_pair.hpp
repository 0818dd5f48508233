// The same table for prefill and for decode, side by side, as coloured cells on one scale.
#pragma once

#include <QStringList>
#include <QWidget>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "ui/theme/theme.hpp"

namespace fovea {

enum class MatrixScale {
  ratio,  // to what is even: from a quarter to four times, by its logarithm, even being neutral
  share,  // of one, from nothing to the largest value that is shown
};

struct MatrixTable {
  std::uint32_t rows = 0, columns = 0;
  std::array<std::vector<float>, 2> values;  // of prefill and decode, row by row; NaN: nothing to tell; empty: no tokens
  QStringList row_names;                     // empty: rows are counted from 0
  std::array<QStringList, 2> notes;          // a word to the right of each row; empty: none
  QString note_title;
  QString axes;  // what columns and rows are
};

struct MatrixCell {
  bool prefill = false;
  std::uint32_t row = 0, column = 0;
  friend bool operator==(const MatrixCell&, const MatrixCell&) = default;
};

class MatrixPair : public QWidget {
  Q_OBJECT
 public:
  MatrixPair(const Theme& theme, MatrixScale scale, QWidget* parent = nullptr);

  void set_table(MatrixTable table);
  void set_scale(MatrixScale scale);
  // Rows and columns that are framed in both.
  void set_marks(std::vector<std::pair<std::uint32_t, std::uint32_t>> marks);
  void redraw();  // in the theme's colours of the moment
  [[nodiscard]] const MatrixTable& table() const { return table_; }
  [[nodiscard]] QRectF cell_rect(const MatrixCell& cell) const;
  [[nodiscard]] QColor color_of_value(float value) const;  // on the present scale
  [[nodiscard]] QSize sizeHint() const override { return {400, 180}; }

 Q_SIGNALS:
  void cell_pointed(const std::optional<fovea::MatrixCell>& cell);
  void row_pressed(std::uint32_t row);

 protected:
  void paintEvent(QPaintEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void leaveEvent(QEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  void focusOutEvent(QFocusEvent* event) override;
  void changeEvent(QEvent* event) override;

 private:
  void point_at(const std::optional<MatrixCell>& cell);
  [[nodiscard]] int name_width() const;
  [[nodiscard]] int note_width() const;
  [[nodiscard]] QRectF plot(bool prefill) const;
  [[nodiscard]] std::optional<MatrixCell> cell_at(const QPointF& point) const;
  void paint_matrix(QPainter& painter, bool prefill) const;
  void paint_names(QPainter& painter) const;
  void paint_legend(QPainter& painter) const;

  const Theme& theme_;
  MatrixScale scale_;
  MatrixTable table_;
  float most_ = 1;  // of a scale of shares
  std::array<QImage, 2> images_;  // a pixel a cell
  std::array<bool, 2> blank_{};   // nothing in any cell
  std::vector<std::pair<std::uint32_t, std::uint32_t>> marks_;
  std::optional<MatrixCell> pointed_;
};

}  // namespace fovea
