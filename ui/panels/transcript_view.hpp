// The text of the run, streaming; every token can be pointed at and chosen.
#pragma once

#include <QAbstractScrollArea>

#include "ui/panels/transcript_layout.hpp"
#include "ui/state/refresh_clock.hpp"
#include "ui/state/workbench_state.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

class TranscriptView : public QAbstractScrollArea {
  Q_OBJECT
 public:
  TranscriptView(WorkbenchState& state, const Theme& theme, QWidget* parent = nullptr);

  [[nodiscard]] QString text() const;  // of all tokens
  [[nodiscard]] const TranscriptLayout& transcript() const { return layout_; }
  [[nodiscard]] QRect token_rect(std::uint32_t token) const;  // in the viewport; of its first fragment

  QSize minimumSizeHint() const override { return {160, 80}; }

 protected:
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void mousePressEvent(QMouseEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  void contextMenuEvent(QContextMenuEvent* event) override;
  bool viewportEvent(QEvent* event) override;
  void scrollContentsBy(int dx, int dy) override;

 private:
  void start_over();
  void take_new_tokens();
  void update_scrollbar();
  void reveal_cursor();
  void move_lines(int lines);
  void paint_line(QPainter& painter, const TranscriptLayout::Line& line, double top) const;
  [[nodiscard]] std::optional<std::uint32_t> token_at(const QPoint& point) const;

  WorkbenchState& state_;
  const Theme& theme_;
  TranscriptLayout layout_;
  RefreshClock clock_;
  QFont font_;
  double line_height_ = 24, ascent_ = 16;
};

}  // namespace fovea
