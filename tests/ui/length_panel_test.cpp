// The lengths view over made-up measurements, and pictures of it for looking at.
#include "ui/panels/length_panel.hpp"

#include <gtest/gtest.h>

#include <QDir>
#include <QPixmap>
#include <QSignalSpy>

#include "app/workbench/main_window.hpp"
#include "tests/ui/synthetic_run.hpp"
#include "ui/text/translation.hpp"

namespace fovea {
namespace {

// Dense time grows with the length, sparse time hardly: prefill crosses at 4,096, decoding at 2,048.
std::shared_ptr<LengthSweep> made_up(std::size_t of_a, std::size_t of_b) {
  auto sweep = std::make_shared<LengthSweep>(LengthSweep{.text = "prose.txt", .a = {.attention = "dense"}, .b = {.attention = "sparse:window=512,global=0.25"},
                                                         .windows = 1, .lengths = {1024, 2048, 4096, 8192}, .of_a = {}, .of_b = {}, .limit = LengthLimit::text, .limit_tokens = 9000});
  for (std::size_t i = 0; i < of_a; ++i) {
    const double n = sweep->lengths[i];
    sweep->of_a.push_back({.context = sweep->lengths[i], .seconds = n * (1e-3 + n * 2e-7), .decode_ms = 3 + n * 1e-3, .perplexity = 9, .density = 1, .flops = 1,
                           .kv_bytes = sweep->lengths[i] * 6144ull});
  }
  for (std::size_t i = 0; i < of_b; ++i) {
    const double n = sweep->lengths[i];
    sweep->of_b.push_back({.context = sweep->lengths[i], .seconds = n * (1.45e-3 + n * 5e-8), .decode_ms = 4.3 + n * 3e-4, .perplexity = 9 + n * 1e-6, .density = 0.3, .flops = 0.4,
                           .kv_bytes = sweep->lengths[i] * 6272ull});
  }
  return sweep;
}

class LengthPanelTest : public testing::Test {
 protected:
  LengthPanelTest() : panel_(state_, theme_) {
    QObject::connect(&panel_, &LengthPanel::command, [this](const Command& command) { commands_.push_back(command); });
    panel_.resize(720, 420);
  }
  void open() { state_.take({synthetic::loaded({})}); }
  RequestId measuring() {
    panel_.measure("/texts/prose.txt");
    return std::get<MeasureLengths>(commands_.back()).id;
  }

