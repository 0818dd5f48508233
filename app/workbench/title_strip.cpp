#include "app/workbench/title_strip.hpp"

#include <QEvent>
#include <QToolTip>
#include <string_view>

#include "ui/text/format.hpp"

namespace fovea {

TitleStrip::TitleStrip(WorkbenchState& state, QAction& run, QAction& stop, QWidget* parent)
    : QToolBar(parent), state_(state), model_(new Chip), device_(new Chip), policy_(new Chip) {
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
  // Their reasons, also for those who do not hover.
  for (Chip* chip : {device_, policy_})
    connect(chip, &QToolButton::clicked, chip,
            [chip] { QToolTip::showText(chip->mapToGlobal(QPoint(0, chip->height())), chip->toolTip(), chip); });
  connect(&state, &WorkbenchState::model_changed, this, &TitleStrip::refresh);
  refresh();
}

void TitleStrip::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) refresh();
  QToolBar::changeEvent(event);
}

void TitleStrip::set_kv(KvType kv) {
  kv_ = kv;
  refresh();
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
                                QString::fromStdString(device.api), QString::fromStdString(device.why)));
  }
  const QString experts =
      model && model->experts > 0 ? tr("experts static k=%1").arg(model->experts_used) : tr("no experts");
  const KvType kv = model ? model->kv : kv_;
  const std::string_view kv_name = name(kv);
  policy_->set_value(
      tr("attention dense · %1 · KV %2")
          .arg(model ? experts : tr("experts static"),
               QString::fromLatin1(kv_name.data(), static_cast<qsizetype>(kv_name.size()))),
      kv == KvType::q8_0
          ? tr("The policy of the run: every query attends to every earlier token, each token takes the model's own "
               "number of experts, keys and values are kept as 8-bit integers with a scale for every 32")
          : tr("The policy of the run: every query attends to every earlier token, each token takes the model's own "
               "number of experts, keys and values are kept as 16-bit floats"));
}

}  // namespace fovea
