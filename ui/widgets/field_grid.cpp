#include "ui/widgets/field_grid.hpp"

#include <QEvent>

namespace fovea {

namespace {
// Grids that stand under one another have their fields under one another.
constexpr int kNameWidth = 116, kValueWidth = 72;
}  // namespace

FieldGrid::FieldGrid(QWidget* parent) : QWidget(parent), grid_(new QGridLayout(this)) {
  grid_->setContentsMargins(0, 0, 0, 0);
  grid_->setHorizontalSpacing(12);
  grid_->setVerticalSpacing(8);
  grid_->setColumnMinimumWidth(0, kNameWidth);
  grid_->setColumnStretch(1, 1);
}

std::size_t FieldGrid::add(QWidget* field, bool worded) {
  Row row{.name = new QLabel, .field = field};
  const int at = static_cast<int>(rows_.size());
  row.name->setProperty("dim", true);
  row.name->setBuddy(field);
  grid_->addWidget(row.name, at, 0);
  grid_->addWidget(field, at, 1, 1, worded ? 1 : 2);
  if (worded) {
    row.value = new QLabel;
    row.value->setAlignment(Qt::AlignRight | Qt::AlignVCenter);
    row.value->setMinimumWidth(kValueWidth);
    grid_->addWidget(row.value, at, 2);
  }
  field->installEventFilter(this);
  if (field->focusPolicy() == Qt::WheelFocus) field->setFocusPolicy(Qt::StrongFocus);
  rows_.push_back(row);
  return rows_.size() - 1;
}

void FieldGrid::set_words(std::size_t row, const QString& name, const QString& reason) {
  rows_[row].name->setText(name);
  rows_[row].name->setToolTip(reason);
  rows_[row].field->setToolTip(reason);
}

void FieldGrid::set_value(std::size_t row, const QString& words) { rows_[row].value->setText(words); }

QString FieldGrid::value(std::size_t row) const { return rows_[row].value->text(); }

void FieldGrid::set_row_enabled(std::size_t row, bool on) {
  rows_[row].field->setEnabled(on);
  if (rows_[row].value) rows_[row].value->setEnabled(on);
}

void FieldGrid::set_row_visible(std::size_t row, bool on) {
  for (QWidget* part : std::initializer_list<QWidget*>{rows_[row].name, rows_[row].field, rows_[row].value})
    if (part) part->setVisible(on);
}

bool FieldGrid::eventFilter(QObject* watched, QEvent* event) {
  if (event->type() != QEvent::Wheel || static_cast<QWidget*>(watched)->hasFocus()) return QWidget::eventFilter(watched, event);
  event->ignore();
  return true;
}

}  // namespace fovea
