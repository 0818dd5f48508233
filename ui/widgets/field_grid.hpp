// Fields that are set by hand, a row each: the name, the field, and for a slider what it says in words.
#pragma once

#include <QGridLayout>
#include <QLabel>
#include <QWidget>
#include <vector>

namespace fovea {

class FieldGrid : public QWidget {
  Q_OBJECT
 public:
  explicit FieldGrid(QWidget* parent = nullptr);

  // Takes the field. `worded`: with a label behind it. Rows are counted from 0.
  std::size_t add(QWidget* field, bool worded = false);
  // The name, with its mnemonic, and what the field is for, as a sentence.
  void set_words(std::size_t row, const QString& name, const QString& reason);
  void set_value(std::size_t row, const QString& words);
  [[nodiscard]] QString value(std::size_t row) const;
  void set_row_enabled(std::size_t row, bool on);
  void set_row_visible(std::size_t row, bool on);

 protected:
  // The wheel scrolls what the fields stand in; it turns a field only that has the focus.
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  struct Row {
    QLabel* name = nullptr;
    QWidget* field = nullptr;
    QLabel* value = nullptr;
  };
  QGridLayout* grid_;
  std::vector<Row> rows_;
};

}  // namespace fovea
