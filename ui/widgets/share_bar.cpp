#include "ui/widgets/share_bar.hpp"

#include <QApplication>
#include <QPainter>
#include <algorithm>

namespace fovea {

namespace {
constexpr int kPadding = 8, kTextMargin = 3, kBarHeight = 8;
}

ShareBar::ShareBar(const Theme& theme, int role, QObject* parent)
    : QStyledItemDelegate(parent), theme_(theme), role_(role) {}

void ShareBar::paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index) const {
  QStyleOptionViewItem cell = option;
  initStyleOption(&cell, index);
  const QString text = cell.text;
  cell.text.clear();
  const QStyle* style = cell.widget ? cell.widget->style() : QApplication::style();
  style->drawControl(QStyle::CE_ItemViewItem, &cell, painter, cell.widget);
  painter->save();
  const QFontMetrics metrics(cell.font);
  const int text_width = metrics.horizontalAdvance(QStringLiteral("99.9\u202f%"));
  const QRect inside = option.rect.adjusted(kPadding, 0, -kTextMargin, 0);
  painter->setFont(cell.font);
  painter->setPen(theme_.colors().text);
  painter->drawText(inside, Qt::AlignRight | Qt::AlignVCenter, text);
  QRect bar(inside.left(), inside.center().y() - kBarHeight / 2 + 1,
            std::max(0, inside.width() - text_width - kPadding), kBarHeight);
  const double length = std::clamp(index.data(role_).toDouble(), 0.0, 1.0);
  if (length > 0) bar.setWidth(std::max(1, static_cast<int>(bar.width() * length + 0.5)));
  if (length > 0 && inside.width() > text_width + kPadding) painter->fillRect(bar, theme_.colors().run_a);
  painter->restore();
}

}  // namespace fovea
