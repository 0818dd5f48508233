#include "ui/panels/scheduling_view.hpp"

#include <gtest/gtest.h>

#include "tests/ui/synthetic_run.hpp"

namespace fovea {
namespace {

class SchedulingViewTest : public testing::Test {
 protected:
  void open(const synthetic::Shape& shape, const std::function<void(ModelSummary&)>& change = {}) {
    auto model = std::make_shared<ModelSummary>(*synthetic::model(shape));
    if (change) change(*model);
    state_.take({ModelLoaded{model}});
  }
  Theme theme_;
  WorkbenchState state_;
  SchedulingView view_{state_, theme_};
};

TEST_F(SchedulingViewTest, SaysOfEachLayerWhetherItIsInUse) {
  EXPECT_TRUE(view_.layer_text(0).contains("no model is open"));
  open({});
  EXPECT_TRUE(view_.layer_text(0).contains("train-router makes one")) << view_.layer_text(0).toStdString();
  EXPECT_TRUE(view_.layer_text(1).contains("off"));
  EXPECT_TRUE(view_.layer_text(2).contains("KV cache: f16")) << view_.layer_text(2).toStdString();
  open({.eight_bits = true, .dynamic = true});
  EXPECT_TRUE(view_.layer_text(1).contains("on: headroom"));
  EXPECT_TRUE(view_.layer_text(2).contains("2 overruled by you"));
  view_.show_use(std::nullopt, LayersUtilization{.mean = {.cv = 0.25, .utilization = 0.5, .entropy = 0.9, .cv_floor = 0.1}});
  EXPECT_TRUE(view_.layer_text(1).contains("This run, decode: CV 0.250 (chance 0.100), U 0.500")) << view_.layer_text(1).toStdString();
  open({.experts = 0});
  EXPECT_TRUE(view_.layer_text(0).contains("not applicable"));
  EXPECT_TRUE(view_.layer_text(1).contains("not applicable"));
}

TEST_F(SchedulingViewTest, TellsHowWellTheRouterPredictsWhatItDidNotLearnFrom) {
  SemanticRouterFacts facts{.model_bytes = 10'000'000, .bytes = 104'000, .domains = {"code", "prose"}, .parameters = 52'000, .tokens = 60'000};
  facts.held_out = {.tokens = 6'000, .domain = 0.857, .domain_baseline = 0.5, .layers = {{2, 0.7, 0.3}, {3, 0.77, 0.25}}, .recall = 0.735, .recall_baseline = 0.269,
                    .prefetch = {{.size = 8, .predicted = 0.929, .recent = 0.568, .most_used = 0.6}}};
  open({}, [&](ModelSummary& model) { model.semantic_router = std::make_shared<const SemanticRouterFacts>(facts); });
  const QString text = view_.layer_text(0).replace(QChar(0x202f), ' ');
  for (const char* words : {"trained, not in use", "1.04 % of the model's bytes", "73.5 % of a token's experts predicted", "3: 77.0 % (25.0 %)", "8 experts hold 92.9 %", "was not measured"})
    EXPECT_TRUE(text.contains(words)) << words << "\n" << text.toStdString();
  open({.dynamic = true}, [&](ModelSummary& model) {
    model.semantic_router = std::make_shared<const SemanticRouterFacts>(facts);
    model.experts_rule->prior = ExpertPrior{};
  });
  EXPECT_TRUE(view_.layer_text(0).contains("on: predicts")) << view_.layer_text(0).toStdString();
  open({.dynamic = true}, [&](ModelSummary& model) {
    model.semantic_router = std::make_shared<const SemanticRouterFacts>(facts);
    model.experts_rule->prior = ExpertPrior{.weight = 1.5};
    model.experts_rule->balance = ExpertBalance::price;
  });
  EXPECT_TRUE(view_.layer_text(0).contains("with weight 1.5")) << view_.layer_text(0).toStdString();
  EXPECT_TRUE(view_.layer_text(1).contains("on: price")) << view_.layer_text(1).toStdString();
  open({}, [](ModelSummary& model) { model.semantic_router_problem = "it was trained for another file"; });
  EXPECT_TRUE(view_.layer_text(0).contains("none that fits"));
  EXPECT_TRUE(view_.layer_text(0).contains("it was trained for another file"));
}

}  // namespace
}  // namespace fovea
