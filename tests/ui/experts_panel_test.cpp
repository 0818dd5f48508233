#include "ui/panels/experts_panel.hpp"

#include <gtest/gtest.h>

#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QtTest/QTest>
#include <cmath>
#include <numeric>

#include "tests/ui/synthetic_run.hpp"
#include "ui/text/format.hpp"
#include "ui/text/translation.hpp"

namespace fovea {
namespace {

class ExpertsPanelTest : public testing::Test {
 protected:
  ExpertsPanelTest() {
    panel_.resize(560, 420);
    panel_.show();
  }
  void settle() {
    int calm = 0;
    ASSERT_TRUE(synthetic::wait_until([&] { return (calm = panel_.idle() ? calm + 1 : 0) > 5; }));
  }
  Theme theme_;
  WorkbenchState state_;
  ExpertsPanel panel_{state_, theme_};
  synthetic::Shape shape_;
};

TEST_F(ExpertsPanelTest, ADenseModelIsNotApplicable) {
  shape_.experts = 0;
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  EXPECT_FALSE(panel_.shows_plots());
  EXPECT_EQ(panel_.empty_state().title(), "Not applicable");
}

TEST_F(ExpertsPanelTest, FiguresAreWholeInANarrowPanel) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  for (const int width : {560, 220, 180, 560}) {
    panel_.resize(width, 420);
    settle();
    std::size_t seen = 0;
    for (const QLabel* label : panel_.findChildren<QLabel*>()) {
      if (!label->wordWrap() || !label->isVisible() || !label->text().contains("CV")) continue;
      EXPECT_GE(label->height(), label->heightForWidth(label->width())) << width;
      if (width == 560) {
        EXPECT_LT(label->height(), 2 * label->fontMetrics().height()) << "one line, also after it was more";
      }
      ++seen;
    }
    EXPECT_EQ(seen, 2u);
  }
}

TEST_F(ExpertsPanelTest, EveryPlotIsAPictureAndATable) {
  EXPECT_FALSE(panel_.exported()) << "nothing ran";
  theme_.set_mode(ThemeMode::dark);
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  const QTemporaryDir folder;
  for (const ExpertView view : {ExpertView::use, ExpertView::layers, ExpertView::skew, ExpertView::reuse, ExpertView::transitions, ExpertView::classes}) {
    panel_.set_view(view);
    settle();
    const auto plot = panel_.exported();
    ASSERT_TRUE(plot);
    EXPECT_TRUE(plot->title.startsWith("Experts: ")) << plot->title.toStdString();
    const QSize before = plot->widget->size();
    const QString path = folder.filePath(QStringLiteral("plot.png")), table = folder.filePath(QStringLiteral("plot.csv"));
    ASSERT_TRUE(save_plot(*plot, path));
    ASSERT_TRUE(save_plot(*plot, table));
    ASSERT_TRUE(save_plot(*plot, folder.filePath(QStringLiteral("plot.pdf"))));
    EXPECT_EQ(plot->widget->size(), before);
    const QImage picture(path);
    EXPECT_EQ(picture.pixelColor(1, picture.height() - 2), light_colors().panel) << plot->title.toStdString();
    QFile file(table);
    ASSERT_TRUE(file.open(QIODevice::ReadOnly));
    EXPECT_GT(file.readAll().count('\n'), static_cast<int>(shape_.layers)) << plot->title.toStdString();
  }
  EXPECT_FALSE(panel_.matrix().grab().toImage().pixelColor(1, 1) == light_colors().panel) << "the window stays dark";
  panel_.set_view(ExpertView::scheduling);
  EXPECT_FALSE(panel_.exported());
  theme_.set_mode(ThemeMode::system);
}

TEST_F(ExpertsPanelTest, CountsPrefillAndDecodeApartAndByLayer) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  ASSERT_TRUE(panel_.shows_plots());
  const RoutingTrace& routing = state_.trace()->routing;
  const std::uint32_t all = shape_.prompt + shape_.generated;
  EXPECT_EQ(panel_.counts().calls(true, std::nullopt), routing.calls(0, shape_.prompt, std::nullopt));
  EXPECT_EQ(panel_.counts().calls(false, std::nullopt), routing.calls(shape_.prompt, all, std::nullopt));
  EXPECT_EQ(panel_.counts().calls(false, 3), routing.calls(shape_.prompt, all, 3));
  const auto figures = utilization_figures(routing.calls(0, shape_.prompt, std::nullopt));
  EXPECT_TRUE(panel_.figures_text().contains(QStringLiteral("dead&nbsp;%1").arg(figures->dead)));
  const QString before = panel_.figures_text();
  panel_.layer_box().setCurrentIndex(2);
  EXPECT_NE(panel_.figures_text(), before);
}

