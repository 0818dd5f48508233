#include <gtest/gtest.h>

#include <QAction>
#include <QClipboard>
#include <QDropEvent>
#include <QGuiApplication>
#include <QMenuBar>
#include <QMimeData>
#include <QSignalSpy>
#include <QtTest/QTest>

#include "app/workbench/latency_probe.hpp"
#include "app/workbench/main_window.hpp"
#include "app/workbench/screenshot.hpp"
#include "tests/ui/synthetic_run.hpp"
#include "ui/text/translation.hpp"

namespace fovea {
namespace {

class WindowTest : public testing::Test {
 protected:
  WindowTest() {
    QObject::connect(&window_, &MainWindow::command, [this](const Command& command) { commands_.push_back(command); });
    window_.resize(1440, 900);
    window_.show();
  }
  template <class T>
  const T* last() const {
    return commands_.empty() ? nullptr : std::get_if<T>(&commands_.back());
  }
  Theme theme_;
  WorkbenchState state_;
  MainWindow window_{state_, theme_, {}};
  std::vector<Command> commands_;
  synthetic::Shape shape_;
};

TEST_F(WindowTest, OpensAModelAndShowsItsProgress) {
  window_.set_device(2, 512);
  window_.open_model("/tmp/a.gguf");
  ASSERT_NE(last<LoadModel>(), nullptr);
  EXPECT_EQ(last<LoadModel>()->path, "/tmp/a.gguf");
  EXPECT_EQ(last<LoadModel>()->device, 2);
  EXPECT_EQ(last<LoadModel>()->context, 512u);
  state_.take({LoadProgress{"Uploading weights", 0.4}});
  EXPECT_TRUE(window_.progress().isVisible());
  QTest::mouseClick(window_.progress().cancel_button(), Qt::LeftButton);
  EXPECT_NE(last<Cancel>(), nullptr);
  state_.take({LoadFailed{"/tmp/a.gguf", {ErrorCode::cancelled, "a.gguf", "stopped", "open it again"}, false}});
  EXPECT_FALSE(window_.progress().isVisible());
  EXPECT_FALSE(window_.banner().isVisible());  // the person knows
}

TEST_F(WindowTest, AnotherAttentionRunsThePromptAgainWithItsSeed) {
  Generate request = synthetic::all_heads();
  request.prompt = "The prompt of that run";
  synthetic::play(state_, shape_, request);
  window_.prompt().set_prompt("what was typed since");
  window_.choose_policy(synthetic::sparse_policy(), std::nullopt);
  ASSERT_NE(last<ChoosePolicy>(), nullptr);
  EXPECT_EQ(last<ChoosePolicy>()->attention, synthetic::sparse_policy());
  shape_.sparse = true;
  state_.take({synthetic::loaded(shape_)});
  ASSERT_TRUE(synthetic::wait_until([&] { return last<Generate>() != nullptr; }));
  EXPECT_EQ(last<Generate>()->prompt, "The prompt of that run");
  EXPECT_EQ(last<Generate>()->sampling.seed, 12345);
  EXPECT_EQ(last<Generate>()->trace.measure_every, 1u);
  EXPECT_EQ(state_.selection().head(), (HeadId{1, 0})) << "the first layer that chooses";
  EXPECT_EQ(window_.policy_panel().attention_form().policy(), synthetic::sparse_policy());
  EXPECT_TRUE(window_.title_strip().policy_chip().value().startsWith("attention sparse 64 + 30 %"));

  // While it runs: it is stopped first.
  const std::size_t before = commands_.size();
  window_.choose_policy(std::nullopt, std::nullopt);
  ASSERT_EQ(commands_.size(), before + 2);
  EXPECT_TRUE(std::holds_alternative<Cancel>(commands_[before]));
  shape_.sparse = false;
  state_.take({synthetic::loaded(shape_)});
  ASSERT_TRUE(synthetic::wait_until([&] { return last<Generate>() != nullptr; }));
  EXPECT_EQ(last<Generate>()->trace.measure_every, 0u);
  // Models opened later take it too.
  window_.choose_policy(synthetic::sparse_policy(), std::nullopt);
  window_.open_model("/tmp/next.gguf");
  EXPECT_EQ(last<LoadModel>()->attention, synthetic::sparse_policy());
}

// The engine answers with what the model's depth makes of the policy.
TEST_F(WindowTest, AnAttentionByTheModelsDepthRunsThePromptAgainToo) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  const SparseAttention wished{.by_depth = true};
  window_.choose_policy(wished, std::nullopt);
  auto model = std::make_shared<ModelSummary>(*synthetic::model(shape_));
  model->attention = fitted(wished, model->layers);
  ASSERT_NE(model->attention, std::optional(wished));
  state_.take({ModelLoaded{model}});
  ASSERT_TRUE(synthetic::wait_until([&] { return last<Generate>() != nullptr; }));
  EXPECT_EQ(last<Generate>()->sampling.seed, 12345);
  EXPECT_EQ(window_.policy_panel().attention_form().policy(), wished) << "it stays by the depth";
}

TEST_F(WindowTest, AnAttentionThatIsRefusedLeavesTheOneThatIs) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  window_.choose_policy(synthetic::sparse_policy(), std::nullopt);
  const std::size_t before = commands_.size();
  state_.take({LoadFailed{"/tmp/a.gguf", {ErrorCode::memory, "sparse attention", "no memory is left", "use a smaller context"}, true}});
  EXPECT_TRUE(window_.banner().isVisible());
  EXPECT_EQ(window_.policy_panel().attention_form().policy(), std::nullopt);
  state_.take({synthetic::loaded(shape_)});
  QTest::qWait(50);
  EXPECT_EQ(commands_.size(), before) << "nothing is run again";
}

