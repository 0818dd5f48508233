#include "ui/compare/run_words.hpp"

#include <QCoreApplication>
#include <QStringList>
#include <cmath>

#include "ui/text/format.hpp"
#include "ui/text/policy_words.hpp"

namespace fovea {

namespace {

constexpr const char* kContext = "fovea::compare";

// The names of figures as engine/runs has them; listed here for the translators.
[[maybe_unused]] constexpr const char* kFigureNames[] = {
    QT_TRANSLATE_NOOP("fovea::compare", "Prefill speed"),
    QT_TRANSLATE_NOOP("fovea::compare", "Decode speed"),
    QT_TRANSLATE_NOOP("fovea::compare", "First token"),
    QT_TRANSLATE_NOOP("fovea::compare", "Decoding"),
    QT_TRANSLATE_NOOP("fovea::compare", "Memory, without recording"),
    QT_TRANSLATE_NOOP("fovea::compare", "KV cache"),
    QT_TRANSLATE_NOOP("fovea::compare", "Memory at most, with recording"),
    QT_TRANSLATE_NOOP("fovea::compare", "Bytes per decoded token"),
    QT_TRANSLATE_NOOP("fovea::compare", "of these, experts"),
    QT_TRANSLATE_NOOP("fovea::compare", "Experts per token"),
    QT_TRANSLATE_NOOP("fovea::compare", "CV of experts"),
    QT_TRANSLATE_NOOP("fovea::compare", "Utilization of experts"),
    QT_TRANSLATE_NOOP("fovea::compare", "Entropy of experts"),
    QT_TRANSLATE_NOOP("fovea::compare", "Attention density, decode"),
    QT_TRANSLATE_NOOP("fovea::compare", "Attention operations, decode"),
    QT_TRANSLATE_NOOP("fovea::compare", "Perplexity of the scored text"),
    QT_TRANSLATE_NOOP("fovea::compare", "Tokens generated")};

// What a page of HTML says, as engine/runs has it.
[[maybe_unused]] constexpr const char* kPageSentences[] = {
    QT_TRANSLATE_NOOP("fovea::compare", "Fovea: two runs compared"),
    QT_TRANSLATE_NOOP("fovea::compare", "Two runs compared"),
    QT_TRANSLATE_NOOP("fovea::compare", "Figures"),
    QT_TRANSLATE_NOOP("fovea::compare", "Figure"),
    QT_TRANSLATE_NOOP("fovea::compare", "relative"),
    QT_TRANSLATE_NOOP("fovea::compare", "%1 (derived)"),
    QT_TRANSLATE_NOOP("fovea::compare", "%1 tok/s"),
    QT_TRANSLATE_NOOP("fovea::compare", "Predictions on one text"),
    QT_TRANSLATE_NOOP("fovea::compare", "On %1, %2 tokens from token %3 on: KL divergence of B from A %4 nats on average (99 %: %5), the same most likely token in %6, perplexity %7 → %8 (%9)."),
    QT_TRANSLATE_NOOP("fovea::compare", "Not measured."),
    QT_TRANSLATE_NOOP("fovea::compare", "KL divergence, nats"),
    QT_TRANSLATE_NOOP("fovea::compare", "Texts"),
    QT_TRANSLATE_NOOP("fovea::compare", "They part at token %1, which is framed."),
    QT_TRANSLATE_NOOP("fovea::compare", "The same tokens."),
    QT_TRANSLATE_NOOP("fovea::compare", "Time per token"),
    QT_TRANSLATE_NOOP("fovea::compare", "token"),
    QT_TRANSLATE_NOOP("fovea::compare", "ms"),
    QT_TRANSLATE_NOOP("fovea::compare", "MiB"),
    QT_TRANSLATE_NOOP("fovea::compare", "experts, mean over layers"),
    QT_TRANSLATE_NOOP("fovea::compare", "Numbers of experts"),
    QT_TRANSLATE_NOOP("fovea::compare", "experts used"),
    QT_TRANSLATE_NOOP("fovea::compare", "% of tokens and layers"),
    QT_TRANSLATE_NOOP("fovea::compare", "expert"),
    QT_TRANSLATE_NOOP("fovea::compare", "% of calls"),
    QT_TRANSLATE_NOOP("fovea::compare", "Frontier on %1, %2 tokens"),
    QT_TRANSLATE_NOOP("fovea::compare", "bytes of experts a decoded token reads, % of the model's own choice (derived)"),
    QT_TRANSLATE_NOOP("fovea::compare", "perplexity over the model's own choice, %"),
    QT_TRANSLATE_NOOP("fovea::compare", "experts"),
    QT_TRANSLATE_NOOP("fovea::compare", "mean k"),
    QT_TRANSLATE_NOOP("fovea::compare", "bytes of experts"),
    QT_TRANSLATE_NOOP("fovea::compare", "perplexity"),
    QT_TRANSLATE_NOOP("fovea::compare", "over the model's own choice"),
    QT_TRANSLATE_NOOP("fovea::compare", "Derived figures are counted from shapes and recorded choices, not measured. Errors are one standard error of the paired difference.")};

QString say(const char* text) { return QCoreApplication::translate(kContext, text); }

}  // namespace

QString shown_run(const RunShelf::Entry& entry) {
  const RunRecord& run = *entry.run;
  // What tells runs apart comes first, since a narrow box shows the beginning.
  QStringList parts;
  if (entry.file.isEmpty()) parts << QString::number(entry.number);
  if (run.model.experts > 0) parts << expert_words(run.policy.moe);
  if (run.model.experts == 0 || run.policy.attention != "dense") parts << attention_words(run.policy.attention);
  if (run.policy.kv != "f16") parts << QString::fromStdString(run.policy.kv);
  parts << QCoreApplication::translate("fovea::compare", "%1 tokens").arg(shown_count(run.timings.generated_tokens));
  if (!entry.file.isEmpty()) parts << entry.file;
  return parts.join(QStringLiteral(" · "));
}

QString described_run(const RunRecord& run) {
  const auto text = [](const std::string& value) { return QString::fromStdString(value); };
  QStringList lines{QStringLiteral("--attention ") + text(run.policy.attention)};
  if (run.model.experts > 0) lines << QStringLiteral("--moe ") + text(run.policy.moe);
  lines << QStringLiteral("--kv %1 --activations %2").arg(text(run.policy.kv), text(run.policy.activations)) << text(run.model.file) << text(run.device)
        << QCoreApplication::translate("fovea::compare", "seed %1").arg(run.seed);
  return lines.join('\n').toHtmlEscaped().replace('\n', QLatin1String("<br>"));
}

QString shown_scored_text(const std::string& name) {
  return name == kTokensOfA ? QCoreApplication::translate("fovea::compare", "the tokens of A") : QString::fromStdString(name);
}

QString figure_name(const ComparedFigure& figure) { return say(figure.name.c_str()); }

QString figure_value(const std::optional<double>& value, ComparedFigure::Unit unit) {
  using Unit = ComparedFigure::Unit;
  if (!value) return QCoreApplication::translate("fovea::compare", "not recorded");
  switch (unit) {
    case Unit::count: return shown_count(static_cast<std::uint64_t>(std::max(0.0, *value)));
    case Unit::number: return shown_number(*value);
    case Unit::percent: return shown_percent(*value);
    case Unit::milliseconds: return shown_duration(*value);
    case Unit::bytes: return shown_bytes(*value);
    case Unit::rate: return shown_rate(*value);
  }
  return {};
}

QString figure_difference(const std::optional<double>& value, ComparedFigure::Unit unit) {
  if (!value) return QStringLiteral("–");
  if (*value == 0) return QStringLiteral("0");
  return (*value < 0 ? QStringLiteral("−") : QStringLiteral("+")) + figure_value(std::fabs(*value), unit);
}

QString comparison_note(const Comparison& comparison) {
  const auto& others = comparison.other_differences();
  if (others.empty())
    return comparison.policy_differences().empty() ? QCoreApplication::translate("fovea::compare", "Neither the policy nor anything else differs.")
                                                   : QCoreApplication::translate("fovea::compare", "Nothing but the policy differs.");
  const RunRecord &a = comparison.a(), &b = comparison.b();
  QStringList parts;
  if (!a.model.same_as(b.model)) parts << QCoreApplication::translate("fovea::compare", "model");
  if (a.device != b.device) parts << QCoreApplication::translate("fovea::compare", "device");
  if (a.device == b.device && a.driver != b.driver) parts << QCoreApplication::translate("fovea::compare", "driver");
  if (a.prompt != b.prompt || a.chat != b.chat || a.system != b.system) parts << QCoreApplication::translate("fovea::compare", "prompt");
  if (a.seed != b.seed) parts << QCoreApplication::translate("fovea::compare", "seed");
  if (a.max_tokens != b.max_tokens) parts << QCoreApplication::translate("fovea::compare", "number of tokens asked for");
  if (a.model.context != b.model.context) parts << QCoreApplication::translate("fovea::compare", "context");
  if (a.timings.recording != b.timings.recording || a.timings.timing != b.timings.timing) parts << QCoreApplication::translate("fovea::compare", "what was recorded while speed was measured");
  if (parts.size() < static_cast<qsizetype>(others.size())) parts << QCoreApplication::translate("fovea::compare", "sampling");
  return QCoreApplication::translate("fovea::compare", "Beside the policy differ: %1.").arg(parts.join(QCoreApplication::translate("fovea::compare", ", ", "between parts of a list")));
}

PageWords page_words(const Comparison& comparison) {
  return {.language = QCoreApplication::translate("fovea::compare", "en", "the language of a page, as HTML's lang has it").toStdString(),
          .say = [](const std::string& english) { return say(english.c_str()).toStdString(); },
          .note = comparison_note(comparison).toStdString()};
}

}  // namespace fovea
