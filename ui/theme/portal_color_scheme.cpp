#include "ui/theme/portal_color_scheme.hpp"

#include <QDBusConnection>
#include <QDBusMessage>
#include <QDBusPendingCallWatcher>
#include <QDBusPendingReply>

namespace fovea {

namespace {

const QString kService = QStringLiteral("org.freedesktop.portal.Desktop");
const QString kPath = QStringLiteral("/org/freedesktop/portal/desktop");
const QString kInterface = QStringLiteral("org.freedesktop.portal.Settings");
const QString kSpace = QStringLiteral("org.freedesktop.appearance");
const QString kKey = QStringLiteral("color-scheme");

// The portal's first version wraps the value twice.
QVariant unwrapped(QVariant value) {
  while (value.canConvert<QDBusVariant>()) value = value.value<QDBusVariant>().variant();
  return value;
}

}  // namespace

PortalColorScheme::PortalColorScheme(QObject* parent) : QObject(parent) {
  QDBusConnection bus = QDBusConnection::sessionBus();
  if (!bus.isConnected()) return;
  bus.connect(kService, kPath, kInterface, QStringLiteral("SettingChanged"), this,
              SLOT(on_setting_changed(QString, QString, QDBusVariant)));
  QDBusMessage read = QDBusMessage::createMethodCall(kService, kPath, kInterface, QStringLiteral("Read"));
  read << kSpace << kKey;
  auto* watcher = new QDBusPendingCallWatcher(bus.asyncCall(read), this);
  connect(watcher, &QDBusPendingCallWatcher::finished, this, [this, watcher] {
    const QDBusPendingReply<QDBusVariant> reply = *watcher;
    if (!reply.isError()) take(unwrapped(QVariant::fromValue(reply.value())));
    watcher->deleteLater();
  });
}

void PortalColorScheme::on_setting_changed(const QString& space, const QString& key, const QDBusVariant& value) {
  if (space == kSpace && key == kKey) take(unwrapped(QVariant::fromValue(value)));
}

void PortalColorScheme::take(const QVariant& value) {
  const uint scheme = value.toUInt();
  const std::optional<bool> dark = scheme == 1   ? std::optional(true)
                                   : scheme == 2 ? std::optional(false)
                                                 : std::nullopt;
  if (dark == dark_) return;
  dark_ = dark;
  Q_EMIT changed();
}

}  // namespace fovea
