// How many experts a token gets and which: the part of a policy that only mixtures have, as fields to be set by hand.
#pragma once

#include <QButtonGroup>
#include <QComboBox>
#include <QLabel>
#include <QSlider>
#include <QToolButton>
#include <QWidget>
#include <array>
#include <optional>

#include "engine/api/expert_rule.hpp"

namespace fovea {

class ExpertPolicyForm : public QWidget {
  Q_OBJECT
 public:
  explicit ExpertPolicyForm(QWidget* parent = nullptr);

  // What is chosen, as far as it fits; does not tell anybody. `experts_used`: of the open model, 0: it is dense; nullopt: none is open.
  void show_rule(const std::optional<ExpertRule>& rule, std::optional<std::uint32_t> experts_used);
  // What the fields say; what they do not say is as shown last. Without a mixture: what was shown last.
  [[nodiscard]] std::optional<ExpertRule> rule() const;
  [[nodiscard]] bool sliding() const;

  [[nodiscard]] QToolButton& static_button() const { return *static_; }
  [[nodiscard]] QToolButton& dynamic_button() const { return *dynamic_; }
  [[nodiscard]] QSlider& number_slider() const { return *number_; }
  [[nodiscard]] QComboBox& count_box() const { return *count_; }
  [[nodiscard]] QSlider& threshold_slider() const { return *threshold_; }
  [[nodiscard]] QSlider& mean_slider() const { return *mean_; }
  [[nodiscard]] QComboBox& balance_box() const { return *balance_; }
  [[nodiscard]] QSlider& strength_slider() const { return *strength_; }
  [[nodiscard]] QToolButton& calibrate_button() const { return *calibrate_; }
  [[nodiscard]] QString note() const { return note_->text(); }

 Q_SIGNALS:
  void changed();  // by hand
  void calibration_requested();  // of a frozen bias

 protected:
  void changeEvent(QEvent* event) override;

 private:
  static constexpr std::size_t kFields = 6;
  void by_hand();
  void fill_balance();
  void show_values();
  void retranslate();
  [[nodiscard]] bool by_mass() const { return count_->currentIndex() == 0; }
  [[nodiscard]] std::uint32_t number_of(const ExpertRule& rule) const;

  QButtonGroup* mode_;
  QToolButton *static_, *dynamic_;
  QWidget* grid_;
  QLabel *title_, *note_;
  std::array<QLabel*, kFields> names_{}, values_{};  // no value beside a box
  QSlider *number_, *threshold_, *mean_, *strength_;
  QComboBox *count_, *balance_;
  QToolButton* calibrate_;
  std::optional<std::uint32_t> used_;
  std::optional<ExpertRule> shown_;
  ExpertRule base_;  // of shown rules, also what the fields have no control for and what the other mode had
};

}  // namespace fovea
