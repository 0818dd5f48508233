// What the compare view opens, measures and writes: its menus and their dialogs.
#include <QApplication>
#include <QFileDialog>
#include <QFileInfo>
#include <QPointer>
#include <QThreadPool>
#include <algorithm>
#include <utility>

#include "engine/runs/comparison_export.hpp"
#include "ui/compare/compare_panel.hpp"
#include "ui/compare/plot_export.hpp"
#include "ui/compare/run_words.hpp"

namespace fovea {

void ComparePanel::make_menus() {
  const auto action = [this](QMenu* menu, auto method) {
    auto* made = new QAction(this);
    connect(made, &QAction::triggered, this, method);
    menu->addAction(made);
    return made;
  };
  measure_actions_ = {action(measure_menu_, [this] { measure_predictions(); }), action(measure_menu_, [this] { choose_text(&ComparePanel::measure_predictions); }),
                      action(measure_menu_, [this] { measure_frontier(); }), action(measure_menu_, [this] { choose_text(&ComparePanel::measure_frontier); })};
  measure_menu_->insertSeparator(measure_actions_[2]);
  export_actions_ = {action(export_menu_, [this] { save_whole("html", QStringLiteral("HTML (*.html)")); }), action(export_menu_, [this] { save_whole("json", QStringLiteral("JSON (*.json)")); }),
                     action(export_menu_, [this] { save_whole("csv", QStringLiteral("CSV (*.csv)")); }), action(export_menu_, [this] { save_whole("fovea", QStringLiteral("Fovea (*.fovea)")); })};
}

void ComparePanel::retranslate_menus() {
  const std::array<QString, 4> measures{tr("Predictions on the &tokens of A"), tr("Predictions on a te&xt…"), tr("&Frontier on the tokens of A"), tr("F&rontier on a text…")};
  const std::array<QString, 4> exports{tr("&Page (HTML)…"), tr("All of it (&JSON)…"), tr("Tables (&CSV)…"), tr("Both &runs with what was measured…")};
  for (std::size_t i = 0; i < 4; ++i) {
    measure_actions_[i]->setText(measures[i]);
    export_actions_[i]->setText(exports[i]);
  }
}

void ComparePanel::open(const QString& path) {
  const auto read = read_run_file(path.toStdString());
  if (!read) {
    Q_EMIT failed(read.error());
    return;
  }
  shelf_.add(*read, QFileInfo(path).fileName());
}

void ComparePanel::choose_runs() {
  auto* dialog = new QFileDialog(this, tr("Open runs"), QString(), tr("Runs (*.fovea);;All files (*)"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setFileMode(QFileDialog::ExistingFiles);
  connect(dialog, &QFileDialog::filesSelected, this, [this](const QStringList& paths) {
    for (const QString& path : paths) open(path);
  });
  dialog->open();
}

void ComparePanel::choose_text(void (ComparePanel::*measure)(const QString&)) {
  auto* dialog = new QFileDialog(this, tr("Choose a text"), QString(), tr("Texts (*.txt *.md);;All files (*)"));
  dialog->setAttribute(Qt::WA_DeleteOnClose);
  dialog->setFileMode(QFileDialog::ExistingFile);
  connect(dialog, &QFileDialog::fileSelected, this, [this, measure](const QString& path) { (this->*measure)(path); });
  dialog->open();
}

QString ComparePanel::why_not_measured() const {
  const Comparison* const comparison = shelf_.comparison();
  if (comparison == nullptr) return tr("Two runs are needed.");
  if (!state_.model()) return tr("No model is open.");
  if (comparison->a().tokens().size() < std::size_t{std::max(comparison->a().prompt_tokens(), 1u)} + 2) return tr("A generated fewer than two tokens.");
  const RunModel open = run_model(*state_.model());
  for (const RunRecord* run : {&comparison->a(), &comparison->b()})
    if (!open.same_as(run->model)) return tr("The runs are of %1: open that model to measure.").arg(QString::fromStdString(run->model.file));
  return {};
}

ScoredText ComparePanel::text_to_score(const QString& file) const {
  if (!file.isEmpty()) return {.name = QFileInfo(file).fileName().toStdString(), .file = file.toStdString()};
  const RunRecord& a = shelf_.comparison()->a();
  ScoredText text{.name = kTokensOfA, .first = std::max(a.prompt_tokens(), 1u)};
  for (const TokenText& token : a.tokens()) text.tokens.push_back(token.id);
  return text;
}

void ComparePanel::measure_predictions(const QString& file) {
  if (!why_not_measured().isEmpty() || shelf_.measuring()) return;
  const RequestId id = state_.next_measurement();
  shelf_.expect(id);
  Q_EMIT command(ScorePair{id, text_to_score(file), shelf_.comparison()->a().policy, shelf_.comparison()->b().policy});
}

void ComparePanel::measure_frontier(const QString& file) {
  if (!why_not_measured().isEmpty() || shelf_.measuring()) return;
  const RequestId id = state_.next_measurement();
  const PolicyText &a = shelf_.comparison()->a().policy, &b = shelf_.comparison()->b().policy;
  std::vector<PolicyText> policies{a};
  if (!(b == a)) policies.push_back(b);
  PolicyText base;
  base.kv = a.kv;
  shelf_.expect(id);
  Q_EMIT command(MeasureFrontier{id, text_to_score(file), base, policies});
}

bool ComparePanel::export_to(const QString& path) const {
  const Comparison* const comparison = shelf_.comparison();
  if (comparison == nullptr) return false;
  if (path.endsWith(QLatin1String(".fovea"), Qt::CaseInsensitive)) return write_run_file(path.toStdString(), comparison->file()).has_value();
  if (path.endsWith(QLatin1String(".csv"), Qt::CaseInsensitive)) return save_text(path, QString::fromStdString(comparison_csv(*comparison)));
  if (path.endsWith(QLatin1String(".html"), Qt::CaseInsensitive)) return save_text(path, QString::fromStdString(comparison_html(*comparison, page_words(*comparison))));
  return save_text(path, QString::fromStdString(comparison_text_json(*comparison)));
}

void ComparePanel::save_whole(const char* ending, const QString& filter) {
  choose_and_save(*this, QStringLiteral("comparison.") + QLatin1String(ending), filter, [this](const QString& path) {
    if (!path.endsWith(QLatin1String(".fovea"), Qt::CaseInsensitive)) return export_to(path);
    if (shelf_.comparison() != nullptr) write_runs(shelf_.comparison()->file(), path);
    return true;
  });
}

void ComparePanel::save_run(const std::shared_ptr<const RunRecord>& run) {
  if (run == nullptr) return;
  choose_and_save(*this, QStringLiteral("run.fovea"), QStringLiteral("Fovea (*.fovea)"), [this, run](const QString& path) {
    write_runs({run, nullptr, nullptr, nullptr}, path);
    return true;
  });
}

void ComparePanel::write_runs(RunFile file, const QString& path) {
  QThreadPool::globalInstance()->start([self = QPointer<ComparePanel>(this), file = std::move(file), path] {
    if (auto done = write_run_file(path.toStdString(), with_sums(file)); !done)
      QMetaObject::invokeMethod(qApp, [self, error = std::move(done).error()] {
        if (self) Q_EMIT self->failed(error);
      });
  });
}

}  // namespace fovea
