#include "ui/heatmap/raster_lanes.hpp"

#include <QMetaObject>
#include <utility>

namespace fovea {

RasterLanes::RasterLanes(int threads, QObject* parent) : QObject(parent) {
  pool_.setMaxThreadCount(threads);
  pool_.setThreadPriority(QThread::LowPriority);
}

RasterLanes::~RasterLanes() {
  pool_.clear();
  pool_.waitForDone();
}

void RasterLanes::submit(int lane, Job job, int priority) {
  if (const auto running = lanes_.find(lane); running != lanes_.end()) {
    running->second = {std::move(job), priority};
    return;
  }
  start(lane, std::move(job), priority);
}

void RasterLanes::start(int lane, Job job, int priority) {
  lanes_[lane] = {};
  pool_.start(
      [this, lane, job = std::move(job)] {
        Finish finish = job();
        // Queued calls to an object end with it, so a result that comes too late is dropped.
        QMetaObject::invokeMethod(
            this, [this, lane, finish = std::move(finish)] { finished(lane, finish); }, Qt::QueuedConnection);
      },
      priority);
}

void RasterLanes::finished(int lane, const Finish& finish) {
  Waiting next = std::move(lanes_[lane]);
  lanes_.erase(lane);
  if (next.job) start(lane, std::move(next.job), next.priority);
  if (finish) finish();
  if (lanes_.empty()) Q_EMIT became_idle();
}

}  // namespace fovea
