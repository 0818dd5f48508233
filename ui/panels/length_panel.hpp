// The lengths view: at what length the model's sparse attention pays on this device, measured on a text.
#pragma once

#include <QComboBox>
#include <QFrame>
#include <QLabel>
#include <QStackedWidget>
#include <QToolButton>
#include <memory>
#include <optional>

#include "engine/api/command.hpp"
#include "ui/panels/length_plot.hpp"
#include "ui/state/workbench_state.hpp"
#include "ui/widgets/empty_state.hpp"
#include "ui/widgets/progress_strip.hpp"

namespace fovea {

class LengthPanel : public QFrame {
  Q_OBJECT
 public:
  LengthPanel(WorkbenchState& state, const Theme& theme, QWidget* parent = nullptr);

  void measure(const QString& file);  // the text; nothing while a measurement goes on or without a model
  [[nodiscard]] bool measuring() const { return expected_.has_value(); }
  [[nodiscard]] QComboBox& longest_box() const { return *longest_; }
  [[nodiscard]] LengthPlot& plot() const { return *plot_; }
  [[nodiscard]] EmptyState& empty_state() const { return *empty_; }
  [[nodiscard]] ProgressStrip& progress() const { return *progress_; }
  [[nodiscard]] QString verdict() const { return verdict_->text(); }
  [[nodiscard]] QString conditions() const { return conditions_->text(); }

 Q_SIGNALS:
  void command(const fovea::Command& command);
  void failed(const fovea::Error& error);

 protected:
  void changeEvent(QEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;

 private:
  void take(const Event& event);
  void choose_text();
  void fill_lengths();
  void refresh();
  void retranslate();
  void restyle();

  WorkbenchState& state_;
  const Theme& theme_;
  QStackedWidget* pages_;
  EmptyState* empty_;
  QLabel *longest_name_, *legend_, *verdict_, *conditions_;
  QComboBox* longest_;
  QToolButton* measure_;
  ProgressStrip* progress_;
  LengthPlot* plot_;
  std::shared_ptr<const LengthSweep> sweep_;
  std::optional<RequestId> expected_;  // of the measurement in progress
  bool stopped_ = false;               // the shown one was, before its end
  std::string path_;                   // of the model that was measured
  QString text_;                       // the file that is measured on
};

}  // namespace fovea
