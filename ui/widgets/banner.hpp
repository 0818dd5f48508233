// A failure told in the window without stopping it: the sentence, a button that copies it, one that puts it away.
#pragma once

#include <QFrame>
#include <QLabel>
#include <QToolButton>

#include "engine/base/result.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

class Banner : public QFrame {
  Q_OBJECT
 public:
  explicit Banner(const Theme& theme, QWidget* parent = nullptr);

  void show_error(const Error& error);
  [[nodiscard]] QString sentence() const { return sentence_; }

 public Q_SLOTS:
  void copy() const;
  void dismiss();

 protected:
  void changeEvent(QEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

 private:
  void retranslate();
  void restyle();

  const Theme& theme_;
  QString sentence_;
  QLabel* text_;
  QToolButton *copy_, *close_;
};

}  // namespace fovea
