// The tensors of a model as table rows; sorts by value, not by text.
#pragma once

#include <QAbstractTableModel>
#include <memory>

#include "engine/api/model_summary.hpp"

namespace fovea {

class TensorModel : public QAbstractTableModel {
  Q_OBJECT
 public:
  enum Column { kName, kType, kShape, kBytes, kColumns };
  static constexpr int kSortRole = Qt::UserRole;

  using QAbstractTableModel::QAbstractTableModel;
  void set_model(std::shared_ptr<const ModelSummary> model);
  void retranslate();

  int rowCount(const QModelIndex& parent = {}) const override;
  int columnCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;
  QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

 private:
  std::shared_ptr<const ModelSummary> model_;
};

}  // namespace fovea
