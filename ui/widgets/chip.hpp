// A fact of the title strip: a quiet label before its value, the reason in the tooltip; pressing it shows more.
#pragma once

#include <QToolButton>

namespace fovea {

class Chip : public QToolButton {
  Q_OBJECT
 public:
  explicit Chip(QWidget* parent = nullptr);

  // Long values are shortened in the middle; the tooltip and the accessible name have all of it.
  void set_value(const QString& value, const QString& tooltip);
  [[nodiscard]] QString value() const { return value_; }

 private:
  QString value_;
};

}  // namespace fovea
