#include "ui/panels/prompt_panel.hpp"

#include <gtest/gtest.h>

#include <QClipboard>
#include <QGuiApplication>
#include <QSignalSpy>
#include <QtTest/QTest>

#include "tests/ui/synthetic_run.hpp"

namespace fovea {
namespace {

class PromptPanelTest : public testing::Test {
 protected:
  PromptPanelTest() {
    panel_.resize(520, 700);
    panel_.show();
  }
  Theme theme_;
  WorkbenchState state_;
  PromptPanel panel_{state_, theme_};
  synthetic::Shape shape_;
};

TEST_F(PromptPanelTest, ControlEnterRunsOnceThereIsAModelAndAPrompt) {
  QSignalSpy run(&panel_, &PromptPanel::run_requested);
  QTest::keyClicks(&panel_.prompt_box(), "Hello");
  QTest::keyClick(&panel_.prompt_box(), Qt::Key_Return, Qt::ControlModifier);
  EXPECT_EQ(run.count(), 0);
  state_.take({synthetic::loaded(shape_)});
  QTest::keyClick(&panel_.prompt_box(), Qt::Key_Return, Qt::ControlModifier);
  EXPECT_EQ(run.count(), 1);
  EXPECT_EQ(panel_.request().prompt, "Hello");
  panel_.set_prompt("");
  QTest::keyClick(&panel_.prompt_box(), Qt::Key_Return, Qt::ControlModifier);
  EXPECT_EQ(run.count(), 1);
}

TEST_F(PromptPanelTest, EveryControlReadsWholeInANarrowPanel) {
  const auto* run = panel_.findChild<QStackedWidget*>("actions");
  for (const int width : {560, 400, 1, 560}) {
    panel_.resize(width, 700);  // as narrow as it goes
    EXPECT_LT(panel_.width(), width == 560 ? 561 : width == 400 ? 401 : 360);
    EXPECT_EQ(panel_.findChild<QLabel*>("recording_label")->isVisible(), panel_.width() >= 400) << width;
    const auto two_rows = [&] { return run->mapTo(&panel_, QPoint()).y() > panel_.chat_button().mapTo(&panel_, QPoint()).y() + 20; };
    EXPECT_TRUE(synthetic::wait_until([&] { return two_rows() == (width < 560); }, 2000)) << width;
    for (const QComboBox* box : panel_.findChildren<QComboBox*>()) {
      if (box->isVisible()) {
        EXPECT_GE(box->width(), box->sizeHint().width()) << width;
      }
    }
  }
}

TEST_F(PromptPanelTest, TheRequestIsWhatTheFormSays) {
  SamplingOptions options;
  options.temperature = 0.35f;
  options.top_k = 7;
  options.top_p = 0.5f;
  options.min_p = 0.1f;
  options.repeat_penalty = 1.2f;
  options.repeat_last_n = -1;
  options.seed = 4242424242424242;
  panel_.sampling().set_options(options);
  panel_.sampling().set_max_tokens(99);
  state_.selection().select_head({3, 4});
  panel_.set_recording(Recording::this_head);
  const Generate request = panel_.request();
  EXPECT_FLOAT_EQ(request.sampling.temperature, 0.35f);
  EXPECT_EQ(request.sampling.top_k, 7);
  EXPECT_FLOAT_EQ(request.sampling.top_p, 0.5f);
  EXPECT_FLOAT_EQ(request.sampling.min_p, 0.1f);
  EXPECT_FLOAT_EQ(request.sampling.repeat_penalty, 1.2f);
  EXPECT_EQ(request.sampling.repeat_last_n, -1);
  EXPECT_EQ(request.sampling.seed, 4242424242424242);
  EXPECT_EQ(request.max_tokens, 99u);
  ASSERT_EQ(request.trace.heads.size(), 1u);
  EXPECT_EQ(request.trace.heads[0], (HeadId{3, 4}));
  panel_.set_recording(Recording::nothing);
  EXPECT_FALSE(panel_.request().trace.records_attention());
  panel_.set_recording(Recording::all_heads);
  EXPECT_TRUE(panel_.request().trace.all_heads);
}

TEST_F(PromptPanelTest, ChatNeedsAFormatAndSaysSo) {
  state_.take({synthetic::loaded(shape_)});
  EXPECT_FALSE(panel_.chat_button().isEnabled());
  EXPECT_TRUE(panel_.chat_button().toolTip().contains("no chat format"));
  auto chatty = std::make_shared<ModelSummary>(*synthetic::model(shape_));
  chatty->chat = true;
  chatty->chat_format = "chatml";
  state_.take({ModelLoaded{chatty}});
  ASSERT_TRUE(panel_.chat_button().isEnabled());
  panel_.chat_button().click();
  EXPECT_TRUE(panel_.request().chat);
  state_.take({synthetic::loaded(shape_)});
  EXPECT_FALSE(panel_.request().chat);
}

TEST_F(PromptPanelTest, TokensStreamIntoTheTranscript) {
  state_.take({synthetic::loaded(shape_)});
  const Generate request = synthetic::all_heads();
  state_.begin_run(request);
  const auto events = synthetic::run(shape_, request);
  state_.take({events.begin(), events.begin() + 10});
  ASSERT_TRUE(
      synthetic::wait_until([&] { return panel_.transcript().transcript().tokens() == state_.token_count(); }, 2000));
  EXPECT_TRUE(panel_.transcript().text().startsWith("Once upon a time, there was a little girl named Lily."));
  state_.take({events.begin() + 10, events.end()});
  EXPECT_EQ(panel_.transcript().transcript().tokens(), shape_.prompt + shape_.generated);
}

TEST_F(PromptPanelTest, ClickHoverAndKeysMoveOneCursor) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  TranscriptView& view = panel_.transcript();
  const QPoint at = view.token_rect(9).center();
  QTest::mouseMove(view.viewport(), at);
  QMouseEvent move(QEvent::MouseMove, at, view.viewport()->mapToGlobal(at), Qt::NoButton, Qt::NoButton, Qt::NoModifier);
  QApplication::sendEvent(view.viewport(), &move);
  EXPECT_EQ(state_.selection().hovered(), 9u);
  QTest::mouseClick(view.viewport(), Qt::LeftButton, Qt::NoModifier, at);
  EXPECT_EQ(state_.selection().token(), 9u);
  QTest::keyClick(&view, Qt::Key_Right);
  EXPECT_EQ(state_.selection().token(), 10u);
  QTest::keyClick(&view, Qt::Key_C, Qt::ControlModifier);
  EXPECT_EQ(QGuiApplication::clipboard()->text(), " named");
  QTest::keyClick(&view, Qt::Key_Down);
  EXPECT_GT(*state_.selection().token(), 12u);
  QTest::keyClick(&view, Qt::Key_End);
  EXPECT_EQ(state_.selection().token(), shape_.prompt + shape_.generated - 1);
  QTest::keyClick(&view, Qt::Key_Escape);
  EXPECT_FALSE(state_.selection().token());
  QTest::keyClick(&view, Qt::Key_C, Qt::ControlModifier);
  EXPECT_EQ(QGuiApplication::clipboard()->text(), view.text());
}

}  // namespace
}  // namespace fovea
