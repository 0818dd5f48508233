// Runs raster jobs off the UI thread. Per lane one job runs and at most one waits: a newer one takes its place.
#pragma once

#include <QObject>
#include <QThreadPool>
#include <functional>
#include <unordered_map>

namespace fovea {

class RasterLanes : public QObject {
  Q_OBJECT
 public:
  // What to do with the result, on the UI thread.
  using Finish = std::function<void()>;
  // On the pool; touches only what it holds by value.
  using Job = std::function<Finish()>;

  explicit RasterLanes(int threads, QObject* parent);
  ~RasterLanes() override;  // waits for the jobs that run; their results are dropped

  // Jobs of one lane never overlap, so they may hand on state from one to the next. Higher priorities run first.
  void submit(int lane, Job job, int priority = 0);
  [[nodiscard]] bool idle() const { return lanes_.empty(); }

 Q_SIGNALS:
  void became_idle();

 private:
  struct Waiting {
    Job job;
    int priority = 0;
  };
  void start(int lane, Job job, int priority);
  void finished(int lane, const Finish& finish);

  QThreadPool pool_;
  std::unordered_map<int, Waiting> lanes_;  // lanes with a job running; an empty `job`: none waits
};

}  // namespace fovea
