// The workbench: reads the command line, wires state, window and engine, and runs the event loop.
#include <QApplication>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "app/workbench/engine_bridge.hpp"
#include "app/workbench/latency_probe.hpp"
#include "app/workbench/main_window.hpp"
#include "app/workbench/screenshot.hpp"
#include "app/workbench/workbench_policy.hpp"
#include "engine/session/embedded_model.hpp"
#include "engine/session/engine.hpp"
#include "engine/session/policy.hpp"
#include "ui/text/translation.hpp"

namespace {

using namespace fovea;

constexpr int kFailed = 1, kUsage = 2;
constexpr const char* kFirstPrompt = "Once upon a time";

int fail_with(const Error& error) {
  std::fprintf(stderr, "fovea: error: %s\n", error.sentence().c_str());
  return error.code == ErrorCode::usage ? kUsage : kFailed;
}

// A window system that cannot be reached ends the program with a sentence, not with an abort.
// Qt's warnings are for those who ask for them: stderr is where the program itself speaks.
void on_qt_message(QtMsgType type, const QMessageLogContext&, const QString& text) {
  static QString last_warning;
  if (type == QtFatalMsg) {
    const QString reason = (last_warning.isEmpty() ? text : last_warning).simplified();
    std::fprintf(stderr, "fovea: error: window: %s; check DISPLAY or WAYLAND_DISPLAY, or use fovea-cli\n",
                 qPrintable(reason));
    std::fflush(stderr);
    std::_Exit(kFailed);
  }
  if (type == QtWarningMsg || type == QtCriticalMsg) last_warning = text;
  if (qEnvironmentVariableIsSet("FOVEA_QT_MESSAGES")) std::fprintf(stderr, "fovea: %s\n", qPrintable(text));
}

bool has_display(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (qstrcmp(argv[i], "-platform") == 0 || qstrcmp(argv[i], "--platform") == 0) return true;
  return !qEnvironmentVariableIsEmpty("QT_QPA_PLATFORM") || !qEnvironmentVariableIsEmpty("DISPLAY") ||
         !qEnvironmentVariableIsEmpty("WAYLAND_DISPLAY");
}

// What can be answered without a window: -1 when one is needed.
int answer_without_window(const Result<WorkbenchOptions>& options) {
  if (!options) return fail_with(options.error());
  if (options->information.isEmpty()) return -1;
  std::fputs(qPrintable(options->information), stdout);
  return 0;
}

int prepare_without_display(int argc, char** argv) {
  const QCoreApplication application(argc, argv);
  const auto options = parse_options(QCoreApplication::arguments());
  if (const int answer = answer_without_window(options); answer >= 0) return answer;
  if (options->screenshot.isEmpty())
    return fail_with({ErrorCode::device, "window", "there is no display here",
                      "set DISPLAY or WAYLAND_DISPLAY, save a picture with --screenshot FILE.png, or use fovea-cli"});
  qputenv("QT_QPA_PLATFORM", "offscreen");
  return -1;
}

void open_first_model(MainWindow& window, const WorkbenchOptions& options) {
  if (!options.model.isEmpty()) return window.open_model(options.model);
  if (const auto embedded = embedded_model())
    window.open_model(QString::fromStdString(embedded->string()), false);
  else
    window.show_error(embedded.error());
}

void apply_run_options(MainWindow& window, const WorkbenchOptions& options) {
  SamplingForm& form = window.prompt().sampling();
  SamplingOptions sampling = form.options();
  if (options.temperature) sampling.temperature = static_cast<float>(*options.temperature);
  if (options.seed) sampling.seed = *options.seed;
  form.set_options(sampling);
  if (options.max_tokens) form.set_max_tokens(*options.max_tokens);
  if (options.peak_gbs) window.set_peak(*options.peak_gbs);
  if (options.experts) window.experts().set_view(*options.experts);
  window.performance().set_timing(options.time_kernels);
  window.prompt().set_prompt(options.prompt.value_or(QString::fromLatin1(kFirstPrompt)));
}

// Held against the model that is opened first; those that are opened later take of it what fits them.
Result<WorkbenchPolicy> read_policy(const WorkbenchOptions& options) {
  PolicyOptions written;
  written.file = options.policy_file.toStdString();
  FOVEA_ASSIGN(const Policy policy, resolve_policy(written));
  if (top_share(policy))
    return fail(ErrorCode::unsupported, "policy file " + written.file,
                "the window shows no attention by the largest weights of each row", R"(write "attention":"dense" or "sparse:...")");
  WorkbenchPolicy chosen{.kv = chosen_kv(policy), .attention = sparse_attention(policy), .activations = activation_type(policy), .kv_tiers = kv_tiers(policy)};
  if (chooses_plainly(policy)) return chosen;
  const auto first = options.model.isEmpty() ? embedded_model() : Result<std::filesystem::path>(options.model.toStdString());
  if (!first) return chosen;  // the window says why there is no model
  const auto summary = inspect(*first);
  if (!summary) return chosen;  // likewise
  FOVEA_ASSIGN(chosen.experts, expert_rule(policy.moe, *summary));
  return chosen;
}

int run_workbench(const WorkbenchOptions& options, const WorkbenchPolicy& policy) {
  const bool picture = !options.screenshot.isEmpty();
  // A picture depends on the command line alone.
  const WorkbenchSettings settings = picture ? WorkbenchSettings{} : load_settings();
  const QString language = !options.language.isEmpty() ? options.language : settings.language;
  use_language(language.isEmpty() ? system_language() : language);
  Theme theme;
  theme.set_mode(options.theme.value_or(settings.theme));
  WorkbenchState state;
  MainWindow window(state, theme, settings);
  LatencyProbe probe;
  EngineBridge bridge;
  QObject::connect(&window, &MainWindow::command, &bridge, &EngineBridge::post);
  QObject::connect(&bridge, &EngineBridge::events, &state, &WorkbenchState::take);
  QObject::connect(&state, &WorkbenchState::run_started, &probe, [&] { probe.set_generating(state.running()); });
  QObject::connect(&state, &WorkbenchState::run_ended, &probe, [&] { probe.set_generating(false); });

  window.resize(options.size.isValid() ? options.size : QSize(1440, 900));
  if (!picture) window.restore_layout(settings);
  window.set_device(options.device, options.context);
  window.set_policy(policy);
  apply_run_options(window, options);
  if (options.prompt) {
    const auto once = std::make_shared<QMetaObject::Connection>();
    *once = QObject::connect(&state, &WorkbenchState::model_changed, &window, [&window, &state, once] {
      if (!state.model()) return;
      QObject::disconnect(*once);
      QMetaObject::invokeMethod(&window, &MainWindow::run, Qt::QueuedConnection);
    });
  }
  if (!picture) QObject::connect(&window, &MainWindow::closing, &window, [&] { save_settings(window.settings()); });
  int status = 0;
  if (picture) {
    auto* screenshot = new Screenshot(window, state, options);
    QObject::connect(screenshot, &Screenshot::finished, qApp, &QCoreApplication::quit);
    QObject::connect(screenshot, &Screenshot::failed, qApp, [&](const Error& error) {
      status = fail_with(error);
      QCoreApplication::exit(status);
    });
  }
  window.show();
  for (const QString& run : options.runs) window.open_file(run);
  window.raise_view(options.view.value_or(options.runs.isEmpty() ? View::prompt : View::compare));
  if (options.measure_latency) probe.start();
  if (picture && options.model.isEmpty())
    if (const auto embedded = embedded_model(); !embedded) return fail_with(embedded.error());
  open_first_model(window, options);
  const int result = QApplication::exec();
  if (options.measure_latency)
    std::fprintf(stderr, "fovea: longest time without an answer: %.1f ms while generating, %.1f ms over all\n",
                 probe.longest_generating_ms(), probe.longest_ms());
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  QCoreApplication::setOrganizationName(QStringLiteral("fovea"));
  QCoreApplication::setApplicationName(QStringLiteral("fovea"));
  QCoreApplication::setApplicationVersion(QStringLiteral(FOVEA_VERSION));
  qInstallMessageHandler(on_qt_message);
  if (!has_display(argc, argv))
    if (const int answer = prepare_without_display(argc, argv); answer >= 0) return answer;
  QApplication application(argc, argv);
  load_resources();
  const auto options = parse_options(QCoreApplication::arguments());
  if (const int answer = answer_without_window(options); answer >= 0) return answer;
  WorkbenchPolicy policy;
  if (!options->policy_file.isEmpty()) {
    const auto read = read_policy(*options);
    if (!read) return fail_with(read.error());
    policy = *read;
  }
  return run_workbench(*options, policy);
}
