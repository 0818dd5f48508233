#include "ui/theme/theme.hpp"

#include <gtest/gtest.h>

#include <QApplication>
#include <QPalette>
#include <QSignalSpy>
#include <algorithm>
#include <array>
#include <cmath>

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

// As people without the cones for red or for green see it (Machado et al., 2009, severity 1).
QColor seen(const QColor& color, const std::array<double, 9>& m) {
  const auto linear = [](double v) { return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); };
  const auto stored = [](double v) { return v <= 0.0031308 ? 12.92 * v : 1.055 * std::pow(v, 1 / 2.4) - 0.055; };
  const std::array<double, 3> rgb{linear(color.redF()), linear(color.greenF()), linear(color.blueF())};
  std::array<double, 3> out{};
  for (std::size_t i = 0; i < 3; ++i) out[i] = stored(std::clamp(m[3 * i] * rgb[0] + m[3 * i + 1] * rgb[1] + m[3 * i + 2] * rgb[2], 0.0, 1.0));
  return QColor::fromRgbF(static_cast<float>(out[0]), static_cast<float>(out[1]), static_cast<float>(out[2]));
}

TEST(Theme, PagesAreToldApartWithAnyColourVision) {
  constexpr std::array<double, 9> kAll{1, 0, 0, 0, 1, 0, 0, 0, 1},
      kNoRed{0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998},
      kNoGreen{0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881};
  for (const ThemeColors* c : {&light_colors(), &dark_colors()}) {
    const std::array<QColor, 4> parts{c->page_sinks, c->page_window, c->page_chosen, c->page_left_out}, tiers{c->tier_f16, c->tier_eight_bits, c->tier_four_bits, c->page_left_out};
    for (const auto& pages : {parts, tiers})
      for (const auto& vision : {kAll, kNoRed, kNoGreen})
        for (std::size_t a = 0; a < pages.size(); ++a)
          for (std::size_t b = a + 1; b < pages.size(); ++b)
            EXPECT_GT(oklab_distance(oklab_of(seen(pages[a], vision)), oklab_of(seen(pages[b], vision))), 0.08) << c->dark << ' ' << a << ' ' << b;
    for (const QColor& page : {c->page_sinks, c->page_window, c->page_chosen, c->tier_f16, c->tier_eight_bits, c->tier_four_bits}) EXPECT_GE(contrast(page, c->page_left_out), 2.5) << page.name().toStdString();
  }
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