TEST_F(WindowTest, AnotherRuleOfExpertsRunsThePromptAgainWithItsSeed) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  window_.choose_policy(std::nullopt, synthetic::dynamic_rule());
  ASSERT_NE(last<ChoosePolicy>(), nullptr);
  EXPECT_EQ(last<ChoosePolicy>()->experts, synthetic::dynamic_rule());
  // An answer to something older runs nothing.
  state_.take({synthetic::loaded(shape_)});
  QTest::qWait(50);
  EXPECT_EQ(last<Generate>(), nullptr);
  shape_.dynamic = true;
  state_.take({synthetic::loaded(shape_)});
  ASSERT_TRUE(synthetic::wait_until([&] { return last<Generate>() != nullptr; }));
  EXPECT_EQ(last<Generate>()->sampling.seed, 12345);
  EXPECT_EQ(window_.policy_panel().experts_form().rule(), synthetic::dynamic_rule());
  const Chip& chip = window_.title_strip().policy_chip();
  EXPECT_TRUE(chip.value().contains("experts dynamic k 2.5, headroom")) << chip.value().toStdString();
  EXPECT_TRUE(chip.toolTip().contains("load moves the choice: headroom"));

  // A dense model has none of it; the next mixture takes what fits.
  window_.open_model("/tmp/dense.gguf");
  EXPECT_EQ(last<LoadModel>()->experts, synthetic::dynamic_rule());
  shape_.experts = 0;
  shape_.dynamic = false;
  state_.take({synthetic::loaded(shape_)});
  EXPECT_TRUE(chip.value().contains("no experts"));
  EXPECT_EQ(window_.policy_panel().experts_form().note(), "Not applicable: the model is dense.");
  window_.open_model("/tmp/mixture.gguf");
  EXPECT_EQ(last<LoadModel>()->experts, synthetic::dynamic_rule());
}

TEST_F(WindowTest, SaysThatAModelOfAnotherShapeRunsWithoutTheRouter) {
  WorkbenchPolicy policy{.experts = synthetic::dynamic_rule()};
  policy.experts->prior = ExpertPrior{.weight = 0.5};
  window_.set_policy(policy);
  shape_.dynamic = true;
  state_.take({synthetic::loaded(shape_)});  // its rule has no router
  EXPECT_TRUE(window_.status_line().text().contains("semantic router is left out")) << window_.status_line().text().toStdString();
  EXPECT_TRUE(window_.policy_panel().experts_form().kept_words().contains("is left out"));
  EXPECT_TRUE(window_.title_strip().policy_chip().toolTip().contains("is left out"));
  auto fits = std::make_shared<ModelSummary>(*synthetic::model(shape_));
  fits->experts_rule->prior = policy.experts->prior;
  state_.take({ModelLoaded{fits}});
  EXPECT_EQ(window_.status_line().text(), "Ready");
  EXPECT_FALSE(window_.title_strip().policy_chip().toolTip().contains("is left out"));
}

