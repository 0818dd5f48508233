// What each of the experts' views shows, and what it says of the place under the mouse.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "ui/heatmap/heatmap_geometry.hpp"
#include "ui/panels/experts_panel.hpp"
#include "ui/panels/plot.hpp"
#include "ui/panels/plot_style.hpp"
#include "ui/text/format.hpp"

namespace fovea {

namespace {

constexpr int kUsePage = 0, kCurvePage = 1, kMatrixPage = 2, kAbsentPage = 3, kSchedulingPage = 4;
constexpr std::uint64_t kFewestTokens = 4;  // of a main expert, for shares that are not chance alone
constexpr float kNothing = std::numeric_limits<float>::quiet_NaN();

template <class Number>
std::uint64_t sum_of(const Number& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0});
}

QVector<double> percents(const std::vector<std::uint64_t>& calls) {
  const auto total = static_cast<double>(sum_of(calls));
  QVector<double> result;
  for (const std::uint64_t n : calls) result << (total > 0 ? 100.0 * static_cast<double>(n) / total : 0);
  return result;
}

// The least number of experts whose share reaches a half; nullopt: none does.
std::optional<std::size_t> half_of(const std::vector<double>& curve) {
  const auto found = std::ranges::find_if(curve, [](double share) { return share >= 0.5; });
  return found == curve.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - curve.begin()) + 1);
}

}  // namespace

QString ExpertsPanel::phase_name(bool prefill) { return prefill ? tr("Prefill") : tr("Decode"); }

void ExpertsPanel::show_view() {
  const ExpertView view = this->view();
  const bool scheduling = view == ExpertView::scheduling;
  layer_->setVisible(view != ExpertView::layers && view != ExpertView::transitions && !scheduling);
  pair_->setVisible(view == ExpertView::transitions);
  for (QLabel* label : figures_) label->setVisible(!scheduling);
  readout_->setVisible(!scheduling);
  if (scheduling) return show_scheduling();
  if (counts_.experts() == 0) return;
  const QString page[] = {
      tr("Calls per expert. CV: standard deviation over mean; floor: the CV that perfectly even chance would show at this "
         "count. U: mean over the largest. H: entropy, 1 is even. Dead: fewer than 1 % of the mean. k: experts a token took, "
         "on average; in brackets the share of tokens with 1, 2, ... of them."),
      tr("Calls of an expert over those of even use. CV: standard deviation over mean of a layer's experts; k: experts a token "
         "took there, on average. Press a row to choose its layer for the other views."),
      tr("Experts from the busiest on, and the share of a layer's calls that they take together; over all layers the mean. "
         "The dashed line is even use. Gini: 0 is even, 1 one expert for all."),
      tr("Calls whose expert was among the last n distinct ones that its layer had used: what a memory of n experts a layer "
         "would have held. The dashed line is chance."),
      tr("Of the tokens with a main expert in one layer, the share that had each main expert in the next. Right guesses are "
         "counted in this run's own tokens, so few tokens flatter them."),
      tr("How much more often than all tokens a kind of token calls an expert; over all layers, which share of its calls goes "
         "elsewhere than theirs. Kinds are told by characters; few tokens differ by chance.")};
  for (QLabel* label : figures_) label->setToolTip(page[static_cast<std::size_t>(view)]);
  switch (view) {
    case ExpertView::use: show_use(); break;
    case ExpertView::layers: show_layers(); break;
    case ExpertView::skew: show_skew(); break;
    case ExpertView::reuse: show_reuse(); break;
    case ExpertView::transitions: show_transitions(); break;
    case ExpertView::scheduling: break;
    case ExpertView::classes: layer() ? show_classes() : show_classes_by_layer(); break;
  }
  fit_figures();
}

void ExpertsPanel::show_scheduling() {
  views_->setCurrentIndex(kSchedulingPage);
  scheduling_->show_use(utilization_of_layers(counts_.work(true)), utilization_of_layers(counts_.work(false)));
}

