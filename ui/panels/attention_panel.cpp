#include "ui/panels/attention_panel.hpp"

#include <QEvent>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QSignalBlocker>
#include <QSplitter>
#include <QStandardItemModel>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/heatmap/page_tiers.hpp"
#include "ui/text/format.hpp"
#include "ui/theme/icon.hpp"
#include "ui/widgets/scroll_column.hpp"

namespace fovea {

namespace {
constexpr int kMapLane = 0, kFirstGridLane = 1;
constexpr int kRasterThreads = 2;
constexpr int kInspectorWidth = 232, kScrollBar = 10;
constexpr int kLow = 330, kGridWidth = 252;
constexpr int kMapInterval = 66, kGridInterval = 250;  // milliseconds between repaints while a run grows
}  // namespace

AttentionPanel::AttentionPanel(WorkbenchState& state, const Theme& theme, QWidget* parent)
    : QFrame(parent),
      state_(state),
      theme_(theme),
      lanes_(new RasterLanes(kRasterThreads, this)),
      grid_(new HeadGrid(state, theme, *lanes_, kFirstGridLane)),
      map_(new AttentionMap(state, theme, *lanes_, kMapLane)),
      strip_(new PageStrip(state, theme)),
      range_(new RangeBar(theme)),
      split_(new QSplitter(Qt::Horizontal)),
      empty_(new EmptyState),
      pages_(new QStackedWidget),
      layer_label_(new QLabel),
      head_label_(new QLabel),
      legend_(new QLabel),
      readout_(new QLabel),
      note_(new QLabel),
      work_(new QLabel),
      tiers_(new QLabel),
      layer_(new QSpinBox),
      head_(new QSpinBox),
      mask_(new QComboBox),
      figure_(new QComboBox),
      log_(new QToolButton),
      per_row_(new QToolButton),
      fit_(new QToolButton),
      reset_(new QToolButton),
      map_clock_(
          kMapInterval, [this] { refresh(); }, this),
      grid_clock_(
          kGridInterval, [this] { grid_->refresh(); }, this) {
  setProperty("panel", true);
  pages_->addWidget(empty_);
  pages_->addWidget(map_);

  split_->setChildrenCollapsible(false);
  split_->setHandleWidth(8);
  split_->addWidget(grid_);
  split_->addWidget(pages_);
  split_->setStretchFactor(0, 0);
  split_->setStretchFactor(1, 1);
  connect(split_, &QSplitter::splitterMoved, this, [this] { split_by_hand_ = true; });
  auto* layout = new QHBoxLayout(this);
  layout->setContentsMargins(8, 4, 12 - kScrollBar, 4);
  layout->setSpacing(12);
  auto* pictures = new QVBoxLayout;
  pictures->setSpacing(6);
  pictures->addWidget(split_, 1);
  pictures->addWidget(strip_);
  layout->addLayout(pictures, 1);
  QScrollArea* inspector = scroll_column(make_inspector());
  inspector->setFixedWidth(kInspectorWidth + kScrollBar);
  layout->addWidget(inspector);

  connect(lanes_, &RasterLanes::became_idle, this, &AttentionPanel::became_idle);
  connect(map_, &AttentionMap::picture_changed, range_, &RangeBar::set_picture);
  connect(map_, &AttentionMap::cell_pointed, readout_, &QLabel::setText);
  connect(grid_, &HeadGrid::head_pointed, readout_, &QLabel::setText);
  connect(range_, &RangeBar::range_changed, this, [this](float low, float high) {
    scale_.low = low;
    scale_.high = high;
    apply_scale();
  });
  connect(mask_, &QComboBox::currentIndexChanged, this, &AttentionPanel::refresh_pages);
  connect(figure_, &QComboBox::currentIndexChanged, this, &AttentionPanel::refresh_sparse);
  connect(log_, &QToolButton::toggled, this, &AttentionPanel::set_logarithmic);
  connect(per_row_, &QToolButton::toggled, this, &AttentionPanel::apply_scale);
  connect(fit_, &QToolButton::clicked, range_, &RangeBar::fit);
  connect(reset_, &QToolButton::clicked, map_, &AttentionMap::reset_view);
  connect(empty_, &EmptyState::pressed, this, &AttentionPanel::record_requested);
  const auto choose = [this] {
    state_.selection().select_head(
        {static_cast<std::uint32_t>(layer_->value()), static_cast<std::uint32_t>(head_->value())});
  };
  connect(layer_, &QSpinBox::valueChanged, this, choose);
  connect(head_, &QSpinBox::valueChanged, this, choose);
  connect(&state.selection(), &Selection::head_changed, this, &AttentionPanel::refresh_pages);
  connect(&state, &WorkbenchState::model_changed, this, &AttentionPanel::refresh_pages);
  connect(&state, &WorkbenchState::run_started, this, &AttentionPanel::refresh_pages);
  connect(&state, &WorkbenchState::prompt_tokenized, this, &AttentionPanel::refresh_pages);
  connect(&state, &WorkbenchState::tokens_appended, &map_clock_, &RefreshClock::request);
  connect(&state, &WorkbenchState::trace_changed, this, [this] {
    map_clock_.request();
    grid_clock_.request();
  });
  connect(&state, &WorkbenchState::run_ended, this, [this] {
    refresh();
    grid_->refresh();
  });
  connect(&theme, &Theme::changed, this, &AttentionPanel::restyle);
  retranslate();
  restyle();
  apply_scale();
}

// The column beside the map: which head, how it is drawn, what is under the mouse.
QWidget* AttentionPanel::make_inspector() {
  auto* inspector = new QWidget;
  inspector->setFixedWidth(kInspectorWidth);
  mask_->addItems({QString(), QString(), QString(), QString()});
  mask_->setCurrentIndex(static_cast<int>(MaskLook::beside));
  figure_->addItems({QString(), QString(), QString()});
  for (QLabel* label : {layer_label_, head_label_, legend_, note_, work_}) label->setProperty("dim", true);
  for (QSpinBox* box : {layer_, head_}) {
    box->setKeyboardTracking(false);
    box->setButtonSymbols(QAbstractSpinBox::NoButtons);
  }
  layer_label_->setBuddy(layer_);
  head_label_->setBuddy(head_);
  log_->setCheckable(true);
  log_->setChecked(scale_.logarithmic);
  per_row_->setCheckable(true);
  for (QToolButton* button : {log_, per_row_, fit_, reset_}) {
    button->setFocusPolicy(Qt::StrongFocus);
    button->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
  }
  for (QLabel* label : {legend_, readout_, note_, work_}) {
    label->setTextFormat(Qt::PlainText);
    label->setWordWrap(true);
    label->setAlignment(Qt::AlignLeft | Qt::AlignTop);
  }
  tiers_->setTextFormat(Qt::RichText);
  tiers_->setWordWrap(true);
  tiers_->setProperty("dim", true);
  auto* head = new QHBoxLayout;
  head->setSpacing(6);
  head->addWidget(layer_label_);
  head->addWidget(layer_, 1);
  head->addSpacing(4);
  head->addWidget(head_label_);
  head->addWidget(head_, 1);
  auto* buttons = new QGridLayout;
  buttons->setSpacing(6);
  buttons->addWidget(log_, 0, 0);
  buttons->addWidget(per_row_, 0, 1);
  buttons->addWidget(fit_, 1, 0);
  buttons->addWidget(reset_, 1, 1);
  auto* column = new QVBoxLayout(inspector);
  column->setContentsMargins(0, 0, 0, 0);
  column->setSpacing(8);
  column->addLayout(head);
  column->addLayout(buttons);
  column->addWidget(mask_);
  column->addWidget(figure_);
  column->addWidget(legend_);
  column->addWidget(range_);
  column->addWidget(tiers_);
  column->addWidget(work_);
  column->addWidget(readout_, 1);
  column->addWidget(note_);
  return inspector;
}

// Where there is little height the map needs it more than the words of the strip, which its tooltip has too.
void AttentionPanel::resizeEvent(QResizeEvent* event) {
  QFrame::resizeEvent(event);
  strip_->setMaximumHeight(height() < kLow ? PageStrip::low_height() : QWIDGETSIZE_MAX);
  if (split_by_hand_) return;
  // The grid scrolls, so where there is little room most of it is the map's.
  const int room = width() - kInspectorWidth - kScrollBar - 32, grid = std::min(kGridWidth, room * 2 / 5);
  split_->setSizes({grid, std::max(1, room - grid)});
}

bool AttentionPanel::idle() const { return lanes_->idle() && !map_clock_.pending() && !grid_clock_.pending(); }

void AttentionPanel::set_logarithmic(bool logarithmic) {
  if (scale_.logarithmic == logarithmic) return;
  scale_.logarithmic = logarithmic;
  scale_.low = logarithmic ? 1e-3f : 0;
  scale_.high = 1;
  log_->setChecked(logarithmic);
  apply_scale();
}

void AttentionPanel::apply_scale() {
  range_->set_scale(scale_);
  map_->set_scale(scale_, per_row_->isChecked());
  grid_->set_scale(scale_, per_row_->isChecked());
  strip_->set_scale(scale_);
  QString words = scale_.logarithmic ? tr("Attention weight, logarithmic") : tr("Attention weight, linear");
  if (per_row_->isChecked()) words = tr("%1, relative to the largest of its row").arg(words);
  legend_->setText(words);
}

void AttentionPanel::refresh() {
  refresh_pages();
  map_->refresh();
}

void AttentionPanel::refresh_pages() {
  const auto& model = state_.model();
  const HeadId head = state_.selection().head();
  {
    const QSignalBlocker layer_blocked(layer_), head_blocked(head_);
    layer_->setRange(0, model && model->layers > 0 ? static_cast<int>(model->layers) - 1 : 0);
    head_->setRange(0, model && model->query_heads > 0 ? static_cast<int>(model->query_heads) - 1 : 0);
    layer_->setValue(static_cast<int>(head.layer));
    head_->setValue(static_cast<int>(head.head));
  }
  for (QWidget* widget : std::initializer_list<QWidget*>{layer_, head_, grid_}) widget->setEnabled(model != nullptr);

  const bool subscribed = state_.request().trace.all_heads ||
                          std::find(state_.request().trace.heads.begin(), state_.request().trace.heads.end(), head) !=
                              state_.request().trace.heads.end();
  const HeadTrace* recorded = state_.trace() ? state_.trace()->head(head) : nullptr;
  refresh_sparse();
  const auto look = static_cast<MaskLook>(mask_->currentIndex());
  const bool mask_alone = (look == MaskLook::only && state_.pages() && state_.pages()->chooses(head.layer)) || (look == MaskLook::tiers && state_.trace() && state_.trace()->tiers);
  const bool some = state_.token_count() > 0 && (subscribed || recorded || mask_alone);
  if (!model)
    empty_->say(tr("No model is open"), tr("Attention appears here when a model has read a prompt."));
  else if (state_.token_count() == 0)
    empty_->say(tr("Nothing has run yet"),
                tr("Run a prompt: each row of the map is a token, each column one that it looks at."));
  else if (!some)
    empty_->say(
        tr("Layer %1, head %2 was not recorded").arg(head.layer).arg(head.head),
        tr("What is not recorded is not known; it is not zero. Recording it runs the prompt again with the same "
           "seed, so that the text stays the same."),
        tr("Record this head"));
  empty_->button()->setEnabled(!state_.running());
  pages_->setCurrentWidget(some ? static_cast<QWidget*>(map_) : empty_);
  map_->set_active(some);
  note_->setText(state_.trace() ? QString::fromStdString(state_.trace()->note) : QString());
  note_->setVisible(!note_->text().isEmpty());
}

// What there is of sparse attention: the controls are there where the policy or the run asks for them.
void AttentionPanel::refresh_sparse() {
  const PageTrace* pages = state_.pages();
  const bool sparse = (state_.model() && state_.model()->attention) || (pages && pages->policy);
  const bool tiered = (state_.model() && state_.model()->kv == KvType::tiered) || (state_.trace() && state_.trace()->tiers);
  offer_looks(sparse, tiered);
  for (QWidget* widget : std::initializer_list<QWidget*>{figure_, work_}) widget->setVisible(sparse);
  refresh_tiers();
  strip_->setVisible(sparse && state_.token_count() > 0);
  map_->set_mask(sparse || tiered ? static_cast<MaskLook>(mask_->currentIndex()) : MaskLook::none);
  grid_->set_figure(sparse ? static_cast<GridFigure>(figure_->currentIndex()) : GridFigure::map);
  if (!sparse) return;
  if (pages == nullptr) {
    work_->setText(state_.token_count() == 0 ? QString() : tr("Choices of pages were not recorded: choose what to record beside the prompt."));
    return;
  }
  const AttentionWork both = pages->facts.both();
  const double operations = attention_flops_ratio(both, pages->kv_heads, pages->policy.value_or(SparseAttention{}));
  QString work = tr("Read %1 of what dense attention reads, with %2 of its operations; %3 of the choices had to take everything.")
                     .arg(shown_percent(attention_density(both, pages->kv_heads)), shown_percent(operations), shown_percent(whole_share(both)));
  const std::uint32_t layer = state_.selection().head().layer;
  // Over all rows and their percentiles: not with every token of a run.
  const RecallFigures kept = state_.running() ? RecallFigures{} : recall_figures(pages->rows, pages->query_heads, layer, layer + 1);
  if (kept.sparse > 0) {
    work += QLatin1Char('\n') + tr("Layer %1 kept %2 of dense attention; the best choice of as many pages would keep %3.")
                                    .arg(layer)
                                    .arg(shown_percent(kept.recall.mean), shown_percent(kept.oracle.mean));
    if (kept.flat > 0) work += QLatin1Char(' ') + tr("%1 of its rows are nearly even: %2 kept there.").arg(shown_percent(1.0 * kept.flat / kept.sparse), shown_percent(kept.flat_recall));
  }
  work_->setText(work);
}

// Looks of sparse attention and of tiers where there is such a thing; what was looked at stays where it can.
void AttentionPanel::offer_looks(bool sparse, bool tiered) {
  const QSignalBlocker blocked(mask_);
  mask_->setVisible(sparse || tiered);
  const auto* items = qobject_cast<QStandardItemModel*>(mask_->model());
  for (const MaskLook look : {MaskLook::beside, MaskLook::only}) items->item(static_cast<int>(look))->setEnabled(sparse);
  items->item(static_cast<int>(MaskLook::tiers))->setEnabled(tiered);
  const auto shown = static_cast<MaskLook>(mask_->currentIndex());
  if (shown == MaskLook::tiers && !tiered) mask_->setCurrentIndex(static_cast<int>(MaskLook::beside));
  if (shown != MaskLook::none && !sparse && tiered) mask_->setCurrentIndex(static_cast<int>(MaskLook::tiers));
}

// What the hues of tiers mean, and how many pages of the layer are in each now.
void AttentionPanel::refresh_tiers() {
  const KvTierFacts* tiers = state_.trace() ? state_.trace()->tiers.get() : nullptr;
  tiers_->setVisible(tiers != nullptr);
  if (tiers == nullptr) return;
  const ThemeColors& colors = theme_.colors();
  const std::uint32_t layer = state_.selection().head().layer;
  const TierCounts counts = tier_counts(*tiers, layer);
  const auto entry = [](const QColor& hue, const QString& words, std::uint32_t pages) {
    return QStringLiteral("<span style='color:%1'>■</span>&nbsp;%2&nbsp;%3").arg(hue.name(), words).arg(pages);
  };
  QStringList entries{entry(colors.tier_f16, tr("f16"), counts.f16), entry(colors.tier_eight_bits, tr("hot"), counts.eight_bits),
                      entry(colors.tier_four_bits, tr("far"), counts.four_bits)};
  if (counts.untold > 0) entries << tr("far&nbsp;or&nbsp;hot&nbsp;%1").arg(counts.untold);
  tiers_->setText(tr("Pages of layer %1 now:").arg(layer) + QStringLiteral("<br>") + entries.join(QStringLiteral(" &nbsp;")));
  tiers_->setToolTip(tr("A page is %1 keys. f16: the start and the window. Behind it pages are far, in 4 to 8 bits; the values of hot ones, where attention is most, keep 8.\nIn the map a row's f16 pages are those "
                        "that it found; which far pages were hot before is not recorded, so they have the hue of now.").arg(kAttentionPage));
}

void AttentionPanel::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QFrame::changeEvent(event);
}

