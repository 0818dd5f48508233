#include "app/workbench/policy_file.hpp"

#include <QFile>
#include <QJsonDocument>
#include <QJsonObject>

namespace fovea {

namespace {
constexpr qint64 kLongest = 64 * 1024;
}  // namespace

Result<WorkbenchPolicy> read_policy_file(const QString& path) {
  const std::string what = "policy file " + path.toStdString();
  const std::string form = R"(write an object such as {"attention":"dense","moe":"static","kv":"f16","activations":"f32"})";
  QFile file(path);
  if (!file.open(QIODevice::ReadOnly))
    return fail(ErrorCode::file, what, file.errorString().toStdString(), "check the path");
  if (file.size() > kLongest) return fail(ErrorCode::format, what, "it is far longer than a policy", form);
  QJsonParseError problem;
  const QJsonDocument document = QJsonDocument::fromJson(file.read(kLongest), &problem);
  if (problem.error != QJsonParseError::NoError) return fail(ErrorCode::format, what, "it is not JSON", form);
  if (!document.isObject()) return fail(ErrorCode::format, what, "it is not a JSON object", form);
  const QJsonObject policy = document.object();
  WorkbenchPolicy read;
  for (auto entry = policy.begin(); entry != policy.end(); ++entry) {
    const QStringList runs = entry.key() == "attention"     ? QStringList{"dense"}
                             : entry.key() == "moe"         ? QStringList{"static"}
                             : entry.key() == "kv"          ? QStringList{"f16", "q8_0"}
                             : entry.key() == "activations" ? QStringList{"f32", "q8_0"}
                                                            : QStringList{};
    if (runs.isEmpty())
      return fail(ErrorCode::format, what, "it has the unknown key " + entry.key().toStdString(), form);
    if (!entry.value().isString())
      return fail(ErrorCode::format, what, entry.key().toStdString() + " is not a string", form);
    const QString chosen = entry.value().toString();
    if (!runs.contains(chosen))
      return fail(ErrorCode::unsupported, what,
                  entry.key().toStdString() + " " + chosen.left(60).simplified().toStdString() +
                      " is not available in this version",
                  "use \"" + entry.key().toStdString() + "\":\"" + runs.join("\" or \"").toStdString() + "\"");
    if (entry.key() == "kv") read.kv = kv_type_named(chosen.toStdString()).value_or(KvType::f16);
    if (entry.key() == "activations")
      read.activations = activation_type_named(chosen.toStdString()).value_or(ActivationType::f32);
  }
  return read;
}

}  // namespace fovea