void ExpertsPanel::show_figure(bool prefill, const std::optional<QString>& text) {
  const QColor swatch = (prefill ? prefill_bars_ : decode_bars_)->brush().color();
  figures_[prefill ? 0 : 1]->setText(QStringLiteral("<span style='color:%1'>■</span> <b>%2</b> &nbsp;").arg(swatch.name(), phase_name(prefill)) +
                                     QString(text.value_or(tr("no tokens yet"))).replace(QChar(0x202f), QLatin1String("&nbsp;")));  // rich text breaks lines at a narrow space
}

// Figures of calls, and of the experts that tokens took where a policy gave them different numbers.
QString ExpertsPanel::usage(const std::vector<std::uint64_t>& calls, bool prefill) const {
  const auto figures = utilization_figures(calls);
  if (!figures) return {};
  // Two lines where the panel is narrow: the floor and dead experts are for a wider one.
  const bool narrow = width() < kNarrow;
  QString text = narrow ? tr("CV&nbsp;%1&nbsp; U&nbsp;%2&nbsp; H&nbsp;%3").arg(shown_number(figures->cv), shown_number(figures->utilization), shown_number(figures->entropy))
                        : tr("CV&nbsp;%1 (floor&nbsp;%2)&nbsp;&nbsp; U&nbsp;%3&nbsp;&nbsp; H&nbsp;%4&nbsp;&nbsp; dead&nbsp;%5")
                              .arg(shown_number(figures->cv), shown_number(figures->cv_floor), shown_number(figures->utilization), shown_number(figures->entropy))
                              .arg(figures->dead);
  const RoutingWork& work = counts_.work(prefill);
  const LayerRouting sum = layer() && *layer() < work.size() ? work[*layer()] : over_layers(work);
  if (!state_.model() || !state_.model()->experts_rule || sum.tokens == 0) return text;
  QStringList parts;
  for (const std::uint64_t count : sum.counts) parts << QString::number(std::lround(100.0 * static_cast<double>(count) / static_cast<double>(sum.tokens)));
  return text + QStringLiteral("&nbsp;&nbsp; k&nbsp;%1&nbsp;(%2&nbsp;%)").arg(shown_number(sum.mean_experts()), parts.join(QStringLiteral("/")));
}

void ExpertsPanel::show_use() {
  views_->setCurrentIndex(kUsePage);
  QVector<double> keys(static_cast<int>(counts_.experts()));
  std::iota(keys.begin(), keys.end(), 0);
  double most = 100.0 / counts_.experts();
  for (const bool prefill : {true, false}) {
    const auto calls = counts_.calls(prefill, layer());
    const QVector<double> values = percents(calls);
    (prefill ? prefill_bars_ : decode_bars_)->setData(keys, values, true);
    most = std::max(most, *std::max_element(values.begin(), values.end()));
    const QString figures = usage(calls, prefill);
    show_figure(prefill, figures.isEmpty() ? std::nullopt : std::optional(figures));
  }
  const double uniform = 100.0 / counts_.experts();
  uniform_->point1->setCoords(0, uniform);
  uniform_->point2->setCoords(1, uniform);
  // Only ever grows within a run, in even steps, so that bars can be compared while they change.
  const double step = most > 4 ? 5 : 1;
  plot_->yAxis->setRange(0, std::ceil(most * 1.1 / step) * step);
  // Where there is room for two numbers these are both ends, even or not.
  const int room = plot_->axisRect()->height() / 20;
  plot_->yAxis->ticker()->setTickCount(room < 3 ? 1 : std::min(room, 5));
  plot_->yAxis->ticker()->setTickStepStrategy(room < 3 ? QCPAxisTicker::tssMeetTickCount : QCPAxisTicker::tssReadability);
  plot_->xAxis->setRange(-0.6, counts_.experts() - 0.4);
  auto ticker = qSharedPointerCast<QCPAxisTickerFixed>(plot_->xAxis->ticker());
  ticker->setTickStep(tick_step(counts_.experts() * 26.0 / std::max(1, plot_->axisRect()->width())));
  plot_->replot(QCustomPlot::rpQueuedReplot);
  map_->refresh();
}

