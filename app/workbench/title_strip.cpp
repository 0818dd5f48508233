#include "app/workbench/title_strip.hpp"

#include <QEvent>
#include <QToolTip>
#include <string_view>

#include "ui/text/device_words.hpp"
#include "ui/text/format.hpp"

namespace fovea {

namespace {
// As programs and files spell it, in every language.
QString spelled(std::string_view name) {
  return QString::fromLatin1(name.data(), static_cast<qsizetype>(name.size()));
}

// A number as a policy has it: "2", "0.75".
QString written(double value) { return QString::number(value, 'g', 4); }

// All that a policy of this version can say; a name of somebody else's model has no such bound and is cut.
constexpr int kPolicyWidest = 640;
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

QString TitleStrip::attention_words(const std::optional<SparseAttention>& attention) {
  if (!attention) return tr("attention dense");
  const double share = attention->budget == PageBudget::adaptive ? attention->most : attention->global;
  return (attention->budget == PageBudget::adaptive ? tr("attention sparse, %1 + up to %2") : tr("attention sparse, %1 + %2"))
      .arg(shown_count(attention->window), shown_percent(share));
}

QString TitleStrip::attention_reason(const std::optional<SparseAttention>& attention) {
  if (!attention) return tr("Attention: every query attends to every earlier token");
  const SparseAttention& a = *attention;
  QStringList shares;
  for (const double share : a.layer_shares) shares << shown_percent(share);
  const QString of_layers = shares.isEmpty() ? QString() : tr("\nwhatever the others read, the first layers read %1 of the pages").arg(shares.join(QStringLiteral(", ")));
  return tr("Attention: a query reads its last %1 positions, the first %2, and of the pages between them %3, chosen by %4;\n"
            "the first %5 layers and queries that see fewer than %6 keys read everything")
      .arg(shown_count(a.window), shown_count(a.sinks),
           a.budget == PageBudget::adaptive ? tr("as few as hold %1, %2 at most").arg(shown_percent(a.mass), shown_percent(a.most)) : shown_percent(a.global),
           spelled(name(a.scorer)), shown_count(a.dense_layers), shown_count(a.dense_below)) + of_layers;
}

QString TitleStrip::expert_words(const std::optional<ExpertRule>& rule) const {
  const auto& model = state_.model();
  if (model && model->experts == 0) return tr("no experts");
  if (!rule) return model ? tr("experts static k=%1").arg(model->experts_used) : tr("experts static");
  if (rule->count == ExpertCount::fixed) return rule->layer_kmax.empty() ? tr("experts static k=%1").arg(rule->kmax) : tr("experts static by layer");
  const QString number = rule->target_k > 0                 ? tr("mean k %1").arg(written(rule->target_k))
                         : rule->count == ExpertCount::mass ? QStringLiteral("p %1").arg(written(rule->p))
                                                            : QStringLiteral("c %1").arg(written(rule->c));
  const std::string_view balance = rule->reset == LoadReset::frozen ? name(rule->reset) : name(rule->balance);
  return rule->balance == ExpertBalance::off && rule->reset != LoadReset::frozen ? tr("experts dynamic, %1").arg(number)
                                                                                 : tr("experts dynamic, %1, %2").arg(number, spelled(balance));
}

QString TitleStrip::expert_reason(const std::optional<ExpertRule>& rule) const {
  const auto& model = state_.model();
  if (model && model->experts == 0) return tr("Experts: none, the model is dense");
  if (!rule)
    return model ? tr("Experts: each token takes %1, the model's own number").arg(model->experts_used)
                 : tr("Experts: each token takes the model's own number of them");
  if (rule->count == ExpertCount::fixed)
    return rule->layer_kmax.empty() ? tr("Experts: each token takes %1").arg(rule->kmax) : tr("Experts: each token takes a number of them that the policy gives its layer");
  QString reason = rule->count == ExpertCount::mass ? tr("Experts: each token takes as few as hold %1 of the weights").arg(shown_percent(rule->p))
                                                    : tr("Experts: each token takes ceil(%1 exp H), by the entropy H of the weights").arg(written(rule->c));
  if (rule->target_k > 0) reason += tr(", moved so that the mean is %1").arg(written(rule->target_k));
  if (rule->reset == LoadReset::frozen) return reason + tr(";\na frozen bias from a file moves the choice");
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
          .arg(attention_words(attention), expert_words(experts), spelled(kv ? name(*kv) : "auto"), spelled(activations ? name(*activations) : "auto")),
      reasons.join('\n'));
}

}  // namespace fovea
