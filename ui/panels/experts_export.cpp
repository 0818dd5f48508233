// The experts' views as pictures and tables.
#include <QContextMenuEvent>
#include <QRegularExpression>
#include <QTextDocumentFragment>
#include <cmath>

#include "engine/runs/comparison_export.hpp"
#include "ui/panels/experts_panel.hpp"
#include "ui/panels/plot.hpp"
#include "ui/panels/plot_style.hpp"
#include "ui/text/policy_words.hpp"

namespace fovea {

std::optional<ExportedPlot> ExpertsPanel::exported() {
  const ExpertView view = this->view();
  const bool curve = view == ExpertView::skew || view == ExpertView::reuse;
  if (!shows_plots() || counts_.experts() == 0 || view == ExpertView::scheduling || views_->currentWidget() == absent_) return std::nullopt;
  QWidget* const widget = view == ExpertView::use ? static_cast<QWidget*>(plot_) : curve ? static_cast<QWidget*>(&curve_->plot()) : matrix_;
  QStringList title{view_->currentText()};
  if (view == ExpertView::transitions) title << pair_->currentText();
  else if (view != ExpertView::layers) title << layer_->currentText();
  const auto keys = [this] {
    const ThemeColors& colors = theme_.colors();
    std::vector<PlotKey> told;
    for (const bool prefill : {true, false}) {
      // As it stands above the plot, without its swatch.
      QString said = QTextDocumentFragment::fromHtml(figures_[prefill ? 0 : 1]->text()).toPlainText().remove(QStringLiteral("■"));
      said.replace(QRegularExpression(QStringLiteral("(?<=\\S)[\\s\\x{a0}]{2,}")), QStringLiteral(" · "));
      told.push_back({QStringLiteral("■"), prefill ? prefill_color(colors) : colors.run_a, said.simplified()});
    }
    if (const auto& model = state_.model())
      told.push_back({{}, {}, QStringLiteral("%1 · %2").arg(QString::fromStdString(model->name), expert_words(model->experts_rule, model->experts_used))});
    return told;
  };
  const auto restyled = [this, curve, view] {
    if (view == ExpertView::use) return restyle();
    if (curve) return curve_->restyle();
    matrix_->redraw();
  };
  return ExportedPlot{widget, &theme_, tr("Experts: %1").arg(title.join(QStringLiteral(", "))), keys, restyled, [this] { return csv(); }};
}

void ExpertsPanel::contextMenuEvent(QContextMenuEvent* event) {
  const auto plot = exported();
  if (plot && plot->widget->rect().contains(plot->widget->mapFromGlobal(event->globalPos()))) show_export_menu(*plot, event->globalPos());
}

QString ExpertsPanel::csv() const {
  const auto number = [](double value) { return std::isnan(value) ? std::string() : QString::number(value, 'g', 9).toStdString(); };
  ExportTable table;
  if (view() == ExpertView::use) {
    table.columns = {"expert", "prefill_calls", "decode_calls"};
    const auto prefill = counts_.calls(true, layer()), decode = counts_.calls(false, layer());
    for (std::size_t e = 0; e < counts_.experts(); ++e) table.rows.push_back({std::to_string(e), std::to_string(prefill[e]), std::to_string(decode[e])});
  } else if (views_->currentWidget() == curve_) {
    table.columns = {"experts", "prefill_share", "decode_share"};
    const auto &prefill = curve_->curve(true), &decode = curve_->curve(false);
    const auto share = [&](const std::vector<double>& curve, std::size_t n) { return n < curve.size() ? number(curve[n]) : std::string(); };
    for (std::size_t n = 0; n < std::max(prefill.size(), decode.size()); ++n) table.rows.push_back({std::to_string(n + 1), share(prefill, n), share(decode, n)});
  } else {
    table.columns = {"phase", "row", "column", "value"};
    const MatrixTable& shown = matrix_->table();
    for (const bool prefill : {true, false}) {
      const auto& values = shown.values[prefill ? 0 : 1];
      for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t row = i / shown.columns;
        const std::string name = row < static_cast<std::size_t>(shown.row_names.size()) ? shown.row_names[static_cast<int>(row)].toStdString() : std::to_string(row);
        table.rows.push_back({prefill ? "prefill" : "decode", name, std::to_string(i % shown.columns), number(static_cast<double>(values[i]))});
      }
    }
  }
  return QString::fromStdString(fovea::csv(table));
}

}  // namespace fovea
