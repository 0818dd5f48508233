// Icons of one stroke width, drawn in the theme's colour.
#pragma once

#include <QColor>
#include <QIcon>
#include <QString>

namespace fovea {

// `name` as in resources/icons; the file's `currentColor` becomes `color`, `disabled` when the control is.
[[nodiscard]] QIcon themed_icon(const QString& name, const QColor& color, const QColor& disabled);

}  // namespace fovea
