#include "ui/theme/theme.hpp"

#include <QApplication>
#include <QEvent>
#include <QFontDatabase>
#include <QFontInfo>
#include <QGuiApplication>
#include <QPalette>
#include <QStyle>
#include <QStyleFactory>
#include <QStyleHints>

#include "ui/theme/oklab.hpp"
#include "ui/theme/paper_colors.hpp"
#include "ui/theme/portal_color_scheme.hpp"

namespace fovea {

namespace {

const Theme* on_paper = nullptr;  // whose PaperColors lives

ThemeColors make_dark() {
  ThemeColors c;
  c.dark = true;
  c.ground = QColor(0x14171c);
  c.panel = QColor(0x1b1f26);
  c.line = QColor(0x2a303a);
  c.text = QColor(0xd7dce4);
  c.dim = QColor(0x8b95a5);
  c.accent = QColor(0x4da3ff);
  c.on_accent = QColor(0x0b1420);
  c.hover = QColor(0x262c36);
  c.selected = QColor(0x1f4468);
  c.control = QColor(0x232831);
  c.run_a = QColor(0x4da3ff);
  c.run_b = QColor(0xffa24d);
  c.loss = QColor(0xff5d5d);
  c.gain = QColor(0x43c59e);
  c.future = QColor(0x1b1f26);
  c.future_hatch = QColor(0x2b313c);
  c.unrecorded = QColor(0x23272f);
  c.unrecorded_dots = QColor(0x5a6475);
  c.page_sinks = QColor(0x2fbf94);
  c.page_window = QColor(0x56b4e9);
  c.page_chosen = QColor(0xf0a72e);
  c.page_left_out = QColor(0x252a33);
  c.page_left_out_hatch = QColor(0x414a59);
  c.tier_f16 = QColor(0x56b4e9);
  c.tier_eight_bits = QColor(0xf0e442);
  c.tier_four_bits = QColor(0xcc79a7);
  c.memory_weights = QColor(0x3d7fc4);
  c.memory_kv = QColor(0x43c59e);
  c.memory_compute = QColor(0xd69046);
  c.memory_other = QColor(0x8b95a5);
  return c;
}

ThemeColors make_light() {
  ThemeColors c;
  c.ground = QColor(0xf7f8fa);
  c.panel = QColor(0xffffff);
  c.line = QColor(0xe3e7ed);
  c.text = QColor(0x1d2430);
  c.dim = QColor(0x667085);
  c.accent = QColor(0x1a6dd6);
  c.on_accent = QColor(0xffffff);
  c.hover = QColor(0xeef1f5);
  c.selected = QColor(0xcfe3fb);
  c.control = QColor(0xffffff);
  c.run_a = QColor(0x1a6dd6);
  c.run_b = QColor(0xb85c00);
  c.loss = QColor(0xc62f2f);
  c.gain = QColor(0x14805f);
  c.future = QColor(0xf3f5f8);
  c.future_hatch = QColor(0xe0e4ea);
  c.unrecorded = QColor(0xe9ebef);
  c.unrecorded_dots = QColor(0xa3acb9);
  c.page_sinks = QColor(0x00875f);
  c.page_window = QColor(0x0072b2);
  c.page_chosen = QColor(0xd17a00);
  c.page_left_out = QColor(0xeceff3);
  c.page_left_out_hatch = QColor(0xc3cad4);
  c.tier_f16 = QColor(0x0072b2);
  c.tier_eight_bits = QColor(0x8f7d00);
  c.tier_four_bits = QColor(0x8a2f66);
  c.memory_weights = QColor(0x5b9be0);
  c.memory_kv = QColor(0x2fa883);
  c.memory_compute = QColor(0xe39a4f);
  c.memory_other = QColor(0x98a2b3);
  return c;
}

QPalette palette_of(const ThemeColors& c) {
  QPalette p;
  p.setColor(QPalette::Window, c.ground);
  p.setColor(QPalette::WindowText, c.text);
  p.setColor(QPalette::Base, c.panel);
  p.setColor(QPalette::AlternateBase, c.ground);
  p.setColor(QPalette::Text, c.text);
  p.setColor(QPalette::PlaceholderText, c.dim);
  p.setColor(QPalette::Button, c.control);
  p.setColor(QPalette::ButtonText, c.text);
  p.setColor(QPalette::BrightText, c.loss);
  p.setColor(QPalette::ToolTipBase, c.panel);
  p.setColor(QPalette::ToolTipText, c.text);
  p.setColor(QPalette::Highlight, c.selected);
  p.setColor(QPalette::HighlightedText, c.text);
  p.setColor(QPalette::Link, c.accent);
  p.setColor(QPalette::Light, c.line);
  p.setColor(QPalette::Midlight, c.line);
  p.setColor(QPalette::Mid, c.line);
  p.setColor(QPalette::Dark, c.line);
  p.setColor(QPalette::Shadow, c.line);
  for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText})
    p.setColor(QPalette::Disabled, role, c.dim);
  return p;
}

