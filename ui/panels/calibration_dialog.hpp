// Evens the load of the open mixture's experts over a text: the goal, the progress, what was reached on text that was not learned from,
// and the policy that uses it.
#pragma once

#include <QDialog>
#include <QDoubleSpinBox>
#include <QGridLayout>
#include <QLabel>
#include <QPushButton>
#include <QSpinBox>
#include <array>
#include <memory>
#include <optional>

#include "engine/api/command.hpp"
#include "engine/api/event.hpp"
#include "ui/state/workbench_state.hpp"
#include "ui/widgets/progress_strip.hpp"

namespace fovea {

class CalibrationDialog : public QDialog {
  Q_OBJECT
 public:
  // `folder`: where biases are kept.
  CalibrationDialog(WorkbenchState& state, QString folder, QWidget* parent = nullptr);

  void calibrate(const QString& text);  // that is open, over this file
  [[nodiscard]] bool measuring() const { return expected_.has_value(); }
  [[nodiscard]] QDoubleSpinBox& cv_box() const { return *cv_; }
  [[nodiscard]] QDoubleSpinBox& retained_box() const { return *retained_; }
  [[nodiscard]] QSpinBox& windows_box() const { return *windows_; }
  [[nodiscard]] QPushButton& use_button() const { return *use_; }
  [[nodiscard]] ProgressStrip& progress() const { return *progress_; }
  [[nodiscard]] QString verdict() const { return verdict_->text(); }
  [[nodiscard]] QString row_text(std::size_t row) const;

 Q_SIGNALS:
  void command(const fovea::Command& command);
  // The policy that was in force with the bias that was found.
  void rule_chosen(const fovea::ExpertRule& rule);

 protected:
  void changeEvent(QEvent* event) override;

 private:
  static constexpr std::size_t kFigures = 6;
  void choose_text();
  void take(const Event& event);
  void refresh();
  void show_result();
  void retranslate();

  WorkbenchState& state_;
  QString folder_;
  std::optional<RequestId> expected_;
  std::shared_ptr<const ExpertCalibration> done_;
  QString stopped_;  // why there is no result
  QLabel *sentence_, *cv_name_, *retained_name_, *windows_name_, *verdict_, *where_;
  QDoubleSpinBox *cv_, *retained_;
  QSpinBox* windows_;
  QWidget* table_;
  std::array<std::array<QLabel*, 4>, kFigures + 1> cells_{};
  ProgressStrip* progress_;
  QPushButton *start_, *use_, *close_;
};

// A rule that a person can set by hand, which chooses as `calibrated` does.
[[nodiscard]] ExpertRule shown_rule(ExpertRule calibrated, std::uint32_t experts_used);

}  // namespace fovea
