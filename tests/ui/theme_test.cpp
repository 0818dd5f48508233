#include "ui/theme/theme.hpp"

#include <gtest/gtest.h>

#include <QApplication>
#include <QPalette>
#include <QSignalSpy>

#include "ui/theme/icon.hpp"
#include "ui/theme/oklab.hpp"
#include "ui/theme/portal_color_scheme.hpp"

namespace fovea {
namespace {

TEST(Theme, TextIsReadableOnEveryGround) {
  for (const ThemeColors* c : {&light_colors(), &dark_colors()}) {
    for (const QColor& ground : {c->ground, c->panel, c->control, c->hover, c->selected}) {
      EXPECT_GE(contrast(c->text, ground), 4.5) << c->dark << ' ' << ground.name().toStdString();
    }
    for (const QColor& ground : {c->ground, c->panel}) {
      EXPECT_GE(contrast(c->dim, ground), 4.5) << c->dark << ' ' << ground.name().toStdString();
      EXPECT_GE(contrast(c->accent, ground), 4.5) << c->dark;
      EXPECT_GE(contrast(c->loss, ground), 4.5) << c->dark;
    }
    EXPECT_GE(contrast(c->on_accent, c->accent), 4.5);
  }
}

TEST(Theme, ContrastIsTheWellKnownOne) {
  EXPECT_NEAR(contrast(Qt::black, Qt::white), 21, 1e-6);
  EXPECT_NEAR(contrast(QColor(0x777777), Qt::white), 4.48, 0.01);
}

TEST(Theme, NeighbouringExpertsAreFarApart) {
  for (const bool dark : {false, true})
    for (std::uint32_t a = 0; a < 16; ++a)
      for (std::uint32_t b = a + 1; b < 16; ++b)
        EXPECT_GT(oklab_distance(oklab_of(expert_color(a, dark)), oklab_of(expert_color(b, dark))), 0.035)
            << a << ' ' << b;
}

TEST(Theme, SwitchingChangesPaletteAndTellsTheViews) {
  Theme theme;
  QSignalSpy changed(&theme, &Theme::changed);
  theme.set_mode(ThemeMode::dark);
  EXPECT_TRUE(theme.dark());
  EXPECT_EQ(QApplication::palette().color(QPalette::Window), dark_colors().ground);
  theme.set_mode(ThemeMode::light);
  EXPECT_FALSE(theme.dark());
  EXPECT_EQ(QApplication::palette().color(QPalette::Window), light_colors().ground);
  EXPECT_EQ(changed.count(), 2);
  EXPECT_FALSE(style_sheet(theme.colors()).contains('@'));
}

TEST(Theme, FontsCarryChinese) {
  const Theme theme;
  EXPECT_TRUE(theme.sans().families().contains(QStringLiteral("Noto Sans CJK SC")));
  EXPECT_TRUE(theme.mono().families().contains(QStringLiteral("Noto Sans CJK SC")));
}

TEST(Theme, ThePortalsWordsAreUnderstood) {
  PortalColorScheme portal(nullptr);
  QSignalSpy changed(&portal, &PortalColorScheme::changed);
  portal.take(1u);
  EXPECT_EQ(portal.dark(), true);
  portal.take(2u);
  EXPECT_EQ(portal.dark(), false);
  portal.take(0u);
  EXPECT_EQ(portal.dark(), std::nullopt);
  portal.take(0u);
  EXPECT_EQ(changed.count(), 3);
}

TEST(Icon, TakesTheThemesColour) {
  const QImage image = themed_icon(QStringLiteral("stop"), Qt::red, Qt::gray).pixmap(16).toImage();
  int red = 0;
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < image.width(); ++x)
      red += image.pixelColor(x, y).red() > 200 && image.pixelColor(x, y).green() < 30;
  EXPECT_GT(red, 10);
  EXPECT_TRUE(themed_icon(QStringLiteral("none such"), Qt::red, Qt::gray).isNull());
}

}  // namespace
}  // namespace fovea
