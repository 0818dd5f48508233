// The compare view over made-up runs, and pictures of it for looking at.
#include "ui/compare/compare_panel.hpp"

#include <gtest/gtest.h>

#include <QScrollBar>
#include <QDir>
#include <QFile>
#include <QFileDialog>
#include <QImage>
#include <QPixmap>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <cmath>

#include "app/workbench/main_window.hpp"
#include "tests/ui/synthetic_run.hpp"
#include "ui/compare/run_words.hpp"
#include "ui/text/translation.hpp"

namespace fovea {
namespace {

using Side = RunShelf::Side;

// A run of the synthetic model; `parts`: token 40 is the first of others. `least`: tokens use `least` to 4 experts.
std::shared_ptr<RunRecord> made_up(const synthetic::Shape& shape, std::uint32_t least, bool parts) {
  auto run = std::make_shared<RunRecord>();
  run->model = run_model(*synthetic::model(shape));
  run->device = "llvmpipe";
  run->policy.moe = shape.experts == 0 ? "static" : least == 4 ? "static:k=4" : "dynamic:kmin=1,kmax=4,rule=mass,p=0.5,balance=off";
  run->seed = 7;
  run->max_tokens = shape.generated;
  run->timings = {21.5, (least == 4 ? 16.0 : 11.0) * shape.generated, 38, shape.prompt, shape.generated, false, false};
  run->memory = {std::uint64_t{61} << 20, std::uint64_t{4} << 20, std::uint64_t{3} << 20, 4096};
  run->memory_peak = run->memory.total();
  run->token_bytes = least == 4 ? 27e6 : 18e6;
  if (shape.experts > 0) run->expert_bytes = least == 4 ? 13e6 : 4e6;
  run->prefill_attention = run->decode_attention = AttentionCost{1, 1};
  auto trace = std::make_shared<TraceSnapshot>(*synthetic::trace(shape, {}, shape.prompt + shape.generated));
  auto tokens = synthetic::tokens(shape);
  for (std::size_t i = 40; parts && i < tokens.size(); ++i) tokens[i].id += 1 + static_cast<std::int32_t>(i % 3), tokens[i].text = " other";
  trace->tokens = std::make_shared<const std::vector<TokenText>>(tokens);
  trace->prompt_tokens = shape.prompt;
  std::vector<std::shared_ptr<const RoutingChunk>> chunks;
  for (const auto& chunk : trace->routing.chunks) {
    auto fewer = std::make_shared<RoutingChunk>(*chunk);
    for (std::size_t cell = 0; cell < fewer->experts.size(); ++cell) {
      const std::size_t token = cell / (std::size_t{chunk->layers} * chunk->slots), slot = cell % chunk->slots;
      if (slot >= least + (token * 7 + cell / chunk->slots) % (5 - least)) fewer->experts[cell] = kUnusedSlot;
    }
    chunks.push_back(std::move(fewer));
  }
  trace->routing.chunks = std::move(chunks);
  for (StepTiming& step : trace->steps) step.milliseconds *= least == 4 ? 1.0f : 0.7f;
  run->trace = std::move(trace);
  return run;
}

std::shared_ptr<PairScores> scores_of(const RunRecord& a) {
  auto scores = std::make_shared<PairScores>(PairScores{.text = "the tokens of A", .first = a.prompt_tokens()});
  for (std::size_t i = a.prompt_tokens(); i < a.tokens().size(); ++i) {
    const double wave = std::sin(static_cast<double>(i) * 0.7);
    scores->nll_a.push_back(2 + wave);
    scores->nll_b.push_back(2.05 + wave * 0.9);
    scores->kl.push_back(0.4 * wave * wave * wave * wave);
    scores->same_top.push_back(i % 9 == 0 ? 0 : 1);
  }
  return scores;
}

std::shared_ptr<Frontier> frontier_of() {
  auto frontier = std::make_shared<Frontier>(Frontier{.text = "the tokens of A", .tokens = 72, .own_bytes = 13e6, .points = {}});
  const double deltas[] = {0, 0.1, 0.4, 2.1};
  for (int k = 4; k > 0; --k)
    frontier->points.push_back({.policy = {.moe = "static:k=" + std::to_string(k)}, .fixed = true, .k_mean = static_cast<double>(k), .expert_bytes = 13e6 * k / 4,
                                .perplexity = 9 + deltas[4 - k] / 10, .delta_ppl_percent = deltas[4 - k], .delta_stderr_percent = 0.1 * (4 - k)});
  frontier->points.push_back({.policy = {.moe = "dynamic:p=0.5"}, .fixed = false, .k_mean = 2.4, .expert_bytes = 13e6 * 0.6, .perplexity = 9.02, .delta_ppl_percent = 0.2, .delta_stderr_percent = 0.12});
  return frontier;
}

class ComparePanelTest : public testing::Test {
 protected:
  void SetUp() override {
    use_language(QStringLiteral("en"));
    panel.resize(860, 460);
  }
  void add_pair(const std::shared_ptr<PairScores>& scores = nullptr, const std::shared_ptr<Frontier>& frontier = nullptr) {
    const auto a = made_up(shape, 4, false);
    shelf.add(RunFile{a, made_up(shape, 1, true), scores, frontier}, QStringLiteral("pair.fovea"));
  }
  synthetic::Shape shape;
  Theme theme;
  WorkbenchState state;
  RunShelf shelf;
  ComparePanel panel{state, shelf, theme};
};

TEST_F(ComparePanelTest, SaysWhatItIsForWhereNothingIsThere) {
  EXPECT_EQ(panel.empty().title(), QStringLiteral("Nothing to compare yet"));
  EXPECT_EQ(shelf.comparison(), nullptr);
  EXPECT_FALSE(panel.export_to(QStringLiteral("/tmp/none.json")));
}

TEST_F(ComparePanelTest, TheTwoNewestRunsAreComparedUntilAPersonChooses) {
  const auto first = made_up(shape, 4, false), second = made_up(shape, 1, true), third = made_up(shape, 1, false);
  shelf.add(first);
  EXPECT_EQ(shelf.run(Side::a), first);
  EXPECT_EQ(shelf.comparison(), nullptr);
  shelf.add(second);
  shelf.add(third);
  EXPECT_EQ(shelf.run(Side::a), second);
  EXPECT_EQ(shelf.run(Side::b), third);
  shelf.choose(Side::a, 0);
  shelf.add(made_up(shape, 1, true));
  EXPECT_EQ(shelf.run(Side::a), first);
  EXPECT_EQ(shelf.run(Side::b), third);
  EXPECT_EQ(panel.box(Side::a).count(), 4);
  EXPECT_EQ(panel.box(Side::b).currentIndex(), 2);
  shelf.swap();
  EXPECT_EQ(shelf.run(Side::a), third);
}

TEST_F(ComparePanelTest, OldRunsAreLetGoButNotTheCompared) {
  const auto first = made_up(shape, 4, false);
  shelf.add(first);
  shelf.add(made_up(shape, 1, true));
  shelf.choose(Side::a, 0);
  for (std::size_t i = 0; i < RunShelf::kMostRuns + 5; ++i) shelf.add(made_up(shape, 4, false));
  EXPECT_EQ(shelf.entries().size(), RunShelf::kMostRuns);
  EXPECT_EQ(shelf.run(Side::a), first);
  EXPECT_EQ(shelf.index(Side::a), 0u);
}

TEST_F(ComparePanelTest, ShowsFiguresWithTheirDifference) {
  add_pair();
  QStringList names;
  const auto& model = *panel.table().model();
  for (int row = 0; row < model.rowCount(); ++row) names << model.index(row, 0).data().toString();
  const auto row = static_cast<int>(names.indexOf(QStringLiteral("Bytes per decoded token")));
  ASSERT_GE(row, 0);
  EXPECT_TRUE(model.index(row, FigureModel::kRelative).data().toString().startsWith(QStringLiteral("−33.3")));
  EXPECT_EQ(model.index(row, FigureModel::kDifference).data(Qt::ForegroundRole).value<QColor>(), theme.colors().gain);
  EXPECT_TRUE(model.index(row, 0).data(Qt::FontRole).value<QFont>().italic()) << "derived";
  EXPECT_FALSE(names.contains(QStringLiteral("Perplexity of the scored text"))) << "not measured";
  EXPECT_TRUE(model.headerData(FigureModel::kB, Qt::Horizontal).toString().startsWith(QStringLiteral("▲")));
  EXPECT_TRUE(panel.note().text().contains(QStringLiteral("Nothing but the policy differs.")));
  EXPECT_TRUE(panel.note().text().contains(QStringLiteral("token 40")));
}

TEST_F(ComparePanelTest, FramesTheFirstDifferentTokenInBothColumns) {
  add_pair();
  panel.show_page(ComparePanel::kTexts);
  panel.show();
  const QRect a = panel.texts().token_rect(40), b = panel.texts().token_rect(40, true);
  ASSERT_TRUE(a.isValid());
  ASSERT_TRUE(b.isValid());
  EXPECT_EQ(a.top(), b.top());
  EXPECT_GT(b.left(), panel.texts().width() / 2);
  EXPECT_LT(panel.texts().token_rect(39).bottom(), a.top()) << "what they share stands above";
}

TEST_F(ComparePanelTest, BringsWhereTheTextsPartIntoViewOnce) {
  panel.resize(520, 330);
  panel.show();
  add_pair();
  panel.show_page(ComparePanel::kTexts);
  QCoreApplication::processEvents();
  PairedText& texts = panel.texts();
  ASSERT_GT(texts.verticalScrollBar()->maximum(), 0);
  EXPECT_TRUE(texts.viewport()->rect().contains(texts.token_rect(40)));
  EXPECT_GE(panel.token_choice().width(), 100) << "what is drawn can be read";
  // Where a person scrolled since stays, whatever is measured of the same pair.
  texts.verticalScrollBar()->setValue(0);
  panel.show_page(ComparePanel::kFigures);
  panel.show_page(ComparePanel::kTexts);
  EXPECT_EQ(texts.verticalScrollBar()->value(), 0);
}

TEST_F(ComparePanelTest, DrawsWhatIsChosenByToken) {
  add_pair(nullptr);
  EXPECT_EQ(panel.token_plot().series().a.size(), shape.prompt + shape.generated);
  panel.token_choice().setCurrentIndex(3);
  EXPECT_TRUE(panel.token_plot().series().empty()) << "not measured";
  panel.token_choice().setCurrentIndex(0);
  panel.token_plot().set_cursor(30);
  EXPECT_TRUE(panel.token_plot().readout().contains(QStringLiteral("▲ B")));
  EXPECT_EQ(panel.expert_plot().series().a.size(), shape.experts);
}

TEST_F(ComparePanelTest, MeasuresOnlyRunsOfTheOpenModel) {
  add_pair();
  EXPECT_EQ(panel.why_not_measured(), QStringLiteral("No model is open."));
  auto other = std::make_shared<ModelSummary>(*synthetic::model(shape));
  other->parameters += 1;
  state.take({ModelLoaded{other}});
  EXPECT_TRUE(panel.why_not_measured().contains(QStringLiteral("open that model")));
  state.take({synthetic::loaded(shape)});
  EXPECT_EQ(panel.why_not_measured(), QString());
}

TEST_F(ComparePanelTest, AsksForPredictionsAndShowsThem) {
  state.take({synthetic::loaded(shape)});
  add_pair();
  std::vector<Command> commands;
  QObject::connect(&panel, &ComparePanel::command, &panel, [&](const Command& command) { commands.push_back(command); });
  panel.measure_predictions();
  ASSERT_EQ(commands.size(), 1u);
  const auto* asked = std::get_if<ScorePair>(&commands.front());
  ASSERT_NE(asked, nullptr);
  EXPECT_EQ(asked->text.tokens.size(), shape.prompt + shape.generated);
  EXPECT_EQ(asked->text.first, shape.prompt);
  EXPECT_EQ(asked->b.moe, "dynamic:kmin=1,kmax=4,rule=mass,p=0.5,balance=off");
  EXPECT_TRUE(shelf.measuring());
  panel.measure_predictions();
  EXPECT_EQ(commands.size(), 1u) << "one at a time";
  state.take({ScoresAdvanced{asked->id, "Scoring the text", 0.5}});
  EXPECT_EQ(shelf.progress().fraction, 0.5);
  state.take({PairScored{asked->id + 7, scores_of(*shelf.run(Side::a))}});
  EXPECT_EQ(shelf.comparison()->scores(), nullptr) << "an answer to something else";
  state.take({PairScored{asked->id, scores_of(*shelf.run(Side::a))}});
  EXPECT_FALSE(shelf.measuring());
  ASSERT_NE(shelf.comparison()->scores(), nullptr);
  shelf.swap();
  EXPECT_EQ(shelf.comparison()->scores(), nullptr) << "of another pair";
  shelf.swap();
  EXPECT_NE(shelf.comparison()->scores(), nullptr) << "kept with its pair";
}

TEST_F(ComparePanelTest, AFailureIsToldAndEndsTheMeasuring) {
  state.take({synthetic::loaded(shape)});
  add_pair();
  QString said;
  QObject::connect(&panel, &ComparePanel::failed, &panel, [&](const Error& error) { said = QString::fromStdString(error.sentence()); });
  panel.measure_frontier();
  state.take({ScoresFailed{1, {ErrorCode::memory, "the model", "it does not fit twice", "close other programs"}}});
  EXPECT_FALSE(shelf.measuring());
  EXPECT_TRUE(said.contains(QStringLiteral("does not fit twice")));
  panel.measure_frontier();
  state.take({FrontierMeasured{2, frontier_of(), false}});
  EXPECT_TRUE(shelf.measuring());
  state.take({FrontierMeasured{2, frontier_of(), true}});
  EXPECT_FALSE(shelf.measuring());
  EXPECT_NE(shelf.comparison()->frontier(), nullptr);
}

TEST_F(ComparePanelTest, ExportsPlotsAndTheWhole) {
  add_pair(nullptr, frontier_of());
  panel.show();
  const QTemporaryDir folder;
  for (const char* name : {"plot.csv"}) EXPECT_TRUE(panel.token_plot().save(folder.filePath(QString::fromLatin1(name)))) << name;
  for (const char* name : {"all.json", "all.html", "all.csv", "all.fovea"}) EXPECT_TRUE(panel.export_to(folder.filePath(QString::fromLatin1(name)))) << name;
  EXPECT_FALSE(panel.export_to(folder.filePath(QStringLiteral("no/such/folder.json"))));
  const auto before = shelf.entries().size();
  panel.open(folder.filePath(QStringLiteral("all.fovea")));
  EXPECT_EQ(shelf.entries().size(), before + 2);
  EXPECT_NE(shelf.comparison()->frontier(), nullptr);
}

// Pictures go into papers: light, of one size, with a title and the names of both runs, whatever the window looks like.
TEST_F(ComparePanelTest, PicturesOfPlotsAreForPaper) {
  theme.set_mode(ThemeMode::dark);
  add_pair(nullptr, frontier_of());
  panel.resize(430, 300);
  panel.show();
  panel.show_page(ComparePanel::kTexts);
  QCoreApplication::processEvents();
  const QTemporaryDir folder;
  const auto bytes = [&](const QString& name) {
    QFile file(folder.filePath(name));
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
  };
  OverlayPlot& plot = panel.token_plot();
  QCustomPlot& drawn = *plot.findChild<QCustomPlot*>();
  const QSize size = drawn.size();
  drawn.axisRect(0)->axis(QCPAxis::atBottom)->setRange(30, 50);  // what a person zoomed to
  for (const char* name : {"plot.png", "plot.svg", "plot.pdf"}) ASSERT_TRUE(plot.save(folder.filePath(QString::fromLatin1(name)))) << name;
  EXPECT_EQ(drawn.size(), size);
  EXPECT_EQ(drawn.axisRect(0)->axis(QCPAxis::atBottom)->range(), QCPRange(30, 50));
  EXPECT_EQ(drawn.axisRect(0)->axis(QCPAxis::atBottom)->labelColor(), dark_colors().dim) << "the window is as it was";
  const QImage picture(folder.filePath(QStringLiteral("plot.png")));
  EXPECT_GE(picture.width(), 1600);
  for (const QPoint& corner : {QPoint(1, 1), QPoint(picture.width() - 2, picture.height() - 2), QPoint(picture.width() - 2, picture.height() / 2)})
    EXPECT_EQ(picture.pixelColor(corner), light_colors().panel);
  const QByteArray svg = bytes(QStringLiteral("plot.svg"));
  EXPECT_TRUE(svg.contains("<title>Experts per token</title>"));
  EXPECT_TRUE(svg.contains("dynamic")) << "the name of B";
  EXPECT_FALSE(svg.contains(dark_colors().panel.name().toLatin1())) << "nothing of the dark theme";
  EXPECT_TRUE(bytes(QStringLiteral("plot.pdf")).startsWith("%PDF-"));
  panel.show_page(ComparePanel::kFrontier);
  EXPECT_TRUE(panel.frontier_plot().save(folder.filePath(QStringLiteral("frontier.pdf"))));
  EXPECT_FALSE(panel.frontier_plot().save(folder.filePath(QStringLiteral("no/such/folder.pdf"))));
}

TEST_F(ComparePanelTest, ARunIsSavedAndOpensAgain) {
  const QTemporaryDir folder;
  const QString path = folder.filePath(QStringLiteral("one.fovea"));
  panel.save_run(made_up(shape, 1, false));
  auto* dialog = panel.findChild<QFileDialog*>();
  ASSERT_NE(dialog, nullptr);
  Q_EMIT dialog->fileSelected(path);
  ASSERT_TRUE(synthetic::wait_until([&] { return read_run_file(path.toStdString()).has_value(); }, 5000));
  panel.open(path);
  ASSERT_EQ(shelf.entries().size(), 1u);
  EXPECT_EQ(shelf.entries().front().run->tokens().size(), shape.prompt + shape.generated);
}

TEST_F(ComparePanelTest, DivergenceIsDrawnFromWhereItWasMeasured) {
  add_pair();
  panel.resize(860, 460);
  panel.show();
  auto scores = scores_of(*shelf.run(Side::a));
  shelf.add(RunFile{shelf.run(Side::a), made_up(shape, 1, true), scores, nullptr}, QStringLiteral("scored.fovea"));
  panel.show_page(ComparePanel::kTexts);
  panel.token_choice().setCurrentIndex(3);
  EXPECT_NEAR(panel.token_plot().findChild<QCustomPlot*>()->axisRect(0)->axis(QCPAxis::atBottom)->range().lower, shape.prompt, 1) << "the prompt has none";
}

// Every sentence of the page has a Chinese one.
TEST_F(ComparePanelTest, ThePageSpeaksTheWindowsLanguage) {
  const auto a = made_up(shape, 4, false);
  shelf.add(RunFile{a, made_up(shape, 1, true), scores_of(*a), frontier_of()}, QStringLiteral("pair.fovea"));
  ASSERT_TRUE(use_language(QStringLiteral("zh_CN")));
  PageWords words = page_words(*shelf.comparison());
  EXPECT_EQ(words.language, "zh-CN");
  const auto say = words.say;
  std::vector<std::string> asked;
  words.say = [&](const std::string& english) {
    asked.push_back(english);
    return say(english);
  };
  const QString page = QString::fromStdString(comparison_html(*shelf.comparison(), words));
  EXPECT_GT(asked.size(), 30u);
  std::erase(asked, "MiB");  // is so in every language
  for (const std::string& english : asked) EXPECT_NE(say(english), english);
  EXPECT_TRUE(page.contains(QStringLiteral("<html lang='zh-CN'>")));
  EXPECT_TRUE(page.contains(QStringLiteral("只有策略不同")));
  EXPECT_TRUE(page.contains(QStringLiteral("从词元 40 起不同")));
  for (int part = 1; part <= 9; ++part) EXPECT_FALSE(page.contains(QStringLiteral("%%1").arg(part))) << part;
  use_language(QStringLiteral("en"));
}

TEST_F(ComparePanelTest, DenseModelsHaveNoExpertsToCompare) {
  shape.experts = shape.slots = 0;
  add_pair();
  panel.show_page(ComparePanel::kExperts);
  EXPECT_TRUE(panel.expert_plot().series().empty());
  EXPECT_EQ(panel.table().model()->index(0, 0).data().toString(), QStringLiteral("Prefill speed"));
  for (int row = 0; row < panel.table().model()->rowCount(); ++row)
    EXPECT_FALSE(panel.table().model()->index(row, 0).data().toString().contains(QStringLiteral("xperts")));
}

struct Look {
  const char* name;
  ThemeMode theme;
  const char* language;
  ComparePanel::Page page;
  int width, height, choice;
  bool measured = true;
};
class ComparePictures : public testing::TestWithParam<Look> {};

TEST_P(ComparePictures, ShowTheView) {
  const Look look = GetParam();
  use_language(QString::fromLatin1(look.language));
  Theme theme;
  theme.set_mode(look.theme);
  WorkbenchState state;
  MainWindow window(state, theme, {});
  window.resize(look.width, look.height);
  window.show();
  window.raise_view(View::compare);
  synthetic::Shape shape;
  shape.chinese = look.language == QLatin1String("zh_CN");
  state.take({synthetic::loaded(shape)});
  const QTemporaryDir folder;
  const auto a = made_up(shape, 4, false);
  const QString path = folder.filePath(QStringLiteral("pair.fovea"));
  ASSERT_TRUE(write_run_file(path.toStdString(), {a, made_up(shape, 1, true), look.measured ? scores_of(*a) : nullptr, look.measured ? frontier_of() : nullptr}));
  window.compare().open(path);
  window.compare().show_page(look.page);
  window.compare().token_choice().setCurrentIndex(look.choice);
  synthetic::wait_until([] { return false; }, 150);
  const QImage picture = window.grab().toImage();
  QDir().mkpath(QStringLiteral(FOVEA_PICTURES));
  EXPECT_TRUE(picture.save(QStringLiteral(FOVEA_PICTURES "/compare-%1.png").arg(QString::fromLatin1(look.name))));
  EXPECT_EQ(window.compare().tabs().currentIndex(), look.page);
}

INSTANTIATE_TEST_SUITE_P(Looks, ComparePictures,
                         testing::Values(Look{"figures-dark", ThemeMode::dark, "en", ComparePanel::kFigures, 1440, 900, 0}, Look{"texts-dark", ThemeMode::dark, "en", ComparePanel::kTexts, 1440, 900, 0},
                                         Look{"texts-light-zh", ThemeMode::light, "zh_CN", ComparePanel::kTexts, 1440, 900, 3}, Look{"experts-light", ThemeMode::light, "en", ComparePanel::kExperts, 1440, 900, 0},
                                         Look{"frontier-dark", ThemeMode::dark, "zh_CN", ComparePanel::kFrontier, 1440, 900, 0}, Look{"texts-small", ThemeMode::dark, "en", ComparePanel::kTexts, 1024, 700, 1},
                                         Look{"figures-small-zh", ThemeMode::light, "zh_CN", ComparePanel::kFigures, 1024, 700, 0},
                                         Look{"frontier-none", ThemeMode::light, "en", ComparePanel::kFrontier, 1024, 700, 0, false}),
                         [](const auto& look) {
                           std::string name = look.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace fovea