double luminance(const QColor& color) {
  const auto linear = [](double v) { return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); };
  return 0.2126 * linear(color.redF()) + 0.7152 * linear(color.greenF()) + 0.0722 * linear(color.blueF());
}

QString first_installed(const QStringList& wanted, const QString& otherwise) {
  for (const QString& family : wanted)
    if (QFontDatabase::hasFamily(family)) return family;
  return otherwise;
}

}  // namespace

const ThemeColors& light_colors() {
  static const ThemeColors colors = make_light();
  return colors;
}

const ThemeColors& dark_colors() {
  static const ThemeColors colors = make_dark();
  return colors;
}

QColor expert_color(std::uint32_t expert, bool dark) {
  // Steps of the golden angle keep neighbours far apart; three lightnesses tell those apart whose hues come close.
  static constexpr double kTier[] = {0, 0.09, -0.09};
  const double hue = 20 + std::fmod(expert * 137.50776, 360.0);
  return color_of(oklch((dark ? 0.72 : 0.62) + kTier[expert % 3], 0.135, hue));
}

double contrast(const QColor& a, const QColor& b) {
  const double x = luminance(a), y = luminance(b);
  return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

Theme::Theme(QObject* parent) : QObject(parent), portal_(new PortalColorScheme(this)) {
  // Where nobody chose a font, the system's answer is DejaVu; the CJK font's own Latin is then the better match.
  const QString system = QFontInfo(QFontDatabase::systemFont(QFontDatabase::GeneralFont)).family();
  const QString cjk = first_installed({QStringLiteral("Noto Sans CJK SC"), QStringLiteral("Noto Sans SC")}, system);
  sans_family_ =
      system.startsWith(QLatin1String("DejaVu")) ? first_installed({QStringLiteral("Noto Sans")}, cjk) : system;
  mono_family_ = first_installed({QStringLiteral("Noto Sans Mono"), QStringLiteral("DejaVu Sans Mono")},
                                 QFontDatabase::systemFont(QFontDatabase::FixedFont).family());
  read_system();
  qApp->installEventFilter(this);
#if QT_VERSION >= QT_VERSION_CHECK(6, 5, 0)
  connect(QGuiApplication::styleHints(), &QStyleHints::colorSchemeChanged, this, [this] {
    read_system();
    apply();
  });
#else
  connect(portal_, &PortalColorScheme::changed, this, [this] {
    read_system();
    apply();
  });
#endif
  QApplication::setStyle(QStyleFactory::create(QStringLiteral("Fusion")));
  apply();
}

void Theme::read_system() {
#if QT_VERSION >= QT_VERSION_CHECK(6, 5, 0)
  system_dark_ = QGuiApplication::styleHints()->colorScheme() == Qt::ColorScheme::Dark;
#else
  // The portal knows best; the palette that Qt began with tells what the platform's own theme is.
  static const bool began_dark = [] {
    const QPalette palette = QGuiApplication::palette();
    return palette.color(QPalette::Window).lightness() < palette.color(QPalette::WindowText).lightness();
  }();
  system_dark_ = portal_->dark().value_or(palette_dark_.value_or(began_dark));
#endif
}

void Theme::set_mode(ThemeMode mode) {
  mode_ = mode;
  apply();
}

PaperColors::PaperColors(const Theme& theme) { on_paper = &theme; }
PaperColors::~PaperColors() { on_paper = nullptr; }

const ThemeColors& Theme::colors() const {
  if (on_paper == this) return light_colors();
  const bool use_dark = mode_ == ThemeMode::system ? system_dark_ : mode_ == ThemeMode::dark;
  return use_dark ? dark_colors() : light_colors();
}

QFont Theme::sans(int pixels) const {
  QFont font;
  font.setFamilies({sans_family_, QStringLiteral("Noto Sans CJK SC"), QStringLiteral("Noto Sans SC")});
  font.setPixelSize(pixels);
  return font;
}

QFont Theme::mono(int pixels) const {
  QFont font;
  font.setFamilies({mono_family_, QStringLiteral("Noto Sans Mono CJK SC"), QStringLiteral("Noto Sans CJK SC")});
  font.setStyleHint(QFont::Monospace);
  font.setPixelSize(pixels);
  return font;
}

void Theme::apply() {
  applying_ = true;
  QApplication::setPalette(palette_of(colors()));
  QApplication::setFont(sans());
  qApp->setStyleSheet(style_sheet(colors()));
  applying_ = false;
  Q_EMIT changed();
}

bool Theme::eventFilter(QObject* watched, QEvent* event) {
#if QT_VERSION < QT_VERSION_CHECK(6, 5, 0)
  // The system's theme has changed, not we: its new palette says which way.
  if (watched == qApp && event->type() == QEvent::ThemeChange && !applying_) {
    QApplication::setPalette(QPalette());
    const QPalette palette = QGuiApplication::palette();
    palette_dark_ = palette.color(QPalette::Window).lightness() < palette.color(QPalette::WindowText).lightness();
    read_system();
    apply();
  }
#endif
  return QObject::eventFilter(watched, event);
}

}  // namespace fovea
