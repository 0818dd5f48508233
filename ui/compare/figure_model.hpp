// The figures of a comparison as a table: A, B, the difference, absolute and relative.
#pragma once

#include <QAbstractTableModel>

#include "engine/runs/comparison.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

class FigureModel : public QAbstractTableModel {
  Q_OBJECT
 public:
  enum Column { kName, kA, kB, kDifference, kRelative, kColumns };

  FigureModel(const Theme& theme, QObject* parent = nullptr) : QAbstractTableModel(parent), theme_(theme) {}

  void show(const Comparison* comparison);  // nullptr: nothing
  void retranslate();

  [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
  [[nodiscard]] int columnCount(const QModelIndex& parent = {}) const override;
  [[nodiscard]] QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
  [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

 private:
  const Theme& theme_;
  std::vector<ComparedFigure> figures_;
};

}  // namespace fovea
