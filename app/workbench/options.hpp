// What the command line asks of the workbench.
#pragma once

#include <QSize>
#include <QString>
#include <QStringList>
#include <cstdint>
#include <optional>

#include "engine/base/result.hpp"
#include "ui/panels/expert_view.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {

// The views that --view can raise.
enum class View { prompt, attention, experts, memory, model, performance, compare, lengths };
// By its ending.
[[nodiscard]] bool is_run_file(const QString& path);
[[nodiscard]] std::optional<View> view_named(const QString& name);

struct WorkbenchOptions {
  QString model;                  // empty: the embedded one
  QStringList runs;               // run files to compare
  std::optional<QString> prompt;  // generate at once
  QString policy_file;
  std::int32_t device = -1;
  std::uint32_t context = 0;  // 0: the engine's default
  QString language;           // empty: as saved, else the system's
  QString screenshot;         // save the window here once the run is over, then end
  std::optional<View> view;
  std::optional<ExpertView> experts;  // what the experts' view shows
  std::optional<ThemeMode> theme;
  std::optional<double> temperature;
  std::optional<double> peak_gbs;  // the device's memory bandwidth
  std::optional<std::int64_t> seed;
  std::optional<std::uint32_t> max_tokens;
  std::optional<std::uint32_t> select;  // put the cursor on this token once the run is over
  QSize size;                           // empty: as saved, else the default
  bool time_kernels = false;
  bool measure_latency = false;
  // Text to print instead of opening a window: of --help or --version.
  QString information;
};

// Errors: what the command line says wrongly (ErrorCode::usage).
[[nodiscard]] Result<WorkbenchOptions> parse_options(const QStringList& arguments);

}  // namespace fovea
