// One curve for prefill and one for decode over the number of experts, beside what even use would give.
#pragma once

#include <QFrame>
#include <optional>
#include <vector>

#include "ui/theme/theme.hpp"

class QCustomPlot;
class QCPGraph;

namespace fovea {

class ExpertCurve : public QWidget {
  Q_OBJECT
 public:
  explicit ExpertCurve(const Theme& theme, QWidget* parent = nullptr);

  // Entry n - 1 of each: the share, 0 to 1, of n experts; empty: no tokens yet. `in_percent`: n is told as a share of all `experts`.
  void set_curves(std::vector<double> prefill, std::vector<double> decode, std::uint32_t experts, bool in_percent);
  void set_words(const QString& across, const QString& up, const QString& name);
  [[nodiscard]] const std::vector<double>& curve(bool prefill) const { return curves_[prefill ? 1 : 0]; }
  [[nodiscard]] QCustomPlot& plot() const { return *plot_; }
  void restyle();  // in the theme's colours of the moment

 Q_SIGNALS:
  void number_pointed(std::optional<std::uint32_t> experts);  // n, from 1

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;

 private:
  void draw();

  const Theme& theme_;
  QCustomPlot* plot_;
  QCPGraph* graphs_[2];  // [prefill]
  QCPGraph* even_;
  std::vector<double> curves_[2];
  std::uint32_t experts_ = 0;
  bool in_percent_ = false;
};

}  // namespace fovea
