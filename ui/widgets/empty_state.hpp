// What a view says when it has nothing to show: a title, a sentence, and the button that changes it.
#pragma once

#include <QLabel>
#include <QPushButton>
#include <QWidget>

namespace fovea {

class EmptyState : public QWidget {
  Q_OBJECT
 public:
  explicit EmptyState(QWidget* parent = nullptr);

  // An empty `button` text hides the button.
  void say(const QString& title, const QString& sentence, const QString& button = {});
  [[nodiscard]] QString title() const { return title_->text(); }
  [[nodiscard]] QPushButton* button() const { return button_; }

 Q_SIGNALS:
  void pressed();

 protected:
  void resizeEvent(QResizeEvent* event) override;

 private:
  QLabel *title_, *sentence_;
  QPushButton* button_;
};

}  // namespace fovea