TEST_F(WindowTest, ARuleOfExpertsThatIsRefusedLeavesTheOneThatIs) {
  shape_.dynamic = true;
  synthetic::play(state_, shape_, synthetic::all_heads());
  window_.choose_policy(std::nullopt, ExpertRule{.layer_kmax = {1, 2}});
  state_.take({LoadFailed{"/tmp/a.gguf", {ErrorCode::usage, "the policy of experts", "it has numbers for 2 layers and the model has 6", "choose another one"}, true}});
  EXPECT_TRUE(window_.banner().isVisible());
  EXPECT_EQ(window_.policy_panel().experts_form().rule(), synthetic::dynamic_rule());
}

TEST_F(WindowTest, AFailureIsABannerAndTheWindowStaysUsable) {
  state_.take({synthetic::loaded(shape_)});
  window_.open_model("/tmp/b.gguf");
  state_.take({LoadFailed{"/tmp/b.gguf", {ErrorCode::format, "b.gguf", "it is no GGUF file", "choose another"}, true}});
  ASSERT_TRUE(window_.banner().isVisible());
  EXPECT_EQ(window_.banner().sentence(), "b.gguf: it is no GGUF file; choose another");
  window_.banner().copy();
  EXPECT_EQ(QGuiApplication::clipboard()->text(), window_.banner().sentence());
  window_.prompt().set_prompt("Hello");
  EXPECT_TRUE(window_.run_action().isEnabled());
  window_.run();
  EXPECT_NE(last<Generate>(), nullptr);
  EXPECT_FALSE(window_.banner().isVisible());
}

TEST_F(WindowTest, RunsAndStops) {
  EXPECT_FALSE(window_.run_action().isEnabled());
  EXPECT_FALSE(window_.save_run_action().isEnabled());
  state_.take({synthetic::loaded(shape_)});
  window_.prompt().set_prompt("Once upon a time");
  window_.run_action().trigger();
  ASSERT_NE(last<Generate>(), nullptr);
  const Generate request = *last<Generate>();
  EXPECT_EQ(request.prompt, "Once upon a time");
  EXPECT_TRUE(window_.stop_action().isEnabled());
  EXPECT_FALSE(window_.run_action().isEnabled());
  window_.stop_action().trigger();
  EXPECT_NE(last<Cancel>(), nullptr);
  std::vector<Event> events = synthetic::run(shape_, request);
  for (Event& event : events)
    if (auto* finished = std::get_if<RunFinished>(&event)) finished->record = std::make_shared<RunRecord>();
  state_.take(events);
  EXPECT_TRUE(window_.run_action().isEnabled());
  EXPECT_TRUE(window_.save_run_action().isEnabled());
  EXPECT_TRUE(window_.status_line().text().contains("tok/s while recording"))
      << window_.status_line().text().toStdString();
  EXPECT_TRUE(window_.status_line().text().contains("seed 12345"));
  window_.run();
  EXPECT_GT(last<Generate>()->id, request.id);
}

TEST_F(WindowTest, RecordingAHeadRunsAgainWithTheSameSeed) {
  state_.take({synthetic::loaded(shape_)});
  window_.prompt().set_prompt("Once");
  window_.prompt().set_recording(Recording::nothing);
  window_.run();
  state_.take(synthetic::run(shape_, *last<Generate>()));
  state_.selection().select_head({3, 2});
  window_.prompt().set_prompt("something else meanwhile");
  window_.run_recording_head();
  ASSERT_NE(last<Generate>(), nullptr);
  EXPECT_EQ(last<Generate>()->prompt, "Once");
  EXPECT_EQ(last<Generate>()->sampling.seed, 12345);
  ASSERT_EQ(last<Generate>()->trace.heads.size(), 1u);
  EXPECT_EQ(last<Generate>()->trace.heads[0], (HeadId{3, 2}));
}

