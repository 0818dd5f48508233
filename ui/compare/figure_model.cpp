#include "ui/compare/figure_model.hpp"

#include <cmath>

#include "ui/compare/run_words.hpp"
#include "ui/text/format.hpp"

namespace fovea {

void FigureModel::show(const Comparison* comparison) {
  beginResetModel();
  figures_.clear();
  // Rows that neither run can have (experts of a dense model) say nothing.
  if (comparison != nullptr)
    for (const ComparedFigure& figure : comparison->figures())
      if (figure.a || figure.b) figures_.push_back(figure);
  endResetModel();
}

void FigureModel::retranslate() {
  if (!figures_.empty()) Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, kColumns - 1));
  Q_EMIT headerDataChanged(Qt::Horizontal, 0, kColumns - 1);
}

int FigureModel::rowCount(const QModelIndex& parent) const { return parent.isValid() ? 0 : static_cast<int>(figures_.size()); }
int FigureModel::columnCount(const QModelIndex& parent) const { return parent.isValid() ? 0 : kColumns; }

QVariant FigureModel::data(const QModelIndex& at, int role) const {
  if (!at.isValid() || at.row() >= rowCount()) return {};
  const ComparedFigure& figure = figures_[static_cast<std::size_t>(at.row())];
  const auto difference = figure.difference(), relative = figure.relative();
  switch (role) {
    case Qt::DisplayRole:
      switch (at.column()) {
        case kName: return figure_name(figure);
        case kA: return figure_value(figure.a, figure.unit);
        case kB: return figure_value(figure.b, figure.unit);
        case kDifference: return figure_difference(difference, figure.unit);
        case kRelative: return figure_difference(relative, ComparedFigure::Unit::percent);
        default: return {};
      }
    case Qt::TextAlignmentRole: return QVariant::fromValue(Qt::Alignment((at.column() == kName ? Qt::AlignLeft : Qt::AlignRight) | Qt::AlignVCenter));
    case Qt::FontRole: {
      QFont font = at.column() == kName ? theme_.sans(12) : theme_.mono(12);
      font.setItalic(figure.derived);
      return font;
    }
    case Qt::ForegroundRole: {
      const ThemeColors& colors = theme_.colors();
      if ((at.column() == kA && !figure.a) || (at.column() == kB && !figure.b)) return colors.dim;
      if (at.column() < kDifference || !difference || *difference == 0 || figure.neutral) return at.column() < kDifference ? colors.text : colors.dim;
      return (*difference < 0) == figure.less_is_better ? colors.gain : colors.loss;
    }
    case Qt::ToolTipRole:
      if (figure.derived) return tr("%1: derived, counted from shapes and recorded choices, not measured").arg(figure_name(figure));
      return {};
    default: return {};
  }
}

QVariant FigureModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation != Qt::Horizontal) return {};
  if (role == Qt::TextAlignmentRole) return QVariant::fromValue(Qt::Alignment((section == kName ? Qt::AlignLeft : Qt::AlignRight) | Qt::AlignVCenter));
  if (role == Qt::ForegroundRole && (section == kA || section == kB)) return section == kA ? theme_.colors().run_a : theme_.colors().run_b;
  if (role != Qt::DisplayRole) return {};
  switch (section) {
    case kName: return tr("Figure");
    case kA: return QStringLiteral("%1 A").arg(QString::fromUtf8(kMarkA));
    case kB: return QStringLiteral("%1 B").arg(QString::fromUtf8(kMarkB));
    case kDifference: return QStringLiteral("B − A");
    case kRelative: return tr("relative");
    default: return {};
  }
}

}  // namespace fovea
