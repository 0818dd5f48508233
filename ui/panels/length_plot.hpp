// Dense and sparse attention over lengths of the context: time of a token in both phases, memory, and what it costs in perplexity.
#pragma once

#include <QFrame>
#include <QLabel>
#include <array>
#include <memory>
#include <optional>

#include "engine/api/length_sweep.hpp"
#include "ui/compare/plot_export.hpp"
#include "ui/panels/plot.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

class LengthPlot : public QFrame {
  Q_OBJECT
 public:
  explicit LengthPlot(const Theme& theme, QWidget* parent = nullptr);

  void show_sweep(const std::shared_ptr<const LengthSweep>& sweep);  // null: nothing
  // The length under the mouse, by its index; nullopt: none.
  void point_at(std::optional<std::size_t> index);
  [[nodiscard]] QString readout() const { return readout_->text(); }
  [[nodiscard]] QString csv() const;
  [[nodiscard]] bool save(const QString& path);

  QSize minimumSizeHint() const override { return {240, 160}; }

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;
  void contextMenuEvent(QContextMenuEvent* event) override;
  void changeEvent(QEvent* event) override;

 private:
  static constexpr int kLow = 230;  // pixels, below which all four stand in one row
  enum Part { kPrefill, kDecode, kMemory, kPerplexity, kParts };
  struct Field {
    QCPLayoutGrid* cell = nullptr;  // the title above, the axes below
    QCPTextElement* title = nullptr;
    QCPAxisRect* rect = nullptr;
    QCPGraph *a = nullptr, *b = nullptr;
    QCPItemStraightLine *pays = nullptr, *cursor = nullptr;
    QCPItemText* pays_text = nullptr;
  };
  void arrange();
  [[nodiscard]] bool low() const { return plot_->height() < kLow; }
  void draw();
  void retranslate();
  void restyle();
  [[nodiscard]] ExportedPlot exported();
  void mark_crossover(Field& field, std::optional<std::uint32_t> from);
  [[nodiscard]] QString told(std::size_t index) const;
  [[nodiscard]] std::optional<std::size_t> index_at(const QPointF& at) const;

  const Theme& theme_;
  std::shared_ptr<const LengthSweep> sweep_;
  QCustomPlot* plot_;
  QLabel* readout_;
  std::array<Field, kParts> fields_;
  QCPItemStraightLine* zero_;
  double memory_unit_ = 1 << 20;
  std::optional<bool> arranged_low_;
};

// Milliseconds of a token of the prompt, and percent that a perplexity is above another.
[[nodiscard]] double prefill_ms(const LengthPoint& point, std::uint32_t windows);
[[nodiscard]] double percent_over(double perplexity, double standard);

}  // namespace fovea
