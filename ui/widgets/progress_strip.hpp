// A long job in the window: what it is doing, how far it is, and a button that cancels it.
#pragma once

#include <QFrame>
#include <QLabel>
#include <QProgressBar>
#include <QPushButton>

namespace fovea {

class ProgressStrip : public QFrame {
  Q_OBJECT
 public:
  explicit ProgressStrip(QWidget* parent = nullptr);

  void show_progress(const QString& doing, double fraction);
  [[nodiscard]] QPushButton* cancel_button() const { return cancel_; }

 Q_SIGNALS:
  void cancelled();

 protected:
  void changeEvent(QEvent* event) override;

 private:
  void retranslate();

  QLabel* doing_;
  QProgressBar* bar_;
  QPushButton* cancel_;
};

}  // namespace fovea