void AttentionPanel::showEvent(QShowEvent* event) {
  QFrame::showEvent(event);
  map_clock_.request();
  grid_clock_.request();
}

void AttentionPanel::retranslate() {
  layer_label_->setText(tr("La&yer"));
  head_label_->setText(tr("Hea&d"));
  log_->setText(tr("&Log"));
  log_->setToolTip(tr("Logarithmic scale: shows small weights beside large ones"));
  per_row_->setText(tr("Per ro&w"));
  per_row_->setToolTip(tr("Weights relative to the largest of their row"));
  fit_->setText(tr("Fit ran&ge"));
  fit_->setToolTip(tr("Set the range to nearly all weights in view, outliers left out (double-click on the bar)"));
  reset_->setText(tr("Reset view"));
  reset_->setToolTip(tr("Show the whole map (double-click on the map, or 0)"));
  {
    const QSignalBlocker mask_blocked(mask_), figure_blocked(figure_);
    mask_->setItemText(0, tr("Map: weights"));
    mask_->setItemText(1, tr("Map: weights and mask"));
    mask_->setItemText(2, tr("Map: mask alone"));
    mask_->setItemText(3, tr("Map: tiers of the KV cache"));
    mask_->setToolTip(tr("Hatched keys were not attended; the red bar behind a row is as long as the share of attention that was lost"));
    mask_->setAccessibleName(tr("What the map shows"));
    figure_->setItemText(0, tr("Heads: small maps"));
    figure_->setItemText(1, tr("Heads: recall, %"));
    figure_->setItemText(2, tr("Heads: entropy, %"));
    figure_->setToolTip(tr("Recall: the share of dense attention on the pages read, over the measured rows.\nEntropy: 100 is even attention, 0 is all on one key."));
    figure_->setAccessibleName(tr("What the grid of heads shows"));
  }
  strip_->setAccessibleName(tr("The row, page by page"));
  grid_->setAccessibleName(tr("Heads: layers down, heads across"));
  map_->setAccessibleName(tr("Attention map: queries down, keys to the right"));
  range_->setAccessibleName(tr("Range of the colour scale"));
  range_->setToolTip(tr("Drag the handles; arrow keys move one, up and down switch, Enter fits"));
  apply_scale();
  refresh_pages();
}

void AttentionPanel::restyle() {
  const ThemeColors& colors = theme_.colors();
  fit_->setIcon(themed_icon(QStringLiteral("fit"), colors.text, colors.dim));
  reset_->setIcon(themed_icon(QStringLiteral("reset"), colors.text, colors.dim));
  for (QToolButton* button : {fit_, reset_}) button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
  empty_->button()->setIcon(themed_icon(QStringLiteral("record"), colors.text, colors.dim));
  readout_->setFont(theme_.sans(12));
  legend_->setFont(theme_.sans(12));
  note_->setFont(theme_.sans(12));
  work_->setFont(theme_.sans(12));
  tiers_->setFont(theme_.sans(12));
  refresh_tiers();
}

}  // namespace fovea
