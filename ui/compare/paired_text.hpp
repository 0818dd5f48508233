// Both texts: what they share once, over the whole width, then A beside B, the first different token framed in both. Under each
// token how many experts it used; behind A's tokens how far B's predictions are from A's, where that was measured.
#pragma once

#include <QAbstractScrollArea>
#include <array>
#include <optional>

#include "engine/runs/comparison.hpp"
#include "ui/panels/transcript_layout.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

class PairedText : public QAbstractScrollArea {
  Q_OBJECT
 public:
  explicit PairedText(const Theme& theme, QWidget* parent = nullptr);

  // nullptr: nothing; must outlive what is shown. Of another pair, where the texts part comes into view.
  void show_pair(const Comparison* comparison);
  void set_cursor(std::optional<std::uint32_t> token);
  void reveal(std::uint32_t token);
  // Of the first fragment, in the viewport; `b`: in B's column, where texts have parted.
  [[nodiscard]] QRect token_rect(std::uint32_t token, bool b = false) const;

  QSize minimumSizeHint() const override { return {240, 96}; }

 Q_SIGNALS:
  void pointed(std::optional<std::uint32_t> token);

 protected:
  void paintEvent(QPaintEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;
  void showEvent(QShowEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;
  bool viewportEvent(QEvent* event) override;
  void scrollContentsBy(int, int) override { viewport()->update(); }

 private:
  // What both share, A's rest, B's rest.
  enum Part { kShared, kRestA, kRestB, kParts };
  struct Block {
    TranscriptLayout layout;
    double x = 0, top = 0, width = 0;
    std::uint32_t first = 0;  // token of the layout's token 0
  };
  void lay_out();
  void scroll_to(std::uint32_t token);
  void show_parting();  // once it is seen
  void paint_block(QPainter& painter, Part part) const;
  void paint_fragment(QPainter& painter, Part part, const TranscriptLayout::Fragment& fragment, const QRectF& at) const;
  void paint_heads(QPainter& painter) const;
  [[nodiscard]] std::optional<std::pair<Part, std::uint32_t>> token_at(const QPointF& point) const;
  [[nodiscard]] QString described(Part part, std::uint32_t token) const;
  [[nodiscard]] const RunRecord& run(Part part) const { return part == kRestB ? comparison_->b() : comparison_->a(); }
  [[nodiscard]] std::optional<double> divergence(std::uint32_t token) const;
  [[nodiscard]] bool scored_on_a() const;

  const Theme& theme_;
  const Comparison* comparison_ = nullptr;
  std::array<Block, kParts> blocks_;
  ComparedSeries experts_, divergence_;
  double most_experts_ = 1;
  std::optional<std::uint32_t> cursor_;
  std::pair<const RunRecord*, const RunRecord*> pair_;
  bool parting_due_ = false;
  QFont font_;
  double line_height_ = 26, ascent_ = 16, content_ = 0;
};

}  // namespace fovea
