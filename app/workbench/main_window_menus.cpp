// The window's menus, their words and their icons.
#include <QActionGroup>
#include <QApplication>
#include <QFileInfo>
#include <QMenuBar>

#include "app/workbench/main_window.hpp"
#include "ui/text/translation.hpp"
#include "ui/theme/icon.hpp"

namespace fovea {

namespace {
constexpr std::array<ThemeMode, 3> kModes{ThemeMode::system, ThemeMode::light, ThemeMode::dark};
}  // namespace

void MainWindow::make_actions() {
  menus_ = new QMenuBar;
  const auto action = [this](auto method, const QKeySequence& keys) {
    auto* made = new QAction(this);
    made->setShortcut(keys);
    connect(made, &QAction::triggered, this, method);
    return made;
  };
  open_ = action([this] { choose_file(); }, QKeySequence::Open);
  open_choices_ = action([this] { choose_file(true); }, QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_O));
  save_run_ = action([this] {
    if (state_.finished()) compare_->save_run(state_.finished()->record);
  }, QKeySequence::Save);
  quit_ = action([this] { close(); }, QKeySequence(Qt::CTRL | Qt::Key_Q));
  run_ = action([this] { run(); }, QKeySequence(Qt::CTRL | Qt::Key_R));
  stop_ = action([this] { stop(); }, QKeySequence(Qt::CTRL | Qt::Key_Period));
  go_to_ = action([this] { go_to_token(); }, QKeySequence(Qt::CTRL | Qt::Key_G));
  free_ = action([this] { state_.selection().select_token(std::nullopt); }, QKeySequence(Qt::CTRL | Qt::Key_D));
  reset_layout_ = action([this] { default_layout(); }, {});
  about_ = action([this] { show_about(); }, {});
  for (std::size_t i = 0; i < kViews; ++i)
    view_actions_[i] = action([this, i] { raise_view(static_cast<View>(i)); },
                              QKeySequence(Qt::CTRL | static_cast<Qt::Key>(Qt::Key_1 + i)));

  file_menu_ = menus_->addMenu(QString());
  file_menu_->addAction(open_);
  file_menu_->addAction(open_choices_);
  recent_menu_ = file_menu_->addMenu(QString());
  file_menu_->addSeparator();
  file_menu_->addAction(save_run_);
  file_menu_->addSeparator();
  file_menu_->addAction(quit_);
  run_menu_ = menus_->addMenu(QString());
  run_menu_->addActions({run_, stop_});
  run_menu_->addSeparator();
  run_menu_->addActions({go_to_, free_});
  view_menu_ = menus_->addMenu(QString());
  for (QAction* view : view_actions_) view_menu_->addAction(view);
  view_menu_->addSeparator();
  theme_menu_ = view_menu_->addMenu(QString());
  auto* themes = new QActionGroup(this);
  for (std::size_t i = 0; i < kModes.size(); ++i) {
    theme_actions_[i] = action([this, i] { theme_.set_mode(kModes[i]); }, {});
    theme_actions_[i]->setCheckable(true);
    theme_actions_[i]->setChecked(theme_.mode() == kModes[i]);
    themes->addAction(theme_actions_[i]);
    theme_menu_->addAction(theme_actions_[i]);
  }
  language_menu_ = view_menu_->addMenu(QString());
  auto* languages = new QActionGroup(this);
  for (const QString& language : available_languages()) {
    // Languages are named in their own words.
    QAction* made = language_menu_->addAction(language == "en" ? QStringLiteral("English") : QStringLiteral("简体中文"),
                                              this, [this, language] {
                                                language_ = language;
                                                use_language(language);
                                              });
    made->setCheckable(true);
    made->setChecked(language == current_language());
    languages->addAction(made);
  }
  view_menu_->addSeparator();
  view_menu_->addAction(reset_layout_);
  help_menu_ = menus_->addMenu(QString());
  help_menu_->addAction(about_);
  fill_recent();
}

void MainWindow::fill_recent() {
  recent_menu_->clear();
  for (const QString& path : recent_) {
    QAction* entry = recent_menu_->addAction(QFileInfo(path).fileName().replace('&', QLatin1String("&&")), this,
                                             [this, path] { open_model(path); });
    entry->setToolTip(path);
    entry->setStatusTip(path);
  }
  recent_menu_->setToolTipsVisible(true);
  recent_menu_->setEnabled(!recent_.isEmpty());
}

void MainWindow::retranslate() {
  file_menu_->setTitle(tr("&File"));
  open_->setText(tr("&Open…"));
  open_choices_->setText(tr("Open with &choices…"));
  open_choices_->setToolTip(tr("Choose context and KV cache beside the memory that they take, before the model is read"));
  recent_menu_->setTitle(tr("Open &recent"));
  save_run_->setText(tr("&Save the run…"));
  save_run_->setToolTip(tr("Keep what was recorded of the last run in a file that opens again, for comparing"));
  quit_->setText(tr("&Quit"));
  run_menu_->setTitle(tr("&Run"));
  run_->setText(tr("Run"));
  run_->setToolTip(tr("Generate from the prompt (Ctrl+R, or Ctrl+Enter in the prompt)"));
  stop_->setText(tr("Stop"));
  stop_->setToolTip(tr("End the run (Ctrl+.)"));
  go_to_->setText(tr("&Go to token…"));
  free_->setText(tr("&Free the cursor"));
  view_menu_->setTitle(tr("&View"));
  theme_menu_->setTitle(tr("&Theme"));
  const std::array<QString, 3> themes{tr("Like the &system"), tr("&Light"), tr("&Dark")};
  for (std::size_t i = 0; i < themes.size(); ++i) theme_actions_[i]->setText(themes[i]);
  language_menu_->setTitle(tr("&Language"));
  reset_layout_->setText(tr("&Reset the layout"));
  help_menu_->setTitle(tr("&Help"));
  about_->setText(tr("&About Fovea"));
  const std::array<QString, kViews> views{tr("Prompt"), tr("Attention"), tr("Experts"),
                                          tr("Memory"), tr("Model"),     tr("Performance"),
                                          tr("Compare"),   tr("Lengths")};
  for (std::size_t i = 0; i < kViews; ++i) {
    docks_[i]->setWindowTitle(views[i]);
    view_actions_[i]->setText(QStringLiteral("&%1 %2").arg(i + 1).arg(views[i]));
  }
  if (!state_.model()) setWindowTitle(QStringLiteral("Fovea"));
  on_load_changed();
}

void MainWindow::restyle() {
  const ThemeColors& colors = theme_.colors();
  open_->setIcon(themed_icon(QStringLiteral("open"), colors.text, colors.dim));
  run_->setIcon(themed_icon(QStringLiteral("run"), colors.accent, colors.dim));
  stop_->setIcon(themed_icon(QStringLiteral("stop"), colors.text, colors.dim));
  reset_layout_->setIcon(themed_icon(QStringLiteral("reset"), colors.text, colors.dim));
  for (std::size_t i = 0; i < kModes.size(); ++i) theme_actions_[i]->setChecked(theme_.mode() == kModes[i]);
}

}  // namespace fovea
