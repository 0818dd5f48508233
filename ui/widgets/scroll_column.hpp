// A column of widgets that scrolls up and down where it is higher than its view, without a frame or a ground of its own.
#pragma once

#include <QScrollArea>

namespace fovea {

// Takes `content`, which is as wide as the view.
[[nodiscard]] QScrollArea* scroll_column(QWidget* content);

}  // namespace fovea
