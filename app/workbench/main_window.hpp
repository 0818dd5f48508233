// The window: views as docks around one state, commands out, the engine's events in.
#pragma once

#include <QAction>
#include <QDockWidget>
#include <QMainWindow>
#include <QMenu>
#include <array>
#include <memory>
#include <vector>

#include "app/workbench/dock_title.hpp"
#include "app/workbench/options.hpp"
#include "app/workbench/workbench_policy.hpp"
#include "app/workbench/settings.hpp"
#include "app/workbench/status_line.hpp"
#include "app/workbench/title_strip.hpp"
#include "engine/api/command.hpp"
#include "ui/compare/compare_panel.hpp"
#include "ui/panels/attention_panel.hpp"
#include "ui/panels/calibration_dialog.hpp"
#include "ui/panels/experts_panel.hpp"
#include "ui/panels/length_panel.hpp"
#include "ui/panels/load_dialog.hpp"
#include "ui/panels/memory_panel.hpp"
#include "ui/panels/model_panel.hpp"
#include "ui/panels/performance_panel.hpp"
#include "ui/panels/policy_panel.hpp"
#include "ui/panels/prompt_panel.hpp"
#include "ui/widgets/banner.hpp"
#include "ui/widgets/progress_strip.hpp"

namespace fovea {

class MainWindow : public QMainWindow {
  Q_OBJECT
 public:
  MainWindow(WorkbenchState& state, Theme& theme, const WorkbenchSettings& settings);

  void set_device(std::int32_t device, std::uint32_t context);
  void set_peak(double gb_per_s);  // of whatever device runs, instead of what is remembered of it
  void set_policy(const WorkbenchPolicy& policy);  // of models that are opened from now on
  void open_model(const QString& path, bool remember = true);
  // A dialog that asks how a file is to be opened; `problem`: why it could not be opened so.
  void choose_load(const QString& path, const QString& problem = {});
  void load_again(const LoadChoice& choice);  // the open model, and how those opened later are kept
  void open_file(const QString& path);  // a model, or a run file, by its ending
  void run();
  void run_recording_head();  // again with the same seed, recording the selected head
  void run_timing_kernels();  // again with the same seed
  // Of the open model's runs and of models opened later; a run that there was is done again with its seed.
  void choose_policy(const std::optional<SparseAttention>& attention, const std::optional<ExpertRule>& experts);
  void stop();
  void show_error(const Error& error);
  void raise_view(View view);
  // As it is now, to be saved.
  [[nodiscard]] WorkbenchSettings settings() const;
  void restore_layout(const WorkbenchSettings& settings);
  [[nodiscard]] bool idle() const;  // all that was asked for is drawn

  [[nodiscard]] PromptPanel& prompt() const { return *prompt_; }
  [[nodiscard]] AttentionPanel& attention() const { return *attention_; }
  [[nodiscard]] ExpertsPanel& experts() const { return *experts_; }
  [[nodiscard]] MemoryPanel& memory() const { return *memory_; }
  [[nodiscard]] ModelPanel& model() const { return *model_; }
  [[nodiscard]] PerformancePanel& performance() const { return *performance_; }
  [[nodiscard]] ComparePanel& compare() const { return *compare_; }
  [[nodiscard]] LengthPanel& lengths() const { return *lengths_; }
  [[nodiscard]] Banner& banner() const { return *banner_; }
  [[nodiscard]] ProgressStrip& progress() const { return *progress_; }
  [[nodiscard]] StatusLine& status_line() const { return *status_; }
  [[nodiscard]] PolicyPanel& policy_panel() const { return *policy_panel_; }
  [[nodiscard]] TitleStrip& title_strip() const { return *strip_; }
  [[nodiscard]] QAction& run_action() const { return *run_; }
  [[nodiscard]] QAction& stop_action() const { return *stop_; }
  [[nodiscard]] QAction& save_run_action() const { return *save_run_; }
  [[nodiscard]] QDockWidget& dock(View view) const { return *docks_[static_cast<std::size_t>(view)]; }

 Q_SIGNALS:
  void command(const fovea::Command& command);
  void closing();

 protected:
  void changeEvent(QEvent* event) override;
  void closeEvent(QCloseEvent* event) override;
  void dragEnterEvent(QDragEnterEvent* event) override;
  void dropEvent(QDropEvent* event) override;
  void showEvent(QShowEvent* event) override;

 private:
  static constexpr std::size_t kViews = 8;
  void make_header();
  void make_docks();
  void make_actions();
  void connect_state();
  void default_layout();
  void default_sizes();
  void start(Generate request);
  void show_policy(const std::optional<SparseAttention>& attention, const std::optional<ExpertRule>& experts);
  [[nodiscard]] std::optional<SparseAttention> asked_attention() const;  // what the open model takes of the policy that was chosen
  [[nodiscard]] Generate repetition() const;  // the last request with the seed that was in use
  void remember_peak();
  void choose_file(bool choices = false);
  void open_in(const QString& path, std::uint32_t context, bool remember);
  void calibrate_experts();
  void go_to_token();
  void show_about();
  void on_load_changed();
  void on_model_changed();
  void update_actions();
  void update_titles();  // of docks that a tab names already
  void fill_recent();
  void retranslate();
  void restyle();

  WorkbenchState& state_;
  Theme& theme_;
  QStringList recent_;
  QString last_folder_, language_;
  QMap<QString, double> peaks_;  // GB/s by device name
  std::optional<double> peak_;   // for every device
  std::int32_t device_ = -1;
  std::uint32_t context_ = 0;
  WorkbenchPolicy policy_;
  std::optional<Generate> again_;  // to be run when the policy has changed
  RequestId next_request_ = 1;
  bool remember_ = true;
  QString opening_;  // the file that is being loaded
  bool sized_ = false;  // the docks have the sizes that a person or the default gave them

  PromptPanel* prompt_;
  AttentionPanel* attention_;
  ExpertsPanel* experts_;
  MemoryPanel* memory_;
  ModelPanel* model_;
  PerformancePanel* performance_;
  RunShelf* shelf_;
  ComparePanel* compare_;
  LengthPanel* lengths_;
  std::array<QDockWidget*, kViews> docks_{};
  std::array<DockTitle*, kViews> titles_{};
  TitleStrip* strip_ = nullptr;
  PolicyPanel* policy_panel_ = nullptr;
  StatusLine* status_;
  Banner* banner_;
  ProgressStrip* progress_;
  QMenuBar* menus_ = nullptr;
  QMenu *file_menu_, *recent_menu_, *run_menu_, *view_menu_, *theme_menu_, *language_menu_, *help_menu_;
  QAction *open_, *open_choices_, *save_run_, *quit_, *run_, *stop_, *go_to_, *free_, *reset_layout_, *about_;
  std::array<QAction*, kViews> view_actions_{};
  std::array<QAction*, 3> theme_actions_{};
};

}  // namespace fovea
