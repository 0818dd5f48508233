// How a model is to be opened, chosen before anything but its header is read: the context, and how keys and values are kept, each
// with what memory a run of that whole context would take.
#pragma once

#include <QButtonGroup>
#include <QDialog>
#include <QLabel>
#include <QPushButton>
#include <QRadioButton>
#include <QSpinBox>
#include <QTimer>
#include <array>
#include <memory>
#include <optional>

#include "engine/api/command.hpp"
#include "engine/api/event.hpp"
#include "ui/state/workbench_state.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

class LoadDialog : public QDialog {
  Q_OBJECT
 public:
  // `asked`: the file, and what is chosen so far. `problem`: why it could not be opened so; empty: nobody tried.
  LoadDialog(WorkbenchState& state, const Theme& theme, InspectModel asked, const QString& problem, QWidget* parent = nullptr);
  void inspect();  // asks for the estimates; once connected

  [[nodiscard]] QSpinBox& context_box() const { return *context_; }
  [[nodiscard]] QRadioButton& choice(std::size_t at) const { return *rows_[at].choice; }  // auto, then the types in order
  [[nodiscard]] QString row_text(std::size_t at) const;
  [[nodiscard]] QString facts_text() const { return facts_->text(); }
  [[nodiscard]] QPushButton& open_button() const { return *open_; }

 Q_SIGNALS:
  void command(const fovea::Command& command);
  void load_requested(const QString& path, quint32 context, std::optional<fovea::KvType> kv);

 protected:
  void changeEvent(QEvent* event) override;

 private:
  static constexpr std::size_t kRows = 4;
  struct Row {
    QRadioButton* choice = nullptr;
    QLabel *kv = nullptr, *total = nullptr, *fits = nullptr;
  };
  void take(const Event& event);
  void show_estimates();
  void retranslate();
  [[nodiscard]] std::optional<KvType> chosen() const;

  WorkbenchState& state_;
  const Theme& theme_;
  InspectModel asked_;
  bool waiting_ = false;
  std::shared_ptr<const ModelSummary> model_;  // as it was told last
  QLabel *file_, *problem_, *facts_, *context_name_, *context_most_, *kv_title_, *total_title_, *note_;
  QSpinBox* context_;
  QButtonGroup* group_;
  std::array<Row, kRows> rows_{};
  QPushButton *open_, *cancel_;
  QTimer rest_;  // until the context is asked for
};

}  // namespace fovea
