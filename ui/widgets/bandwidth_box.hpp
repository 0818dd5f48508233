// A field for a bandwidth in GB/s that may be unknown, which is not zero.
#pragma once

#include <QDoubleSpinBox>
#include <optional>

namespace fovea {

class BandwidthBox : public QDoubleSpinBox {
  Q_OBJECT
 public:
  explicit BandwidthBox(QWidget* parent = nullptr);

  void set_bandwidth(std::optional<double> gb_per_s);
  [[nodiscard]] std::optional<double> bandwidth() const;

 protected:
  QString textFromValue(double value) const override;
};

}  // namespace fovea
