#include "ui/widgets/scroll_column.hpp"

namespace fovea {

QScrollArea* scroll_column(QWidget* content) {
  auto* scroll = new QScrollArea;
  scroll->setWidgetResizable(true);
  scroll->setFrameShape(QFrame::NoFrame);
  scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  scroll->setWidget(content);
  scroll->viewport()->setAutoFillBackground(false);
  content->setAutoFillBackground(false);  // setWidget() filled it
  return scroll;
}

}  // namespace fovea
