// The three layers that schedule a mixture's work, in one place: what a semantic router predicts, what balances the load of experts, and
// what was taken because of the device; whether each is in use, and what is known of it.
#pragma once

#include <QLabel>
#include <QToolButton>
#include <QWidget>
#include <array>

#include "engine/api/layers_utilization.hpp"
#include "ui/state/workbench_state.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

class SchedulingView : public QWidget {
  Q_OBJECT
 public:
  SchedulingView(WorkbenchState& state, const Theme& theme, QWidget* parent = nullptr);

  // Evenness of this run's experts, of the prompt and of decoded tokens; nullopt: none yet.
  void show_use(const std::optional<LayersUtilization>& prefill, const std::optional<LayersUtilization>& decode);
  [[nodiscard]] QString layer_text(std::size_t layer) const;  // title, state and all lines

 Q_SIGNALS:
  void policy_requested();
  void device_requested();

 protected:
  void changeEvent(QEvent* event) override;

 private:
  static constexpr std::size_t kLayers = 3;
  struct Layer {
    QLabel *title = nullptr, *state = nullptr, *text = nullptr;
  };
  void refresh();
  void retranslate();
  void say(std::size_t layer, bool used, const QString& state, const QStringList& lines);
  void say_router();
  void say_balance();
  void say_device();

  WorkbenchState& state_;
  const Theme& theme_;
  std::array<Layer, kLayers> layers_{};
  QToolButton *policy_, *device_;
  std::optional<LayersUtilization> prefill_, decode_;
};

}  // namespace fovea