TEST_F(ExpertsPanelTest, TheMapTellsExpertsAndSharesTheCursor) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  RoutingMap& map = panel_.map();
  const auto chosen = state_.trace()->routing.chosen(30, 2);
  const QString text = map.cell_text(30, 2);
  EXPECT_TRUE(text.contains(QStringLiteral("experts %1 0.500").arg(chosen[0].expert))) << text.toStdString();
  EXPECT_TRUE(text.contains(QStringLiteral(", %1 0.0625").arg(chosen[3].expert)));
  const QPoint at(static_cast<int>(map.token_x(30) + 1), 10);
  QTest::mouseClick(&map, Qt::LeftButton, Qt::NoModifier, at);
  EXPECT_EQ(state_.selection().token(), 30u);
  QTest::keyClick(&map, Qt::Key_Right);
  EXPECT_EQ(state_.selection().token(), 31u);
  QTest::keyClick(&map, Qt::Key_Escape);
  EXPECT_FALSE(state_.selection().token());
  const QImage image = map.grab().toImage();
  const QColor hue = expert_color(state_.trace()->routing.chosen(20, 0)[0].expert, theme_.dark());
  EXPECT_EQ(image.pixel(QPoint(static_cast<int>(map.token_x(20) + 2), 5) * image.devicePixelRatio()), hue.rgb());
}

TEST_F(ExpertsPanelTest, LayersShowEveryExpertBesideEvenUse) {
  panel_.set_view(ExpertView::layers);
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  const MatrixTable& table = panel_.matrix().table();
  ASSERT_EQ(table.rows, shape_.layers);
  ASSERT_EQ(table.columns, shape_.experts);
  const std::uint32_t all = shape_.prompt + shape_.generated;
  for (const bool prefill : {true, false}) {
    const auto calls = state_.trace()->routing.calls(prefill ? 0 : shape_.prompt, prefill ? shape_.prompt : all, 3);
    const double total = std::accumulate(calls.begin(), calls.end(), 0.0);
    for (std::uint32_t e = 0; e < shape_.experts; ++e)
      EXPECT_FLOAT_EQ(table.values[prefill ? 0 : 1][3 * shape_.experts + e], static_cast<float>(static_cast<double>(calls[e]) * 16 / total));
    EXPECT_EQ(table.notes[prefill ? 0 : 1][3], QString::number(utilization_figures(calls)->cv, 'f', 2));
  }
  EXPECT_TRUE(panel_.figures_text().contains("most uneven: layer"));
  // The cursor's token is framed, a row chooses its layer, the mouse is told the numbers.
  state_.selection().select_token(40);
  const auto chosen = state_.trace()->routing.chosen(40, 3);
  const QRectF cell = panel_.matrix().cell_rect({false, 3, chosen[0].expert});
  const auto framed = [&](const QRectF& at) {
    const QImage image = panel_.matrix().grab(at.toAlignedRect()).toImage();
    int count = 0;
    for (int y = 0; y < image.height(); ++y)
      for (int x = 0; x < image.width(); ++x) count += image.pixelColor(x, y) == theme_.colors().text ? 1 : 0;
    return count;
  };
  EXPECT_GT(framed(cell), 10);
  EXPECT_GT(framed(panel_.matrix().cell_rect({true, 3, chosen[0].expert})), 10) << "in both phases";
  QTest::mouseMove(&panel_.matrix(), cell.center().toPoint());
  ASSERT_TRUE(synthetic::wait_until([&] { return !panel_.readout().isEmpty(); }));
  EXPECT_TRUE(panel_.readout().startsWith(QStringLiteral("Decode, layer 3, expert %1: ").arg(chosen[0].expert))) << panel_.readout().toStdString();
  QTest::mouseClick(&panel_.matrix(), Qt::LeftButton, Qt::NoModifier, cell.center().toPoint());
  EXPECT_EQ(panel_.layer_box().currentIndex(), 4);
}

