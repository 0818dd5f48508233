#include "ui/widgets/bandwidth_box.hpp"

#include "engine/api/throughput.hpp"

namespace fovea {

BandwidthBox::BandwidthBox(QWidget* parent) : QDoubleSpinBox(parent) {
  setLocale(QLocale::c());
  setDecimals(3);
  setRange(0, kMostPeakGbs);  // 0 stands for unknown and is never shown
  setSingleStep(10);
  setButtonSymbols(QAbstractSpinBox::NoButtons);
  setSuffix(QStringLiteral("\u202fGB/s"));
  setKeyboardTracking(false);
  setAlignment(Qt::AlignRight);
}

void BandwidthBox::set_bandwidth(std::optional<double> gb_per_s) { setValue(gb_per_s.value_or(0)); }

std::optional<double> BandwidthBox::bandwidth() const {
  return value() >= kLeastPeakGbs ? std::optional(value()) : std::nullopt;
}

QString BandwidthBox::textFromValue(double value) const { return QString::number(value, 'g', 7); }

}  // namespace fovea
