#include "app/workbench/options.hpp"

#include <gtest/gtest.h>

#include "app/workbench/settings.hpp"

namespace fovea {
namespace {

Result<WorkbenchOptions> parse(const QStringList& arguments) { return parse_options(QStringList{"fovea"} + arguments); }

TEST(Options, TakesTheContractsCommandLine) {
  const auto options = parse({"m.gguf",
                              "--prompt",
                              "Hi",
                              "--device",
                              "1",
                              "--lang",
                              "zh_CN",
                              "--screenshot",
                              "x.png",
                              "--view",
                              "experts",
                              "--theme",
                              "dark",
                              "--temp",
                              "0",
                              "--seed",
                              "5",
                              "-n",
                              "12",
                              "--size",
                              "800x600",
                              "--measure-latency",
                              "--peak-gbs",
                              "3350",
                              "--time-kernels"});
  ASSERT_TRUE(options) << options.error().sentence();
  EXPECT_EQ(options->model, "m.gguf");
  EXPECT_EQ(options->prompt, "Hi");
  EXPECT_EQ(options->device, 1);
  EXPECT_EQ(options->view, View::experts);
  EXPECT_EQ(options->theme, ThemeMode::dark);
  EXPECT_EQ(options->max_tokens, 12u);
  EXPECT_EQ(options->size, QSize(800, 600));
  EXPECT_TRUE(options->measure_latency);
  EXPECT_EQ(options->peak_gbs, 3350.0);
  EXPECT_TRUE(options->time_kernels);
  EXPECT_EQ(parse({"--view", "performance"})->view, View::performance);
  EXPECT_EQ(parse({"--experts", "classes"})->experts, ExpertView::classes);
  EXPECT_EQ(parse({"--view", "compare"})->view, View::compare);
  const auto runs = parse({"a.fovea", "model.gguf", "b.FOVEA"});
  ASSERT_TRUE(runs);
  EXPECT_EQ(runs->model, "model.gguf");
  EXPECT_EQ(runs->runs, (QStringList{"a.fovea", "b.FOVEA"}));
}

TEST(Options, NothingIsFine) {
  const auto options = parse({});
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->model.isEmpty());
  EXPECT_FALSE(options->prompt);
  EXPECT_EQ(options->device, -1);
}

TEST(Options, RefusesWithASentence) {
  for (const QStringList& wrong : {QStringList{"--view", "sound"}, {"--experts", "all"},
                                   {"--lang", "xx"},
                                   {"--temp", "hot"},
                                   {"--peak-gbs", "0"},
                                   {"--peak-gbs", "fast"},
                                   {"--device", "x"},
                                   {"-n", "0"},
                                   {"--size", "10x10"},
                                   {"--size", "big"},
                                   {"--theme", "pink"},
                                   {"--nonsense"},
                                   {"a.gguf", "b.gguf"},
                                   {"--seed", "-7"},
                                   {"--prompt"}}) {
    const auto options = parse(wrong);
    ASSERT_FALSE(options) << wrong.join(' ').toStdString();
    EXPECT_EQ(options.error().code, ErrorCode::usage);
    EXPECT_NE(options.error().sentence().find("; "), std::string::npos);
  }
}

TEST(Options, HelpIsToldWithoutAWindow) {
  EXPECT_TRUE(parse({"--help"})->information.contains("--screenshot"));
  EXPECT_FALSE(parse({"--version"})->information.isEmpty());
}

TEST(Settings, RecentFilesAreNewestFirstOnceAndFew) {
  QStringList recent;
  for (int i = 0; i < 20; ++i) remember_recent(recent, QString::number(i));
  remember_recent(recent, "15");
  EXPECT_EQ(recent.size(), 8);
  EXPECT_EQ(recent.front(), "15");
  EXPECT_EQ(recent.count("15"), 1);
}

TEST(Settings, ComeBack) {
  WorkbenchSettings settings;
  settings.theme = ThemeMode::dark;
  settings.sampling.temperature = 0.25f;
  settings.sampling.seed = 99;
  settings.recording = Recording::this_head;
  settings.recent = QStringList{"/a", "/b"};
  settings.peaks = {{"a GPU / of some make", 3350.0}};
  save_settings(settings);
  const WorkbenchSettings loaded = load_settings();
  EXPECT_EQ(loaded.theme, ThemeMode::dark);
  EXPECT_FLOAT_EQ(loaded.sampling.temperature, 0.25f);
  EXPECT_EQ(loaded.sampling.seed, 99);
  EXPECT_EQ(loaded.recording, Recording::this_head);
  EXPECT_EQ(loaded.recent, settings.recent);
  EXPECT_EQ(loaded.peaks, settings.peaks);
}

}  // namespace
}  // namespace fovea
