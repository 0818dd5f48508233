#include "app/workbench/dock_title.hpp"

#include <QEvent>
#include <QHBoxLayout>
#include <QPainter>

#include "ui/theme/icon.hpp"

namespace fovea {

namespace {
constexpr int kHeight = 30;
}  // namespace

DockTitle::DockTitle(QDockWidget& dock, const Theme& theme)
    : QWidget(&dock), dock_(dock), theme_(theme), name_(new QLabel), float_(new QToolButton), close_(new QToolButton) {
  setObjectName(QStringLiteral("dock_title"));
  setAttribute(Qt::WA_StyledBackground);
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(12, 0, 6, 0);
  row->setSpacing(2);
  row->addWidget(name_, 1);
  for (QToolButton* button : {float_, close_}) {
    button->setProperty("flat", true);
    button->setIconSize(QSize(12, 12));
    button->setFocusPolicy(Qt::TabFocus);
    row->addWidget(button);
  }
  name_->setText(dock.windowTitle());
  connect(&dock, &QDockWidget::windowTitleChanged, name_, &QLabel::setText);
  connect(float_, &QToolButton::clicked, &dock, [&dock] { dock.setFloating(!dock.isFloating()); });
  connect(close_, &QToolButton::clicked, &dock, &QDockWidget::close);
  connect(&theme, &Theme::changed, this, &DockTitle::restyle);
  retranslate();
  restyle();
}

void DockTitle::set_collapsed(bool collapsed) {
  if (collapsed == collapsed_) return;
  collapsed_ = collapsed;
  for (QWidget* widget : std::initializer_list<QWidget*>{name_, float_, close_}) widget->setVisible(!collapsed);
  updateGeometry();
}

QSize DockTitle::sizeHint() const { return {60, collapsed_ ? 1 : kHeight}; }

void DockTitle::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QWidget::changeEvent(event);
}

void DockTitle::retranslate() {
  float_->setToolTip(tr("Make this view a window of its own, or dock it again"));
  close_->setToolTip(tr("Close this view; the View menu brings it back"));
  float_->setAccessibleName(tr("Float"));
  close_->setAccessibleName(tr("Close"));
}

void DockTitle::restyle() {
  const ThemeColors& colors = theme_.colors();
  float_->setIcon(themed_icon(QStringLiteral("fit"), colors.dim, colors.line));
  close_->setIcon(themed_icon(QStringLiteral("close"), colors.dim, colors.line));
}

}  // namespace fovea
