// The settings of how tokens are drawn, under llama.cpp's names.
#pragma once

#include <QDoubleSpinBox>
#include <QLabel>
#include <QLineEdit>
#include <QSpinBox>
#include <QWidget>
#include <array>

#include "engine/api/sampling.hpp"

namespace fovea {

class SamplingForm : public QWidget {
  Q_OBJECT
 public:
  explicit SamplingForm(QWidget* parent = nullptr);

  [[nodiscard]] SamplingOptions options() const;
  void set_options(const SamplingOptions& options);
  [[nodiscard]] std::uint32_t max_tokens() const;
  void set_max_tokens(std::uint32_t tokens);

 protected:
  void changeEvent(QEvent* event) override;

 private:
  void retranslate();

  QDoubleSpinBox *temperature_, *top_p_, *min_p_, *repeat_penalty_;
  QSpinBox *top_k_, *repeat_last_n_, *max_tokens_;
  QLineEdit* seed_;
  std::array<QLabel*, 8> labels_{};
};

}  // namespace fovea
