// What a load took because of its device and why, and what the next load is to take instead, with its memory beside it.
#pragma once

#include <QComboBox>
#include <QGridLayout>
#include <QLabel>
#include <QToolButton>
#include <QWidget>
#include <memory>
#include <optional>

#include "engine/api/model_summary.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

// nullopt: what suits the device.
struct LoadChoice {
  std::optional<KvType> kv;
  std::optional<ActivationType> activations;
  bool operator==(const LoadChoice&) const = default;
};

class AdaptationView : public QWidget {
  Q_OBJECT
 public:
  explicit AdaptationView(const Theme& theme, QWidget* parent = nullptr);

  void show_model(const std::shared_ptr<const ModelSummary>& model);  // null: none
  [[nodiscard]] LoadChoice choice() const;
  [[nodiscard]] QComboBox& kv_box() const { return *kv_; }
  [[nodiscard]] QComboBox& activations_box() const { return *activations_; }
  [[nodiscard]] QToolButton& load_button() const { return *load_; }
  // A line of every adaptation, as it can be read.
  [[nodiscard]] QString text() const;

 Q_SIGNALS:
  void load_requested(const fovea::LoadChoice& choice);

 protected:
  void changeEvent(QEvent* event) override;

 private:
  void fill_choices(const LoadChoice& choice);
  void fill_list();
  void update_button();
  void retranslate();
  void restyle();
  [[nodiscard]] LoadChoice loaded() const;  // what a person asked of the open model's load

  const Theme& theme_;
  std::shared_ptr<const ModelSummary> model_;
  QLabel *kv_name_, *activations_name_, *note_;
  QComboBox *kv_, *activations_;
  QToolButton* load_;
  QGridLayout* list_;
};

}  // namespace fovea
