#include "app/workbench/title_strip.hpp"

#include <QEvent>
#include <QToolTip>
#include <string_view>

#include "ui/text/device_words.hpp"
#include "ui/text/format.hpp"
#include "ui/text/policy_words.hpp"

namespace fovea {

namespace {
// As programs and files spell it, in every language.
QString spelled(std::string_view name) {
  return QString::fromLatin1(name.data(), static_cast<qsizetype>(name.size()));
}

// A number as a policy has it: "2", "0.75".
QString written(double value) { return QString::number(value, 'g', 4); }

std::vector<double> as_numbers(const std::vector<std::uint32_t>& counts) { return {counts.begin(), counts.end()}; }

// All that a policy of this version can say; a name of somebody else's model has no such bound and is cut.
constexpr int kPolicyWidest = 860;
}  // namespace

TitleStrip::TitleStrip(WorkbenchState& state, QAction& run, QAction& stop, QWidget* parent)
    : QToolBar(parent), state_(state), model_(new Chip), device_(new Chip), policy_(new Chip(kPolicyWidest)) {
  setObjectName(QStringLiteral("title_strip"));
  setMovable(false);
  setFloatable(false);
  setContextMenuPolicy(Qt::PreventContextMenu);
  setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
  for (Chip* chip : {model_, device_, policy_}) addWidget(chip);
  auto* gap = new QWidget;
  gap->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
  addWidget(gap);
  addAction(&run);
  addAction(&stop);
  for (QAction* action : {&run, &stop}) widgetForAction(action)->setFocusPolicy(Qt::StrongFocus);
  connect(model_, &QToolButton::clicked, this, &TitleStrip::model_pressed);
  connect(policy_, &QToolButton::clicked, this, &TitleStrip::policy_pressed);
  // Its reason, also for those who do not hover.
  connect(device_, &QToolButton::clicked, device_,
          [this] { QToolTip::showText(device_->mapToGlobal(QPoint(0, device_->height())), device_->toolTip(), device_); });
  connect(&state, &WorkbenchState::model_changed, this, &TitleStrip::refresh);
  refresh();
}

void TitleStrip::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) refresh();
  QToolBar::changeEvent(event);
}

void TitleStrip::set_policy(const WorkbenchPolicy& policy) {
  chosen_ = policy;
  refresh_policy();
}

void TitleStrip::refresh() {
  setWindowTitle(tr("Title strip"));
  const auto& model = state_.model();
  if (!model) {
    model_->set_value(tr("no model"), tr("Open a GGUF file with Ctrl+O"));
    device_->set_value(tr("no device"), tr("A device is chosen when a model is opened"));
  } else {
    const QString name = QString::fromStdString(
        model->name.empty() ? model->path.substr(model->path.find_last_of('/') + 1) : model->name);
    model_->set_value(QStringLiteral("%1 · %2 · %3")
                          .arg(name, QString::fromStdString(model->quantization),
                               shown_bytes(static_cast<double>(model->file_bytes))),
                      tr("%1 parameters, %2\nPress to see what the file holds")
                          .arg(shown_short(model->parameters), QString::fromStdString(model->path)));
    const DeviceSummary& device = model->device;
    device_->set_value(QString::fromStdString(device.name).section(QStringLiteral(" ("), 0, 0),
                       tr("%1\n%2, Vulkan %3\n%4")
                           .arg(QString::fromStdString(device.name), QString::fromStdString(device.driver),
                                QString::fromStdString(device.api), device_reason(device.why)));
  }
  refresh_policy();
}

QString TitleStrip::attention_reason(const std::optional<SparseAttention>& attention) {
  if (!attention) return tr("Attention: every query attends to every earlier token");
  const SparseAttention& a = *attention;
  const bool adaptive = a.budget == PageBudget::adaptive;
  QString reason = tr("Attention: a query reads its last %1 positions, the first %2, and of the pages between them %3, chosen by %4")
                       .arg(shown_count(a.window), shown_count(a.sinks),
                            adaptive ? tr("as few as hold %1, %2 at most").arg(shown_percent(a.mass), shown_percent(a.most)) : shown_percent(a.global), spelled(name(a.scorer)));
  if (a.target) reason += tr(", moved so that the mean is %1").arg(shown_percent(*a.target));
  reason += QStringLiteral(";\n");
  reason += a.by_depth           ? tr("which layers read more follows from the model's depth; queries that see fewer than %1 keys read everything").arg(shown_count(a.dense_below))
            : a.dense_layers > 0 ? tr("the first %1 layers and queries that see fewer than %2 keys read everything").arg(shown_count(a.dense_layers), shown_count(a.dense_below))
                                 : tr("queries that see fewer than %1 keys read everything").arg(shown_count(a.dense_below));
  if (!a.layer_shares.empty())
    reason += tr(";\nwhatever the others read, the first layers read %1 of the pages").arg(layer_words(a.layer_shares, 100, QStringLiteral(" %")));
  if (a.chooser == PageChooser::own) reason += tr(";\na decoded token chooses by its own queries, layer by layer");
  if (a.periphery == PagePeriphery::means) reason += tr(";\nwhere attention is flat, pages that are not read take part with their mean values");
  return reason;
}

