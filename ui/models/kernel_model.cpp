#include "ui/models/kernel_model.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ui/text/format.hpp"

namespace fovea {

namespace {

// A count, unless the steps that it is the mean of were not alike.
QString shown_calls(double calls) {
  return calls == std::floor(calls) ? shown_count(static_cast<std::uint64_t>(calls)) : shown_number(calls);
}

}  // namespace

void KernelModel::set_times(const KernelTimes& times, double divisor) {
  std::vector<KernelTime> rows = longest_first(times.kernels);
  const bool same = rows.size() == rows_.size();  // then the selection and the scroll bar stay where they are
  if (!same) beginResetModel();
  rows_ = std::move(rows);
  divisor_ = std::max(divisor, 1.0);
  total_ = times.microseconds();
  if (!same)
    endResetModel();
  else if (!rows_.empty())
    Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, kColumns - 1));
}

void KernelModel::clear() { set_times({}, 1); }

void KernelModel::retranslate() { Q_EMIT headerDataChanged(Qt::Horizontal, 0, kColumns - 1); }

int KernelModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() ? 0 : static_cast<int>(rows_.size());
}

int KernelModel::columnCount(const QModelIndex& parent) const { return parent.isValid() ? 0 : int{kColumns}; }

QVariant KernelModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const KernelTime& row = rows_[static_cast<std::size_t>(index.row())];
  const double share = total_ > 0 ? row.microseconds / total_ : 0;
  if (role == Qt::TextAlignmentRole)
    return QVariant::fromValue(index.column() == kKernel ? Qt::AlignLeft | Qt::AlignVCenter
                                                         : Qt::AlignRight | Qt::AlignVCenter);
  if (role == kBarRole && index.column() == kShare)
    return rows_[0].microseconds > 0 ? row.microseconds / rows_[0].microseconds : 0;
  if (role != Qt::DisplayRole) return {};
  switch (index.column()) {
    case kKernel:
      return QString::fromStdString(row.kernel);
    case kCount:
      return shown_calls(row.count / divisor_);
    case kTime:
      return shown_number(row.microseconds / divisor_);
    case kShare:
      return total_ > 0 ? shown_percent(share) : QStringLiteral("–");
    default:
      return {};
  }
}

QVariant KernelModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation != Qt::Horizontal) return QAbstractTableModel::headerData(section, orientation, role);
  if (role == Qt::TextAlignmentRole)
    return QVariant::fromValue(section == kKernel ? Qt::AlignLeft | Qt::AlignVCenter
                                                  : Qt::AlignRight | Qt::AlignVCenter);
  if (role == Qt::ToolTipRole) {
    if (section == kKernel) return tr("As fovea-cli bench --profile names it");
    if (section == kCount) return tr("How often the device runs it");
    if (section == kTime) return tr("GPU time in microseconds, from the device's timestamps");
    if (section == kShare) return tr("Of the GPU time of all kernels; the longest bar is the largest share");
  }
  if (role != Qt::DisplayRole) return QAbstractTableModel::headerData(section, orientation, role);
  switch (section) {
    case kKernel:
      return tr("Kernel");
    case kCount:
      return tr("Calls");
    case kTime:
      return QStringLiteral("µs");
    case kShare:
      return tr("Share");
    default:
      return {};
  }
}

}  // namespace fovea
