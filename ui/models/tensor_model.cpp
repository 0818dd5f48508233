#include "ui/models/tensor_model.hpp"

#include <QStringList>
#include <algorithm>
#include <utility>

#include "ui/text/format.hpp"

namespace fovea {

namespace {

QString shown_shape(const TensorSummary& tensor) {
  QStringList sizes;
  for (std::uint32_t i = 0; i < std::clamp(tensor.dimensions, 1u, 4u); ++i) sizes << QString::number(tensor.shape[i]);
  return sizes.join(QStringLiteral(" × "));
}

qulonglong elements(const TensorSummary& tensor) {
  qulonglong count = 1;
  for (const std::uint64_t size : tensor.shape) count *= size;
  return count;
}

}  // namespace

void TensorModel::set_model(std::shared_ptr<const ModelSummary> model) {
  beginResetModel();
  model_ = std::move(model);
  endResetModel();
}

void TensorModel::retranslate() { Q_EMIT headerDataChanged(Qt::Horizontal, 0, kColumns - 1); }

int TensorModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() || !model_ ? 0 : static_cast<int>(model_->tensors.size());
}

int TensorModel::columnCount(const QModelIndex& parent) const { return parent.isValid() ? 0 : int{kColumns}; }

QVariant TensorModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const TensorSummary& tensor = model_->tensors[static_cast<std::size_t>(index.row())];
  if (role == Qt::TextAlignmentRole)
    return QVariant::fromValue(index.column() == kBytes ? Qt::AlignRight | Qt::AlignVCenter
                                                        : Qt::AlignLeft | Qt::AlignVCenter);
  if (role != Qt::DisplayRole && role != kSortRole) return {};
  const bool sort = role == kSortRole;
  switch (index.column()) {
    case kName:
      return QString::fromStdString(tensor.name);
    case kType:
      return QString::fromStdString(tensor.type);
    case kShape:
      return sort ? QVariant(elements(tensor)) : QVariant(shown_shape(tensor));
    case kBytes:
      return sort ? QVariant(static_cast<qulonglong>(tensor.bytes))
                  : QVariant(shown_bytes(static_cast<double>(tensor.bytes)));
    default:
      return {};
  }
}

QVariant TensorModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation != Qt::Horizontal || role != Qt::DisplayRole)
    return QAbstractTableModel::headerData(section, orientation, role);
  switch (section) {
    case kName:
      return tr("Tensor");
    case kType:
      return tr("Type");
    case kShape:
      return tr("Shape");
    case kBytes:
      return tr("Size");
    default:
      return {};
  }
}

}  // namespace fovea
