// The window's language: English in the source, others as embedded message files, switchable while running.
#pragma once

#include <QString>
#include <QStringList>

namespace fovea {

// Makes the embedded icons and translations available; call before the first window.
void load_resources();
[[nodiscard]] QStringList available_languages();  // "en", "zh_CN"
// The nearest available language to the system's preference.
[[nodiscard]] QString system_language();
// Installs the messages of `language`; every widget gets a LanguageChange event. False: there are none such.
bool use_language(const QString& language);
[[nodiscard]] QString current_language();

}  // namespace fovea
