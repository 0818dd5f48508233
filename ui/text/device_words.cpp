#include "ui/text/device_words.hpp"

#include <QCoreApplication>

namespace fovea {

namespace {
constexpr const char* kContext = "fovea::device";

// What the engine says; listed here for the translators.
[[maybe_unused]] constexpr const char* kWords[] = {
    QT_TRANSLATE_NOOP("fovea::device", "KV cache"),
    QT_TRANSLATE_NOOP("fovea::device", "Activations"),
    QT_TRANSLATE_NOOP("fovea::device", "Prompt batch"),
    QT_TRANSLATE_NOOP("fovea::device", "Prompt products"),
    QT_TRANSLATE_NOOP("fovea::device", "Steps of decoding"),
    QT_TRANSLATE_NOOP("fovea::device", "%1, as you asked"),
    QT_TRANSLATE_NOOP("fovea::device", "rows"),
    QT_TRANSLATE_NOOP("fovea::device", "workgroup matrices"),
    QT_TRANSLATE_NOOP("fovea::device", "subgroup matrices"),
    QT_TRANSLATE_NOOP("fovea::device", "tiles in registers"),
    QT_TRANSLATE_NOOP("fovea::device", "apart"),
    QT_TRANSLATE_NOOP("fovea::device", "folded"),
    QT_TRANSLATE_NOOP("fovea::device", "a CPU driver multiplies floats as fast as it reads weights"),
    QT_TRANSLATE_NOOP("fovea::device", "a CPU driver multiplies floats as fast as it reads weights, but for the output matrix: a copy with eight rows side by side is quicker, in 8 bits"),
    QT_TRANSLATE_NOOP("fovea::device", "the device has packed integer dot products; floats would be several times slower in decoding"),
    QT_TRANSLATE_NOOP("fovea::device", "the device has no packed integer dot products"),
    QT_TRANSLATE_NOOP("fovea::device", "a CPU driver has no shared memory that would pay: an invocation takes a row for up to 8 tokens"),
    QT_TRANSLATE_NOOP("fovea::device", "matrix cores multiply halves for whole workgroups (NV_cooperative_matrix2)"),
    QT_TRANSLATE_NOOP("fovea::device", "matrix cores multiply 16 x 16 x 16 halves for subgroups (KHR_cooperative_matrix)"),
    QT_TRANSLATE_NOOP("fovea::device", "the device has no matrix cores that multiply halves and sum as float"),
    QT_TRANSLATE_NOOP("fovea::device", "on a CPU driver a dispatch is cheaper than work that every workgroup does again"),
    QT_TRANSLATE_NOOP("fovea::device", "on a GPU a step behind a barrier costs microseconds however little it does: norms, the choice of experts and rotary positions are part "
                                       "of the products behind them"),
    QT_TRANSLATE_NOOP("fovea::device", "as f16 a run of the whole context fits into the %1 GiB that may be taken of the device's memory: weights %2, keys and values %3, all "
                                       "%4 GiB (derived)"),
    QT_TRANSLATE_NOOP("fovea::device", "as f16 a run of the whole context does not fit into the %1 GiB that may be taken of the device's memory: weights %2, keys and "
                                       "values %3, all %4 GiB (derived)"),
    QT_TRANSLATE_NOOP("fovea::device", "prompt tokens of a submission; a CPU driver gains nothing by more"),
    QT_TRANSLATE_NOOP("fovea::device", "prompt tokens of a submission; as many as keep a GPU busy with activations of at most a sixteenth of its %1 GiB"),
    QT_TRANSLATE_NOOP("fovea::device", "prompt tokens of a submission; as many as keep a GPU busy with activations of at most a sixteenth of its %1 GiB; more than 1,024 "
                                       "help experts alone"),
    QT_TRANSLATE_NOOP("fovea::device", "Expert weights"),
    QT_TRANSLATE_NOOP("fovea::device", "stored they take %1 MiB and may take %2; %3 are taken, with the least use x relative error for each byte saved; the worst tensor is "
                                       "off by %4 % of its size"),
    QT_TRANSLATE_NOOP("fovea::device", "stored they take %1 MiB and may take %2, which is what the device's memory has left (derived); %3 are taken, with the least use x "
                                       "relative error for each byte saved; the worst tensor is off by %4 % of its size"),
    QT_TRANSLATE_NOOP("fovea::device", "chosen: the only device"),
    QT_TRANSLATE_NOOP("fovea::device", "chosen: the only usable device"),
    QT_TRANSLATE_NOOP("fovea::device", "chosen: asked for by its number"),
    QT_TRANSLATE_NOOP("fovea::device", "chosen: the %1 device"),
    QT_TRANSLATE_NOOP("fovea::device", "chosen: the %1 device with the most memory"),
    QT_TRANSLATE_NOOP("fovea::device", "chosen: the %1 device that comes first among equals"),
    QT_TRANSLATE_NOOP("fovea::device", "cpu"),
    QT_TRANSLATE_NOOP("fovea::device", "discrete"),
    QT_TRANSLATE_NOOP("fovea::device", "integrated"),
    QT_TRANSLATE_NOOP("fovea::device", "virtual"),
    QT_TRANSLATE_NOOP("fovea::device", "other"),
};

QString in_words(const std::string& said) { return QCoreApplication::translate(kContext, said.c_str()); }
}  // namespace

QString fit_name(const DeviceFit& fit) {
  if (fit.what == "kv") return in_words("KV cache");
  if (fit.what == "activations") return in_words("Activations");
  if (fit.what == "batch") return in_words("Prompt batch");
  if (fit.what == "prompt_products") return in_words("Prompt products");
  if (fit.what == "steps") return in_words("Steps of decoding");
  if (fit.what == "experts") return in_words("Expert weights");
  return QString::fromStdString(fit.what);
}

QString fit_taken(const DeviceFit& fit) {
  const QString taken = in_words(fit.taken);
  return fit.asked ? in_words("%1, as you asked").arg(taken) : taken;
}

QString fit_reason(const DeviceFit& fit) {
  QString sentence = in_words(fit.reason);
  for (std::size_t i = 0; i < fit.figures.size(); ++i) sentence.replace(QLatin1Char('%') + QString::number(i + 1), QString::fromStdString(fit.figures[i]));
  return sentence;
}

QString device_reason(const std::string& why) {
  const QString said = QString::fromStdString(why);
  for (const char* type : {"cpu", "discrete", "integrated", "virtual", "other"}) {
    const QString start = QStringLiteral("chosen: the %1 device").arg(QLatin1String(type));
    if (!said.startsWith(start)) continue;
    const QString pattern = QStringLiteral("chosen: the %1 device") + said.mid(start.size());
    return QCoreApplication::translate(kContext, pattern.toUtf8().constData()).arg(in_words(type));
  }
  return in_words(why);
}

}  // namespace fovea
