// The dialogs that the window opens: files, how a model is opened, calibration, a token, about.
#include <QCoreApplication>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QInputDialog>
#include <QMessageBox>
#include <QStandardPaths>

#include "app/workbench/main_window.hpp"

namespace fovea {

void MainWindow::choose_file(bool choices) {
  const QString folder = last_folder_.isEmpty() ? QDir::homePath() : last_folder_;
  auto* dialog = new QFileDialog(this, tr("Open a model or a run"), folder, tr("GGUF models and runs (*.gguf *.fovea);;All files (*)"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setFileMode(QFileDialog::ExistingFile);
  connect(dialog, &QFileDialog::fileSelected, this, [this, choices](const QString& path) {
    last_folder_ = QFileInfo(path).absolutePath();
    choices && !is_run_file(path) ? choose_load(path) : open_file(path);
  });
  dialog->open();
}

void MainWindow::go_to_token() {
  if (state_.token_count() == 0) return;
  auto* dialog = new QInputDialog(this);
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setInputMode(QInputDialog::IntInput);
  dialog->setWindowTitle(tr("Go to token"));
  dialog->setLabelText(tr("Token, from 0 to %1:").arg(state_.token_count() - 1));
  dialog->setIntRange(0, static_cast<int>(state_.token_count()) - 1);
  dialog->setIntValue(static_cast<int>(state_.selection().token().value_or(0)));
  connect(dialog, &QInputDialog::intValueSelected, this,
          [this](int token) { state_.selection().select_token(static_cast<std::uint32_t>(token)); });
  dialog->open();
}

void MainWindow::show_about() {
  auto* box =
      new QMessageBox(QMessageBox::NoIcon, tr("About Fovea"),
                      QStringLiteral("Fovea ") + QCoreApplication::applicationVersion(), QMessageBox::Close, this);
  box->setAttribute(Qt::WA_DeleteOnClose);
  box->setInformativeText(
      tr("Runs a language model with its own Vulkan engine and shows its attention, experts and memory while "
         "it writes.\nBuilt with Qt %1 and QCustomPlot.")
          .arg(QString::fromLatin1(qVersion())));
  box->open();
}

void MainWindow::choose_load(const QString& path, const QString& problem) {
  InspectModel asked{.path = path.toStdString(), .device = device_, .context = context_, .kv = policy_.kv, .attention = policy_.attention, .kv_tiers = policy_.kv_tiers};
  auto* dialog = new LoadDialog(state_, theme_, std::move(asked), problem, this);
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  connect(dialog, &LoadDialog::command, this, &MainWindow::command);
  connect(dialog, &LoadDialog::load_requested, this, [this](const QString& file, quint32 context, std::optional<KvType> kv) {
    policy_.kv = kv;
    set_policy(policy_);
    open_in(file, context, true);
  });
  dialog->open();
  dialog->inspect();
}

void MainWindow::calibrate_experts() {
  const QString folder = QDir(QStandardPaths::writableLocation(QStandardPaths::AppDataLocation)).filePath(QStringLiteral("biases"));
  auto* dialog = new CalibrationDialog(state_, folder, this);
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  connect(dialog, &CalibrationDialog::command, this, &MainWindow::command);
  connect(dialog, &CalibrationDialog::rule_chosen, this, [this](const ExpertRule& rule) { choose_policy(policy_.attention, rule); });
  dialog->open();
}

}  // namespace fovea