void ExpertsPanel::show_matrix(MatrixScale scale, MatrixTable table) {
  views_->setCurrentIndex(kMatrixPage);
  matrix_->set_scale(scale);
  matrix_->set_marks(marks());
  matrix_->set_table(std::move(table));
}

void ExpertsPanel::show_layers() {
  const bool policy = state_.model() && state_.model()->experts_rule;
  MatrixTable table{.rows = counts_.layers(), .columns = counts_.experts()};
  table.note_title = policy ? tr("CV, k") : tr("CV");
  table.axes = tr("experts →, layers ↓, over even use");
  for (const bool prefill : {true, false}) {
    const RoutingWork& work = counts_.work(prefill);
    std::optional<std::size_t> worst;
    double worst_cv = -1;
    std::vector<float> values;
    QStringList notes;
    for (std::size_t layer = 0; layer < work.size(); ++layer) {
      const auto figures = utilization_figures(work[layer].calls);
      const double even = figures ? static_cast<double>(figures->total) / table.columns : 0;
      for (const std::uint64_t n : work[layer].calls) values.push_back(figures ? static_cast<float>(static_cast<double>(n) / even) : kNothing);
      QString note = figures ? QString::number(figures->cv, 'f', 2) : QStringLiteral("–");
      if (figures && policy) note += QStringLiteral(", %1").arg(QString::number(work[layer].mean_experts(), 'f', 2));
      notes << note;
      if (!figures || figures->cv <= worst_cv) continue;
      worst = layer;
      worst_cv = figures->cv;
    }
    if (worst) table.values[prefill ? 0 : 1] = std::move(values);
    table.notes[prefill ? 0 : 1] = notes;
    show_figure(prefill, worst ? std::optional(tr("most uneven: layer&nbsp;%1, CV&nbsp;%2").arg(*worst).arg(shown_number(worst_cv))) : std::nullopt);
  }
  show_matrix(MatrixScale::ratio, std::move(table));
}

std::vector<double> ExpertsPanel::skew(bool prefill) const {
  const RoutingWork& work = counts_.work(prefill);
  std::vector<double> mean(counts_.experts(), 0);
  double total = 0;
  for (std::size_t l = layer().value_or(0); l < (layer() ? std::min<std::size_t>(*layer() + 1, work.size()) : work.size()); ++l) {
    const auto calls = static_cast<double>(work[l].total_calls());
    const std::vector<double> shares = busiest_shares(work[l].calls);
    for (std::size_t n = 0; n < shares.size(); ++n) mean[n] += calls * shares[n];
    total += calls;
  }
  if (!(total > 0)) return {};
  for (double& share : mean) share /= total;
  return mean;
}

void ExpertsPanel::show_skew() {
  views_->setCurrentIndex(kCurvePage);
  for (const bool prefill : {true, false}) {
    const std::vector<double> curve = skew(prefill);
    // Of the curve that is shown: twice the area between it and the even line, by trapezoids.
    double area = 0, before = 0;
    for (const double share : curve) area += (std::exchange(before, share) + share) / 2;
    const double gini = curve.empty() ? 0 : 2 * area / static_cast<double>(curve.size()) - 1;
    const auto half = half_of(curve);
    const QString text = tr("half of the calls: the busiest&nbsp;%1 of %2&nbsp;&nbsp; Gini&nbsp;%3");
    show_figure(prefill, half ? std::optional(text.arg(*half).arg(counts_.experts()).arg(shown_number(gini))) : std::nullopt);
  }
  curve_->set_words(tr("% of the experts, busiest first"), tr("% of calls"), tr("Share of the calls that the busiest experts take"));
  curve_->set_curves(skew(true), skew(false), counts_.experts(), true);
}

