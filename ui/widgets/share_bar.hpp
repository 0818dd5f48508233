// Draws a share as a small bar with its text to the right of it.
#pragma once

#include <QStyledItemDelegate>

#include "ui/theme/theme.hpp"

namespace fovea {

class ShareBar : public QStyledItemDelegate {
  Q_OBJECT
 public:
  // `role`: of the bar's length, 0..1.
  ShareBar(const Theme& theme, int role, QObject* parent = nullptr);

  void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const override;

 private:
  const Theme& theme_;
  int role_;
};

}  // namespace fovea
