#include "ui/widgets/banner.hpp"

#include <QClipboard>
#include <QEvent>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QKeyEvent>

#include "ui/theme/icon.hpp"

namespace fovea {

Banner::Banner(const Theme& theme, QWidget* parent)
    : QFrame(parent), theme_(theme), text_(new QLabel), copy_(new QToolButton), close_(new QToolButton) {
  setObjectName(QStringLiteral("banner"));
  setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
  text_->setWordWrap(true);
  text_->setTextFormat(Qt::PlainText);
  text_->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
  copy_->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
  close_->setProperty("flat", true);
  auto* layout = new QHBoxLayout(this);
  layout->setContentsMargins(12, 8, 8, 8);
  layout->setSpacing(8);
  layout->addWidget(text_, 1);
  layout->addWidget(copy_, 0, Qt::AlignTop);
  layout->addWidget(close_, 0, Qt::AlignTop);
  connect(copy_, &QToolButton::clicked, this, &Banner::copy);
  connect(close_, &QToolButton::clicked, this, &Banner::dismiss);
  connect(&theme, &Theme::changed, this, &Banner::restyle);
  retranslate();
  restyle();
  hide();
}

void Banner::show_error(const Error& error) {
  sentence_ = QString::fromStdString(error.sentence());
  text_->setText(sentence_);
  setAccessibleName(sentence_);
  show();
}

void Banner::copy() const { QGuiApplication::clipboard()->setText(sentence_); }

void Banner::dismiss() {
  sentence_.clear();
  hide();
}

void Banner::keyPressEvent(QKeyEvent* event) {
  if (event->key() == Qt::Key_Escape) return dismiss();
  QFrame::keyPressEvent(event);
}

void Banner::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QFrame::changeEvent(event);
}

void Banner::retranslate() {
  copy_->setText(tr("&Copy"));
  copy_->setToolTip(tr("Copy this sentence"));
  close_->setToolTip(tr("Put this message away (Esc)"));
  close_->setAccessibleName(tr("Close"));
}

void Banner::restyle() {
  const ThemeColors& colors = theme_.colors();
  copy_->setIcon(themed_icon(QStringLiteral("copy"), colors.text, colors.dim));
  close_->setIcon(themed_icon(QStringLiteral("close"), colors.text, colors.dim));
}

}  // namespace fovea
