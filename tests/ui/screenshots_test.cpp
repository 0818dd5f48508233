// Pictures of the whole window in both themes and languages, for looking at, with checks that they show something.
#include <gtest/gtest.h>

#include <QDir>
#include <QImage>
#include <QPixmap>
#include <map>

#include "app/workbench/main_window.hpp"
#include "tests/ui/synthetic_run.hpp"
#include "ui/text/translation.hpp"

namespace fovea {
namespace {

struct Look {
  const char* name;
  ThemeMode theme;
  const char* language;
  View view;
  bool dense = false, run = true, card = false, timed = false, eight_bits = false;
  bool device = false;  // what the load took because of it
  int mask = -1;  // sparse attention, with this entry of the map's and the grid's box
};

std::map<QRgb, int> colors_of(const QImage& image) {
  std::map<QRgb, int> counts;
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < image.width(); ++x) ++counts[image.pixel(x, y) | 0xff000000u];
  return counts;
}

std::shared_ptr<const ModelSummary> with_card() {
  auto model = std::make_shared<ModelSummary>(*synthetic::model({}));
  ModelCard card;
  card.path = "/models/made-up-moe-64m.Q8_0.md";
  card.text =
      "# Made up\n\nA **model** that nobody trained, with `code` and a [link](https://example.org).\n\n"
      "| 测试 | value |\n|---|--:|\n| 故事 | 4.21 |\n\n- one\n- two\n\n```\nlisting\n```\n";
  model->cards = {card};
  return model;
}

class Screenshots : public testing::TestWithParam<Look> {};

TEST_P(Screenshots, ShowTheRun) {
  const Look look = GetParam();
  use_language(look.language);
  Theme theme;
  theme.set_mode(look.theme);
  WorkbenchState state;
  MainWindow window(state, theme, {});
  window.resize(1440, 900);
  window.show();
  window.raise_view(look.view);
  synthetic::Shape shape;
  shape.chinese = look.language == QLatin1String("zh_CN");
  if (look.dense) shape.experts = 0;
  shape.timed = look.timed;
  shape.eight_bits = look.eight_bits;
  Generate request = synthetic::all_heads();
  if (look.mask >= 0) {
    shape.sparse = true;
    shape.prompt = 288;
    request.trace.measure_every = 1;
    window.attention().mask_box().setCurrentIndex(look.mask);
    window.attention().figure_box().setCurrentIndex(look.mask);
  }
  if (look.run) {
    window.prompt().set_prompt(shape.chinese ? "从前，有一个小女孩" : "Once upon a time");
    synthetic::play(state, shape, request);
    state.selection().select_head({2, 3});
    state.selection().select_token(look.mask >= 0 ? 341 : 40);
    if (look.timed) {
      window.set_peak(20);
      window.performance().set_timing(true);
    }
  } else {
    state.take({synthetic::loaded(shape)});
    window.show_error({ErrorCode::file, "model missing.gguf", "there is no such file", "check the path"});
  }
  if (look.card) {
    state.take({ModelLoaded{with_card()}});
    window.model().show_card();
  }
  if (look.device) window.model().show_adaptation();
  int calm = 0;
  ASSERT_TRUE(synthetic::wait_until([&] { return (calm = window.idle() ? calm + 1 : 0) > 40; }));
  const Chip& policy = window.title_strip().policy_chip();
  EXPECT_EQ(policy.text().toStdString(), policy.value().toStdString()) << "all of the policy is read";
  const QImage picture = window.grab().toImage();
  QDir().mkpath(FOVEA_PICTURES);
  ASSERT_TRUE(picture.save(QStringLiteral(FOVEA_PICTURES "/%1.png").arg(look.name)));

  const auto colors = colors_of(picture.convertToFormat(QImage::Format_RGB32));
  const auto area = [&](const QColor& color) {
    const auto found = colors.find(color.rgb());
    return found == colors.end() ? 0 : found->second;
  };
  EXPECT_GT(colors.size(), 200u);
  EXPECT_GT(area(theme.colors().panel), picture.width() * picture.height() / 8);
  EXPECT_GT(area(theme.colors().ground), 1000);
  if (look.card) {
    EXPECT_GT(area(theme.colors().accent), 20);  // the link
  } else if (look.run) {
    int heat = 0;
    for (const QRgb color : color_table(theme.dark())) heat += area(QColor(color));
    EXPECT_GT(heat, look.mask == 2 ? 1000 : 20000);
    if (look.mask >= 0) {
      for (const QColor& color : {theme.colors().page_sinks, theme.colors().page_window, theme.colors().page_chosen, theme.colors().page_left_out_hatch,
                                  theme.colors().loss})
        EXPECT_GT(area(color), 30) << color.name().toStdString();
    }
    EXPECT_GT(area(theme.colors().future_hatch), 1000);
    if (look.timed) {
      EXPECT_GT(area(theme.colors().run_a), 1000);  // the bars of the kernels
    } else if (look.view == View::prompt || look.view == View::attention || look.view == View::experts ||
               look.view == View::memory) {
      EXPECT_GT(area(theme.colors().memory_weights), 1000);
    }
    if (!look.dense) {
      EXPECT_GT(area(expert_color(3, theme.dark())), 50);
    }
  } else {
    EXPECT_GT(area(theme.colors().loss), 100);
  }
  use_language("en");
}

INSTANTIATE_TEST_SUITE_P(
    Looks, Screenshots,
    testing::Values(Look{"prompt_light_en", ThemeMode::light, "en", View::prompt},
                    Look{"attention_dark_en", ThemeMode::dark, "en", View::attention},
                    Look{"experts_dark_zh", ThemeMode::dark, "zh_CN", View::experts},
                    Look{"memory_light_zh", ThemeMode::light, "zh_CN", View::memory},
                    Look{"model_dark_en", ThemeMode::dark, "en", View::model},
                    Look{"model_light_zh", ThemeMode::light, "zh_CN", View::model},
                    Look{"card_light_en", ThemeMode::light, "en", View::model, false, true, true},
                    Look{"card_dark_zh", ThemeMode::dark, "zh_CN", View::model, false, true, true},
                    Look{"dense_light_en", ThemeMode::light, "en", View::experts, true},
                    Look{"performance_light_en", ThemeMode::light, "en", View::performance, false, true, false, true},
                    Look{"performance_dark_zh", ThemeMode::dark, "zh_CN", View::performance, false, true, false, true},
                    Look{"untimed_dark_en", ThemeMode::dark, "en", View::performance},
                    Look{"untimed_light_zh", ThemeMode::light, "zh_CN", View::performance, true},
                    Look{"policy_light_en", ThemeMode::light, "en", View::prompt, false, true, false, false, true},
                    Look{"policy_dark_zh", ThemeMode::dark, "zh_CN", View::prompt, false, true, false, false, true},
                    Look{"device_light_en", ThemeMode::light, "en", View::model, false, true, false, false, false, true},
                    Look{"device_dark_zh", ThemeMode::dark, "zh_CN", View::model, false, true, false, false, true, true},
                    Look{"sparse_beside_light_en", ThemeMode::light, "en", View::attention, false, true, false, false, false, false, 1},
                    Look{"sparse_only_dark_zh", ThemeMode::dark, "zh_CN", View::attention, false, true, false, false, false, false, 2},
                    Look{"error_light_en", ThemeMode::light, "en", View::prompt, false, false},
                    Look{"error_dark_zh", ThemeMode::dark, "zh_CN", View::prompt, false, false}),
    [](const auto& look) { return std::string(look.param.name); });

}  // namespace
}  // namespace fovea
