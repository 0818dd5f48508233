// Which keys attention reads: the part of a policy that every model has, as fields to be set by hand.
#pragma once

#include <QButtonGroup>
#include <QComboBox>
#include <QLabel>
#include <QSlider>
#include <QSpinBox>
#include <QToolButton>
#include <QWidget>
#include <optional>

#include "engine/api/sparse_attention.hpp"
#include "ui/widgets/disclosure.hpp"
#include "ui/widgets/field_grid.hpp"
#include "ui/widgets/number_box.hpp"
#include "ui/widgets/number_list.hpp"

namespace fovea {

class AttentionPolicyForm : public QWidget {
  Q_OBJECT
 public:
  explicit AttentionPolicyForm(QWidget* parent = nullptr);

  // What is chosen; does not tell anybody. `layers`: of the open model; 0: none is open.
  void show_policy(const std::optional<SparseAttention>& attention, std::uint32_t layers);
  // What the fields say: what no hand has moved is as shown last, to the bit. nullopt: dense.
  [[nodiscard]] std::optional<SparseAttention> policy() const;
  [[nodiscard]] bool sliding() const { return window_->isSliderDown() || share_->isSliderDown(); }

  [[nodiscard]] QToolButton& sparse_button() const { return *sparse_; }
  [[nodiscard]] QToolButton& dense_button() const { return *dense_; }
  [[nodiscard]] QSlider& window_slider() const { return *window_; }
  [[nodiscard]] QSlider& share_slider() const { return *share_; }
  // Which layers read something else than the slider of the share says; empty: none that is known.
  [[nodiscard]] QString share_note() const { return share_note_->text(); }
  [[nodiscard]] QComboBox& scorer_box() const { return *scorer_; }
  [[nodiscard]] QSpinBox& dense_layers_box() const { return *dense_layers_; }
  [[nodiscard]] NumberList& layers_field() const { return *layers_; }
  [[nodiscard]] NumberList& rows_field() const { return *rows_; }
  [[nodiscard]] NumberList& samples_field() const { return *samples_; }
  [[nodiscard]] QComboBox& budget_box() const { return *budget_; }
  [[nodiscard]] NumberBox& target_box() const { return *target_; }
  [[nodiscard]] QComboBox& choice_box() const { return *choice_; }
  [[nodiscard]] QComboBox& every_box() const { return *every_; }
  [[nodiscard]] QComboBox& periphery_box() const { return *periphery_; }
  [[nodiscard]] Disclosure& more() const { return *more_; }

 Q_SIGNALS:
  void changed();  // by hand

 protected:
  void changeEvent(QEvent* event) override;

 private:
  enum Row : std::size_t { kWindow, kShare, kShareNote, kScorer, kDenseLayers, kDenseBelow };
  enum MoreRow : std::size_t { kLayers, kSinks, kBudget, kMass, kLeast, kTarget, kHeads, kWiden, kFlat, kRows, kSamples, kChoice, kEvery, kDecodeBelow, kPeriphery };
  void by_hand();
  void dense_layers_by_hand();
  void layers_by_hand();
  void show_values();
  void show_share(const SparseAttention& now);
  void retranslate();

  QButtonGroup* mode_;
  QToolButton *dense_, *sparse_;
  QLabel *title_, *share_note_;
  FieldGrid *fields_, *more_fields_;
  Disclosure* more_;
  QSlider *window_, *share_;
  QComboBox *scorer_, *budget_, *heads_, *choice_, *every_, *periphery_;
  QSpinBox *dense_layers_, *dense_below_, *sinks_, *decode_below_;  // -1: automatic, where there is that
  NumberBox *mass_, *least_, *target_, *widen_, *flat_;
  NumberList *layers_, *rows_, *samples_;
  std::uint32_t model_layers_ = 0;
  SparseAttention base_{.by_depth = true};  // as shown last; what was chosen while dense is
};

}  // namespace fovea
