#include "ui/state/workbench_state.hpp"

#include <gtest/gtest.h>

#include <QSignalSpy>

#include "tests/ui/synthetic_run.hpp"
#include "ui/state/refresh_clock.hpp"

namespace fovea {
namespace {

TEST(WorkbenchState, FollowsARunFromStartToEnd) {
  WorkbenchState state;
  const synthetic::Shape shape;
  state.take({synthetic::loaded(shape)});
  const Generate request = synthetic::all_heads(3);
  state.begin_run(request);
  EXPECT_EQ(state.phase(), RunPhase::starting);
  const auto events = synthetic::run(shape, request);
  state.take({events[0]});
  EXPECT_EQ(state.phase(), RunPhase::prefill);
  EXPECT_EQ(state.prompt_tokens(), shape.prompt);
  EXPECT_EQ(state.seed(), 12345u);
  state.take({events.begin() + 1, events.end()});
  EXPECT_EQ(state.phase(), RunPhase::finished);
  EXPECT_EQ(state.token_count(), shape.prompt + shape.generated);
  ASSERT_TRUE(state.trace());
  ASSERT_TRUE(state.live_speed());
  EXPECT_NEAR(state.live_speed()->tokens_per_second, 1000 / 16.2, 0.1);
  EXPECT_TRUE(state.live_speed()->recording);
}

TEST(WorkbenchState, EventsOfAnOlderRunAreDropped) {
  WorkbenchState state;
  const synthetic::Shape shape;
  const Generate old = synthetic::all_heads(1);
  state.take({synthetic::loaded(shape)});
  state.begin_run(old);
  const auto late = synthetic::run(shape, old);
  state.begin_run(synthetic::all_heads(2));
  state.take(late);
  EXPECT_EQ(state.token_count(), 0u);
  EXPECT_EQ(state.phase(), RunPhase::starting);
}

TEST(WorkbenchState, AFailedRunKeepsItsTextAndTellsWhy) {
  WorkbenchState state;
  QSignalSpy failed(&state, &WorkbenchState::run_failed);
  const synthetic::Shape shape;
  const Generate request = synthetic::all_heads();
  state.take({synthetic::loaded(shape)});
  state.begin_run(request);
  const auto events = synthetic::run(shape, request);
  state.take({events.begin(), events.begin() + 5});
  state.take({RunFailed{request.id, {ErrorCode::device, "device", "it was lost", "run again"}}});
  EXPECT_EQ(state.phase(), RunPhase::failed);
  EXPECT_GT(state.token_count(), shape.prompt);
  EXPECT_EQ(failed.count(), 1);
  EXPECT_FALSE(state.running());
}

TEST(WorkbenchState, AFailedLoadKeepsTheModelThatIsStillThere) {
  WorkbenchState state;
  state.take({synthetic::loaded({})});
  state.begin_loading("b.gguf");
  EXPECT_TRUE(state.loading());
  state.take({LoadFailed{"b.gguf", {ErrorCode::format, "b.gguf", "not a model", "choose another"}, true}});
  EXPECT_TRUE(state.model());
  EXPECT_FALSE(state.loading());
  state.take({LoadFailed{"c.gguf", {ErrorCode::memory, "c.gguf", "too large", "choose another"}, false}});
  EXPECT_FALSE(state.model());
}

TEST(Selection, StepsWithinTheTokens) {
  Selection selection;
  selection.step(1, 5);
  EXPECT_EQ(selection.token(), 0u);
  selection.step(-3, 5);
  EXPECT_EQ(selection.token(), 0u);
  selection.step(100, 5);
  EXPECT_EQ(selection.token(), 4u);
  selection.select_token(std::nullopt);
  selection.step(-1, 5);
  EXPECT_EQ(selection.token(), 4u);
  selection.step(1, 0);
  EXPECT_EQ(selection.token(), 4u);
}

TEST(Selection, HoverNeverMovesTheCursor) {
  Selection selection;
  QSignalSpy moved(&selection, &Selection::token_changed);
  selection.hover_token(3);
  selection.hover_token(3);
  EXPECT_FALSE(selection.token());
  EXPECT_EQ(moved.count(), 0);
}

TEST(RefreshClock, ManyRequestsAreOneRefresh) {
  int runs = 0;
  RefreshClock clock(
      20, [&] { ++runs; }, nullptr);
  for (int i = 0; i < 100; ++i) clock.request();
  EXPECT_EQ(runs, 0);
  ASSERT_TRUE(synthetic::wait_until([&] { return runs > 0; }, 1000));
  EXPECT_EQ(runs, 1);
  clock.request();
  clock.flush();
  EXPECT_EQ(runs, 2);
  clock.flush();
  EXPECT_EQ(runs, 2);
}

}  // namespace
}  // namespace fovea
