// Which keys attention reads and which experts tokens take: a small panel under the policy's chip. Every change is told once the hand rests.
#pragma once

#include <QButtonGroup>
#include <QComboBox>
#include <QFrame>
#include <QLabel>
#include <QSlider>
#include <QSpinBox>
#include <QTimer>
#include <QToolButton>
#include <array>
#include <optional>

#include "engine/api/model_summary.hpp"
#include "ui/panels/expert_policy_form.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

class PolicyPanel : public QFrame {
  Q_OBJECT
 public:
  explicit PolicyPanel(const Theme& theme, QWidget* parent = nullptr);

  // What is in use; does not tell anybody. `layers`: of the model; 0: none is open.
  void show_attention(const std::optional<SparseAttention>& attention, std::uint32_t layers);
  // Likewise; `experts_used` as ExpertPolicyForm has it.
  void show_experts(const std::optional<ExpertRule>& rule, std::optional<std::uint32_t> experts_used);
  [[nodiscard]] std::optional<SparseAttention> attention() const;
  void fit_height();  // as high as what it shows
  // Under a widget, within its screen.
  void open_below(const QWidget& anchor);

  [[nodiscard]] QToolButton& sparse_button() const { return *sparse_; }
  [[nodiscard]] QToolButton& dense_button() const { return *dense_; }
  [[nodiscard]] QSlider& window_slider() const { return *window_; }
  [[nodiscard]] QSlider& share_slider() const { return *share_; }
  [[nodiscard]] QComboBox& scorer_box() const { return *scorer_; }
  [[nodiscard]] ExpertPolicyForm& experts_form() const { return *experts_; }

 Q_SIGNALS:
  void policy_chosen(const std::optional<fovea::SparseAttention>& attention, const std::optional<fovea::ExpertRule>& experts);
  void calibration_requested();

 protected:
  void changeEvent(QEvent* event) override;

 private:
  void changed();  // by hand
  void show_values();
  void retranslate();

  const Theme& theme_;
  QButtonGroup* mode_;
  QToolButton *dense_, *sparse_;
  QLabel *title_, *window_value_, *share_value_, *sentence_;
  std::array<QLabel*, 5> names_{};
  QSlider *window_, *share_;
  QComboBox* scorer_;
  QSpinBox *dense_layers_, *dense_below_;
  ExpertPolicyForm* experts_;
  QTimer rest_;
  SparseAttention base_{.by_depth = true};  // what the panel has no control for
  std::optional<SparseAttention> told_;
  std::optional<ExpertRule> told_experts_;
};

}  // namespace fovea
