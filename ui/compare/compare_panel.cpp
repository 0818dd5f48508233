#include "ui/compare/compare_panel.hpp"

#include <QEvent>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QSignalBlocker>
#include <QSplitter>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/compare/run_words.hpp"
#include "ui/text/format.hpp"

namespace fovea {

namespace {

using Side = RunShelf::Side;
constexpr int kRowHeight = 22, kControlHeight = 28, kLow = 330, kNarrow = 620;

// What the engine says while it scores; listed here for the translators.
[[maybe_unused]] constexpr const char* kScoreWords[] = {QT_TRANSLATE_NOOP("fovea::compare", "Loading the model"), QT_TRANSLATE_NOOP("fovea::compare", "Scoring the text")};

}  // namespace

ComparePanel::ComparePanel(WorkbenchState& state, RunShelf& shelf, const Theme& theme, QWidget* parent)
    : QFrame(parent), state_(state), shelf_(shelf), theme_(theme), model_(new FigureModel(theme, this)), outer_(new QStackedWidget), pages_(new QStackedWidget),
      frontier_pages_(new QStackedWidget), empty_(new EmptyState), no_frontier_(new EmptyState), swap_(new QToolButton), open_(new QToolButton), measure_(new QToolButton),
      export_(new QToolButton), measure_menu_(new QMenu(this)), export_menu_(new QMenu(this)), note_(new QLabel), scored_(new QLabel), legend_(new QLabel),
      frontier_note_(new QLabel), progress_(new ProgressStrip), tabs_(new QTabBar), table_(new QTableView), texts_(new PairedText(theme)),
      token_plot_(new OverlayPlot(theme, OverlayPlot::Form::lines)), count_plot_(new OverlayPlot(theme, OverlayPlot::Form::bars)),
      expert_plot_(new OverlayPlot(theme, OverlayPlot::Form::bars)), frontier_(new FrontierPlot(theme)), token_choice_(new ElidedBox), layer_(new QComboBox) {
  setProperty("panel", true);
  make_pages();
  make_bar();
  connect(&shelf, &RunShelf::entries_changed, this, &ComparePanel::fill_boxes);
  connect(&shelf, &RunShelf::pair_changed, this, &ComparePanel::refresh);
  connect(&shelf, &RunShelf::measured, this, &ComparePanel::refresh_measured);
  connect(&shelf, &RunShelf::progress_changed, this, &ComparePanel::refresh_progress);
  connect(&shelf, &RunShelf::failed, this, &ComparePanel::failed);
  connect(&state, &WorkbenchState::model_changed, this, &ComparePanel::refresh_progress);
  connect(&state, &WorkbenchState::run_ended, this, [this] {
    if (state_.finished() && state_.finished()->record) shelf_.add(state_.finished()->record);
  });
  connect(&state, &WorkbenchState::scores_told, &shelf, &RunShelf::take);
  connect(&theme, &Theme::changed, this, &ComparePanel::restyle);
  connect(token_plot_, &OverlayPlot::pointed, texts_, &PairedText::set_cursor);
  connect(token_plot_, &OverlayPlot::picked, texts_, &PairedText::reveal);
  connect(texts_, &PairedText::pointed, token_plot_, &OverlayPlot::set_cursor);
  retranslate();
  restyle();
  refresh();
}

void ComparePanel::make_bar() {
  auto* bar = new QHBoxLayout;
  bar->setSpacing(6);
  for (const std::size_t i : {0u, 1u}) {
    marks_[i] = new QLabel(QStringLiteral("%1 %2").arg(QString::fromUtf8(i == 0 ? kMarkA : kMarkB), i == 0 ? QStringLiteral("A") : QStringLiteral("B")));
    boxes_[i] = new ElidedBox;
    boxes_[i]->setFixedHeight(kControlHeight);
    const Side side = i == 0 ? Side::a : Side::b;
    connect(boxes_[i], &QComboBox::activated, this, [this, side](int index) { shelf_.choose(side, static_cast<std::size_t>(index)); });
    bar->addWidget(marks_[i]);
    bar->addWidget(boxes_[i], 1);
    if (i == 0) bar->addWidget(swap_);
  }
  swap_->setText(QStringLiteral("⇄"));
  for (QToolButton* button : {swap_, open_, measure_, export_}) {
    button->setFixedHeight(kControlHeight);
    button->setFocusPolicy(Qt::StrongFocus);
  }
  for (QToolButton* button : {measure_, export_}) button->setPopupMode(QToolButton::InstantPopup);
  measure_->setMenu(measure_menu_);
  export_->setMenu(export_menu_);
  connect(swap_, &QToolButton::clicked, &shelf_, &RunShelf::swap);
  connect(open_, &QToolButton::clicked, this, &ComparePanel::choose_runs);
  make_menus();
  auto* second = new QHBoxLayout;
  second->setSpacing(6);
  second->addWidget(note_, 1);
  for (QToolButton* button : {open_, measure_, export_}) second->addWidget(button);
  for (QLabel* label : {note_, scored_, frontier_note_}) {
    label->setTextFormat(Qt::PlainText);
    label->setWordWrap(true);
  }
  connect(progress_, &ProgressStrip::cancelled, this, [this] { Q_EMIT command(Cancel{}); });
  auto* page = new QWidget;
  auto* layout = new QVBoxLayout(page);
  layout->setContentsMargins(12, 8, 12, 8);
  layout->setSpacing(6);
  layout->addLayout(bar);
  layout->addLayout(second);
  layout->addWidget(scored_);
  layout->addWidget(progress_);
  layout->addWidget(tabs_);
  layout->addWidget(pages_, 1);
  layout->addStretch();  // while there is nothing to compare what stands above stays there
  outer_->addWidget(empty_);
  outer_->addWidget(page);
  // Pages are cut rather than the window made larger than a small screen.
  pages_->setMinimumSize(240, 110);
  outer_->setMinimumSize(320, 200);
  auto* all = new QVBoxLayout(this);
  all->setContentsMargins(1, 0, 1, 1);
  all->addWidget(outer_);
  connect(empty_, &EmptyState::pressed, this, &ComparePanel::choose_runs);
}

void ComparePanel::make_pages() {
  for (int i = 0; i < kPages; ++i) tabs_->addTab(QString());
  tabs_->setExpanding(false);
  tabs_->setDocumentMode(true);
  connect(tabs_, &QTabBar::currentChanged, pages_, &QStackedWidget::setCurrentIndex);
  table_->setModel(model_);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setShowGrid(false);
  table_->setWordWrap(false);
  table_->setTabKeyNavigation(false);
  table_->verticalHeader()->hide();
  table_->verticalHeader()->setMinimumSectionSize(kRowHeight);
  table_->verticalHeader()->setDefaultSectionSize(kRowHeight);
  table_->horizontalHeader()->setHighlightSections(false);
  table_->horizontalHeader()->setStyleSheet(QStringLiteral("QHeaderView::section { padding: 4px 3px; }"));  // words above their numbers
  table_->horizontalHeader()->setSectionsClickable(false);
  table_->horizontalHeader()->setSectionResizeMode(QHeaderView::Stretch);
  table_->horizontalHeader()->setSectionResizeMode(FigureModel::kName, QHeaderView::ResizeToContents);
  pages_->addWidget(table_);

  legend_->setTextFormat(Qt::RichText);
  legend_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
  legend_->setWordWrap(true);
  token_plot_->set_corner(token_choice_);
  auto* split = new QSplitter(Qt::Horizontal);
  split->setChildrenCollapsible(false);
  split->setHandleWidth(8);
  auto* text_side = new QWidget;
  auto* text_column = new QVBoxLayout(text_side);
  text_column->setContentsMargins(0, 0, 0, 0);
  text_column->setSpacing(2);
  text_column->addWidget(texts_, 1);
  text_column->addWidget(legend_);
  split->addWidget(text_side);
  split->addWidget(token_plot_);
  split->setStretchFactor(0, 5);
  split->setStretchFactor(1, 4);
  split->setSizes({500, 400});
  pages_->addWidget(split);

  auto* experts = new QWidget;
  auto* row = new QHBoxLayout(experts);
  row->setContentsMargins(0, 4, 0, 0);
  row->setSpacing(8);
  expert_plot_->set_corner(layer_);
  row->addWidget(count_plot_, 2);
  row->addWidget(expert_plot_, 3);
  pages_->addWidget(experts);

  auto* points = new QWidget;
  auto* point_column = new QVBoxLayout(points);
  point_column->setContentsMargins(0, 4, 0, 0);
  point_column->setSpacing(2);
  point_column->addWidget(frontier_note_);
  point_column->addWidget(frontier_, 1);
  frontier_pages_->addWidget(no_frontier_);
  frontier_pages_->addWidget(points);
  pages_->addWidget(frontier_pages_);
  connect(no_frontier_, &EmptyState::pressed, this, [this] { measure_frontier(); });
  connect(token_choice_, &QComboBox::currentIndexChanged, this, &ComparePanel::plot_tokens);
  connect(layer_, &QComboBox::currentIndexChanged, this, &ComparePanel::plot_experts);
  layer_->setSizeAdjustPolicy(QComboBox::AdjustToContents);
  token_choice_->setMinimumContentsLength(16);
  token_choice_->setMaximumWidth(210);
  for (QComboBox* box : {static_cast<QComboBox*>(token_choice_), layer_}) box->setFixedHeight(kControlHeight);
}

void ComparePanel::show_page(Page page) { tabs_->setCurrentIndex(page); }

void ComparePanel::fill_boxes() {
  for (const std::size_t i : {0u, 1u}) {
    const QSignalBlocker blocked(boxes_[i]);
    boxes_[i]->clear();
    for (const auto& entry : shelf_.entries()) {
      boxes_[i]->addItem(shown_run(entry));
      boxes_[i]->setItemData(boxes_[i]->count() - 1, described_run(*entry.run), Qt::ToolTipRole);
    }
    const auto chosen = shelf_.index(i == 0 ? Side::a : Side::b);
    boxes_[i]->setCurrentIndex(chosen ? static_cast<int>(*chosen) : -1);
    const auto& run = shelf_.run(i == 0 ? Side::a : Side::b);
    boxes_[i]->setToolTip(run ? described_run(*run) : QString());
  }
}

void ComparePanel::refresh() {
  const Comparison* const comparison = shelf_.comparison();
  fill_boxes();
  outer_->setCurrentIndex(shelf_.entries().empty() ? 0 : 1);
  pages_->setVisible(comparison != nullptr);
  tabs_->setVisible(comparison != nullptr);
  export_->setEnabled(comparison != nullptr);
  swap_->setEnabled(comparison != nullptr);
  const std::uint32_t layers = comparison != nullptr ? comparison->layers() : 0;
  const QSignalBlocker blocked(layer_);
  const int layer = layer_->currentIndex();
  layer_->clear();
  layer_->addItem(tr("All layers"));
  for (std::uint32_t i = 0; i < layers; ++i) layer_->addItem(tr("Layer %1").arg(i));
  layer_->setCurrentIndex(layer > 0 && layer < layer_->count() ? layer : 0);
  refresh_measured();
  refresh_progress();
}

void ComparePanel::refresh_measured() {
  const Comparison* const comparison = shelf_.comparison();
  model_->show(comparison);
  texts_->show_pair(comparison);
  fill_choices();
  plot_tokens();
  plot_experts();
  refresh_notes();
  const bool measured = comparison != nullptr && comparison->frontier() != nullptr;
  frontier_->show_frontier(measured ? comparison->file().frontier : nullptr);
  frontier_pages_->setCurrentIndex(measured ? 1 : 0);
}

void ComparePanel::refresh_notes() {
  const Comparison* const comparison = shelf_.comparison();
  const ThemeColors& colors = theme_.colors();
  if (comparison == nullptr) {
    note_->setText(tr("One run is here. Run again, with another policy or from another prompt, or open a run file: then both are compared."));
    note_->setStyleSheet(QStringLiteral("color: %1").arg(colors.dim.name()));
    scored_->hide();
    return;
  }
  const auto divergence = comparison->first_divergence();
  const QString parting = divergence ? tr("The texts part at token %1.").arg(*divergence) : tr("Both texts are the same.");
  note_->setText(tr("%1 %2", "two sentences").arg(comparison_note(*comparison), parting));
  note_->setStyleSheet(QStringLiteral("color: %1").arg((comparison->other_differences().empty() ? colors.dim : colors.loss).name()));
  const auto scored = comparison->scores() != nullptr ? pair_figures(*comparison->scores()) : std::nullopt;
  scored_->setVisible(!low());
  scored_->setText(scored ? tr("On %1, %2 tokens: KL divergence of B from A %3 nats (99 %: %4), the same most likely token in %5, perplexity %6 ± %7.")
                                .arg(shown_scored_text(comparison->scores()->text), shown_count(comparison->scores()->count()), shown_number(scored->kl_mean), shown_number(scored->kl_p99),
                                     shown_percent(scored->same_top), figure_difference(scored->delta_ppl_percent / 100, ComparedFigure::Unit::percent),
                                     shown_percent(scored->delta_stderr_percent / 100))
                          : tr("How the predictions of both differ was not measured."));
  note_->setToolTip(scored_->text());
  if (const Frontier* const frontier = comparison->frontier())
    frontier_note_->setText(tr("%1 static numbers of experts   %2 other policies   Bars: one standard error of the paired difference. On %3, %4 tokens.")
                                .arg(QString::fromUtf8(kMarkA), QString::fromUtf8(kMarkB), shown_scored_text(frontier->text), shown_count(frontier->tokens)));
  const QString square = QStringLiteral("<span style='color:%1'>%2</span> ");
  legend_->setText(square.arg(colors.run_a.name(), QString::fromUtf8(kMarkA)) + QStringLiteral("A&nbsp;&nbsp;") + square.arg(colors.run_b.name(), QString::fromUtf8(kMarkB)) + QStringLiteral("B&nbsp;&nbsp; ") +
                   (comparison->experts_used().empty() ? QString() : tr("Bars: experts used.") + ' ') +
                   (comparison->divergence().empty() ? QString() : tr("Ground: KL divergence. Dots: another token was most likely.") + ' ') +
                   (divergence ? tr("Frame: the first different token.") : QString()));
}

void ComparePanel::refresh_progress() {
  const QString why = why_not_measured();
  const bool dense = shelf_.comparison() != nullptr && shelf_.comparison()->a().model.experts == 0;
  measure_->setEnabled(why.isEmpty() && !shelf_.measuring());
  measure_->setToolTip(why.isEmpty() ? tr("Both policies, or several, on one text; each gets a model of its own in memory while it goes on") : why);
  for (const std::size_t i : {2u, 3u}) measure_actions_[i]->setEnabled(!dense);
  if (dense)
    no_frontier_->say(tr("Not applicable"), tr("This is a dense model: there are no experts whose number could be chosen."));
  else
    no_frontier_->say(tr("The frontier was not measured"),
                      why.isEmpty() ? tr("Static numbers of experts from 1 to the model's own, and both policies, are held against the model's own choice on one text.") : why,
                      why.isEmpty() && !shelf_.measuring() ? tr("Measure on the tokens of A") : QString());
  if (!shelf_.measuring()) return progress_->hide();
  const std::string& doing = shelf_.progress().doing;
  progress_->show_progress(doing.empty() ? tr("Waiting for the engine") : QCoreApplication::translate("fovea::compare", doing.c_str()), shelf_.progress().fraction);
}

// Choices keep their places; the divergence can be chosen before it was measured and then says so.
void ComparePanel::fill_choices() {
  const QSignalBlocker blocked(token_choice_);
  const int chosen = token_choice_->currentIndex();
  token_choice_->clear();
  token_choice_->addItems({tr("Experts per token"), tr("Time per token"), tr("Memory"), tr("KL divergence of B from A")});
  const bool dense = shelf_.comparison() != nullptr && shelf_.comparison()->experts_used().empty();
  token_choice_->setCurrentIndex(chosen >= 0 ? chosen : dense ? 1 : 0);
}

void ComparePanel::plot_tokens() {
  const Comparison* const comparison = shelf_.comparison();
  if (comparison == nullptr) return;
  OverlayPlot::Words words{.name = token_choice_->currentText(), .x = tr("token"), .y = {}, .nothing = tr("Not recorded"), .a = boxes_[0]->currentText(), .b = boxes_[1]->currentText()};
  const auto divergence = comparison->first_divergence();
  switch (token_choice_->currentIndex()) {
    case 0:
      words.y = tr("experts a layer");
      if (comparison->a().model.experts == 0) words.nothing = tr("Not applicable: a dense model");
      return token_plot_->show_series(comparison->experts_used(), words, divergence);
    case 1:
      words.y = tr("ms");
      return token_plot_->show_series(comparison->milliseconds(), words, divergence);
    case 2:
      words.y = tr("MiB");
      words.scale = 1.0 / (1 << 20);
      return token_plot_->show_series(comparison->memory(), words, divergence);
    default:
      words.y = tr("nats");
      words.nothing = tr("Not measured");
      if (comparison->scores() != nullptr && comparison->scores()->text != kTokensOfA) words.x = tr("token of %1").arg(shown_scored_text(comparison->scores()->text));
      return token_plot_->show_series(comparison->divergence(), words);
  }
}

void ComparePanel::plot_experts() {
  const Comparison* const comparison = shelf_.comparison();
  if (comparison == nullptr) return;
  const QString nothing = comparison->a().model.experts == 0 ? tr("Not applicable: a dense model") : tr("Not recorded");
  const QString a = boxes_[0]->currentText(), b = boxes_[1]->currentText();
  count_plot_->show_series(comparison->expert_counts(), {.name = tr("Numbers of experts"), .x = tr("experts used"), .y = tr("% of tokens and layers"), .scale = 100, .first = 1, .nothing = nothing, .a = a, .b = b});
  const int layer = layer_->currentIndex();
  expert_plot_->show_series(comparison->utilization(layer > 0 ? std::optional(static_cast<std::uint32_t>(layer - 1)) : std::nullopt),
                            {.name = tr("Use of experts: %1").arg(layer_->currentText()), .x = tr("expert"), .y = tr("% of calls"), .scale = 100, .first = 0, .nothing = nothing, .a = a, .b = b});
}

// Where there is little height, pages need it more than what stands above and below them.
bool ComparePanel::low() const { return height() < kLow; }

void ComparePanel::resizeEvent(QResizeEvent* event) {
  QFrame::resizeEvent(event);
  // Numbers are whole before names are; where there is room, columns are even.
  const bool narrow = width() < kNarrow;
  for (int column = 0; column < FigureModel::kColumns; ++column)
    table_->horizontalHeader()->setSectionResizeMode(column, narrow == (column == FigureModel::kName) ? QHeaderView::Stretch : QHeaderView::ResizeToContents);
  legend_->setVisible(!low());
  scored_->setVisible(!low() && shelf_.comparison() != nullptr);
}

void ComparePanel::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QFrame::changeEvent(event);
}

