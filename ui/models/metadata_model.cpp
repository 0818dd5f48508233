#include "ui/models/metadata_model.hpp"

#include <utility>

#include "ui/models/tensor_model.hpp"

namespace fovea {

namespace {
constexpr qsizetype kLongestTip = 2000;  // characters; a chat template can be very long
}  // namespace

void MetadataModel::set_model(std::shared_ptr<const ModelSummary> model) {
  beginResetModel();
  model_ = std::move(model);
  endResetModel();
}

void MetadataModel::retranslate() { Q_EMIT headerDataChanged(Qt::Horizontal, 0, kColumns - 1); }

int MetadataModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() || !model_ ? 0 : static_cast<int>(model_->metadata.size());
}

int MetadataModel::columnCount(const QModelIndex& parent) const { return parent.isValid() ? 0 : int{kColumns}; }

QVariant MetadataModel::data(const QModelIndex& index, int role) const {
  if (!checkIndex(index, CheckIndexOption::IndexIsValid)) return {};
  const MetadataEntry& entry = model_->metadata[static_cast<std::size_t>(index.row())];
  if (role != Qt::DisplayRole && role != TensorModel::kSortRole && role != Qt::ToolTipRole) return {};
  if (index.column() == kKey) return role == Qt::ToolTipRole ? QVariant() : QVariant(QString::fromStdString(entry.key));
  const QString value = QString::fromStdString(entry.value);
  if (role == Qt::ToolTipRole) {
    const QString tip = value.size() > kLongestTip ? value.left(kLongestTip) + QChar(0x2026) : value;
    return QStringLiteral("<p style='white-space:pre-wrap'>%1</p>").arg(tip.toHtmlEscaped());
  }
  return role == Qt::DisplayRole ? value.simplified() : value;
}

QVariant MetadataModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation != Qt::Horizontal || role != Qt::DisplayRole)
    return QAbstractTableModel::headerData(section, orientation, role);
  switch (section) {
    case kKey:
      return tr("Key");
    case kValue:
      return tr("Value");
    default:
      return {};
  }
}

}  // namespace fovea
