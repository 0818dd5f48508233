// The strip under the menu: which model, on which device, under which policy; run and stop.
#pragma once

#include <QAction>
#include <QToolBar>

#include "app/workbench/workbench_policy.hpp"
#include "ui/state/workbench_state.hpp"
#include "ui/widgets/chip.hpp"

namespace fovea {

class TitleStrip : public QToolBar {
  Q_OBJECT
 public:
  TitleStrip(WorkbenchState& state, QAction& run, QAction& stop, QWidget* parent = nullptr);

  [[nodiscard]] Chip& model_chip() const { return *model_; }
  [[nodiscard]] Chip& device_chip() const { return *device_; }
  [[nodiscard]] Chip& policy_chip() const { return *policy_; }

  // What the next model will be opened with; an open one says itself what it runs.
  void set_policy(const WorkbenchPolicy& policy);

 Q_SIGNALS:
  void model_pressed();
  void policy_pressed();

 protected:
  void changeEvent(QEvent* event) override;

 private:
  void refresh();
  void refresh_policy();
  [[nodiscard]] static QString attention_reason(const std::optional<SparseAttention>& attention);
  [[nodiscard]] QString expert_reason(const std::optional<ExpertRule>& rule) const;

  WorkbenchState& state_;
  WorkbenchPolicy chosen_;
  Chip *model_, *device_, *policy_;
};

}  // namespace fovea
