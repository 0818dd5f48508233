#include "app/workbench/screenshot.hpp"

#include <QImageWriter>
#include <QPixmap>

namespace fovea {

namespace {
constexpr int kLookEvery = 60, kCalmLooks = 4;  // milliseconds; times
}  // namespace

Screenshot::Screenshot(MainWindow& window, WorkbenchState& state, const WorkbenchOptions& options)
    : QObject(&window), window_(window), state_(state), options_(options) {
  connect(&timer_, &QTimer::timeout, this, &Screenshot::look);
  connect(&state, &WorkbenchState::load_failed, this,
          [this](const LoadFailed& failure) { Q_EMIT failed(failure.error); });
  connect(&state, &WorkbenchState::run_failed, this, [this](const Error& error) { Q_EMIT failed(error); });
  if (options.prompt)
    connect(&state, &WorkbenchState::run_ended, this, &Screenshot::settle);
  else
    connect(&state, &WorkbenchState::model_changed, this, &Screenshot::settle);
}

void Screenshot::settle() {
  if (state_.phase() == RunPhase::failed || timer_.isActive()) return;
  if (options_.select && *options_.select < state_.token_count()) state_.selection().select_token(*options_.select);
  timer_.start(kLookEvery);
}

void Screenshot::look() {
  calm_ = window_.idle() ? calm_ + 1 : 0;
  if (calm_ < kCalmLooks) return;
  timer_.stop();
  save();
}

void Screenshot::save() {
  QImageWriter writer(options_.screenshot, "png");
  if (!writer.write(window_.grab().toImage())) {
    Q_EMIT failed({ErrorCode::file, "screenshot " + options_.screenshot.toStdString(),
                   writer.errorString().toStdString(), "name a file in a folder that can be written"});
    return;
  }
  Q_EMIT finished();
}

}  // namespace fovea
