// The head of a docked view: its name and buttons to float and close it; gone where a tab already says the name.
#pragma once

#include <QDockWidget>
#include <QLabel>
#include <QToolButton>
#include <QWidget>

#include "ui/theme/theme.hpp"

namespace fovea {

class DockTitle : public QWidget {
  Q_OBJECT
 public:
  DockTitle(QDockWidget& dock, const Theme& theme);

  void set_collapsed(bool collapsed);
  QSize sizeHint() const override;
  QSize minimumSizeHint() const override { return sizeHint(); }

 protected:
  void changeEvent(QEvent* event) override;

 private:
  void retranslate();
  void restyle();

  QDockWidget& dock_;
  const Theme& theme_;
  QLabel* name_;
  QToolButton *float_, *close_;
  bool collapsed_ = false;
};

}  // namespace fovea
