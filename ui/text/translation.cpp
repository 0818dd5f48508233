#include "ui/text/translation.hpp"

#include <QCoreApplication>
#include <QLibraryInfo>
#include <QLocale>
#include <QTranslator>

static void init_workbench_resources() { Q_INIT_RESOURCE(workbench); }

namespace fovea {

namespace {

// Owned by the application object, so that the installed translators end with it.
struct Installed {
  QString language = QStringLiteral("en");
  QTranslator* own = nullptr;
  QTranslator* qt = nullptr;
};

Installed& installed() {
  static Installed value;
  return value;
}

void replace(QTranslator*& slot, const QString& file, const QString& folder) {
  delete slot;  // also uninstalls it
  slot = nullptr;
  auto* translator = new QTranslator(QCoreApplication::instance());
  if (file.isEmpty() || !translator->load(file, folder)) {
    delete translator;
    return;
  }
  QCoreApplication::installTranslator(translator);
  slot = translator;
}

}  // namespace

void load_resources() { init_workbench_resources(); }

QStringList available_languages() { return {QStringLiteral("en"), QStringLiteral("zh_CN")}; }

QString system_language() {
  for (const QString& wanted : QLocale::system().uiLanguages())
    for (const QString& language : available_languages())
      if (QLocale(wanted).language() == QLocale(language).language()) return language;
  return QStringLiteral("en");
}

bool use_language(const QString& language) {
  if (!available_languages().contains(language)) return false;
  installed().language = language;
  const bool english = language == QLatin1String("en");
  // Qt's own words (dialog buttons, context menus of text fields), where its messages are installed.
  replace(installed().qt, english ? QString() : QStringLiteral("qtbase_") + language,
          QLibraryInfo::path(QLibraryInfo::TranslationsPath));
  replace(installed().own, english ? QString() : QStringLiteral("fovea_") + language,
          QStringLiteral(":/fovea/translations"));
  QLocale::setDefault(QLocale::c());  // digits and decimal points stay as in reports, whatever the language
  return english || installed().own != nullptr;
}

QString current_language() { return installed().language; }

}  // namespace fovea
