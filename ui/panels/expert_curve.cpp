#include "ui/panels/expert_curve.hpp"

#include <QEvent>
#include <QMouseEvent>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "ui/heatmap/heatmap_geometry.hpp"
#include "ui/panels/plot.hpp"
#include "ui/panels/plot_style.hpp"

namespace fovea {

namespace {
constexpr std::uint32_t kMostDots = 32;  // experts up to which each has a dot
}

ExpertCurve::ExpertCurve(const Theme& theme, QWidget* parent) : QWidget(parent), theme_(theme), plot_(new QCustomPlot) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->addWidget(plot_);
  plot_->setMinimumSize(120, 90);
  plot_->setFocusPolicy(Qt::NoFocus);
  plot_->setMouseTracking(true);
  plot_->installEventFilter(this);
  even_ = plot_->addGraph();
  for (const bool prefill : {true, false}) graphs_[prefill ? 1 : 0] = plot_->addGraph();
  plot_->xAxis->setTicker(QSharedPointer<QCPAxisTicker>(new QCPAxisTickerFixed));
  plot_->yAxis->setTicker(QSharedPointer<QCPAxisTicker>(new QCPAxisTickerFixed));
  connect(&theme, &Theme::changed, this, &ExpertCurve::restyle);
  restyle();
}

void ExpertCurve::set_words(const QString& across, const QString& up, const QString& name) {
  plot_->xAxis->setLabel(across);
  plot_->yAxis->setLabel(up);
  plot_->setAccessibleName(name);
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

void ExpertCurve::set_curves(std::vector<double> prefill, std::vector<double> decode, std::uint32_t experts, bool in_percent) {
  curves_[1] = std::move(prefill);
  curves_[0] = std::move(decode);
  experts_ = experts;
  in_percent_ = in_percent;
  draw();
}

void ExpertCurve::draw() {
  const double most = std::max(1u, experts_), scale = in_percent_ ? 100.0 / most : 1;
  for (const int i : {0, 1}) {
    QVector<double> keys, values;
    if (!curves_[i].empty()) {
      keys << 0;
      values << 0;
    }
    for (std::size_t n = 0; n < curves_[i].size(); ++n) {
      keys << static_cast<double>(n + 1) * scale;
      values << 100 * curves_[i][n];
    }
    graphs_[i]->setData(keys, values, true);
    graphs_[i]->setScatterStyle(experts_ <= kMostDots ? QCPScatterStyle(QCPScatterStyle::ssDisc, 5) : QCPScatterStyle(QCPScatterStyle::ssNone));
  }
  even_->setData({0, most * scale}, {0, 100}, true);
  plot_->xAxis->setRange(0, most * scale * 1.02);  // the last dot is whole, and its number is there
  plot_->yAxis->setRange(0, 104);
  const auto ticks = [](QCPAxis* axis) { return qSharedPointerCast<QCPAxisTickerFixed>(axis->ticker()); };
  ticks(plot_->yAxis)->setTickStep(plot_->axisRect()->height() < 110 ? 50 : 25);
  const double across = std::max(1, plot_->axisRect()->width());
  ticks(plot_->xAxis)->setTickStep(in_percent_ ? (across < 260 ? 25 : 10) : tick_step(most * 30 / across));
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

void ExpertCurve::resizeEvent(QResizeEvent* event) {
  QWidget::resizeEvent(event);
  draw();
}

bool ExpertCurve::eventFilter(QObject* watched, QEvent* event) {
  if (watched == plot_ && event->type() == QEvent::MouseMove && experts_ > 0) {
    const double key = plot_->xAxis->pixelToCoord(static_cast<QMouseEvent*>(event)->position().x());
    const double number = std::round(in_percent_ ? key * experts_ / 100 : key);
    if (number >= 1 && number <= experts_)
      Q_EMIT number_pointed(static_cast<std::uint32_t>(number));
    else
      Q_EMIT number_pointed(std::nullopt);
  }
  if (watched == plot_ && event->type() == QEvent::Leave) Q_EMIT number_pointed(std::nullopt);
  return QWidget::eventFilter(watched, event);
}

void ExpertCurve::restyle() {
  const ThemeColors& colors = theme_.colors();
  style_plot(*plot_, theme_);
  graphs_[1]->setPen(QPen(prefill_color(colors), 2));
  graphs_[0]->setPen(QPen(colors.run_a, 2));
  even_->setPen(QPen(colors.text, 1, Qt::DashLine));
  draw();
}

}  // namespace fovea
