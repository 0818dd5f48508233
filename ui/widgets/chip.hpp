// A fact of the title strip: a quiet label before its value, the reason in the tooltip; pressing it shows more.
#pragma once

#include <QToolButton>

namespace fovea {

class Chip : public QToolButton {
  Q_OBJECT
 public:
  // `widest`: pixels of text.
  explicit Chip(int widest = 340, QWidget* parent = nullptr);

  // Values that are longer, or longer than there is room for, are shortened in the middle; the tooltip and the
  // accessible name have all of it.
  void set_value(const QString& value, const QString& tooltip);
  [[nodiscard]] QString value() const { return value_; }

  [[nodiscard]] QSize sizeHint() const override;         // of the value, whatever of it is shown now
  [[nodiscard]] QSize minimumSizeHint() const override;  // so that a narrow strip shortens it and drops nothing

 protected:
  void resizeEvent(QResizeEvent* event) override;

 private:
  void show_text();
  [[nodiscard]] int text_width(const QString& text) const;
  [[nodiscard]] int frame() const;  // what the style adds to the text

  int widest_;
  QString value_;
};

}  // namespace fovea
