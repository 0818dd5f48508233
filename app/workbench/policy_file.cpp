#include "app/workbench/policy_file.hpp"

#include <QFile>
#include <QJsonDocument>
#include <QJsonObject>

namespace fovea {

namespace {
constexpr qint64 kLongest = 64 * 1024;
}  // namespace

Result<void> check_policy_file(const QString& path) {
  const std::string what = "policy file " + path.toStdString();
  const std::string form = R"(write an object such as {"attention":"dense","moe":"static","kv":"f16"})";
  QFile file(path);
  if (!file.open(QIODevice::ReadOnly))
    return fail(ErrorCode::file, what, file.errorString().toStdString(), "check the path");
  if (file.size() > kLongest) return fail(ErrorCode::format, what, "it is far longer than a policy", form);
  QJsonParseError problem;
  const QJsonDocument document = QJsonDocument::fromJson(file.read(kLongest), &problem);
  if (problem.error != QJsonParseError::NoError) return fail(ErrorCode::format, what, "it is not JSON", form);
  if (!document.isObject()) return fail(ErrorCode::format, what, "it is not a JSON object", form);
  const QJsonObject policy = document.object();
  for (auto entry = policy.begin(); entry != policy.end(); ++entry) {
    const QString runs = entry.key() == "attention" ? "dense"
                         : entry.key() == "moe"     ? "static"
                         : entry.key() == "kv"      ? "f16"
                                                    : "";
    if (runs.isEmpty())
      return fail(ErrorCode::format, what, "it has the unknown key " + entry.key().toStdString(), form);
    if (!entry.value().isString())
      return fail(ErrorCode::format, what, entry.key().toStdString() + " is not a string", form);
    if (entry.value().toString() != runs)
      return fail(ErrorCode::unsupported, what,
                  entry.key().toStdString() + " " + entry.value().toString().left(60).simplified().toStdString() +
                      " is not available in this version",
                  "use \"" + entry.key().toStdString() + "\":\"" + runs.toStdString() + "\"");
  }
  return {};
}

}  // namespace fovea
