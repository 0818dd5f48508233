#include "app/workbench/engine_bridge.hpp"

#include <QMetaObject>

namespace fovea {

EngineBridge::EngineBridge(QObject* parent)
    : QObject(parent),
      thread_([this] { QMetaObject::invokeMethod(this, &EngineBridge::drain, Qt::QueuedConnection); }) {}

void EngineBridge::post(const Command& command) { thread_.post(command); }

void EngineBridge::drain() {
  const std::vector<Event> batch = thread_.drain();
  if (!batch.empty()) Q_EMIT events(batch);
}

}  // namespace fovea
