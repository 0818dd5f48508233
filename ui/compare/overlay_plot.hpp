// A over B in one plot, their difference below it on a zero line of its own; lines by token or bars by expert.
#pragma once

#include <QFrame>
#include <QHBoxLayout>
#include <QLabel>
#include <optional>

#include "engine/runs/comparison.hpp"
#include "ui/compare/plot_export.hpp"
#include "ui/panels/plot.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

class OverlayPlot : public QFrame {
  Q_OBJECT
 public:
  enum class Form { lines, bars };
  struct Words {
    QString name;   // above a picture of it, of its file, and for those who cannot see it
    QString x, y;
    double scale = 1;  // of values before they are drawn
    int first = 0;     // index of the first value
    QString nothing;   // what is said where nothing was recorded
    QString a, b;      // the runs, for pictures
  };

  OverlayPlot(const Theme& theme, Form form, QWidget* parent = nullptr);

  void show_series(const ComparedSeries& series, const Words& words, std::optional<std::uint32_t> divergence = std::nullopt);
  void set_cursor(std::optional<std::uint32_t> at);
  void set_corner(QWidget* choice);  // above the plot, beside what is said of the index under the mouse
  [[nodiscard]] const ComparedSeries& series() const { return series_; }
  [[nodiscard]] QString readout() const { return readout_->text(); }
  [[nodiscard]] QString csv() const;
  [[nodiscard]] bool save(const QString& path);  // by its ending: .png, .svg, .pdf or .csv

  QSize minimumSizeHint() const override { return {140, 100}; }

 Q_SIGNALS:
  void pointed(std::optional<std::uint32_t> index);
  void picked(std::uint32_t index);

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;
  void changeEvent(QEvent* event) override;
  void contextMenuEvent(QContextMenuEvent* event) override;

 private:
  void make_plot();
  void draw();
  void fit();
  [[nodiscard]] std::size_t first_recorded() const;  // of either run; 0: nothing was
  void restyle();
  [[nodiscard]] ExportedPlot exported();
  void say(std::optional<std::uint32_t> index);
  [[nodiscard]] std::optional<std::uint32_t> index_at(double x) const;

  const Theme& theme_;
  Form form_;
  ComparedSeries series_;
  Words words_;
  std::optional<std::uint32_t> divergence_;
  QCustomPlot* plot_;
  QLabel* readout_;
  QHBoxLayout* top_;
  QCPAxisRect *upper_, *lower_;
  QCPGraph *lines_[2]{}, *difference_line_ = nullptr;
  QCPBars *bars_[2]{}, *difference_bars_ = nullptr;
  QCPItemStraightLine *parting_, *cursor_, *zero_;
  QCPItemText* nothing_;
};

}  // namespace fovea
