#include "ui/panels/memory_panel.hpp"

#include <QEvent>
#include <QGridLayout>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "ui/heatmap/heatmap_geometry.hpp"
#include "ui/panels/plot.hpp"
#include "ui/panels/plot_style.hpp"
#include "ui/text/format.hpp"

namespace fovea {

namespace {

constexpr int kInterval = 66;
constexpr int kMaximumPoints = 2000;  // at once; longer traces come in turns

std::array<double, 4> parts_of(const MemoryBytes& bytes) {
  return {static_cast<double>(bytes.weights), static_cast<double>(bytes.kv), static_cast<double>(bytes.compute),
          static_cast<double>(bytes.other)};
}

// KiB, MiB or GiB, so that the axis has short numbers.
std::pair<double, const char*> axis_unit(double most) {
  if (most >= 999.5 * (1 << 20)) return {1 << 30, "GiB"};
  if (most >= 999.5 * 1024) return {1 << 20, "MiB"};
  return {1024, "KiB"};
}

}  // namespace

MemoryPanel::MemoryPanel(WorkbenchState& state, const Theme& theme, QWidget* parent)
    : QFrame(parent),
      state_(state),
      theme_(theme),
      pages_(new QStackedWidget),
      empty_(new EmptyState),
      plot_(new QCustomPlot),
      total_name_(new QLabel),
      total_(new QLabel),
      measured_name_(new QLabel),
      estimate_name_(new QLabel),
      estimate_total_(new QLabel),
      tiers_(new QLabel),
      clock_(
          kInterval, [this] { refresh(); }, this) {
  setProperty("panel", true);
  make_plot();
  lay_out();
  connect(&state, &WorkbenchState::model_changed, this, &MemoryPanel::start_over);
  connect(&state, &WorkbenchState::run_started, this, &MemoryPanel::start_over);
  connect(&state, &WorkbenchState::trace_changed, &clock_, &RefreshClock::request);
  connect(&state.selection(), &Selection::token_changed, this, [this] {
    const TokenIndex token = state_.selection().token();
    cursor_->setVisible(token.has_value());
    const double at = token ? *token + 1.0 : 0;
    cursor_->point1->setCoords(at, 0);
    cursor_->point2->setCoords(at, 1);
    plot_->replot(QCustomPlot::rpQueuedReplot);
  });
  connect(&theme, &Theme::changed, this, &MemoryPanel::restyle);
  retranslate();
  restyle();
}

void MemoryPanel::make_plot() {
  plot_->setMinimumSize(120, 40);
  plot_->xAxis->setTicker(QSharedPointer<QCPAxisTicker>(new QCPAxisTickerFixed));
  plot_->setFocusPolicy(Qt::NoFocus);
  // From the bottom up: each area is filled down to the one below it.
  for (std::size_t i = 0; i < kParts; ++i) {
    areas_[i] = plot_->addGraph();
    areas_[i]->setLineStyle(QCPGraph::lsStepLeft);
    areas_[i]->setAntialiased(false);
    if (i > 0) areas_[i]->setChannelFillGraph(areas_[i - 1]);
  }
  estimate_line_ = new QCPItemStraightLine(plot_);
  cursor_ = new QCPItemStraightLine(plot_);
  cursor_->setVisible(false);
  hint_ = new QCPItemText(plot_);
  hint_->position->setType(QCPItemPosition::ptAxisRectRatio);
  hint_->position->setCoords(0.5, 0.5);
  hint_->setTextAlignment(Qt::AlignCenter);
}

void MemoryPanel::lay_out() {
  auto* table = new QGridLayout;
  table->setHorizontalSpacing(8);
  table->setVerticalSpacing(2);
  const auto cell = [&](QLabel*& label, int row, int column, bool number, bool dim) {
    if (!label) label = new QLabel;
    label->setProperty("dim", dim);
    table->addWidget(label, row, column, number ? Qt::AlignRight | Qt::AlignVCenter : Qt::AlignLeft | Qt::AlignVCenter);
  };
  for (std::size_t i = 0; i < kParts; ++i) {
    const int row = static_cast<int>(i) + 1;
    cell(swatches_[i], row, 0, false, false);
    swatches_[i]->setFixedSize(10, 10);
    cell(names_[i], row, 1, false, false);
    cell(values_[i], row, 2, true, false);
    cell(estimates_[i], row, 3, true, true);
  }
  cell(measured_name_, 0, 2, true, true);
  cell(total_name_, 5, 1, false, false);
  cell(total_, 5, 2, true, false);
  cell(estimate_name_, 0, 3, true, true);
  cell(estimate_total_, 5, 3, true, true);
  table->setColumnStretch(1, 1);
  table->setColumnMinimumWidth(2, 76);
  table->setColumnMinimumWidth(3, 76);
  auto* page = new QWidget;
  auto* layout = new QVBoxLayout(page);
  layout->setContentsMargins(8, 8, 12, 8);
  layout->setSpacing(8);
  layout->addWidget(plot_, 1);
  layout->addLayout(table);
  tiers_->setTextFormat(Qt::PlainText);
  tiers_->setWordWrap(true);
  tiers_->setProperty("dim", true);
  layout->addWidget(tiers_);
  pages_->addWidget(empty_);
  pages_->addWidget(page);
  pages_->setMinimumHeight(240);  // cut rather than the window made larger than a small screen
  auto* outer = new QVBoxLayout(this);
  outer->setContentsMargins(1, 0, 1, 1);
  outer->addWidget(pages_);
}

void MemoryPanel::start_over() {
  taken_ = 0;
  most_ = 0;
  for (QCPGraph* area : areas_) area->data()->clear();
  refresh();
}

void MemoryPanel::refresh() {
  const auto& model = state_.model();
  pages_->setCurrentIndex(model ? 1 : 0);
  if (!model) return;
  MemoryBytes now = model->measured;
  const auto* samples = state_.trace() ? &state_.trace()->memory : nullptr;
  const std::size_t count = samples ? samples->size() : 0;
  const std::size_t end = std::min<std::size_t>(count, taken_ + kMaximumPoints);
  for (; taken_ < end; ++taken_) {
    const MemorySample& sample = (*samples)[taken_];
    double below = 0;
    const auto parts = parts_of(sample.bytes);
    for (std::size_t i = 0; i < kParts; ++i) areas_[i]->addData(sample.tokens, below += parts[i]);
    most_ = std::max(most_, below);
  }
  if (taken_ > 0) now = (*samples)[taken_ - 1].bytes;
  show_values(now);
  hint_->setVisible(taken_ == 0);
  plot_->xAxis->setTickLabels(taken_ > 0);
  set_ranges();
  plot_->replot(QCustomPlot::rpQueuedReplot);
  if (taken_ < count) clock_.request();
}

void MemoryPanel::set_ranges() {
  const double estimate = static_cast<double>(state_.model()->estimate.total());
  const double most = std::max({most_, estimate, static_cast<double>(state_.model()->measured.total()), 1024.0});
  const auto [unit, name] = axis_unit(most);
  unit_ = unit;
  // The data stay in bytes; the ticks are where the unit's numbers are round.
  const double step = most / unit / std::clamp(plot_->height() / 24, 2, 5);  // as many ticks as the height has room for
  const double power = std::pow(10.0, std::floor(std::log10(step)));
  const double round = step / power <= 2 ? 2 * power : step / power <= 5 ? 5 * power : 10 * power;
  QSharedPointer<QCPAxisTickerText> ticker(new QCPAxisTickerText);
  const double top = most * 1.15;
  for (double value = 0; value * unit <= top; value += round)
    ticker->addTick(value * unit, QString::number(value, 'g', 4));
  plot_->yAxis->setTicker(ticker);
  plot_->yAxis->setRange(0, top);
  plot_->yAxis->setLabel(QString::fromLatin1(name));
  const bool running = state_.running();
  const double first = taken_ > 0 ? state_.trace()->memory.front().tokens : 0;
  double last = taken_ > 0 ? state_.trace()->memory[taken_ - 1].tokens : 1;
  // While a run grows the axis is lengthened in steps, not with every token.
  if (running) last = std::max(32.0, std::pow(2.0, std::ceil(std::log2(std::max(last, 1.0)) * 2) / 2));
  plot_->xAxis->setRange(first, std::max(last, first + 1));
  qSharedPointerCast<QCPAxisTickerFixed>(plot_->xAxis->ticker())
      ->setTickStep(tick_step(plot_->xAxis->range().size() / 6));
  estimate_line_->setVisible(estimate > 0);
  estimate_line_->point1->setCoords(0, estimate);
  estimate_line_->point2->setCoords(1, estimate);
}

void MemoryPanel::show_values(const MemoryBytes& bytes) {
  const auto measured = parts_of(bytes), estimated = parts_of(state_.model()->estimate);
  for (std::size_t i = 0; i < kParts; ++i) {
    values_[i]->setText(shown_bytes(measured[i]));
    estimates_[i]->setText(shown_bytes(estimated[i]));
  }
  show_tiers();
  total_->setText(shown_bytes(static_cast<double>(bytes.total())));
  estimate_total_->setText(shown_bytes(static_cast<double>(state_.model()->estimate.total())));
}

// What keys and values take, tier by tier.
void MemoryPanel::show_tiers() {
  const KvTierFacts* tiers = state_.trace() ? state_.trace()->tiers.get() : nullptr;
  tiers_->setVisible(tiers != nullptr);
  if (tiers == nullptr) return;
  const auto shown = [](std::uint64_t bytes) { return shown_bytes(static_cast<double>(bytes)); };
  tiers_->setText(tr("KV by tier: f16 %1, far pages %2, more bits of hot ones %3, ranking %4").arg(shown(tiers->fresh_bytes), shown(tiers->far_bytes), shown(tiers->refinement_bytes), shown(tiers->ranking_bytes)));
  tiers_->setToolTip(tr("Measured, of all layers. f16: the start and the window. Far: every page behind it that there is room for; %1 of %2 far pages are "
                        "hot in each layer, and their values have more bits.\nRanking: how much attention pages had.")
                         .arg(tiers->hot)
                         .arg(tiers->far));
}

void MemoryPanel::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QFrame::changeEvent(event);
}