TEST_F(ExpertsPanelTest, UnderAPolicyFiguresAlsoTellTheNumberOfExperts) {
  shape_.dynamic = true;
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  EXPECT_TRUE(panel_.figures_text().contains("k&nbsp;2.50&nbsp;(25/25/25/25&nbsp;%)")) << panel_.figures_text().toStdString();
  panel_.set_view(ExpertView::layers);
  EXPECT_TRUE(panel_.matrix().table().notes[1][0].endsWith(", 2.50"));
  EXPECT_EQ(panel_.matrix().table().note_title, "CV, k");
}

TEST_F(ExpertsPanelTest, SkewAndReuseAreCurvesOfALayerOrOfAll) {
  panel_.set_view(ExpertView::skew);
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  panel_.layer_box().setCurrentIndex(3);
  const std::uint32_t all = shape_.prompt + shape_.generated;
  EXPECT_EQ(panel_.curve().curve(false), busiest_shares(state_.trace()->routing.calls(shape_.prompt, all, 2)));
  const QString gini = shown_number(utilization_figures(state_.trace()->routing.calls(shape_.prompt, all, 2))->gini);
  EXPECT_TRUE(panel_.figures_text().contains("Gini&nbsp;" + gini)) << panel_.figures_text().toStdString();
  panel_.layer_box().setCurrentIndex(0);
  for (const bool prefill : {true, false}) {
    const auto& curve = panel_.curve().curve(prefill);
    ASSERT_EQ(curve.size(), shape_.experts);
    EXPECT_TRUE(std::ranges::is_sorted(curve));
    EXPECT_NEAR(curve.back(), 1, 1e-12);
  }
  panel_.set_view(ExpertView::reuse);
  EXPECT_EQ(panel_.curve().curve(true), panel_.patterns().reuse().hit_rates(true, std::nullopt));
  EXPECT_LT(panel_.curve().curve(true).back(), 1) << "the first calls hit nothing";
  EXPECT_TRUE(panel_.figures_text().contains("last&nbsp;4: "));
  panel_.layer_box().setCurrentIndex(1);
  EXPECT_EQ(panel_.curve().curve(false), panel_.patterns().reuse().hit_rates(false, 0));
}

TEST_F(ExpertsPanelTest, TransitionsAreSharesOfTheTokensOfARow) {
  panel_.set_view(ExpertView::transitions);
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  ASSERT_EQ(panel_.pair_box().count(), 5);
  EXPECT_TRUE(panel_.pair_box().isVisible());
  EXPECT_FALSE(panel_.layer_box().isVisible());
  panel_.pair_box().setCurrentIndex(2);
  const MatrixTable& table = panel_.matrix().table();
  const RoutingTrace& routing = state_.trace()->routing;
  std::vector<std::uint32_t> expected(16 * 16, 0);
  for (std::uint32_t token = shape_.prompt; token < shape_.prompt + shape_.generated; ++token)
    ++expected[routing.chosen(token, 2)[0].expert * 16u + routing.chosen(token, 3)[0].expert];
  for (std::uint32_t row = 0; row < 16; ++row) {
    const auto cells = std::span(expected).subspan(row * 16, 16);
    const auto total = std::accumulate(cells.begin(), cells.end(), 0u);
    for (std::uint32_t e = 0; e < 16; ++e) {
      const float value = table.values[1][row * 16 + e];
      if (total < 4)
        EXPECT_TRUE(std::isnan(value)) << "too few tokens: nothing is told, not zero";
      else
        EXPECT_FLOAT_EQ(value, static_cast<float>(cells[e]) / static_cast<float>(total));
    }
  }
  EXPECT_TRUE(panel_.figures_text().contains("blindly"));
  // Cells are walked by keys, from one phase into the other.
  panel_.matrix().setFocus();
  QTest::keyClick(&panel_.matrix(), Qt::Key_Right);
  EXPECT_TRUE(panel_.readout().startsWith("Prefill, expert 0 → 0: ")) << panel_.readout().toStdString();
  for (int i = 0; i < 16; ++i) QTest::keyClick(&panel_.matrix(), Qt::Key_Right);
  QTest::keyClick(&panel_.matrix(), Qt::Key_Down);
  EXPECT_TRUE(panel_.readout().startsWith("Decode, expert 1 → 0: ")) << panel_.readout().toStdString();
  QTest::keyClick(&panel_.matrix(), Qt::Key_Escape);
  EXPECT_TRUE(panel_.readout().isEmpty());
}

