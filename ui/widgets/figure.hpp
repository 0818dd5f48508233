// One number to be read from afar: what it is above it, its unit below.
#pragma once

#include <QLabel>
#include <QWidget>

#include "ui/theme/theme.hpp"

namespace fovea {

class Figure : public QWidget {
  Q_OBJECT
 public:
  explicit Figure(const Theme& theme, QWidget* parent = nullptr);

  void set_caption(const QString& caption);
  // `derived`: counted or computed, not measured; it is set in italics.
  void show_value(const QString& number, const QString& unit, bool derived = false);
  // There is no number: why, in a word or two.
  void show_absence(const QString& words, const QString& below = {});
  [[nodiscard]] QString text() const;  // "61.3 tok/s"; the words where there is no number

 private:
  void restyle();

  const Theme& theme_;
  QLabel *caption_, *number_, *unit_;
  bool absent_ = true, derived_ = false;
};

}  // namespace fovea
