#include "ui/panels/performance_panel.hpp"

#include <gtest/gtest.h>

#include <QSignalSpy>
#include <QtTest/QTest>

#include "tests/ui/synthetic_run.hpp"
#include "ui/text/format.hpp"

namespace fovea {
namespace {

class PerformancePanelTest : public testing::Test {
 protected:
  PerformancePanelTest() {
    panel_.resize(420, 420);
    panel_.show();
  }
  void settle() {
    int calm = 0;
    ASSERT_TRUE(synthetic::wait_until([&] { return (calm = panel_.idle() ? calm + 1 : 0) > 5; }));
  }
  [[nodiscard]] QString text(PerformancePanel::Part part) const { return panel_.figure(part).text(); }
  [[nodiscard]] QString cell(int row, int column) const {
    return panel_.table().model()->index(row, column).data().toString();
  }
  Theme theme_;
  WorkbenchState state_;
  PerformancePanel panel_{state_, theme_};
  synthetic::Shape shape_;
};

TEST_F(PerformancePanelTest, SaysWhatIsNotRecordedAndNeverZero) {
  EXPECT_FALSE(panel_.shows_figures());
  EXPECT_EQ(panel_.empty_state().title(), "No model is open");
  state_.take({synthetic::loaded(shape_)});
  EXPECT_TRUE(panel_.shows_figures());
  EXPECT_EQ(text(PerformancePanel::kPrefill), "not recorded");
  EXPECT_EQ(text(PerformancePanel::kDecode), "not recorded");
  EXPECT_EQ(text(PerformancePanel::kTokenBytes), "23.5 MiB");
  EXPECT_EQ(text(PerformancePanel::kAchieved), "not recorded");
  EXPECT_EQ(text(PerformancePanel::kOfBound), "unknown");
  EXPECT_FALSE(panel_.shows_kernels());
  EXPECT_EQ(panel_.kernels_empty_state().title(), "Kernels are not timed");

  auto uncounted = std::make_shared<ModelSummary>(*synthetic::model(shape_));
  uncounted->token_bytes.reset();
  state_.take({ModelLoaded{uncounted}});
  EXPECT_EQ(text(PerformancePanel::kTokenBytes), "unknown");
}

TEST_F(PerformancePanelTest, ShowsSpeedAndBandwidthOfTheRun) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  const RunTimings& timings = state_.finished()->timings;
  EXPECT_EQ(text(PerformancePanel::kPrefill), shown_number(timings.prompt_tps()) + " tok/s");
  EXPECT_EQ(text(PerformancePanel::kDecode), shown_number(timings.decode_tps()) + " tok/s");
  const double depth = shape_.prompt + (shape_.generated - 1) / 2.0;
  const double bytes = state_.model()->token_bytes->at(depth);
  EXPECT_EQ(text(PerformancePanel::kAchieved), shown_number(bytes * timings.decode_tps() / 1e9) + " GB/s");
  EXPECT_EQ(text(PerformancePanel::kOfBound), "unknown");
  panel_.set_peak(20);
  EXPECT_TRUE(text(PerformancePanel::kOfBound).startsWith(shown_percent(bytes * timings.decode_tps() / 20e9)))
      << text(PerformancePanel::kOfBound).toStdString();
  EXPECT_TRUE(panel_.note_text().startsWith("Measured while recording attention."));
  EXPECT_TRUE(panel_.note_text().contains("4 of 16 experts"));
}

TEST_F(PerformancePanelTest, UnderAPolicyOfExpertsTheBytesAreThoseOfTheExpertsTaken) {
  shape_.dynamic = true;
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  // 1 to 4 of 4 in turn: 2.5 on average, of 300,000 bytes each in 6 layers.
  const double depth = shape_.prompt + (shape_.generated - 1) / 2.0;
  const double bytes = state_.model()->token_bytes->at(depth) - 6 * 1.5 * 300'000;
  EXPECT_EQ(text(PerformancePanel::kTokenBytes), shown_bytes(bytes).replace(QChar(0x202f), ' '));
  bool said = false;
  for (const QLabel* label : panel_.findChildren<QLabel*>()) said = said || label->text().contains("Decoded tokens read 2.50 of 16 experts per layer on average.");
  EXPECT_TRUE(said);
}

TEST_F(PerformancePanelTest, WhileItWritesTheLastSecondCounts) {
  state_.take({synthetic::loaded(shape_)});
  const Generate request = synthetic::all_heads();
  state_.begin_run(request);
  auto events = synthetic::run(shape_, request, 8);
  events.pop_back();
  state_.take(events);
  settle();
  EXPECT_EQ(text(PerformancePanel::kDecode), shown_number(1000 / 16.2) + " tok/s");
  EXPECT_EQ(text(PerformancePanel::kPrefill), shown_number(24 / 0.0215) + " tok/s");
}

TEST_F(PerformancePanelTest, ListsKernelsTheLongestFirst) {
  shape_.timed = true;
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  ASSERT_TRUE(panel_.shows_kernels());
  EXPECT_EQ(panel_.table().model()->rowCount(), 11);
  EXPECT_EQ(cell(0, KernelModel::kKernel), "gate+up");
  EXPECT_EQ(cell(0, KernelModel::kCount), "6");
  EXPECT_EQ(cell(0, KernelModel::kTime), shown_number(0.288 * 15'400));
  EXPECT_TRUE(panel_.total_text().contains("mean of 72 tokens")) << panel_.total_text().toStdString();
  EXPECT_TRUE(panel_.note_text().contains("timing kernels"));
  const QImage image = panel_.grab().toImage();
  int bars = 0;
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < image.width(); ++x) bars += QColor(image.pixel(x, y)) == theme_.colors().run_a;
  EXPECT_GT(bars, 300);
  panel_.phase_box().setCurrentIndex(1);
  EXPECT_EQ(cell(0, KernelModel::kTime), shown_number(0.288 * 19'000));
  EXPECT_TRUE(panel_.total_text().contains("24 prompt tokens"));
}

TEST_F(PerformancePanelTest, TheSwitchTellsTheEngineAndTheButtonRunsAgain) {
  QSignalSpy timing(&panel_, &PerformancePanel::timing_changed), again(&panel_, &PerformancePanel::timed_run_requested);
  state_.take({synthetic::loaded(shape_)});
  QTest::mouseClick(panel_.kernels_empty_state().button(), Qt::LeftButton);
  EXPECT_TRUE(panel_.timing_button().isChecked());
  EXPECT_EQ(timing.count(), 1);
  EXPECT_EQ(again.count(), 0) << "nothing has run yet";
  EXPECT_EQ(panel_.kernels_empty_state().title(), "Kernels will be timed");
  panel_.timing_button().setChecked(false);
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  EXPECT_EQ(panel_.kernels_empty_state().title(), "No decoded token was timed");
  QTest::mouseClick(panel_.kernels_empty_state().button(), Qt::LeftButton);
  EXPECT_TRUE(panel_.timing_button().isChecked());
  EXPECT_EQ(again.count(), 1);
}

TEST_F(PerformancePanelTest, ADeviceWithoutTimestampsAndADenseModelAreSentences) {
  shape_.experts = 0;
  auto model = std::make_shared<ModelSummary>(*synthetic::model(shape_));
  model->device.timestamps = false;
  state_.take({ModelLoaded{model}});
  EXPECT_FALSE(panel_.timing_button().isEnabled());
  EXPECT_EQ(panel_.kernels_empty_state().title(), "This device cannot time kernels");
  EXPECT_TRUE(panel_.kernels_empty_state().button()->isHidden());
  EXPECT_TRUE(panel_.note_text().contains("Dense model"));
}

TEST_F(PerformancePanelTest, ThePeakIsUnknownUntilSomebodySaysIt) {
  QSignalSpy changed(&panel_, &PerformancePanel::peak_changed);
  state_.take({synthetic::loaded(shape_)});
  EXPECT_FALSE(panel_.peak_box().bandwidth());
  EXPECT_EQ(panel_.peak_box().text(), "peak unknown");
  panel_.peak_box().setValue(3350);
  EXPECT_EQ(changed.count(), 1);
  EXPECT_EQ(panel_.peak_box().text(), QStringLiteral("peak 3350\u202fGB/s"));
  EXPECT_EQ(text(PerformancePanel::kOfBound), "not recorded");
  panel_.set_peak(std::nullopt);
  EXPECT_EQ(changed.count(), 1) << "only the person's own word is told";
  EXPECT_FALSE(panel_.peak_box().bandwidth());
}

}  // namespace
}  // namespace fovea