TEST_F(ExpertsPanelTest, ASingleLayerHasNoTransitions) {
  shape_.layers = 1;
  panel_.set_view(ExpertView::transitions);
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  EXPECT_TRUE(panel_.absence().isVisible());
  EXPECT_EQ(panel_.absence().title(), "Not counted");
  panel_.set_view(ExpertView::layers);
  EXPECT_FALSE(panel_.absence().isVisible());
}

TEST_F(ExpertsPanelTest, TokenClassesAreHeldAgainstAllTokens) {
  panel_.set_view(ExpertView::classes);
  shape_.generated = 300;
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  const MatrixTable& by_layer = panel_.matrix().table();
  EXPECT_EQ(by_layer.columns, shape_.layers);
  EXPECT_EQ(by_layer.row_names.size(), static_cast<qsizetype>(kTokenClasses));
  std::uint64_t tokens = 0;
  for (std::size_t c = 0; c < kTokenClasses; ++c) tokens += panel_.patterns().class_tokens(static_cast<TokenClass>(c), false);
  EXPECT_EQ(tokens, shape_.generated);
  EXPECT_TRUE(std::isnan(by_layer.values[1][static_cast<std::size_t>(TokenClass::cjk) * shape_.layers])) << "there are none";
  panel_.layer_box().setCurrentIndex(2);
  const MatrixTable& table = panel_.matrix().table();
  ASSERT_EQ(table.columns, shape_.experts);
  // By the classes' shares of all calls the mean is what all tokens do.
  const auto calls = panel_.patterns().class_calls(1, false);
  const double total = std::accumulate(calls.begin(), calls.end(), 0.0);
  for (std::uint32_t e = 0; e < shape_.experts; ++e) {
    double mean = 0;
    for (std::size_t c = 0; c < kTokenClasses; ++c) {
      const auto row = calls.subspan(c * shape_.experts, shape_.experts);
      const float value = table.values[1][c * shape_.experts + e];
      if (!std::isnan(value)) mean += static_cast<double>(value) * std::accumulate(row.begin(), row.end(), 0.0) / total;
    }
    // Kinds too rare to tell are left out: some of each expert's calls.
    EXPECT_LE(mean, 1 + 1e-4) << e;
    EXPECT_GT(mean, 0.8) << e;
  }
}

TEST_F(ExpertsPanelTest, EveryViewGrowsWhileTheRunDoes) {
  state_.take({synthetic::loaded(shape_)});
  const Generate request = synthetic::all_heads();
  state_.begin_run(request);
  const std::vector<Event> events = synthetic::run(shape_, request, 8);
  for (std::size_t view = 0; view < kExpertViews; ++view) {
    panel_.set_view(static_cast<ExpertView>(view));
    state_.take({events[view]});
    settle();
  }
  std::uint32_t before = 0;
  int grew = 0;
  for (std::size_t i = kExpertViews; i + 1 < events.size(); ++i) {
    state_.take({events[i]});
    if (!std::holds_alternative<TraceAdvanced>(events[i])) continue;
    panel_.set_view(static_cast<ExpertView>(i % kExpertViews));
    settle();
    grew += panel_.counts().tokens() > before ? 1 : 0;
    before = panel_.counts().tokens();
    EXPECT_TRUE(panel_.shows_plots());
  }
  EXPECT_GT(grew, 5);
  EXPECT_TRUE(state_.running());
}