  Theme theme_;
  WorkbenchState state_;
  LengthPanel panel_;
  std::vector<Command> commands_;
};

TEST_F(LengthPanelTest, WantsAModelAndSaysSo) {
  EXPECT_EQ(panel_.empty_state().title(), "No model is open");
  panel_.measure("/texts/prose.txt");
  EXPECT_TRUE(commands_.empty());
  open();
  EXPECT_NE(panel_.empty_state().title(), "No model is open");
  EXPECT_TRUE(panel_.empty_state().button()->isVisibleTo(&panel_));
}

TEST_F(LengthPanelTest, AsksForTheTextAndTheLongestContext) {
  open();
  panel_.longest_box().setCurrentIndex(panel_.longest_box().count() - 1);
  const std::uint32_t longest = panel_.longest_box().currentData().toUInt();
  (void)measuring();
  const auto& asked = std::get<MeasureLengths>(commands_.back());
  EXPECT_EQ(asked.file, "/texts/prose.txt");
  EXPECT_EQ(asked.longest, longest);
  EXPECT_LE(asked.longest, state_.model()->trained_context);
  EXPECT_FALSE(panel_.longest_box().isEnabled()) << "one measurement at a time";
  panel_.measure("/texts/other.txt");
  EXPECT_EQ(commands_.size(), 1u);
}

TEST_F(LengthPanelTest, ShowsPointsAsTheyComeAndNoCrossoverBeforeTheEnd) {
  open();
  const RequestId id = measuring();
  state_.take({ScoresAdvanced{id, "Measuring contexts", 0.2}, LengthsMeasured{id, made_up(4, 3), false}});
  EXPECT_TRUE(panel_.measuring());
  EXPECT_EQ(panel_.verdict(), "Measuring: 7 of 8 points");
  state_.take({LengthsMeasured{id, made_up(4, 4), true}});
  EXPECT_FALSE(panel_.measuring());
  EXPECT_EQ(panel_.verdict().remove(QChar(0x2009)).toStdString(),
            QStringLiteral("Sparse prefills faster from 4096 tokens on; decodes faster from 2048 on; perplexity %1 at 8192 tokens")
                .arg(panel_.verdict().remove(QChar(0x2009)).section("perplexity ", 1).section(" at", 0, 0))
                .toStdString());
  EXPECT_TRUE(panel_.verdict().contains("+0.09")) << panel_.verdict().toStdString();
  EXPECT_TRUE(panel_.conditions().contains("prose.txt"));
  EXPECT_TRUE(panel_.conditions().remove(QChar(0x2009)).contains("9000")) << "why no longer ones are";
}

TEST_F(LengthPanelTest, KeepsWhatIsThereWhenStoppedAndTellsNoCrossover) {
  open();
  const RequestId id = measuring();
  state_.take({LengthsMeasured{id, made_up(4, 1), false}});
  panel_.progress().cancel_button()->click();
  EXPECT_TRUE(std::holds_alternative<Cancel>(commands_.back()));
  QSignalSpy failed(&panel_, &LengthPanel::failed);
  state_.take({ScoresFailed{id, {ErrorCode::cancelled, "the sweep", "it was stopped", ""}}});
  EXPECT_EQ(failed.count(), 0) << "a stop is no failure";
  EXPECT_EQ(panel_.verdict(), "Stopped after 5 of 8 points: no crossover is told");
  EXPECT_TRUE(panel_.longest_box().isEnabled());
}

TEST_F(LengthPanelTest, AnswersToOthersAreNotItsOwn) {
  open();
  const RequestId id = measuring();
  state_.take({LengthsMeasured{id + 1, made_up(4, 4), true}, ScoresFailed{state_.next_measurement(), {ErrorCode::usage, "x", "y", "z"}}});
  EXPECT_TRUE(panel_.measuring());
}

TEST_F(LengthPanelTest, TellsALengthAndWritesItsTable) {
  open();
  const RequestId id = measuring();
  state_.take({LengthsMeasured{id, made_up(4, 2), false}});
  panel_.plot().point_at(1);
  EXPECT_TRUE(panel_.plot().readout().contains(QStringLiteral("→"))) << panel_.plot().readout().toStdString();
  panel_.plot().point_at(3);
  EXPECT_TRUE(panel_.plot().readout().contains("sparse was not measured"));
  const QStringList lines = panel_.plot().csv().trimmed().split('\n');
  ASSERT_EQ(lines.size(), 5);
  EXPECT_EQ(lines[2].split(',').size(), lines[0].split(',').size());
  EXPECT_TRUE(lines[4].trimmed().endsWith(",,")) << "what was not measured is left empty";
}

struct Look {
  const char* name;
  ThemeMode theme;
  const char* language;
  QSize size;
  std::size_t of_b = 4;
  bool measured = true;
};
class LengthLooks : public testing::TestWithParam<Look> {};

TEST_P(LengthLooks, ShowTheView) {
  const Look look = GetParam();
  use_language(look.language);
  Theme theme;
  theme.set_mode(look.theme);
  WorkbenchState state;
  MainWindow window(state, theme, {});
  RequestId id = 0;
  QObject::connect(&window, &MainWindow::command, [&](const Command& command) {
    if (const auto* asked = std::get_if<MeasureLengths>(&command)) id = asked->id;
  });
  window.resize(look.size);
  window.show();
  state.take({synthetic::loaded({})});
  window.raise_view(View::lengths);
  if (look.measured) {
    window.lengths().measure("/texts/prose.txt");
    const bool complete = look.of_b == 4;
    state.take({ScoresAdvanced{id, "Measuring contexts", 0.6}, LengthsMeasured{id, made_up(4, look.of_b), complete}});
  }
  int calm = 0;
  ASSERT_TRUE(synthetic::wait_until([&] { return (calm = window.idle() ? calm + 1 : 0) > 40; }));
  const QImage picture = window.grab().toImage();
  QDir().mkpath(FOVEA_PICTURES);
  ASSERT_TRUE(picture.save(QStringLiteral(FOVEA_PICTURES "/%1.png").arg(look.name)));
  int marks = 0;
  const QImage plain = picture.convertToFormat(QImage::Format_RGB32);
  for (int y = 0; y < plain.height(); ++y)
    for (int x = 0; x < plain.width(); ++x) marks += plain.pixel(x, y) == theme.colors().run_b.rgb();
  if (look.measured) {
    EXPECT_GT(marks, 60) << "the sparse series is drawn";
  }
  use_language("en");
}

INSTANTIATE_TEST_SUITE_P(Looks, LengthLooks,
                         testing::Values(Look{"lengths_dark_en", ThemeMode::dark, "en", {1440, 900}}, Look{"lengths_light_zh", ThemeMode::light, "zh_CN", {1440, 900}},
                                         Look{"lengths_small_dark_zh", ThemeMode::dark, "zh_CN", {1024, 700}}, Look{"lengths_going_light_en", ThemeMode::light, "en", {1024, 700}, 2},
                                         Look{"lengths_empty_dark_en", ThemeMode::dark, "en", {1024, 700}, 0, false}),
                         [](const auto& look) { return std::string(look.param.name); });

}  // namespace
}  // namespace fovea
