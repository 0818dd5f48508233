// Which keys attention reads and which experts tokens take: a small panel under the policy's chip. Every change is told once the hand rests.
#pragma once

#include <QFrame>
#include <QLabel>
#include <QTimer>
#include <optional>

#include "ui/panels/attention_policy_form.hpp"
#include "ui/panels/expert_policy_form.hpp"

namespace fovea {

class PolicyPanel : public QFrame {
  Q_OBJECT
 public:
  explicit PolicyPanel(QWidget* parent = nullptr);

  // What is in use; does not tell anybody. `layers`: of the model; 0: none is open.
  void show_attention(const std::optional<SparseAttention>& attention, std::uint32_t layers);
  // Likewise; `experts_used` and `layers` as ExpertPolicyForm has them.
  void show_experts(const std::optional<ExpertRule>& rule, std::optional<std::uint32_t> experts_used, std::uint32_t layers = 0);
  void fit_height();  // as high as what it shows, where the screen is
  // Under a widget, within its screen.
  void open_below(const QWidget& anchor);

  [[nodiscard]] AttentionPolicyForm& attention_form() const { return *attention_; }
  [[nodiscard]] ExpertPolicyForm& experts_form() const { return *experts_; }

 Q_SIGNALS:
  void policy_chosen(const std::optional<fovea::SparseAttention>& attention, const std::optional<fovea::ExpertRule>& experts);
  void calibration_requested();

 protected:
  void changeEvent(QEvent* event) override;

 private:
  void retranslate();
  void place();

  AttentionPolicyForm* attention_;
  ExpertPolicyForm* experts_;
  QWidget* content_;
  QLabel* sentence_;
  QTimer rest_;
  QPoint wished_;  // where it would open on a screen without end
  std::optional<SparseAttention> told_;
  std::optional<ExpertRule> told_experts_;
};

}  // namespace fovea
