// What the window remembers from one time to the next: layout, look, recent files, how runs are shaped.
#pragma once

#include <QByteArray>
#include <QMap>
#include <QString>
#include <QStringList>

#include "engine/api/sampling.hpp"
#include "ui/panels/prompt_panel.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

struct WorkbenchSettings {
  QByteArray geometry, layout;
  ThemeMode theme = ThemeMode::system;
  QString language;     // empty: the system's
  QStringList recent;   // newest first
  QString last_folder;  // of the open dialog
  SamplingOptions sampling;
  std::uint32_t max_tokens = 256;
  Recording recording = Recording::all_heads;
  QMap<QString, double> peaks;  // memory bandwidth in GB/s by device name, as the person gave it
};

[[nodiscard]] WorkbenchSettings load_settings();
void save_settings(const WorkbenchSettings& settings);
// Puts a file at the head of the list, once.
void remember_recent(QStringList& recent, const QString& path);

}  // namespace fovea
