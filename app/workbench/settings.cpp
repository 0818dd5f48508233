#include "app/workbench/settings.hpp"

#include <QSettings>
#include <algorithm>

#include "engine/api/throughput.hpp"

namespace fovea {

namespace {
constexpr qsizetype kMostRecent = 8;
constexpr int kLayoutVersion = 2;  // raised when a saved layout of before would not fit
}  // namespace

WorkbenchSettings load_settings() {
  const QSettings stored;
  WorkbenchSettings s;
  if (stored.value("window/version").toInt() == kLayoutVersion) {
    s.geometry = stored.value("window/geometry").toByteArray();
    s.layout = stored.value("window/layout").toByteArray();
  }
  s.theme = static_cast<ThemeMode>(std::clamp(stored.value("look/theme", 0).toInt(), 0, 2));
  s.language = stored.value("look/language").toString();
  s.recent = stored.value("files/recent").toStringList().mid(0, kMostRecent);
  s.last_folder = stored.value("files/folder").toString();
  s.sampling.temperature = stored.value("run/temperature", s.sampling.temperature).toFloat();
  s.sampling.top_k = stored.value("run/top_k", s.sampling.top_k).toInt();
  s.sampling.top_p = stored.value("run/top_p", s.sampling.top_p).toFloat();
  s.sampling.min_p = stored.value("run/min_p", s.sampling.min_p).toFloat();
  s.sampling.repeat_penalty = stored.value("run/repeat_penalty", s.sampling.repeat_penalty).toFloat();
  s.sampling.repeat_last_n = stored.value("run/repeat_last_n", s.sampling.repeat_last_n).toInt();
  s.sampling.seed = stored.value("run/seed", static_cast<qlonglong>(s.sampling.seed)).toLongLong();
  s.max_tokens = std::max(1u, stored.value("run/max_tokens", s.max_tokens).toUInt());
  s.recording =
      static_cast<Recording>(std::clamp(stored.value("run/recording", static_cast<int>(s.recording)).toInt(), 0, 2));
  const QVariantMap peaks = stored.value("devices/peak_gbs").toMap();
  for (auto it = peaks.cbegin(); it != peaks.cend(); ++it)
    if (const double peak = it->toDouble(); peak >= kLeastPeakGbs && peak <= kMostPeakGbs) s.peaks[it.key()] = peak;
  return s;
}

void save_settings(const WorkbenchSettings& s) {
  QSettings stored;
  stored.setValue("window/version", kLayoutVersion);
  stored.setValue("window/geometry", s.geometry);
  stored.setValue("window/layout", s.layout);
  stored.setValue("look/theme", static_cast<int>(s.theme));
  stored.setValue("look/language", s.language);
  stored.setValue("files/recent", s.recent);
  stored.setValue("files/folder", s.last_folder);
  stored.setValue("run/temperature", s.sampling.temperature);
  stored.setValue("run/top_k", s.sampling.top_k);
  stored.setValue("run/top_p", s.sampling.top_p);
  stored.setValue("run/min_p", s.sampling.min_p);
  stored.setValue("run/repeat_penalty", s.sampling.repeat_penalty);
  stored.setValue("run/repeat_last_n", s.sampling.repeat_last_n);
  stored.setValue("run/seed", static_cast<qlonglong>(s.sampling.seed));
  stored.setValue("run/max_tokens", s.max_tokens);
  stored.setValue("run/recording", static_cast<int>(s.recording));
  QVariantMap peaks;
  for (auto it = s.peaks.cbegin(); it != s.peaks.cend(); ++it) peaks[it.key()] = it.value();
  stored.setValue("devices/peak_gbs", peaks);
}

void remember_recent(QStringList& recent, const QString& path) {
  recent.removeAll(path);
  recent.prepend(path);
  recent = recent.mid(0, kMostRecent);
}

}  // namespace fovea
