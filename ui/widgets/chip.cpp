#include "ui/widgets/chip.hpp"

namespace fovea {

namespace {
constexpr int kWidest = 340;  // pixels of text
}  // namespace

Chip::Chip(QWidget* parent) : QToolButton(parent) {
  setProperty("chip", true);
  setToolButtonStyle(Qt::ToolButtonTextOnly);
  setFocusPolicy(Qt::StrongFocus);
}

void Chip::set_value(const QString& value, const QString& tooltip) {
  value_ = value;
  QString shown = fontMetrics().elidedText(value, Qt::ElideMiddle, kWidest);
  setText(shown.replace('&', QLatin1String("&&")));
  setToolTip(tooltip);
  setAccessibleName(value);
  setAccessibleDescription(tooltip);
}

}  // namespace fovea
