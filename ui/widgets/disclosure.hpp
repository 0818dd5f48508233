// What few people need, folded away under a word; the word says how much of it is set.
#pragma once

#include <QToolButton>
#include <QWidget>

namespace fovea {

class Disclosure : public QWidget {
  Q_OBJECT
 public:
  // Takes `content`, which is folded at first.
  explicit Disclosure(QWidget* content, QWidget* parent = nullptr);

  // How many of the settings inside are other than they are by default; 0 is not told.
  void set_count(int set);
  [[nodiscard]] bool open() const { return button_->isChecked(); }
  [[nodiscard]] QToolButton& button() const { return *button_; }

 Q_SIGNALS:
  void toggled(bool open);

 protected:
  void changeEvent(QEvent* event) override;

 private:
  void refresh();

  QToolButton* button_;
  QWidget* content_;
  int set_ = 0;
};

}  // namespace fovea