QString TitleStrip::expert_reason(const std::optional<ExpertRule>& rule) const {
  const auto& model = state_.model();
  if (model && model->experts == 0) return tr("Experts: none, the model is dense");
  if (!rule)
    return model ? tr("Experts: each token takes %1, the model's own number").arg(model->experts_used)
                 : tr("Experts: each token takes the model's own number of them");
  if (rule->count == ExpertCount::fixed)
    return rule->layer_kmax.empty() ? tr("Experts: each token takes %1").arg(rule->kmax)
                                    : tr("Experts: each token takes the number of its layer: %1").arg(layer_words(as_numbers(rule->layer_kmax)));
  const auto shares = rule->layer_p.empty() ? shown_percent(rule->p) : tr("%1 (by layer)").arg(layer_words(rule->layer_p, 100, QStringLiteral(" %")));
  QString reason = rule->count == ExpertCount::mass ? tr("Experts: each token takes as few as hold %1 of the weights").arg(shares)
                                                    : tr("Experts: each token takes ceil(%1 exp H), by the entropy H of the weights").arg(written(rule->c));
  if (!rule->layer_target_k.empty())
    reason += tr(", moved so that the mean of each layer is %1").arg(layer_words(rule->layer_target_k));
  else if (rule->target_k > 0)
    reason += tr(", moved so that the mean is %1").arg(written(rule->target_k));
  const std::uint32_t most = rule->kmax > 0 ? rule->kmax : model ? model->experts_used : 0;
  reason += rule->layer_kmax.empty() ? most > 0 ? tr(", from %1 to %2 of them").arg(rule->kmin).arg(most) : tr(", at least %1").arg(rule->kmin)
                                     : tr(", at least %1, at most %2").arg(rule->kmin).arg(layer_words(as_numbers(rule->layer_kmax)));
  if (rule->prior) reason += tr(";\na semantic router predicts what a token needs, with the weight %1").arg(written(rule->prior->weight));
  if (model && leaves_router_out(chosen_.experts, *model)) reason += tr(";\nthe policy's semantic router is left out: it was trained for a model of another shape");
  if (rule->escort) reason += tr(";\na new expert is escorted");
  if (rule->reset == LoadReset::frozen) return reason + (rule->priced ? tr(";\nfrozen prices from a file move the choice") : tr(";\na frozen bias from a file moves the choice"));
  if (rule->balance == ExpertBalance::off) return reason;
  reason += tr(";\nload moves the choice: %1").arg(spelled(name(rule->balance)));
  return rule->reset == LoadReset::never ? reason + tr("; it lasts from run to run, so a run depends on those before it") : reason;
}

void TitleStrip::refresh_policy() {
  const auto& model = state_.model();
  const std::optional<KvType> kv = model ? std::optional(model->kv) : chosen_.kv;
  const std::optional<SparseAttention> attention = model ? model->attention : chosen_.attention;
  const std::optional<ActivationType> activations = model ? model->activations : chosen_.activations;
  const std::optional<ExpertRule> experts = model ? model->experts_rule : chosen_.experts;
  const bool dense = model && model->experts == 0;
  // A part a line: tooltips of plain text are not wrapped.
  const QStringList reasons{
      tr("The policy of the run; press to change attention and experts"),
      attention_reason(attention),
      expert_reason(experts),
      !kv                  ? tr("KV: what suits the device, which is known when a model is open")
      : kv == KvType::q8_0 ? tr("KV: keys and values are kept as 8-bit integers, with a scale for every 32")
      : kv == KvType::tiered ? tr("KV: 16-bit floats at the start and in the window, 4 to 8 bits behind it")
                           : tr("KV: keys and values are kept as 16-bit floats"),
      activations == ActivationType::q8_0
          ? tr("Activations: decoding multiplies weights stored in blocks with 8-bit integers, with a scale for every 32")
      : chosen_.activations == ActivationType::q8_0
          ? tr("Activations: 32-bit floats, since this model on this device has no product that takes 8 bits")
      : !activations
          ? tr("Activations: what suits the device, which is known when a model is open")
          : tr("Activations: weights are multiplied with 32-bit floats"),
  };
  policy_->set_value(
      tr("%1 · %2 · KV %3 · activations %4")
          .arg(tr("attention %1").arg(attention_words(attention)), dense ? tr("no experts") : tr("experts %1").arg(expert_words(experts, model ? model->experts_used : 0)),
               spelled(kv ? name(*kv) : "auto"), spelled(activations ? name(*activations) : "auto")),
      reasons.join('\n'));
}

}  // namespace fovea
