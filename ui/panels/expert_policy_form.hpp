// How many experts a token gets and which: the part of a policy that only mixtures have, as fields to be set by hand.
#pragma once

#include <QButtonGroup>
#include <QComboBox>
#include <QLabel>
#include <QSlider>
#include <QSpinBox>
#include <QToolButton>
#include <QWidget>
#include <optional>

#include "engine/api/expert_rule.hpp"
#include "ui/widgets/disclosure.hpp"
#include "ui/widgets/field_grid.hpp"
#include "ui/widgets/number_box.hpp"
#include "ui/widgets/number_list.hpp"

namespace fovea {

class ExpertPolicyForm : public QWidget {
  Q_OBJECT
 public:
  explicit ExpertPolicyForm(QWidget* parent = nullptr);

  // What is chosen, as far as it fits; does not tell anybody. `experts_used`: of the open model, 0: it is dense; nullopt: none is open.
  // `layers`: of the open model.
  void show_rule(const std::optional<ExpertRule>& rule, std::optional<std::uint32_t> experts_used, std::uint32_t layers = 0);
  // Whether the open model takes the policy that was chosen without its semantic router, which the panel then says.
  void set_router_left_out(bool left_out);
  // What the fields say; what no hand has moved is as shown last, to the bit. Without a mixture: what was shown last.
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
  [[nodiscard]] QSpinBox& fewest_box() const { return *fewest_; }
  [[nodiscard]] NumberList& number_list() const { return *numbers_; }
  [[nodiscard]] NumberList& p_list() const { return *shares_; }
  [[nodiscard]] NumberList& mean_list() const { return *means_; }
  [[nodiscard]] NumberBox& substitute_box() const { return *substitute_; }
  [[nodiscard]] QToolButton& calibrate_button() const { return *calibrate_; }
  [[nodiscard]] Disclosure& more() const { return *more_; }
  [[nodiscard]] QString note() const { return note_->text(); }
  [[nodiscard]] QString mean_words() const { return fields_->value(kMean); }
  // What the policy has beside what can be set here, and what of it the model cannot take; empty: nothing.
  [[nodiscard]] QString kept_words() const { return kept_->text(); }

 Q_SIGNALS:
  void changed();  // by hand
  void calibration_requested();  // of a frozen bias

 protected:
  void changeEvent(QEvent* event) override;

 private:
  enum Row : std::size_t { kNumber, kCount, kThreshold, kMean, kBalance, kStrength };
  enum MoreRow : std::size_t { kFewest, kNumbers, kShares, kMeans, kEven, kRetained, kSubstitute, kHalfLife, kLasts };
  void by_hand();
  void balance_by_hand();
  void fill_balance();
  void show_values();
  void show_kept();
  void retranslate();
  [[nodiscard]] bool by_mass() const { return count_->currentIndex() == 0; }
  [[nodiscard]] std::uint32_t number_of(const ExpertRule& rule) const;
  [[nodiscard]] int set_beyond() const;

  QButtonGroup* mode_;
  QToolButton *static_, *dynamic_;
  QWidget* body_;
  FieldGrid *fields_, *more_fields_;
  Disclosure* more_;
  QLabel *title_, *note_, *kept_;
  QSlider *number_, *threshold_, *mean_, *strength_;
  QComboBox *count_, *balance_, *lasts_;
  QSpinBox* fewest_;
  NumberList *numbers_, *shares_, *means_;
  NumberBox *even_, *retained_, *substitute_, *half_life_;
  QToolButton* calibrate_;
  std::optional<std::uint32_t> used_;
  std::optional<ExpertRule> shown_;
  bool router_left_out_ = false;
  ExpertRule base_;  // of shown rules, also what the fields have no control for and what the other mode had
};

}  // namespace fovea
