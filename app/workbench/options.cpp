#include "app/workbench/options.hpp"

#include <QCommandLineParser>

#include "engine/api/throughput.hpp"

namespace fovea {

namespace {

tl::unexpected<Error> wrong(const QString& option, const QString& why, const QString& advice) {
  return fail(ErrorCode::usage, option.toStdString(), why.toStdString(), advice.toStdString());
}

QCommandLineOption flag(const QString& name, const QString& description, const QString& value = {}) {
  return QCommandLineOption(name, description, value);
}

void add_options(QCommandLineParser& parser) {
  parser.setApplicationDescription(QStringLiteral("Runs a GGUF language model and shows what happens inside it."));
  parser.addPositionalArgument(QStringLiteral("MODEL.gguf"),
                               QStringLiteral("the model to open; without it the embedded one"),
                               QStringLiteral("[MODEL.gguf]"));
  parser.addPositionalArgument(QStringLiteral("RUN.fovea"), QStringLiteral("runs to compare, or a saved comparison"),
                               QStringLiteral("[RUN.fovea...]"));
  parser.addOptions({
      {{"h", "help"}, "print this and end"},
      {{"v", "version"}, "print the version and end"},
      flag("prompt", "generate from TEXT at once", "TEXT"),
      flag("policy", "use the policy in FILE.json", "FILE.json"),
      flag("device", "run on Vulkan device N, as fovea-cli devices counts them", "N"),
      {{"c", "context"}, "room for N tokens", "N"},
      flag("lang", "the window's language: zh_CN or en", "LANG"),
      flag("screenshot", "save the window to FILE.png once the prompt has finished, then end", "FILE.png"),
      flag("view", "raise a view: prompt, attention, experts, memory, model, performance, compare or lengths", "NAME"),
      flag("experts", "what the experts' view shows: use, layers, skew, reuse, transitions, classes or scheduling", "NAME"),
      flag("theme", "light, dark or system", "NAME"),
      flag("temp", "temperature; 0: always the most likely token", "T"),
      flag("peak-gbs", "the device's memory bandwidth in GB/s, to tell the bound", "GB/S"),
      flag("time-kernels", "time the GPU's kernels while generating"),
      flag("seed", "seed; -1: random", "S"),
      {{"n", "tokens"}, "at most N new tokens", "N"},
      flag("select", "put the cursor on token N once the prompt has finished", "N"),
      flag("size", "the window's size, as 1440x900", "WxH"),
      flag("measure-latency", "print the longest time that the window did not answer to stderr at the end"),
  });
}

// The options whose values are whole numbers; each is refused when it is none or out of range.
Result<void> read_numbers(const QCommandLineParser& parser, WorkbenchOptions& options) {
  const auto number = [&](const QString& name, qlonglong low, qlonglong high) -> Result<std::optional<qlonglong>> {
    if (!parser.isSet(name)) return std::nullopt;
    bool good = false;
    const qlonglong value = parser.value(name).toLongLong(&good);
    if (!good || value < low || value > high)
      return wrong("--" + name + ' ' + parser.value(name),
                   QStringLiteral("it is not a whole number from %1 to %2").arg(low).arg(high),
                   QStringLiteral("give such a number"));
    return value;
  };
  FOVEA_ASSIGN(const auto device, number("device", -1, 1023));
  FOVEA_ASSIGN(const auto context, number("context", 1, 1 << 24));
  FOVEA_ASSIGN(const auto seed, number("seed", -1, std::numeric_limits<qlonglong>::max()));
  FOVEA_ASSIGN(const auto tokens, number("tokens", 1, 1'000'000));
  FOVEA_ASSIGN(const auto select, number("select", 0, 1 << 24));
  if (device) options.device = static_cast<std::int32_t>(*device);
  if (context) options.context = static_cast<std::uint32_t>(*context);
  if (seed) options.seed = *seed;
  if (tokens) options.max_tokens = static_cast<std::uint32_t>(*tokens);
  if (select) options.select = static_cast<std::uint32_t>(*select);
  return {};
}

Result<void> read_words(const QCommandLineParser& parser, WorkbenchOptions& options) {
  if (parser.isSet("view")) {
    options.view = view_named(parser.value("view"));
    if (!options.view)
      return wrong("--view " + parser.value("view"), QStringLiteral("there is no such view"),
                   QStringLiteral("use prompt, attention, experts, memory, model, performance, compare or lengths"));
  }
  if (parser.isSet("experts")) {
    static const QStringList names{"use", "layers", "skew", "reuse", "transitions", "classes", "scheduling"};
    const qsizetype index = names.indexOf(parser.value("experts"));
    if (index < 0)
      return wrong("--experts " + parser.value("experts"), QStringLiteral("it shows nothing of that name"),
                   QStringLiteral("use use, layers, skew, reuse, transitions, classes or scheduling"));
    options.experts = static_cast<ExpertView>(index);
  }
  if (parser.isSet("lang")) {
    options.language = parser.value("lang");
    if (options.language != "en" && options.language != "zh_CN")
      return wrong("--lang " + options.language, QStringLiteral("there is no such translation"),
                   QStringLiteral("use zh_CN or en"));
  }
  if (parser.isSet("theme")) {
    const QString name = parser.value("theme");
    if (name != "light" && name != "dark" && name != "system")
      return wrong("--theme " + name, QStringLiteral("there is no such theme"),
                   QStringLiteral("use light, dark or system"));
    options.theme = name == "light" ? ThemeMode::light : name == "dark" ? ThemeMode::dark : ThemeMode::system;
  }
  if (parser.isSet("temp")) {
    bool good = false;
    options.temperature = parser.value("temp").toDouble(&good);
    if (!good || !(*options.temperature >= 0 && *options.temperature <= 5))
      return wrong("--temp " + parser.value("temp"), QStringLiteral("it is not a number from 0 to 5"),
                   QStringLiteral("give such a number"));
  }
  if (parser.isSet("peak-gbs")) {
    bool good = false;
    options.peak_gbs = parser.value("peak-gbs").toDouble(&good);
    if (!good || !(*options.peak_gbs >= kLeastPeakGbs && *options.peak_gbs <= kMostPeakGbs))
      return wrong("--peak-gbs " + parser.value("peak-gbs"),
                   QStringLiteral("it is not a number from %1 to %2").arg(kLeastPeakGbs).arg(kMostPeakGbs),
                   QStringLiteral("give the device's memory bandwidth in GB/s"));
  }
  if (parser.isSet("size")) {
    const QStringList sides = parser.value("size").split('x');
    options.size = sides.size() == 2 ? QSize(sides[0].toInt(), sides[1].toInt()) : QSize();
    if (options.size.width() < 320 || options.size.height() < 240 || options.size.width() > 16384 ||
        options.size.height() > 16384)
      return wrong("--size " + parser.value("size"), QStringLiteral("it is not a size from 320x240 to 16384x16384"),
                   QStringLiteral("write it as 1440x900"));
  }
  return {};
}

}  // namespace

bool is_run_file(const QString& path) { return path.endsWith(QLatin1String(".fovea"), Qt::CaseInsensitive); }

std::optional<View> view_named(const QString& name) {
  static const QStringList names{"prompt", "attention", "experts", "memory", "model", "performance", "compare", "lengths"};
  const qsizetype index = names.indexOf(name);
  return index < 0 ? std::nullopt : std::optional(static_cast<View>(index));
}

Result<WorkbenchOptions> parse_options(const QStringList& arguments) {
  QCommandLineParser parser;
  add_options(parser);
  WorkbenchOptions options;
  if (!parser.parse(arguments)) {
    QString why = parser.errorText();
    while (why.endsWith('.')) why.chop(1);
    return wrong(QStringLiteral("command line"), why, QStringLiteral("see fovea --help"));
  }
  if (parser.isSet("help")) {
    options.information = parser.helpText();
    return options;
  }
  if (parser.isSet("version")) {
    options.information = QCoreApplication::applicationName() + ' ' + QCoreApplication::applicationVersion() + '\n';
    return options;
  }
  QStringList models;
  for (const QString& file : parser.positionalArguments()) (is_run_file(file) ? options.runs : models) << file;
  if (models.size() > 1)
    return wrong(QStringLiteral("command line"), QStringLiteral("more than one model was named"),
                 QStringLiteral("name one"));
  options.model = models.value(0);
  if (parser.isSet("prompt")) options.prompt = parser.value("prompt");
  options.policy_file = parser.value("policy");
  options.screenshot = parser.value("screenshot");
  options.time_kernels = parser.isSet("time-kernels");
  options.measure_latency = parser.isSet("measure-latency");
  FOVEA_TRY(read_numbers(parser, options));
  FOVEA_TRY(read_words(parser, options));
  return options;
}

}  // namespace fovea
