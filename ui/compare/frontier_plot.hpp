// Loss of quality against bytes of experts: the model's static numbers of experts joined, other policies among them.
#pragma once

#include <QFrame>
#include <QLabel>
#include <memory>

#include "engine/api/policy_scores.hpp"
#include "ui/compare/plot_export.hpp"
#include "ui/panels/plot.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

class FrontierPlot : public QFrame {
  Q_OBJECT
 public:
  explicit FrontierPlot(const Theme& theme, QWidget* parent = nullptr);

  void show_frontier(const std::shared_ptr<const Frontier>& frontier);  // null: nothing
  [[nodiscard]] QString csv() const;
  [[nodiscard]] bool save(const QString& path);

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;
  void contextMenuEvent(QContextMenuEvent* event) override;
  void changeEvent(QEvent* event) override;

 private:
  void draw();
  void retranslate();
  void restyle();
  [[nodiscard]] ExportedPlot exported();
  void point_at(const QPointF& at);

  const Theme& theme_;
  std::shared_ptr<const Frontier> frontier_;
  QCustomPlot* plot_;
  QLabel* readout_;
  QCPCurve* fixed_;
  QCPGraph* others_;
  QCPErrorBars *fixed_errors_, *other_errors_;
  QCPGraph* fixed_points_;
  QCPItemStraightLine* zero_;
  std::vector<QCPItemText*> labels_;
};

}  // namespace fovea
