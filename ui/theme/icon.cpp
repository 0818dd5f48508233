#include "ui/theme/icon.hpp"

#include <QFile>
#include <QPainter>
#include <QPixmap>
#include <QSvgRenderer>

namespace fovea {

namespace {

QPixmap drawn(QByteArray svg, const QColor& color, int side) {
  svg.replace("currentColor", color.name().toLatin1());
  QSvgRenderer renderer(svg);
  QPixmap pixmap(side, side);
  pixmap.fill(Qt::transparent);
  QPainter painter(&pixmap);
  renderer.render(&painter, QRectF(0, 0, side, side));
  return pixmap;
}

}  // namespace

QIcon themed_icon(const QString& name, const QColor& color, const QColor& disabled) {
  QFile file(QStringLiteral(":/fovea/icons/%1.svg").arg(name));
  if (!file.open(QIODevice::ReadOnly)) return {};
  const QByteArray svg = file.readAll();
  QIcon icon;
  for (const int side : {16, 24, 32, 48}) {
    icon.addPixmap(drawn(svg, color, side), QIcon::Normal);
    icon.addPixmap(drawn(svg, disabled, side), QIcon::Disabled);
  }
  return icon;
}

}  // namespace fovea