void ExpertsPanel::show_reuse() {
  views_->setCurrentIndex(kCurvePage);
  const std::uint32_t used = state_.trace() ? state_.trace()->routing.slots : 0;
  std::vector<double> curves[2];
  for (const bool prefill : {true, false}) {
    std::vector<double>& curve = curves[prefill ? 1 : 0] = patterns_.reuse().hit_rates(prefill, layer());
    if (curve.empty() || used == 0 || used > curve.size()) {
      show_figure(prefill, std::nullopt);
      continue;
    }
    const auto half = half_of(curve);
    const QString hits = tr("last&nbsp;%1: %2 hit").arg(used).arg(shown_percent(curve[used - 1]));
    show_figure(prefill, half ? tr("%1&nbsp;&nbsp; half of the calls: last&nbsp;%2").arg(hits).arg(*half) : hits);
  }
  curve_->set_words(tr("experts used last"), tr("% of calls that hit"), tr("Hit rate of the experts used last"));
  curve_->set_curves(curves[1], curves[0], counts_.experts(), false);
}

void ExpertsPanel::show_transitions() {
  const auto pair = static_cast<std::uint32_t>(std::max(0, pair_->currentIndex()));
  if (!patterns_.transitions().counts()) {
    for (const bool prefill : {true, false}) show_figure(prefill, QString());
    const QString many = tr("%1 layers of %2 experts have more pairs than are kept in memory.").arg(counts_.layers()).arg(counts_.experts());
    absent_->say(tr("Not counted"), counts_.layers() < 2 ? tr("A single layer has no next one.") : many);
    return views_->setCurrentIndex(kAbsentPage);
  }
  MatrixTable table{.rows = counts_.experts(), .columns = counts_.experts()};
  table.axes = tr("layer %1 →, layer %2 ↓").arg(pair + 1).arg(pair);
  for (const bool prefill : {true, false}) {
    const auto counts = patterns_.transitions().from(pair, prefill);
    const auto found = foresight(counts, counts_.experts());
    const QString text = tr("next&nbsp;guessed:&nbsp;%1 (blindly&nbsp;%2)");
    show_figure(prefill, found ? std::optional(text.arg(shown_percent(found->knowing), shown_percent(found->guessing))) : std::nullopt);
    if (!found) continue;
    std::vector<float>& values = table.values[prefill ? 0 : 1];
    for (std::uint32_t row = 0; row < table.rows; ++row) {
      const auto cells = counts.subspan(std::size_t{row} * table.columns, table.columns);
      const std::uint64_t total = sum_of(cells);
      for (const std::uint32_t n : cells) values.push_back(total >= kFewestTokens ? static_cast<float>(n) / static_cast<float>(total) : kNothing);
    }
  }
  show_matrix(MatrixScale::share, std::move(table));
}

void ExpertsPanel::show_classes() {
  MatrixTable table{.rows = kTokenClasses, .columns = counts_.experts()};
  table.note_title = tr("tokens");
  table.axes = tr("experts →, over all tokens' share");
  for (std::size_t c = 0; c < kTokenClasses; ++c) table.row_names << shown_class(static_cast<TokenClass>(c));
  for (const bool prefill : {true, false}) {
    const auto calls = patterns_.class_calls(*layer(), prefill);
    const std::uint64_t total = sum_of(calls);
    std::vector<std::uint64_t> by_expert(table.columns, 0);
    for (std::size_t i = 0; i < calls.size(); ++i) by_expert[i % table.columns] += calls[i];
    (void)show_kinds(prefill, table);
    if (total == 0) continue;
    for (std::size_t c = 0; c < kTokenClasses; ++c) {
      const auto cells = calls.subspan(c * table.columns, table.columns);
      const auto of_class = static_cast<double>(sum_of(cells));
      for (std::uint32_t e = 0; e < table.columns; ++e)
        table.values[prefill ? 0 : 1].push_back(of_class >= table.columns && by_expert[e] > 0
                                                    ? static_cast<float>(cells[e] / of_class * static_cast<double>(total) / static_cast<double>(by_expert[e]))
                                                    : kNothing);
    }
  }
  show_matrix(MatrixScale::ratio, std::move(table));
}

