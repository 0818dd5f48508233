// Runs the tests inside one Qt application, offscreen unless told otherwise.
#include <gtest/gtest.h>

#include <QApplication>
#include <QStandardPaths>

#include "ui/text/translation.hpp"

int main(int argc, char** argv) {
  if (qEnvironmentVariableIsEmpty("QT_QPA_PLATFORM")) qputenv("QT_QPA_PLATFORM", "offscreen");
  testing::InitGoogleTest(&argc, argv);
  QCoreApplication::setOrganizationName(QStringLiteral("fovea-tests"));
  QCoreApplication::setApplicationName(QStringLiteral("fovea-tests"));
  QApplication application(argc, argv);
  fovea::load_resources();
  fovea::use_language(QStringLiteral("en"));
  return RUN_ALL_TESTS();
}