void ComparePanel::retranslate() {
  empty_->say(tr("Nothing to compare yet"), tr("Every run of this session can be compared with another: run a prompt, change the policy, and both stand side by side here. Run files open too."),
              tr("Open runs…"));
  const std::array<QString, kPages> tabs{tr("Figures"), tr("Texts"), tr("Experts"), tr("Frontier")};
  for (int i = 0; i < kPages; ++i) tabs_->setTabText(i, tabs[static_cast<std::size_t>(i)]);
  boxes_[0]->setAccessibleName(tr("Run A"));
  boxes_[1]->setAccessibleName(tr("Run B"));
  swap_->setToolTip(tr("Swap A and B"));
  swap_->setAccessibleName(swap_->toolTip());
  open_->setText(tr("Open…"));
  open_->setToolTip(tr("Open run files"));
  measure_->setText(tr("Measure"));
  export_->setText(tr("Export"));
  retranslate_menus();
  token_choice_->setAccessibleName(tr("What is drawn by token"));
  layer_->setAccessibleName(tr("Layer"));
  table_->setAccessibleName(tr("Figures of both runs"));
  model_->retranslate();
  refresh();
}

void ComparePanel::restyle() {
  const ThemeColors& colors = theme_.colors();
  for (const std::size_t i : {0u, 1u}) {
    marks_[i]->setStyleSheet(QStringLiteral("color: %1; font-weight: 600").arg((i == 0 ? colors.run_a : colors.run_b).name()));
    marks_[i]->setFont(theme_.sans(13));
  }
  for (QLabel* label : {note_, scored_, legend_, frontier_note_}) label->setFont(theme_.sans(12));
  for (QLabel* label : {scored_, frontier_note_}) label->setStyleSheet(QStringLiteral("color: %1").arg(colors.dim.name()));
  legend_->setStyleSheet(QStringLiteral("color: %1").arg(colors.dim.name()));
  table_->horizontalHeader()->setFont(theme_.sans(12));
  refresh_notes();
  table_->viewport()->update();
}

}  // namespace fovea