void MemoryPanel::retranslate() {
  const std::array<QString, kParts> names{tr("Weights"), tr("KV cache"), tr("Compute"), tr("Recording, other")};
  for (std::size_t i = 0; i < kParts; ++i) names_[i]->setText(names[i]);
  total_name_->setText(tr("Total"));
  measured_name_->setText(tr("Measured"));
  estimate_name_->setText(tr("Estimate"));
  const QString derived = tr("Derived from the file before loading, not measured; the dashed line in the plot");
  estimate_name_->setToolTip(derived);
  estimate_total_->setToolTip(derived);
  for (QLabel* label : estimates_) label->setToolTip(derived);
  for (QLabel* label : values_) label->setToolTip(tr("Measured: what the allocator has given out"));
  names_.back()->setToolTip(tr("Measured: what the host reads back, nearly all of it recorded attention and experts; then tokens and page tables"));
  values_.back()->setToolTip(names_.back()->toolTip());
  estimates_.back()->setToolTip(tr("Derived from the file before loading, without what recording takes, which follows from the run; not measured"));
  empty_->say(tr("No model is open"), tr("What a model takes of the device's memory appears here."));
  hint_->setText(tr("Memory over tokens\nappears with the first run"));
  plot_->xAxis->setLabel(tr("tokens in the context"));
  plot_->setAccessibleName(tr("Memory over tokens"));
  refresh();
}

