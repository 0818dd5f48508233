#include "ui/widgets/chip.hpp"

#include <algorithm>

namespace fovea {

namespace {
constexpr int kNarrowest = 72;  // pixels of text
}  // namespace

Chip::Chip(int widest, QWidget* parent) : QToolButton(parent), widest_(widest) {
  setProperty("chip", true);
  setToolButtonStyle(Qt::ToolButtonTextOnly);
  setFocusPolicy(Qt::StrongFocus);
  setSizePolicy(QSizePolicy::Maximum, QSizePolicy::Fixed);
}

void Chip::set_value(const QString& value, const QString& tooltip) {
  value_ = value;
  setToolTip(tooltip);
  setAccessibleName(value);
  setAccessibleDescription(tooltip);
  show_text();
  updateGeometry();  // a strip that gives another width has the text shown anew
}

QSize Chip::sizeHint() const {
  return {frame() + std::min(widest_, text_width(value_)), QToolButton::sizeHint().height()};
}

QSize Chip::minimumSizeHint() const {
  return {frame() + std::min({kNarrowest, widest_, text_width(value_)}), QToolButton::sizeHint().height()};
}

void Chip::resizeEvent(QResizeEvent* event) {
  QToolButton::resizeEvent(event);
  show_text();
}

void Chip::show_text() {
  const int room = std::min(widest_, width() - frame());
  QString shown = fontMetrics().elidedText(value_, Qt::ElideMiddle, room);
  setText(shown.replace('&', QLatin1String("&&")));
}

// As QToolButton measures its text.
int Chip::text_width(const QString& text) const { return fontMetrics().size(Qt::TextShowMnemonic, text).width(); }

int Chip::frame() const { return QToolButton::sizeHint().width() - text_width(text()); }

}  // namespace fovea
