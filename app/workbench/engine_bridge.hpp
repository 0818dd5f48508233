// The one type that knows both Qt and the engine's thread: commands go in, batches of events come out on the UI thread.
#pragma once

#include <QObject>
#include <vector>

#include "engine/session/engine_thread.hpp"

namespace fovea {

class EngineBridge : public QObject {
  Q_OBJECT
 public:
  explicit EngineBridge(QObject* parent = nullptr);

  void post(const Command& command);

 Q_SIGNALS:
  void events(const std::vector<fovea::Event>& events);

 private:
  void drain();

  EngineThread thread_;  // ends first: nothing calls back into a bridge that is half gone
};

}  // namespace fovea