void MemoryPanel::restyle() {
  const ThemeColors& colors = theme_.colors();
  style_plot(*plot_, theme_);
  const std::array<QColor, kParts> fills{colors.memory_weights, colors.memory_kv, colors.memory_compute,
                                         colors.memory_other};
  for (std::size_t i = 0; i < kParts; ++i) {
    areas_[i]->setPen(Qt::NoPen);
    areas_[i]->setBrush(fills[i]);
    swatches_[i]->setStyleSheet(QStringLiteral("background:%1;border-radius:2px;").arg(fills[i].name()));
  }
  estimate_line_->setPen(QPen(colors.text, 1.2, Qt::DashLine));
  cursor_->setPen(QPen(colors.accent, 1));
  hint_->setColor(colors.dim);
  hint_->setBrush(colors.panel);
  hint_->setPadding(QMargins(8, 4, 8, 4));
  hint_->setFont(theme_.sans(12));
  QFont derived = theme_.sans(12);
  derived.setItalic(true);
  for (QLabel* label : estimates_) label->setFont(derived);
  estimate_total_->setFont(derived);
  tiers_->setFont(theme_.sans(12));
  QFont strong = theme_.sans(13);
  strong.setWeight(QFont::DemiBold);
  total_name_->setFont(strong);
  total_->setFont(strong);
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

}  // namespace fovea