// For looking at, and words are whole where there is room for them.
TEST_F(ExpertsPanelTest, EveryViewIsReadInBothLanguagesAndThemesAndSizes) {
  QDir().mkpath(FOVEA_PICTURES);
  static constexpr const char* kNames[] = {"use", "layers", "skew", "reuse", "transitions", "classes", "scheduling"};
  for (const auto& [language, mode, dynamic] : {std::tuple{"en", ThemeMode::light, false}, {"zh_CN", ThemeMode::dark, true}}) {
    use_language(language);
    theme_.set_mode(mode);
    shape_.dynamic = dynamic;
    shape_.chinese = dynamic;
    shape_.generated = 400;
    synthetic::play(state_, shape_, synthetic::all_heads());
    state_.selection().select_token(40);
    for (std::size_t view = 0; view < kExpertViews; ++view) {
      panel_.set_view(static_cast<ExpertView>(view));
      panel_.layer_box().setCurrentIndex(0);
      for (const QSize size : {QSize(547, 300), QSize(380, 240), QSize(900, 560)}) {
        panel_.resize(size);
        settle();
        for (const QComboBox* box : panel_.findChildren<QComboBox*>())
          if (box->isVisible()) {
            EXPECT_GE(box->width(), box->minimumSizeHint().width()) << language << ' ' << kNames[view];
          }
        ASSERT_TRUE(panel_.grab().save(QStringLiteral(FOVEA_PICTURES "/experts_%1_%2_%3.png").arg(kNames[view], language).arg(size.width())));
      }
    }
    panel_.set_view(ExpertView::classes);
    panel_.layer_box().setCurrentIndex(2);
    panel_.resize(547, 300);
    settle();
    ASSERT_TRUE(panel_.grab().save(QStringLiteral(FOVEA_PICTURES "/experts_classes_layer_%1.png").arg(language)));
  }
  use_language("en");
}

TEST_F(ExpertsPanelTest, ALargeMixtureIsTakenInByTurnsAndDrawn) {
  QDir().mkpath(FOVEA_PICTURES);
  shape_.layers = 48;
  shape_.experts = 128;
  shape_.slots = 8;
  shape_.prompt = 300;
  theme_.set_mode(ThemeMode::dark);
  panel_.resize(547, 300);
  Generate request;
  request.id = 1;
  synthetic::play(state_, shape_, request);
  for (const ExpertView view : {ExpertView::layers, ExpertView::transitions, ExpertView::reuse, ExpertView::use}) {
    panel_.set_view(view);
    settle();
    ASSERT_TRUE(panel_.grab().save(QStringLiteral(FOVEA_PICTURES "/experts_large_%1.png").arg(static_cast<int>(view))));
  }
  EXPECT_EQ(panel_.counts().tokens(), 372u);
  const QImage map = panel_.map().grab().toImage();
  const QColor last = map.pixelColor(QPoint(static_cast<int>(panel_.map().token_x(371)), 4) * map.devicePixelRatio());
  EXPECT_NE(last, theme_.colors().panel) << "what came while another view was open is drawn too";
  EXPECT_NE(last, theme_.colors().unrecorded);
  EXPECT_EQ(panel_.pair_box().count(), 47);
  EXPECT_FALSE(panel_.absence().isVisible());
}

TEST_F(ExpertsPanelTest, NeedsLittleRoomInEveryLanguage) {
  for (const char* language : {"en", "zh_CN"}) {
    use_language(language);
    synthetic::play(state_, shape_, synthetic::all_heads());
    for (std::size_t view = 0; view < kExpertViews; ++view) {
      panel_.set_view(static_cast<ExpertView>(view));
      settle();
      EXPECT_LE(panel_.minimumSizeHint().width(), 210) << language << ' ' << view;
    }
  }
  use_language("en");
}

TEST_F(ExpertsPanelTest, ANewRunStartsFromNothing) {
  synthetic::play(state_, shape_, synthetic::all_heads());
  settle();
  state_.begin_run(synthetic::all_heads(2));
  EXPECT_EQ(panel_.counts().tokens(), 0u);
  EXPECT_FALSE(panel_.shows_plots());
}

TEST(RoutingCounts, WorkIsDividedIntoBoundedTurns) {
  synthetic::Shape shape;
  shape.prompt = 100;
  shape.generated = 100;
  const auto trace = synthetic::trace(shape, synthetic::all_heads(), 200);
  RoutingCounts counts;
  counts.start(100);
  int turns = 0;
  while (!counts.absorb(trace->routing, 60)) ++turns;
  EXPECT_GT(turns, 15);
  EXPECT_EQ(counts.tokens(), 200u);
  EXPECT_EQ(counts.calls(true, std::nullopt), trace->routing.calls(0, 100, std::nullopt));
  EXPECT_EQ(counts.main_expert(150, 3), trace->routing.chosen(150, 3)[0].expert);
  EXPECT_EQ(counts.main_expert(200, 0), RoutingCounts::kNone);
  EXPECT_EQ(counts.main_expert(0, 99), RoutingCounts::kNone);
}

}  // namespace
}  // namespace fovea
