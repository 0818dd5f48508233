// A box of choices: names that are too long for it end in an ellipsis, and it asks for little room.
#pragma once

#include <QComboBox>

namespace fovea {

class ElidedBox : public QComboBox {
  Q_OBJECT
 public:
  explicit ElidedBox(QWidget* parent = nullptr);

  QSize minimumSizeHint() const override { return {64, QComboBox::minimumSizeHint().height()}; }

 protected:
  void paintEvent(QPaintEvent* event) override;
};

}  // namespace fovea
