// What the desktop says of light and dark through its settings portal, for Qt versions that do not ask it themselves.
#pragma once

#include <QDBusVariant>
#include <QObject>
#include <optional>

namespace fovea {

class PortalColorScheme : public QObject {
  Q_OBJECT
 public:
  // Asks without waiting; nothing happens where there is no desktop bus or no portal.
  explicit PortalColorScheme(QObject* parent);

  [[nodiscard]] std::optional<bool> dark() const { return dark_; }  // nullopt: no preference known
  // A value of org.freedesktop.appearance color-scheme: 1 dark, 2 light, anything else no preference.
  void take(const QVariant& value);

 Q_SIGNALS:
  void changed();

 private Q_SLOTS:
  void on_setting_changed(const QString& space, const QString& key, const QDBusVariant& value);

 private:
  std::optional<bool> dark_;
};

}  // namespace fovea
