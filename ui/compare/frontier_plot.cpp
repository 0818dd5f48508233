#include "ui/compare/frontier_plot.hpp"

#include <QContextMenuEvent>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <span>

#include "engine/runs/comparison_export.hpp"
#include "ui/compare/run_words.hpp"
#include "ui/panels/plot_style.hpp"
#include "ui/text/format.hpp"
#include "ui/text/policy_words.hpp"

namespace fovea {

FrontierPlot::FrontierPlot(const Theme& theme, QWidget* parent) : QFrame(parent), theme_(theme), plot_(new QCustomPlot), readout_(new QLabel) {
  plot_->setMinimumSize(160, 120);
  plot_->setFocusPolicy(Qt::NoFocus);
  plot_->setMouseTracking(true);
  plot_->installEventFilter(this);
  fixed_ = new QCPCurve(plot_->xAxis, plot_->yAxis);
  fixed_points_ = plot_->addGraph();
  others_ = plot_->addGraph();
  fixed_errors_ = new QCPErrorBars(plot_->xAxis, plot_->yAxis);
  fixed_errors_->setDataPlottable(fixed_points_);
  other_errors_ = new QCPErrorBars(plot_->xAxis, plot_->yAxis);
  other_errors_->setDataPlottable(others_);
  zero_ = new QCPItemStraightLine(plot_);
  zero_->point1->setCoords(0, 0);
  zero_->point2->setCoords(1, 0);
  readout_->setProperty("dim", true);
  readout_->setTextFormat(Qt::PlainText);
  readout_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(0);
  layout->addWidget(plot_, 1);
  layout->addWidget(readout_);
  connect(&theme, &Theme::changed, this, &FrontierPlot::restyle);
  retranslate();
  restyle();
}

void FrontierPlot::show_frontier(const std::shared_ptr<const Frontier>& frontier) {
  frontier_ = frontier;
  readout_->setText(QStringLiteral(" "));
  draw();
}

void FrontierPlot::draw() {
  for (QCPItemText* label : labels_) plot_->removeItem(label);
  labels_.clear();
  QVector<double> x[2], y[2], error[2], order, line_x, line_y;
  std::vector<std::pair<double, double>> joined;
  double least = 0, most = 0;
  const double own = frontier_ && frontier_->own_bytes > 0 ? frontier_->own_bytes : 1;
  for (std::size_t i = 0; frontier_ && i < frontier_->points.size(); ++i) {
    const FrontierPoint& point = frontier_->points[i];
    const int side = point.fixed ? 0 : 1;
    const double at = 100 * point.expert_bytes / own;
    x[side] << at;
    y[side] << point.delta_ppl_percent;
    error[side] << point.delta_stderr_percent;
    if (point.fixed) joined.emplace_back(at, point.delta_ppl_percent);
    least = std::min(least, point.delta_ppl_percent - point.delta_stderr_percent);
    most = std::max(most, point.delta_ppl_percent + point.delta_stderr_percent);
    auto* label = new QCPItemText(plot_);
    // Policies often stand beside a static number or above it: their names go to the left.
    label->position->setCoords(at, point.fixed ? point.delta_ppl_percent + point.delta_stderr_percent : point.delta_ppl_percent);
    label->setPositionAlignment(point.fixed ? Qt::AlignHCenter | Qt::AlignBottom : Qt::AlignRight | Qt::AlignVCenter);
    label->setPadding(point.fixed ? QMargins(0, 0, 0, 7) : QMargins(0, 0, 10, 0));
    label->setText(point.fixed ? QStringLiteral("k = %1").arg(std::lround(point.k_mean)) : QStringLiteral("k %1").arg(shown_number(point.k_mean)));
    labels_.push_back(label);
  }
  std::ranges::sort(joined);
  for (const auto& [at, value] : joined) {
    order << static_cast<double>(order.size());
    line_x << at;
    line_y << value;
  }
  fixed_->setData(order, line_x, line_y, true);
  fixed_points_->setData(x[0], y[0]);
  others_->setData(x[1], y[1]);
  // Graphs sort their points, and errors belong to points by index: both are given in the order of bytes.
  const auto sorted = [](const QVector<double>& at, const QVector<double>& of) {
    std::vector<std::pair<double, double>> pairs;
    for (qsizetype i = 0; i < at.size(); ++i) pairs.emplace_back(at[i], of[i]);
    std::ranges::stable_sort(pairs, {}, &std::pair<double, double>::first);
    QVector<double> result;
    for (const auto& [place, value] : pairs) result << value;
    return result;
  };
  fixed_errors_->setData(sorted(x[0], error[0]));
  other_errors_->setData(sorted(x[1], error[1]));
  if (most == least) most = least + 1;
  const double room = (most - least) * 0.16;
  plot_->yAxis->setRange(least - room, most + room);
  plot_->xAxis->setRange(0, 108);
  restyle();
}

bool FrontierPlot::eventFilter(QObject* watched, QEvent* event) {
  if (watched == plot_ && event->type() == QEvent::MouseMove) point_at(static_cast<QMouseEvent*>(event)->position());
  if (watched == plot_ && event->type() == QEvent::Leave) readout_->setText(QStringLiteral(" "));
  return QFrame::eventFilter(watched, event);
}

void FrontierPlot::point_at(const QPointF& at) {
  constexpr double kNear = 24;  // pixels
  const FrontierPoint* found = nullptr;
  double best = kNear;
  for (std::size_t i = 0; frontier_ && i < frontier_->points.size(); ++i) {
    const FrontierPoint& point = frontier_->points[i];
    const double x = plot_->xAxis->coordToPixel(100 * point.expert_bytes / std::max(frontier_->own_bytes, 1.0)), y = plot_->yAxis->coordToPixel(point.delta_ppl_percent);
    const double distance = std::hypot(x - at.x(), y - at.y());
    if (distance < best) {
      best = distance;
      found = &point;
    }
  }
  if (found == nullptr) return readout_->setText(QStringLiteral(" "));
  readout_->setText(tr("%1: %2 experts a token, %3 of experts; perplexity %4 (%5 ± %6)")
                        .arg(expert_words(found->policy.moe), shown_number(found->k_mean), shown_bytes(found->expert_bytes), shown_number(found->perplexity),
                             figure_difference(found->delta_ppl_percent / 100, ComparedFigure::Unit::percent), shown_percent(found->delta_stderr_percent / 100)));
}

QString FrontierPlot::csv() const {
  ExportTable table{"", {"moe", "static", "k_mean", "expert_bytes", "perplexity", "delta_ppl_percent", "stderr_percent"}, {}};
  const auto number = [](double value) { return QString::number(value, 'g', 17).toStdString(); };
  for (std::size_t i = 0; frontier_ && i < frontier_->points.size(); ++i) {
    const FrontierPoint& p = frontier_->points[i];
    table.rows.push_back({p.policy.moe, p.fixed ? "1" : "0", number(p.k_mean), number(p.expert_bytes), number(p.perplexity), number(p.delta_ppl_percent), number(p.delta_stderr_percent)});
  }
  return QString::fromStdString(fovea::csv(table));
}

ExportedPlot FrontierPlot::exported() {
  const auto keys = [this] {
    const ThemeColors& colors = theme_.colors();
    std::vector<PlotKey> told{{QString::fromUtf8(kMarkA), colors.run_a, tr("static numbers of experts")}};
    for (const FrontierPoint& point : frontier_ ? std::span<const FrontierPoint>(frontier_->points) : std::span<const FrontierPoint>())
      if (!point.fixed) told.push_back({QString::fromUtf8(kMarkB), colors.run_b, QStringLiteral("%1, k %2").arg(expert_words(point.policy.moe), shown_number(point.k_mean))});
    if (frontier_)
      told.push_back({{}, {}, tr("Bars: one standard error of the paired difference. On %1, %2 tokens.").arg(shown_scored_text(frontier_->text), shown_count(frontier_->tokens))});
    return told;
  };
  const auto restyle = [this] {
    readout_->setText(QStringLiteral(" "));
    draw();
  };
  return {plot_, &theme_, tr("Loss of quality against bytes of experts"), keys, restyle, [this] { return csv(); }};
}

bool FrontierPlot::save(const QString& path) { return save_plot(exported(), path); }

void FrontierPlot::contextMenuEvent(QContextMenuEvent* event) { show_export_menu(exported(), event->globalPos()); }

void FrontierPlot::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QFrame::changeEvent(event);
}