// Tokens of every kind, beside the rows and as the phase's figure; returns how many there are in all.
std::uint64_t ExpertsPanel::show_kinds(bool prefill, MatrixTable& table) {
  std::uint64_t tokens = 0, kinds = 0;
  QStringList& notes = table.notes[prefill ? 0 : 1];
  for (std::size_t c = 0; c < kTokenClasses; ++c) {
    const std::uint64_t count = patterns_.class_tokens(static_cast<TokenClass>(c), prefill);
    tokens += count;
    kinds += count > 0 ? 1 : 0;
    notes << shown_count(count);
  }
  show_figure(prefill, tokens > 0 ? std::optional(tr("%1 tokens of %2 kinds").arg(shown_count(tokens)).arg(kinds)) : std::nullopt);
  return tokens;
}

// Half the sum of differences between the shares that a kind of token and all tokens give to the experts of each layer.
void ExpertsPanel::show_classes_by_layer() {
  MatrixTable table{.rows = kTokenClasses, .columns = counts_.layers()};
  table.note_title = tr("tokens");
  table.axes = tr("layers →, share of calls elsewhere than all tokens'");
  for (std::size_t c = 0; c < kTokenClasses; ++c) table.row_names << shown_class(static_cast<TokenClass>(c));
  const std::uint32_t experts = counts_.experts();
  for (const bool prefill : {true, false}) {
    const std::uint64_t tokens = show_kinds(prefill, table);
    if (tokens == 0) continue;
    std::vector<float>& values = table.values[prefill ? 0 : 1];
    values.assign(std::size_t{table.rows} * table.columns, kNothing);
    for (std::uint32_t l = 0; l < table.columns; ++l) {
      const auto calls = patterns_.class_calls(l, prefill);
      const auto total = static_cast<double>(sum_of(calls));
      for (std::size_t c = 0; c < kTokenClasses && total > 0; ++c) {
        const auto of_class = static_cast<double>(sum_of(calls.subspan(c * experts, experts)));
        if (of_class < experts) continue;  // less than a call for each: chance alone
        double apart = 0;
        for (std::uint32_t e = 0; e < experts; ++e) {
          double all = 0;
          for (std::size_t k = 0; k < kTokenClasses; ++k) all += calls[k * experts + e];
          apart += std::fabs(calls[c * experts + e] / of_class - all / total) / 2;
        }
        values[c * table.columns + l] = static_cast<float>(apart);
      }
    }
  }
  show_matrix(MatrixScale::share, std::move(table));
}

std::vector<std::pair<std::uint32_t, std::uint32_t>> ExpertsPanel::marks() const {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> marks;
  const TokenIndex token = state_.selection().token();
  if (!token || !state_.trace()) return marks;
  const RoutingTrace& routing = state_.trace()->routing;
  if (view() == ExpertView::layers)
    for (std::uint32_t layer = 0; layer < counts_.layers(); ++layer)
      for (const ExpertChoice& choice : routing.chosen(*token, layer)) marks.emplace_back(layer, choice.expert);
  if (view() == ExpertView::transitions) {
    const auto pair = static_cast<std::uint32_t>(std::max(0, pair_->currentIndex()));
    const std::uint16_t from = counts_.main_expert(*token, pair), to = counts_.main_expert(*token, pair + 1);
    if (from != RoutingCounts::kNone && to != RoutingCounts::kNone) marks.emplace_back(from, to);
  }
  if (view() == ExpertView::classes && layer() && *token < state_.token_count()) {
    const auto& tokens = state_.tokens();
    const auto row = static_cast<std::uint32_t>(token_class(tokens[*token], *token > 0 ? &tokens[*token - 1] : nullptr));
    for (const ExpertChoice& choice : routing.chosen(*token, *layer())) marks.emplace_back(row, choice.expert);
  }
  return marks;
}

