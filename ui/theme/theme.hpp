// The look of the window: colours of the light and dark theme, fonts, and following the system.
#pragma once

#include <QColor>
#include <QFont>
#include <QObject>
#include <cstdint>
#include <optional>

namespace fovea {

enum class ThemeMode { system, light, dark };

struct ThemeColors {
  bool dark = false;
  QColor ground, panel, line, text, dim, accent;
  QColor on_accent;        // text on an accent ground
  QColor hover, selected;  // grounds of hovered and selected things
  QColor control;          // ground of buttons and fields
  QColor run_a, run_b, loss, gain;
  QColor future, future_hatch;         // attention: keys that a query cannot see
  QColor unrecorded, unrecorded_dots;  // attention: rows that were not recorded
  // Sparse attention: what a page is to a query. Okabe and Ito's hues, which people with any colour vision tell apart.
  QColor page_sinks, page_window, page_chosen, page_left_out, page_left_out_hatch;
  QColor tier_f16, tier_eight_bits, tier_four_bits;  // how a page is kept; of the same hues
  QColor memory_weights, memory_kv, memory_compute, memory_other;
};

[[nodiscard]] const ThemeColors& light_colors();
[[nodiscard]] const ThemeColors& dark_colors();
// One hue per expert, the same everywhere.
[[nodiscard]] QColor expert_color(std::uint32_t expert, bool dark);
// WCAG contrast of two opaque colours, 1..21.
[[nodiscard]] double contrast(const QColor& a, const QColor& b);

class PortalColorScheme;

class Theme : public QObject {
  Q_OBJECT
 public:
  explicit Theme(QObject* parent = nullptr);

  void set_mode(ThemeMode mode);
  [[nodiscard]] ThemeMode mode() const { return mode_; }
  [[nodiscard]] const ThemeColors& colors() const;
  [[nodiscard]] bool dark() const { return colors().dark; }

  [[nodiscard]] QFont sans(int pixels = 13) const;
  [[nodiscard]] QFont mono(int pixels = 13) const;

 Q_SIGNALS:
  void changed();

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  void read_system();
  void apply();

  ThemeMode mode_ = ThemeMode::system;
  bool system_dark_ = false;
  std::optional<bool> palette_dark_;  // since the platform last changed its theme
  bool applying_ = false;
  PortalColorScheme* portal_;
  QString sans_family_, mono_family_;
};

// The style sheet for what the palette alone cannot say.
[[nodiscard]] QString style_sheet(const ThemeColors& colors);

}  // namespace fovea