TEST_F(WindowTest, TimingKernelsIsACommandAndRunsAgainWithTheSameSeed) {
  state_.take({synthetic::loaded(shape_)});
  window_.prompt().set_prompt("Once");
  window_.run();
  state_.take(synthetic::run(shape_, *last<Generate>()));
  window_.run_timing_kernels();
  ASSERT_NE(last<Generate>(), nullptr);
  EXPECT_EQ(last<Generate>()->sampling.seed, 12345);
  ASSERT_GE(commands_.size(), 2u);
  const auto* timing = std::get_if<TimeKernels>(&commands_[commands_.size() - 2]);
  ASSERT_NE(timing, nullptr) << "told before the run";
  EXPECT_TRUE(timing->on);
  window_.performance().timing_button().setChecked(false);
  ASSERT_NE(last<TimeKernels>(), nullptr);
  EXPECT_FALSE(last<TimeKernels>()->on);
}

TEST_F(WindowTest, ThePeakIsRememberedForItsDevice) {
  state_.take({synthetic::loaded(shape_)});
  window_.performance().peak_box().setValue(51.2);
  const WorkbenchSettings saved = window_.settings();
  EXPECT_EQ(saved.peaks.value("llvmpipe (LLVM 19.1.7, 256 bits)"), 51.2);
  WorkbenchState state;
  MainWindow other(state, theme_, saved);
  EXPECT_FALSE(other.performance().peak_box().bandwidth());
  state.take({synthetic::loaded(shape_)});
  EXPECT_EQ(other.performance().peak_box().bandwidth(), 51.2);
}

