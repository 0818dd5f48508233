// Saves the window once everything that was asked for has happened and is drawn, then ends the program.
#pragma once

#include <QObject>
#include <QTimer>

#include "app/workbench/main_window.hpp"

namespace fovea {

class Screenshot : public QObject {
  Q_OBJECT
 public:
  // Waits for a run when `expects_run`, else for the model alone.
  Screenshot(MainWindow& window, WorkbenchState& state, const WorkbenchOptions& options);

 Q_SIGNALS:
  void finished();
  void failed(const fovea::Error& error);

 private:
  void settle();
  void look();
  void save();

  MainWindow& window_;
  WorkbenchState& state_;
  WorkbenchOptions options_;
  QTimer timer_;
  int calm_ = 0;  // looks in a row that found nothing to do
};

}  // namespace fovea