void ExpertsPanel::point_at_cell(const std::optional<MatrixCell>& cell) {
  if (!cell) return readout_->clear();
  if (view() == ExpertView::transitions) return readout_->setText(told_transition(*cell));
  if (view() == ExpertView::classes) return readout_->setText(told_class(*cell));
  const RoutingWork& work = counts_.work(cell->prefill);
  if (cell->row >= work.size() || cell->column >= work[cell->row].calls.size()) return readout_->clear();
  const std::uint64_t total = work[cell->row].total_calls(), calls = work[cell->row].calls[cell->column];
  const double even = total > 0 ? static_cast<double>(calls) * counts_.experts() / static_cast<double>(total) : 0;
  readout_->setText(tr("%1, layer %2, expert %3: %4 of %5 calls, %6 × even")
                        .arg(phase_name(cell->prefill))
                        .arg(cell->row)
                        .arg(cell->column)
                        .arg(shown_count(calls), shown_count(total), shown_number(even)));
}

QString ExpertsPanel::told_transition(const MatrixCell& cell) const {
  const auto pair = static_cast<std::uint32_t>(std::max(0, pair_->currentIndex()));
  const auto counts = patterns_.transitions().from(pair, cell.prefill);
  const std::size_t row = std::size_t{cell.row} * counts_.experts();
  if (row + counts_.experts() > counts.size() || cell.column >= counts_.experts()) return {};
  return tr("%1, expert %2 → %3: %4 of %5 tokens")
      .arg(phase_name(cell.prefill))
      .arg(cell.row)
      .arg(cell.column)
      .arg(shown_count(counts[row + cell.column]), shown_count(sum_of(counts.subspan(row, counts_.experts()))));
}

QString ExpertsPanel::told_class(const MatrixCell& cell) const {
  const std::uint32_t experts = counts_.experts(), in = layer().value_or(cell.column);
  const auto calls = patterns_.class_calls(in, cell.prefill);
  if (cell.row >= kTokenClasses || calls.empty()) return {};
  const QString place = QStringLiteral("%1, %2").arg(phase_name(cell.prefill), shown_class(static_cast<TokenClass>(cell.row)));
  const auto row = calls.subspan(cell.row * experts, experts);
  const float value = matrix_->table().values[cell.prefill ? 0 : 1][std::size_t{cell.row} * matrix_->table().columns + cell.column];
  if (sum_of(row) == 0) return tr("%1: no such tokens").arg(place);
  if (std::isnan(value)) return tr("%1: too few tokens to tell").arg(place);
  if (!layer()) return tr("%1, layer %2: %3 of its calls elsewhere").arg(place).arg(in).arg(shown_percent(static_cast<double>(value)));
  return tr("%1, expert %2: %3 of its %4 calls, %5 × all tokens' share")
      .arg(place)
      .arg(cell.column)
      .arg(shown_count(row[cell.column]), shown_count(sum_of(row)), shown_number(static_cast<double>(value)));
}

void ExpertsPanel::point_at_number(std::optional<std::uint32_t> experts) {
  if (!experts) return readout_->clear();
  const auto part = [&](bool prefill) {
    const std::vector<double>& curve = curve_->curve(prefill);
    return *experts <= curve.size() ? shown_percent(curve[*experts - 1]) : QStringLiteral("–");
  };
  const QString which = view() == ExpertView::skew ? tr("busiest %1 of %2 experts").arg(*experts).arg(counts_.experts()) : tr("last %1 experts").arg(*experts);
  readout_->setText(tr("%1: prefill %2, decode %3").arg(which, part(true), part(false)));
}

}  // namespace fovea