TEST_F(WindowTest, ADroppedFileOpens) {
  QMimeData data;
  data.setUrls({QUrl::fromLocalFile("/tmp/dropped.gguf")});
  QDragEnterEvent enter(QPoint(10, 10), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
  QApplication::sendEvent(&window_, &enter);
  EXPECT_TRUE(enter.isAccepted());
  QDropEvent drop(QPointF(10, 10), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
  QApplication::sendEvent(&window_, &drop);
  ASSERT_NE(last<LoadModel>(), nullptr);
  EXPECT_EQ(last<LoadModel>()->path, "/tmp/dropped.gguf");
}

TEST_F(WindowTest, OpenedModelsBecomeRecentOnes) {
  window_.open_model("/models/made-up-moe-64m.Q8_0.gguf");
  state_.take({synthetic::loaded(shape_)});
  EXPECT_EQ(window_.settings().recent.value(0), "/models/made-up-moe-64m.Q8_0.gguf");
  EXPECT_TRUE(window_.windowTitle().contains("made-up-moe-64m"));
}

TEST_F(WindowTest, ChipsSayModelDeviceAndPolicy) {
  state_.take({synthetic::loaded(shape_)});
  EXPECT_TRUE(window_.title_strip().model_chip().value().contains("Q8_0"));
  EXPECT_EQ(window_.title_strip().device_chip().value(), "llvmpipe");
  EXPECT_TRUE(window_.title_strip().device_chip().toolTip().contains("chosen: the only device"));
  EXPECT_TRUE(window_.title_strip().policy_chip().value().contains("static k 4"));
  EXPECT_TRUE(window_.title_strip().policy_chip().value().endsWith("KV f16 · activations f32"));
}

TEST_F(WindowTest, OpensModelsUnderThePolicyAndSaysIt) {
  const Chip& chip = window_.title_strip().policy_chip();
  EXPECT_TRUE(chip.toolTip().contains("KV: what suits the device"));
  EXPECT_TRUE(chip.value().endsWith("activations auto"));
  EXPECT_TRUE(chip.toolTip().contains("Activations: what suits the device"));
  window_.set_policy({.kv = KvType::q8_0, .activations = ActivationType::q8_0});
  EXPECT_EQ(chip.value(), "attention dense · experts static · KV q8_0 · activations q8_0");
  EXPECT_TRUE(chip.toolTip().contains("KV: keys and values are kept as 8-bit integers"));
  EXPECT_TRUE(chip.toolTip().contains("Activations: decoding multiplies weights stored in blocks with 8-bit integers"));
  window_.open_model("/tmp/a.gguf");
  ASSERT_NE(last<LoadModel>(), nullptr);
  EXPECT_EQ(last<LoadModel>()->kv, KvType::q8_0);
  EXPECT_EQ(last<LoadModel>()->activations, ActivationType::q8_0);

  shape_.eight_bits = true;
  state_.take({synthetic::loaded(shape_)});
  EXPECT_EQ(chip.value(), "attention dense · experts static k 4 · KV q8_0 · activations q8_0");
  QCoreApplication::processEvents();
  EXPECT_EQ(chip.text().toStdString(), chip.value().toStdString()) << "all of it fits";
  ASSERT_TRUE(use_language("zh_CN"));
  QCoreApplication::processEvents();
  EXPECT_EQ(chip.value(), "注意力 稠密 · 专家 静态 k 4 · KV q8_0 · 激活值 q8_0");
  EXPECT_TRUE(chip.toolTip().contains("激活值：解码时以 8 位整数"));
  ASSERT_TRUE(use_language("en"));
  QCoreApplication::processEvents();
  // Nothing in this model takes 8 bits: the chip says what runs, not what was chosen.
  shape_.eight_bits = false;
  state_.take({synthetic::loaded(shape_)});
  EXPECT_TRUE(chip.value().endsWith("KV f16 · activations f32"));
  EXPECT_TRUE(chip.toolTip().contains("no product that takes 8 bits"));
}

TEST_F(WindowTest, ReadsTheModelAnewWithAnotherKvCache) {
  shape_.eight_bits = false;
  state_.take({synthetic::loaded(shape_)});
  window_.model().adaptation().kv_box().setCurrentIndex(2);
  window_.model().adaptation().load_button().click();
  ASSERT_NE(last<LoadModel>(), nullptr);
  EXPECT_EQ(last<LoadModel>()->path, state_.model()->path);
  EXPECT_EQ(last<LoadModel>()->kv, KvType::q8_0);
  EXPECT_EQ(last<LoadModel>()->activations, std::nullopt);
  EXPECT_TRUE(state_.loading());
}

TEST_F(WindowTest, ANarrowStripShortensItsChipsAndKeepsRun) {
  shape_.eight_bits = true;
  auto model = std::make_shared<ModelSummary>(*synthetic::model(shape_));
  model->name = "a-model-with-a-long-name-of-many-words-8x7B-Instruct-v0.1";
  model->device.name = "NVIDIA GeForce RTX 4090 Laptop GPU";
  state_.take({ModelLoaded{model}});
  const TitleStrip& strip = window_.title_strip();
  QDir().mkpath(FOVEA_PICTURES);
  for (const int width : {1440, 1100, 900}) {
    window_.resize(width, 800);
    QCoreApplication::processEvents();
    for (const Chip* chip : {&strip.model_chip(), &strip.device_chip(), &strip.policy_chip()}) {
      EXPECT_TRUE(chip->isVisible()) << width << ' ' << chip->value().toStdString();
      EXPECT_EQ(chip->accessibleName(), chip->value());
    }
    EXPECT_TRUE(strip.widgetForAction(&window_.run_action())->isVisible()) << width;
    EXPECT_EQ(strip.policy_chip().text() == strip.policy_chip().value(), width == 1440) << width;
    EXPECT_TRUE(window_.grab().save(QStringLiteral(FOVEA_PICTURES "/narrow_%1.png").arg(width)));
  }
  window_.resize(1440, 800);
  QCoreApplication::processEvents();
  EXPECT_EQ(strip.policy_chip().text(), strip.policy_chip().value()) << "it comes back";
}

TEST_F(WindowTest, EverythingThatActsCanBeReachedByTab) {
  state_.take({synthetic::loaded(shape_)});
  window_.activateWindow();
  int acting = 0;
  for (const auto* widget : window_.findChildren<QAbstractButton*>()) {
    if (!widget->isVisible() || !widget->isEnabled() || widget->objectName() == "qt_toolbar_ext_button") continue;
    if (qobject_cast<const QTabBar*>(widget->parent()) || widget->parent()->inherits("QLineEdit")) continue;
    ++acting;
    EXPECT_NE(widget->focusPolicy() & Qt::TabFocus, 0)
        << widget->text().toStdString() << ' ' << widget->toolTip().toStdString();
  }
  EXPECT_GT(acting, 10);
  for (const QWidget* widget : std::initializer_list<QWidget*>{
           &window_.attention().map(), &window_.attention().grid(), &window_.attention().range_bar(),
           &window_.experts().map(), &window_.prompt().transcript(), &window_.prompt().prompt_box()})
    EXPECT_NE(widget->focusPolicy() & Qt::TabFocus, 0);
}

TEST_F(WindowTest, ViewsAreRaisedByNumber) {
  window_.raise_view(View::model);
  EXPECT_FALSE(window_.dock(View::model).visibleRegion().isEmpty());
  window_.dock(View::experts).close();
  window_.raise_view(View::experts);
  EXPECT_TRUE(window_.dock(View::experts).isVisible());
}

TEST_F(WindowTest, TheLayoutComesBack) {
  window_.dock(View::memory).close();
  const WorkbenchSettings saved = window_.settings();
  WorkbenchState state;
  MainWindow other(state, theme_, saved);
  other.restore_layout(saved);
  other.show();
  EXPECT_FALSE(other.dock(View::memory).isVisible());
  EXPECT_TRUE(other.dock(View::experts).isVisible());
}

TEST_F(WindowTest, LanguageSwitchesWhileItRuns) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  ASSERT_TRUE(use_language("zh_CN"));
  QCoreApplication::processEvents();
  EXPECT_EQ(window_.dock(View::attention).windowTitle(), QStringLiteral("注意力"));
  EXPECT_TRUE(window_.status_line().text().contains(QStringLiteral("首词元")));
  EXPECT_FALSE(use_language("tlh"));
  ASSERT_TRUE(use_language("en"));
  QCoreApplication::processEvents();
  EXPECT_EQ(window_.dock(View::attention).windowTitle(), "Attention");
}

TEST_F(WindowTest, AScreenshotIsSavedWhenTheRunIsOver) {
  WorkbenchOptions options;
  options.prompt = "Once";
  options.screenshot = QStringLiteral(FOVEA_PICTURES "/by_option.png");
  options.select = 5;
  QDir().mkpath(FOVEA_PICTURES);
  QFile::remove(options.screenshot);
  Screenshot screenshot(window_, state_, options);
  QSignalSpy finished(&screenshot, &Screenshot::finished);
  synthetic::play(state_, shape_, synthetic::all_heads());
  ASSERT_TRUE(synthetic::wait_until([&] { return finished.count() > 0; }));
  EXPECT_EQ(QImage(options.screenshot).size(), window_.size() * window_.devicePixelRatio());
  EXPECT_EQ(state_.selection().token(), 5u);
}

TEST_F(WindowTest, AScreenshotThatCannotBeIsAFailure) {
  WorkbenchOptions options;
  options.screenshot = "/nonexistent/folder/x.png";
  Screenshot screenshot(window_, state_, options);
  QSignalSpy failed(&screenshot, &Screenshot::failed);
  state_.take({synthetic::loaded(shape_)});
  ASSERT_TRUE(synthetic::wait_until([&] { return failed.count() > 0; }));
  WorkbenchOptions with_prompt = options;
  with_prompt.prompt = "x";
  Screenshot second(window_, state_, with_prompt);
  QSignalSpy second_failed(&second, &Screenshot::failed);
  state_.take({LoadFailed{"m", {ErrorCode::file, "m", "gone", "look"}, true}});
  EXPECT_EQ(second_failed.count(), 1);
}

TEST(LatencyProbe, NoticesABlock) {
  LatencyProbe probe;
  probe.start();
  probe.set_generating(true);
  synthetic::wait_until([] { return false; }, 20);
  QTest::qSleep(60);
  synthetic::wait_until([] { return false; }, 20);
  EXPECT_GE(probe.longest_generating_ms(), 55);
  EXPECT_LT(probe.longest_ms(), 2000);
}

}  // namespace
}  // namespace fovea
