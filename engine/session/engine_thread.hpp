// The one thread that owns the device: commands in, events out, nobody waits.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine/api/command.hpp"
#include "engine/api/event.hpp"

namespace fovea {

class EngineThread {
 public:
  // `wake` is called from the engine thread when events are ready and none were pending; it must only post a call
  // of drain() to the owner's thread.
  explicit EngineThread(std::function<void()> wake);
  ~EngineThread();  // cancels what runs, joins; takes at most one step of the run in progress
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // Any thread. LoadModel and Generate wait their turn. A Cancel stops all that was posted before it: what runs within
  // one submission, what waits as soon as it starts. TimeKernels holds from the next submission on.
  void post(Command command);
  // Owner's thread: the events since the last call, in order.
  [[nodiscard]] std::vector<Event> drain();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fovea