void FrontierPlot::retranslate() {
  plot_->xAxis->setLabel(tr("bytes of experts a decoded token reads, % of the model's own choice (derived)"));
  plot_->yAxis->setLabel(tr("perplexity over the model's own choice, %"));
  plot_->setAccessibleName(tr("Loss of quality against bytes of experts"));
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

void FrontierPlot::restyle() {
  const ThemeColors& colors = theme_.colors();
  style_plot(*plot_, theme_);
  plot_->axisRect()->setMinimumMargins(QMargins(8, 8, 12, 4));
  fixed_->setPen(QPen(colors.dim, 1.2));
  fixed_points_->setLineStyle(QCPGraph::lsNone);
  fixed_points_->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssDisc, QPen(colors.run_a), QBrush(colors.run_a), 8));
  others_->setLineStyle(QCPGraph::lsNone);
  others_->setScatterStyle(QCPScatterStyle(QCPScatterStyle::ssTriangle, QPen(colors.run_b), QBrush(colors.run_b), 10));
  fixed_errors_->setPen(QPen(colors.run_a, 1.2));
  other_errors_->setPen(QPen(colors.run_b, 1.2));
  zero_->setPen(QPen(colors.dim, 1, Qt::DashLine));
  for (QCPItemText* label : labels_) {
    label->setFont(theme_.sans(11));
    label->setColor(colors.text);
  }
  readout_->setFont(theme_.mono(12));
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

}  // namespace fovea
