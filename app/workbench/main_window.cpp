#include "app/workbench/main_window.hpp"

#include <QApplication>
#include <QCloseEvent>
#include <QDragEnterEvent>
#include <QFileInfo>
#include <QMenuBar>
#include <QMimeData>
#include <QUrl>
#include <QVBoxLayout>
#include <limits>
#include <utility>

#include "ui/text/translation.hpp"

namespace fovea {

namespace {

// What the engine says while it loads; listed here for the translators.
[[maybe_unused]] constexpr const char* kLoadWords[] = {
    QT_TRANSLATE_NOOP("fovea::load", "Reading the file"), QT_TRANSLATE_NOOP("fovea::load", "Opening the device"),
    QT_TRANSLATE_NOOP("fovea::load", "Uploading weights"), QT_TRANSLATE_NOOP("fovea::load", "Building pipelines")};

}  // namespace

MainWindow::MainWindow(WorkbenchState& state, Theme& theme, const WorkbenchSettings& settings)
    : state_(state),
      theme_(theme),
      recent_(settings.recent),
      last_folder_(settings.last_folder),
      language_(settings.language),
      peaks_(settings.peaks),
      prompt_(new PromptPanel(state, theme)),
      attention_(new AttentionPanel(state, theme)),
      experts_(new ExpertsPanel(state, theme)),
      memory_(new MemoryPanel(state, theme)),
      model_(new ModelPanel(state, theme)),
      performance_(new PerformancePanel(state, theme)),
      shelf_(new RunShelf(this)),
      compare_(new ComparePanel(state, *shelf_, theme)),
      lengths_(new LengthPanel(state, theme)),
      status_(new StatusLine(state)),
      banner_(new Banner(theme)),
      progress_(new ProgressStrip) {
  setObjectName(QStringLiteral("workbench"));
  setAcceptDrops(true);
  setDockNestingEnabled(true);
  setTabPosition(Qt::AllDockWidgetAreas, QTabWidget::North);
  setDocumentMode(true);
  setContentsMargins(8, 0, 8, 0);
  prompt_->sampling().set_options(settings.sampling);
  prompt_->sampling().set_max_tokens(settings.max_tokens);
  prompt_->set_recording(settings.recording);
  make_docks();
  make_actions();
  make_header();
  setStatusBar(status_);
  connect_state();
  default_layout();
  retranslate();
  restyle();
  update_actions();
}

void MainWindow::make_docks() {
  const std::array<QWidget*, kViews> views{prompt_, attention_, experts_, memory_, model_, performance_, compare_, lengths_};
  static constexpr const char* kNames[kViews] = {"prompt", "attention", "experts", "memory", "model", "performance", "compare", "lengths"};
  for (std::size_t i = 0; i < kViews; ++i) {
    docks_[i] = new QDockWidget(this);
    docks_[i]->setObjectName(QString::fromLatin1(kNames[i]));
    docks_[i]->setWidget(views[i]);
    titles_[i] = new DockTitle(*docks_[i], theme_);
    docks_[i]->setTitleBarWidget(titles_[i]);
    for (const auto signal : {&QDockWidget::visibilityChanged, &QDockWidget::topLevelChanged})
      connect(docks_[i], signal, this, &MainWindow::update_titles, Qt::QueuedConnection);
    connect(docks_[i], &QDockWidget::dockLocationChanged, this, &MainWindow::update_titles, Qt::QueuedConnection);
  }
}

// Menu, title strip and messages share the space above the docks.
void MainWindow::make_header() {
  strip_ = new TitleStrip(state_, *run_, *stop_);
  auto* header = new QWidget;
  auto* column = new QVBoxLayout(header);
  column->setContentsMargins(0, 0, 0, 8);
  column->setSpacing(0);
  column->addWidget(menus_);
  column->addWidget(strip_);
  column->addWidget(progress_);
  column->addWidget(banner_);
  setMenuWidget(header);
  connect(strip_, &TitleStrip::model_pressed, this, [this] { raise_view(View::model); });
  policy_panel_ = new PolicyPanel(this);
  connect(strip_, &TitleStrip::policy_pressed, this, [this] { policy_panel_->open_below(strip_->policy_chip()); });
  connect(policy_panel_, &PolicyPanel::policy_chosen, this, &MainWindow::choose_policy);
  connect(policy_panel_, &PolicyPanel::calibration_requested, this, &MainWindow::calibrate_experts);
  connect(progress_, &ProgressStrip::cancelled, this, [this] { Q_EMIT command(Cancel{}); });
}

void MainWindow::connect_state() {
  connect(prompt_, &PromptPanel::run_requested, this, &MainWindow::run);
  connect(prompt_, &PromptPanel::stop_requested, this, &MainWindow::stop);
  connect(attention_, &AttentionPanel::record_requested, this, &MainWindow::run_recording_head);
  connect(performance_, &PerformancePanel::timing_changed, this, [this](bool on) { Q_EMIT command(TimeKernels{on}); });
  connect(performance_, &PerformancePanel::timed_run_requested, this, &MainWindow::run_timing_kernels);
  connect(compare_, &ComparePanel::command, this, &MainWindow::command);
  connect(compare_, &ComparePanel::failed, this, &MainWindow::show_error);
  connect(model_, &ModelPanel::load_requested, this, &MainWindow::load_again);
  connect(&experts_->scheduling(), &SchedulingView::policy_requested, this, [this] { policy_panel_->open_below(strip_->policy_chip()); });
  connect(&experts_->scheduling(), &SchedulingView::device_requested, this, [this] {
    raise_view(View::model);
    model_->show_adaptation();
  });
  connect(lengths_, &LengthPanel::command, this, &MainWindow::command);
  connect(lengths_, &LengthPanel::failed, this, &MainWindow::show_error);
  connect(performance_, &PerformancePanel::peak_changed, this, &MainWindow::remember_peak);
  connect(&prompt_->prompt_box(), &QPlainTextEdit::textChanged, this, &MainWindow::update_actions);
  connect(&state_, &WorkbenchState::load_changed, this, &MainWindow::on_load_changed);
  connect(&state_, &WorkbenchState::model_changed, this, &MainWindow::on_model_changed);
  connect(&state_, &WorkbenchState::run_started, this, &MainWindow::update_actions);
  connect(&state_, &WorkbenchState::run_ended, this, &MainWindow::update_actions);
  connect(&state_, &WorkbenchState::run_failed, this, &MainWindow::show_error);
  connect(&state_, &WorkbenchState::load_failed, this, [this](const LoadFailed& failure) {
    again_.reset();
    const QString opened = std::exchange(opening_, QString());
    // What does not fit one way may fit another; a policy that finds no room is another matter.
    if (failure.error.code == ErrorCode::memory && !opened.isEmpty())
      choose_load(opened, QString::fromStdString(failure.error.sentence()));
    else if (failure.error.code != ErrorCode::cancelled)
      show_error(failure.error);
    if (!failure.kept || !state_.model()) return;
    policy_.attention = state_.model()->attention;
    if (state_.model()->experts_used > 0) policy_.experts = state_.model()->experts_rule;
    set_policy(policy_);
  });
  connect(&theme_, &Theme::changed, this, &MainWindow::restyle);
}

void MainWindow::default_layout() {
  const auto [prompt, attention, experts, memory, model, performance, compare, lengths] = docks_;
  for (QDockWidget* dock : docks_) {
    removeDockWidget(dock);
    dock->setFloating(false);
  }
  addDockWidget(Qt::LeftDockWidgetArea, prompt);
  addDockWidget(Qt::RightDockWidgetArea, attention);
  splitDockWidget(attention, experts, Qt::Vertical);
  splitDockWidget(experts, memory, Qt::Horizontal);
  tabifyDockWidget(memory, model);
  tabifyDockWidget(model, performance);
  tabifyDockWidget(attention, compare);
  tabifyDockWidget(compare, lengths);
  for (QDockWidget* dock : docks_) dock->show();
  memory->raise();
  attention->raise();
  default_sizes();
  update_titles();
}

// Shares of the window, so they mean something only once it has its size.
void MainWindow::default_sizes() {
  const auto [prompt, attention, experts, memory, model, performance, compare, lengths] = docks_;
  resizeDocks({prompt, attention}, {width() * 40 / 100, width() * 59 / 100}, Qt::Horizontal);
  resizeDocks({attention, experts}, {height() * 51 / 100, height() * 39 / 100}, Qt::Vertical);
  resizeDocks({experts, memory}, {width() * 38 / 100, width() * 28 / 100}, Qt::Horizontal);
}

void MainWindow::showEvent(QShowEvent* event) {
  QMainWindow::showEvent(event);
  if (!sized_) default_sizes();
  sized_ = true;
}

void MainWindow::update_titles() {
  for (std::size_t i = 0; i < kViews; ++i)
    titles_[i]->set_collapsed(!docks_[i]->isFloating() && !tabifiedDockWidgets(docks_[i]).isEmpty());
}

void MainWindow::set_device(std::int32_t device, std::uint32_t context) {
  device_ = device;
  context_ = context;
}

void MainWindow::set_peak(double gb_per_s) {
  peak_ = gb_per_s;
  performance_->set_peak(peak_);
}

void MainWindow::remember_peak() {
  if (!state_.model()) return;
  peak_.reset();
  const QString device = QString::fromStdString(state_.model()->device.name);
  if (const auto peak = performance_->peak_box().bandwidth())
    peaks_[device] = *peak;
  else
    peaks_.remove(device);
}

void MainWindow::set_policy(const WorkbenchPolicy& policy) {
  policy_ = policy;
  strip_->set_policy(policy);
  show_policy(policy.attention, policy.experts);
}

void MainWindow::show_policy(const std::optional<SparseAttention>& attention, const std::optional<ExpertRule>& experts) {
  const auto& model = state_.model();
  policy_panel_->show_attention(attention, model ? model->layers : 0);
  policy_panel_->show_experts(experts, model ? std::optional(model->experts_used) : std::nullopt, model ? model->layers : 0);
  const bool left_out = model && leaves_router_out(policy_.experts, *model);
  policy_panel_->experts_form().set_router_left_out(left_out);
  status_->set_router_left_out(left_out);
}

std::optional<SparseAttention> MainWindow::asked_attention() const {
  const auto& model = state_.model();
  return policy_.attention && model ? std::optional(fitted(*policy_.attention, model->layers)) : policy_.attention;
}

void MainWindow::open_model(const QString& path, bool remember) { open_in(path, context_, remember); }

void MainWindow::open_in(const QString& path, std::uint32_t context, bool remember) {
  banner_->dismiss();
  remember_ = remember;
  opening_ = path;
  if (state_.running()) Q_EMIT command(Cancel{});
  state_.begin_loading(path);
  again_.reset();
  Q_EMIT command(LoadModel{path.toStdString(), device_, context, policy_.kv, policy_.activations, policy_.attention, policy_.experts, policy_.kv_tiers});
}

void MainWindow::load_again(const LoadChoice& choice) {
  if (!state_.model() || state_.loading()) return;
  policy_.kv = choice.kv;
  policy_.activations = choice.activations;
  set_policy(policy_);
  open_in(QString::fromStdString(state_.model()->path), state_.model()->context, remember_);
}

void MainWindow::open_file(const QString& path) {
  if (!is_run_file(path)) return open_model(path);
  banner_->dismiss();
  compare_->open(path);
  raise_view(View::compare);
}

void MainWindow::start(Generate request) {
  banner_->dismiss();
  request.id = next_request_++;
  state_.begin_run(request);
  Q_EMIT command(request);
}

void MainWindow::run() {
  if (run_->isEnabled()) start(prompt_->request());
}

Generate MainWindow::repetition() const {
  Generate request = state_.request();
  // The seed that was in use keeps the text as it is.
  if (const auto seed = state_.seed();
      seed && *seed <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    request.sampling.seed = static_cast<std::int64_t>(*seed);
  return request;
}

void MainWindow::run_recording_head() {
  if (!run_->isEnabled()) return;
  Generate request = repetition();
  request.trace.all_heads = false;
  request.trace.heads = {state_.selection().head()};
  start(request);
}

void MainWindow::choose_policy(const std::optional<SparseAttention>& attention, const std::optional<ExpertRule>& experts) {
  policy_.attention = attention;
  policy_.experts = experts;
  set_policy(policy_);
  if (!state_.model() || state_.loading()) return;
  banner_->dismiss();
  if (state_.phase() != RunPhase::none || again_) {
    if (!again_) again_ = repetition();
    if (attention && again_->trace.records_attention()) again_->trace.measure_every = 1;
    if (!attention) again_->trace.measure_every = 0;
  }
  if (state_.running()) Q_EMIT command(Cancel{});
  Q_EMIT command(ChoosePolicy{attention, experts});
}

void MainWindow::run_timing_kernels() {
  if (!run_->isEnabled()) return;
  performance_->set_timing(true);
  start(repetition());
}

void MainWindow::stop() {
  if (state_.running()) Q_EMIT command(Cancel{});
}

void MainWindow::show_error(const Error& error) { banner_->show_error(error); }

void MainWindow::raise_view(View view) {
  QDockWidget& raised = dock(view);
  raised.show();
  raised.raise();
  if (QWidget* first = raised.widget()->nextInFocusChain()) first->setFocus(Qt::ShortcutFocusReason);
  if (view == View::prompt) prompt_->prompt_box().setFocus(Qt::ShortcutFocusReason);
}

bool MainWindow::idle() const {
  return attention_->idle() && experts_->idle() && memory_->idle() && performance_->idle();
}

WorkbenchSettings MainWindow::settings() const {
  WorkbenchSettings s;
  s.geometry = saveGeometry();
  s.layout = saveState();
  s.theme = theme_.mode();
  s.language = language_;
  s.recent = recent_;
  s.last_folder = last_folder_;
  s.sampling = prompt_->sampling().options();
  s.max_tokens = prompt_->sampling().max_tokens();
  s.recording = prompt_->recording();
  s.peaks = peaks_;
  return s;
}

void MainWindow::restore_layout(const WorkbenchSettings& settings) {
  if (!settings.geometry.isEmpty()) restoreGeometry(settings.geometry);
  if (!settings.layout.isEmpty()) sized_ = restoreState(settings.layout);
  update_titles();
}

void MainWindow::on_load_changed() {
  if (state_.loading()) {
    const std::string& doing = state_.load_progress().doing;
    const QString file = QFileInfo(state_.loading_path()).fileName();
    progress_->show_progress(doing.empty()
                                 ? tr("Opening %1").arg(file)
                                 : tr("%1: %2").arg(file, QCoreApplication::translate("fovea::load", doing.c_str())),
                             state_.load_progress().fraction);
  } else {
    progress_->hide();
  }
  update_actions();
}

void MainWindow::on_model_changed() {
  if (state_.model()) opening_.clear();
  const auto& model = state_.model();
  const QString path = model ? QString::fromStdString(model->path) : QString();
  setWindowTitle(model ? QStringLiteral("%1 – Fovea").arg(QFileInfo(path).fileName()) : QStringLiteral("Fovea"));
  if (model) {
    const auto known = peaks_.constFind(QString::fromStdString(model->device.name));
    // What is chosen by the model's depth stays so chosen, and what is chosen for mixtures waits while a dense model is open.
    show_policy(model->attention == asked_attention() ? policy_.attention : model->attention, model->experts_used > 0 ? model->experts_rule : policy_.experts);
    performance_->set_peak(peak_ ? peak_ : known != peaks_.cend() ? std::optional(*known) : std::nullopt);
  }
  if (model && again_ && model->attention == asked_attention() && model->experts_rule == fitted(policy_.experts, model->experts_used)) {
    const Generate request = *std::exchange(again_, std::nullopt);
    QMetaObject::invokeMethod(this, [this, request] { start(request); }, Qt::QueuedConnection);
  }
  if (model && remember_) {
    remember_recent(recent_, QFileInfo(path).absoluteFilePath());
    fill_recent();
  }
  update_actions();
}

void MainWindow::update_actions() {
  const bool ready = state_.model() && !state_.loading() && !state_.running();
  run_->setEnabled(ready && !prompt_->prompt_box().toPlainText().isEmpty());
  stop_->setEnabled(state_.running());
  save_run_->setEnabled(!state_.running() && state_.finished() && state_.finished()->record);
  go_to_->setEnabled(state_.token_count() > 0 || state_.running());
}

void MainWindow::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QMainWindow::changeEvent(event);
}

void MainWindow::closeEvent(QCloseEvent* event) {
  Q_EMIT closing();
  QMainWindow::closeEvent(event);
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event) {
  const QList<QUrl> urls = event->mimeData()->urls();
  if (urls.size() == 1 && urls.front().isLocalFile()) event->acceptProposedAction();
}

void MainWindow::dropEvent(QDropEvent* event) {
  const QList<QUrl> urls = event->mimeData()->urls();
  if (urls.isEmpty() || !urls.front().isLocalFile()) return;
  event->acceptProposedAction();
  open_file(urls.front().toLocalFile());
}

}  // namespace fovea
