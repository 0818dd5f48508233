// The model view: what the file is, its card, its metadata and its tensors; sortable, filterable, copyable.
#pragma once

#include <QFormLayout>
#include <QFrame>
#include <QLabel>
#include <QLineEdit>
#include <QSortFilterProxyModel>
#include <QStackedWidget>
#include <QTabWidget>
#include <QTableView>
#include <vector>

#include "ui/card/card_view.hpp"
#include "ui/models/metadata_model.hpp"
#include "ui/models/tensor_model.hpp"
#include "ui/panels/adaptation_view.hpp"
#include "ui/state/workbench_state.hpp"
#include "ui/theme/theme.hpp"
#include "ui/widgets/empty_state.hpp"

namespace fovea {

class ModelPanel : public QFrame {
  Q_OBJECT
 public:
  ModelPanel(WorkbenchState& state, const Theme& theme, QWidget* parent = nullptr);

  [[nodiscard]] QTableView& tensor_table() const { return *tensor_table_; }
  [[nodiscard]] QTableView& metadata_table() const { return *metadata_table_; }
  [[nodiscard]] QLineEdit& filter_box() const { return *filter_; }
  [[nodiscard]] EmptyState& empty_state() const { return *empty_; }
  [[nodiscard]] CardView& card() const { return *card_; }
  void show_card() { tabs_->setCurrentIndex(kCard); }
  [[nodiscard]] AdaptationView& adaptation() const { return *adaptation_; }
  void show_adaptation() { tabs_->setCurrentIndex(kAdaptation); }
  // The selected rows as lines of tab-separated cells.
  [[nodiscard]] static QString selected_rows(const QTableView& table);
  [[nodiscard]] QString summary_text() const;

 Q_SIGNALS:
  // The open model anew, with other choices.
  void load_requested(const fovea::LoadChoice& choice);

 protected:
  void changeEvent(QEvent* event) override;

 private:
  enum Tab { kSummary, kCard, kAdaptation, kMetadata, kTensors };
  QTableView* make_table(QSortFilterProxyModel& proxy);
  void retranslate();
  void restyle();
  void refresh();
  void fill_summary();

  WorkbenchState& state_;
  const Theme& theme_;
  TensorModel* tensors_;
  MetadataModel* metadata_;
  QSortFilterProxyModel *tensor_rows_, *metadata_rows_;
  QStackedWidget* pages_;
  EmptyState* empty_;
  QTabWidget* tabs_;
  CardView* card_;
  AdaptationView* adaptation_;
  QTableView *tensor_table_, *metadata_table_;
  QLineEdit* filter_;
  QWidget* summary_;
  QFormLayout* facts_;
  std::vector<std::pair<QLabel*, QLabel*>> fact_labels_;
};

}  // namespace fovea
