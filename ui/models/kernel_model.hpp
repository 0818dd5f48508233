// GPU time per kernel as table rows, the longest first.
#pragma once

#include <QAbstractTableModel>
#include <vector>

#include "engine/api/kernel_times.hpp"

namespace fovea {

class KernelModel : public QAbstractTableModel {
  Q_OBJECT
 public:
  enum Column { kKernel, kCount, kTime, kShare, kColumns };
  static constexpr int kBarRole = Qt::UserRole;  // of kShare: its part of the largest share, 0..1
  using QAbstractTableModel::QAbstractTableModel;

  // Sums divided by `divisor`: the timed steps for a token's mean, one for the whole.
  void set_times(const KernelTimes& times, double divisor);
  void clear();
  void retranslate();

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

 private:
  std::vector<KernelTime> rows_;
  double divisor_ = 1, total_ = 0;  // microseconds, before the division
};

}  // namespace fovea
