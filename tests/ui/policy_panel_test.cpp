#include "ui/panels/policy_panel.hpp"

#include <gtest/gtest.h>

#include <QCoreApplication>
#include <QDir>
#include <QLabel>
#include <QtTest/QTest>
#include <vector>

#include "engine/session/attention_policy.hpp"
#include "engine/session/moe_policy.hpp"
#include "tests/ui/synthetic_run.hpp"
#include "ui/text/translation.hpp"
#include "ui/theme/theme.hpp"

namespace fovea {
namespace {

// Says something of every part that a policy file alone has.
ExpertRule rich_rule() {
  ExpertRule rule{.kmin = 2, .layer_kmax = {4, 4, 4, 3, 3, 3}, .layer_p = {0.55, 0.55, 0.6, 0.76, 0.82, 0.86}, .layer_target_k = {2, 2, 2, 2.4, 2.8, 3},
                  .balance = ExpertBalance::price, .gamma = 0.4, .tau = 0};
  rule.prior = ExpertPrior{.weight = 0.5, .file = "/models/need.router"};
  rule.escort = ExpertEscort{.copy_of = 3, .mode = EscortMode::weight, .share = 0.03, .calls = 500, .weight = 0.125};
  return rule;
}

// As a policy would be written that has this rule.
std::string written(const std::optional<ExpertRule>& rule) {
  ModelSummary model;
  model.layers = 6;
  model.experts = 16;
  model.experts_used = 4;
  model.experts_rule = rule;
  return shown_moe(model);
}

class PolicyPanelTest : public testing::Test {
 protected:
  PolicyPanelTest() {
    QObject::connect(&panel_, &PolicyPanel::policy_chosen, &panel_, [this](const auto& attention, const auto& experts) {
      told_.push_back(attention);
      told_experts_.push_back(experts);
    });
  }
  bool wait_for(std::size_t count) {
    return synthetic::wait_until([&] { return told_.size() >= count; }, 3000);
  }
  Theme theme_;
  PolicyPanel panel_;
  AttentionPolicyForm& attention_ = panel_.attention_form();
  std::vector<std::optional<SparseAttention>> told_;
  std::vector<std::optional<ExpertRule>> told_experts_;
};

TEST_F(PolicyPanelTest, SaysBesideTheShareWhichLayersReadSomethingElse) {
  const auto note = [&](const SparseAttention& sparse, std::uint32_t layers) {
    panel_.show_attention(sparse, layers);
    return attention_.share_note();
  };
  EXPECT_EQ(note({.dense_layers = 0}, 6), QString());
  EXPECT_TRUE(attention_.share_slider().isEnabled());
  EXPECT_EQ(note({.by_depth = true}, 6), QStringLiteral("Layer 1 reads 75.0\u202f%, three times this up to three quarters, since dense layers are auto."));
  EXPECT_EQ(note({.global = 0.05, .by_depth = true}, 48), QStringLiteral("Layer 1 reads 15.0\u202f%, three times this up to three quarters, since dense layers are auto."));
  EXPECT_EQ(note({.by_depth = true}, 0), QString()) << "not known before a model is open";
  EXPECT_EQ(note({.dense_layers = 2}, 6), "Of the layers behind the first 2, which read everything.");
  EXPECT_EQ(note({.layer_shares = {0.5, 1}}, 6), "Of the layers behind the first 2, which read 50/100 % (More: Shares by layer).");
  EXPECT_TRUE(attention_.share_slider().isEnabled());
  EXPECT_EQ(note({.layer_shares = {0.5, 1, 1, 0.5}}, 4), "Not used: every layer has a share of its own (More: Shares by layer).");
  EXPECT_FALSE(attention_.share_slider().isEnabled());
  EXPECT_EQ(note({.dense_layers = 4}, 4), "Not used: all layers are dense layers.");
  EXPECT_FALSE(attention_.share_slider().isEnabled());
  // Nothing is squeezed when the sentence comes, and the panel is as high as what it shows.
  panel_.show_attention(SparseAttention{.dense_layers = 0}, 4);
  panel_.fit_height();
  const int before = panel_.height();
  panel_.show_attention(SparseAttention{.layer_shares = {0.5, 1, 1, 0.5}}, 4);
  panel_.fit_height();
  EXPECT_GT(panel_.height(), before + 20);
  panel_.show();
  QCoreApplication::processEvents();
  for (const QComboBox* box : panel_.findChildren<QComboBox*>()) {
    if (box->isVisible()) {
      EXPECT_GE(box->height(), box->sizeHint().height());
    }
  }
  panel_.hide();
  panel_.show_attention(std::nullopt, 4);
  EXPECT_FALSE(attention_.share_slider().isEnabled());
}

TEST_F(PolicyPanelTest, SlidersThatLayersOverruleAreOff) {
  ExpertPolicyForm& form = panel_.experts_form();
  ExpertRule rule{.count = ExpertCount::mass};
  panel_.show_experts(rule, 4, 6);
  for (const QSlider* slider : {&form.number_slider(), &form.threshold_slider(), &form.mean_slider()}) EXPECT_TRUE(slider->isEnabled());
  rule.layer_kmax = {4, 4, 4, 3, 3, 3};
  rule.layer_p = {0.5, 0.5, 0.6, 0.7, 0.8, 0.8};
  rule.layer_target_k = {2, 2, 2, 2.4, 2.8, 3};
  panel_.show_experts(rule, 4, 6);
  for (const QSlider* slider : {&form.number_slider(), &form.threshold_slider(), &form.mean_slider()}) EXPECT_FALSE(slider->isEnabled());
}

TEST_F(PolicyPanelTest, SaysThatTheRouterIsLeftOut) {
  ExpertRule rule = rich_rule();
  rule.prior.reset();
  rule.escort.reset();
  panel_.show_experts(rule, 4, 6);
  EXPECT_EQ(panel_.experts_form().kept_words(), QString());
  panel_.experts_form().set_router_left_out(true);
  EXPECT_EQ(panel_.experts_form().kept_words(), "The semantic router of the policy is left out: it was trained for a model of another shape.");
  panel_.experts_form().set_router_left_out(false);
  EXPECT_EQ(panel_.experts_form().kept_words(), QString());
}

TEST_F(PolicyPanelTest, ShowsARuleOfExpertsWithoutTellingAnybody) {
  ExpertPolicyForm& form = panel_.experts_form();
  ExpertRule odd{.count = ExpertCount::entropy, .kmin = 2, .kmax = 3, .p = 0.123, .c = 0.777, .target_k = 2.25, .balance = ExpertBalance::locality, .gamma = 0.333,
                 .cv = 0.2, .tau = 0.9, .half_life = 77, .reset = LoadReset::never};
  panel_.show_experts(odd, 4);
  EXPECT_EQ(form.rule(), odd) << "what lies between the sliders' steps and what has no slider stays";
  odd.balance = ExpertBalance::off;
  odd.reset = LoadReset::frozen;
  odd.bias = std::vector<float>(32, 0.5f);
  panel_.show_experts(odd, 4);
  EXPECT_EQ(form.balance_box().count(), 6);
  EXPECT_EQ(form.rule(), odd);
  panel_.show_experts(ExpertRule{.count = ExpertCount::fixed, .layer_kmax = {1, 2, 3}}, 4);
  EXPECT_EQ(form.rule(), (ExpertRule{.count = ExpertCount::fixed, .layer_kmax = {1, 2, 3}}));
  panel_.show_experts(std::nullopt, 4);
  EXPECT_EQ(form.rule(), std::nullopt);
  EXPECT_EQ(form.number_slider().value(), 4);
  EXPECT_FALSE(form.threshold_slider().isEnabled());
  panel_.show_experts(odd, 0);
  EXPECT_EQ(form.rule(), odd) << "a choice for mixtures waits while a dense model is open";
  QTest::qWait(600);
  EXPECT_TRUE(told_.empty());
}

TEST_F(PolicyPanelTest, TellsARuleOfExpertsOnceTheHandRests) {
  ExpertPolicyForm& form = panel_.experts_form();
  panel_.show_experts(std::nullopt, 4);
  form.number_slider().setValue(2);
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(told_experts_.back(), (ExpertRule{.count = ExpertCount::fixed, .kmax = 2}));
  form.dynamic_button().click();
  form.number_slider().setValue(4);
  form.threshold_slider().setValue(65);
  form.mean_slider().setValue(11);
  form.balance_box().setCurrentIndex(2);
  form.strength_slider().setValue(81);
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(told_experts_.back(), (ExpertRule{.kmax = 0, .p = 0.65, .target_k = 2, .balance = ExpertBalance::headroom, .gamma = 0.8}));
  // The other rule has its own number; p is kept for the way back.
  form.count_box().setCurrentIndex(1);
  EXPECT_EQ(form.threshold_slider().value(), 20);
  form.mean_slider().setValue(0);
  form.strength_slider().setValue(0);
  ASSERT_TRUE(wait_for(3));
  EXPECT_EQ(told_experts_.back()->count, ExpertCount::entropy);
  EXPECT_EQ(told_experts_.back()->c, 1);
  EXPECT_EQ(told_experts_.back()->target_k, 0);
  EXPECT_EQ(told_experts_.back()->gamma, std::nullopt);
  form.number_slider().setValue(4);
  form.static_button().click();
  ASSERT_TRUE(wait_for(4));
  EXPECT_EQ(told_experts_.back(), std::nullopt) << "the model's own choice";
  EXPECT_EQ(told_.size(), 4u);
}

TEST_F(PolicyPanelTest, ShowsAPolicyWithoutTellingAnybody) {
  const SparseAttention odd{.window = 500, .global = 0.255, .sinks = 7, .scorer = PageScorer::quest, .dense_layers = 3, .dense_below = 99};
  panel_.show_attention(odd, 6);
  EXPECT_EQ(attention_.policy(), odd) << "what lies between the sliders' steps stays";
  panel_.show_attention(std::nullopt, 6);
  EXPECT_EQ(attention_.policy(), std::nullopt);
  EXPECT_FALSE(attention_.window_slider().isEnabled());
  QTest::qWait(600);
  EXPECT_TRUE(told_.empty());
}

TEST_F(PolicyPanelTest, TellsAChangeOnceTheHandRests) {
  panel_.show_attention(std::nullopt, 6);
  attention_.sparse_button().click();
  for (const int share : {30, 35, 40}) attention_.share_slider().setValue(share);
  attention_.window_slider().setValue(2);
  attention_.scorer_box().setCurrentIndex(2);
  ASSERT_TRUE(wait_for(1));
  ASSERT_TRUE(told_.back());
  EXPECT_EQ(told_.back()->global, 0.4);
  EXPECT_EQ(told_.back()->window, 128u);
  EXPECT_EQ(told_.back()->scorer, PageScorer::mean);
  EXPECT_EQ(told_.back()->sinks, 32u);
  attention_.dense_button().click();
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(told_.back(), std::nullopt);
  QTest::qWait(600);
  EXPECT_EQ(told_.size(), 2u);
}

TEST_F(PolicyPanelTest, IsReadInBothLanguagesAndThemes) {
  QDir().mkpath(FOVEA_PICTURES);
  panel_.show_attention(SparseAttention{}, 6);
  panel_.show_experts(synthetic::dynamic_rule(), 4);
  for (const Disclosure* more : {&attention_.more(), &panel_.experts_form().more()}) more->button().click();
  panel_.show_experts(rich_rule(), 4, 6);
  for (const auto& [language, mode] : {std::pair{"en", ThemeMode::light}, {"zh_CN", ThemeMode::dark}}) {
    use_language(language);
    theme_.set_mode(mode);
    QCoreApplication::processEvents();
    panel_.fit_height();
    ASSERT_TRUE(panel_.grab().save(QStringLiteral(FOVEA_PICTURES "/policy_panel_%1.png").arg(language)));
    for (const QLabel* label : panel_.findChildren<QLabel*>())
      if (!label->wordWrap()) {
        EXPECT_LE(label->sizeHint().width(), label->width()) << label->text().toStdString();
      }
  }
  use_language("en");
}

TEST_F(PolicyPanelTest, AChangeThatIsTakenBackIsNone) {
  panel_.show_attention(SparseAttention{}, 6);
  const int before = attention_.share_slider().value();
  attention_.share_slider().setValue(70);
  attention_.share_slider().setValue(before);
  QTest::qWait(700);
  EXPECT_TRUE(told_.empty());
}

TEST_F(PolicyPanelTest, TheShareOfAnAdaptiveBudgetIsItsMost) {
  SparseAttention adaptive;
  adaptive.budget = PageBudget::adaptive;
  panel_.show_attention(adaptive, 6);
  EXPECT_EQ(attention_.share_slider().value(), 40);
  attention_.share_slider().setValue(5);
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(told_.back()->most, 0.05);
  EXPECT_EQ(told_.back()->least, 0.05) << "never above the most";
  EXPECT_EQ(told_.back()->global, 0.25);
}

TEST_F(PolicyPanelTest, EveryParameterOfAttentionGoesThroughThePanel) {
  const std::string adaptive = "sparse:budget=adaptive,mass=0.9371,least=0.0813,most=0.4129";
  for (const std::string& spec :
       {std::string("dense"), std::string("sparse"), std::string("sparse:window=500"), std::string("sparse:window=20000"), std::string("sparse:sinks=7"), std::string("sparse:sinks=4294967295"),
        std::string("sparse:page=32"), std::string("sparse:global=0.2551"), std::string("sparse:global=0"), std::string("sparse:scorer=quest"), std::string("sparse:scorer=mean"), adaptive,
        adaptive + ",target=0.3037", std::string("sparse:budget=adaptive,least=0,target=0.0001"), std::string("sparse:heads=even"), std::string("sparse:flat=0.8123,widen=0.5055"), std::string("sparse:widen=0.0001"),
        std::string("sparse:layers=0.5/1"), std::string("sparse:layers=0.25001/1/0.3"), std::string("sparse:layers=0.5/1,dense-layers=1"), std::string("sparse:dense-layers=auto"), std::string("sparse:dense-layers=0"),
        std::string("sparse:dense-layers=99"), std::string("sparse:dense-below=99"), std::string("sparse:choice=own"), std::string("sparse:decode-dense-below=0"),
        std::string("sparse:decode-dense-below=4097"), std::string("sparse:decode-dense-below=auto"), std::string("sparse:periphery=means"), std::string("sparse:every=8"),
        std::string("sparse:rows=1/8/16"), std::string("sparse:samples=4/1"), std::string("sparse:rows=2,samples=1/2,layers=0.5")}) {
    SCOPED_TRACE(spec);
    const auto parsed = parse_spec(spec);
    ASSERT_TRUE(parsed);
    std::optional<SparseAttention> attention;
    if (parsed->mode == "sparse") {
      const auto read = read_sparse_attention(*parsed);
      ASSERT_TRUE(read) << read.error();
      attention = *read;
    }
    for (const std::uint32_t layers : {0u, 6u}) {
      panel_.show_attention(attention, layers);
      EXPECT_EQ(attention_.policy(), attention);
      EXPECT_EQ(shown_attention(attention_.policy(), std::nullopt), shown_attention(attention, std::nullopt));
    }
  }
  QTest::qWait(600);
  EXPECT_TRUE(told_.empty());
}

TEST_F(PolicyPanelTest, EveryParameterOfExpertsGoesThroughThePanel) {
  for (const char* spec :
       {"static", "static:k=2", "static:layers=4/2/2/3/3/1", "dynamic", "dynamic:kmin=2,kmax=3", "dynamic:kmin=3,layers=2/2/2/4/4/4", "dynamic:p=0.7251", "dynamic:p=0.001", "dynamic:p=0", "dynamic:p=0.55/0.55/0.6/0.76/0.82/0.8601",
        "dynamic:rule=entropy,c=0.7777", "dynamic:rule=entropy,c=7", "dynamic:target-k=2.375", "dynamic:kmin=2,target-k=2/2/2/2.4/2.8/3.2", "dynamic:balance=seed,half-life=77.5", "dynamic:balance=headroom,gamma=0.3333",
        "dynamic:balance=headroom,cv=0.0725,retained=0.9755,tau=0.4321", "dynamic:balance=locality,reset=never", "dynamic:balance=price", "dynamic:balance=price,tau=0.25",
        "dynamic:escort=3,escort-mode=weight,escort-share=0.031,escort-calls=500,escort-weight=0.125", "dynamic:escort=new.gguf"}) {
    SCOPED_TRACE(spec);
    const auto read = read_expert_rule(*parse_spec(spec));
    ASSERT_TRUE(read) << read.error();
    panel_.show_experts(*read, 4, 6);
    EXPECT_EQ(panel_.experts_form().rule(), *read);
    EXPECT_EQ(written(panel_.experts_form().rule()), written(*read));
  }
  // What is read from files beside the model.
  ExpertRule frozen = rich_rule();
  frozen.balance = ExpertBalance::off;
  frozen.reset = LoadReset::frozen;
  frozen.priced = true;
  frozen.bias = std::vector<float>(6 * 16, 0.25f);
  for (const ExpertRule& rule : {rich_rule(), frozen}) {
    panel_.show_experts(rule, 4, 6);
    EXPECT_EQ(panel_.experts_form().rule(), rule);
  }
  EXPECT_TRUE(panel_.experts_form().kept_words().contains("need.router")) << panel_.experts_form().kept_words().toStdString();
  EXPECT_TRUE(panel_.experts_form().kept_words().contains("a copy of expert 3"));
  QTest::qWait(600);
  EXPECT_TRUE(told_.empty());
}

TEST_F(PolicyPanelTest, AChangeOfOneThingLeavesTheOthers) {
  ExpertRule rule = rich_rule();
  panel_.show_experts(rule, 4, 6);
  panel_.experts_form().mean_list().setText("2/2/2/2.5/2.5/3");
  Q_EMIT panel_.experts_form().mean_list().editingFinished();
  ASSERT_TRUE(wait_for(1));
  rule.layer_target_k = {2, 2, 2, 2.5, 2.5, 3};
  EXPECT_EQ(told_experts_.back(), rule);
  // A slider says one number for all layers.
  panel_.experts_form().mean_slider().setValue(16);
  ASSERT_TRUE(wait_for(2));
  rule.layer_target_k.clear();
  rule.target_k = 2.5;
  EXPECT_EQ(told_experts_.back(), rule);

  SparseAttention sparse{.dense_layers = 0, .layer_shares = {0.5, 1}, .periphery = PagePeriphery::means, .chooser = PageChooser::own};
  panel_.show_attention(sparse, 6);
  attention_.choice_box().setCurrentIndex(0);
  ASSERT_TRUE(wait_for(3));
  sparse.chooser = PageChooser::ahead;
  EXPECT_EQ(told_.back(), sparse);
  EXPECT_EQ(attention_.every_box().currentIndex(), 0);  // auto
  attention_.every_box().setCurrentIndex(4);
  ASSERT_TRUE(wait_for(4));
  sparse.every = 8;
  EXPECT_EQ(told_.back(), sparse);
  attention_.choice_box().setCurrentIndex(1);
  EXPECT_FALSE(attention_.every_box().isEnabled()) << "who chooses for itself serves nobody else";
  attention_.choice_box().setCurrentIndex(0);
  EXPECT_TRUE(attention_.every_box().isEnabled());
  attention_.dense_layers_box().setValue(1);
  ASSERT_TRUE(wait_for(5));
  sparse.dense_layers = 1;
  sparse.layer_shares.clear();
  EXPECT_EQ(told_.back(), sparse) << "the number of dense layers takes the place of the shares";
  attention_.layers_field().setText("0.4/1/0.3");
  Q_EMIT attention_.layers_field().editingFinished();
  ASSERT_TRUE(wait_for(6));
  sparse.dense_layers = 0;
  sparse.layer_shares = {0.4, 1, 0.3};
  EXPECT_EQ(told_.back(), sparse) << "and they that of the number";
  attention_.rows_field().setText("1/8");
  Q_EMIT attention_.rows_field().editingFinished();
  ASSERT_TRUE(wait_for(7));
  sparse.layer_rows = {1, 8};
  EXPECT_EQ(told_.back(), sparse);
  attention_.samples_field().setText("1");
  Q_EMIT attention_.samples_field().editingFinished();
  ASSERT_TRUE(wait_for(8));
  sparse.layer_samples = {1};
  EXPECT_EQ(told_.back(), sparse);
  for (const char* never : {"3", "32", "0", "1/2/4/8/16/8/4"}) {
    attention_.rows_field().setText(never);
    Q_EMIT attention_.rows_field().editingFinished();
    EXPECT_TRUE(attention_.rows_field().wrong()) << never;
  }
  EXPECT_EQ(attention_.policy(), sparse) << "what cannot be is not taken";
  panel_.show_attention(SparseAttention{.by_depth = true}, 6);
  EXPECT_EQ(attention_.rows_field().placeholderText(), "auto: 1/8/8/8/8/8");
  EXPECT_EQ(attention_.samples_field().placeholderText(), "auto: 1/4/2/2/2/2");
  panel_.show_attention(SparseAttention{.by_depth = true}, 48);
  EXPECT_EQ(attention_.rows_field().placeholderText(), "auto: 16");
}

TEST_F(PolicyPanelTest, NumbersByLayerThatCannotBeAreMarkedAndNotTaken) {
  panel_.show_experts(synthetic::dynamic_rule(), 4, 6);
  NumberList& means = panel_.experts_form().mean_list();
  for (const char* wrong : {"2/2", "2/2/2/2/2/5", "2/2/2/2/2/x", "2/2/2/2/2/0.5", "/", "2/2/2/2/2/nan"}) {
    means.setText(wrong);
    Q_EMIT means.editingFinished();
    EXPECT_TRUE(means.wrong()) << wrong;
    EXPECT_EQ(panel_.experts_form().rule(), synthetic::dynamic_rule());
  }
  means.setText("2/2/2/2.4/2.8/3.2");
  Q_EMIT means.editingFinished();
  EXPECT_FALSE(means.wrong());
  EXPECT_EQ(panel_.experts_form().mean_words(), "by layer");
}

TEST_F(PolicyPanelTest, WhatBelongsTogetherIsKeptTogether) {
  SparseAttention adaptive;
  adaptive.budget = PageBudget::adaptive;
  adaptive.target = 0.3;
  adaptive.periphery = PagePeriphery::means;
  panel_.show_attention(adaptive, 6);
  attention_.share_slider().setValue(20);
  ASSERT_TRUE(wait_for(1));
  EXPECT_EQ(told_.back()->most, 0.2);
  EXPECT_EQ(told_.back()->target, 0.2) << "a wished mean is not above the most";
  attention_.scorer_box().setCurrentIndex(1);
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(told_.back()->periphery, PagePeriphery::off) << "quest tells no mass to weigh means by";
  // Load as a price asks of substitutes what the command line asks.
  panel_.show_experts(ExpertRule{}, 4, 6);
  panel_.experts_form().balance_box().setCurrentIndex(static_cast<int>(ExpertBalance::price));
  ASSERT_TRUE(wait_for(3));
  EXPECT_EQ(told_experts_.back(), **read_expert_rule(*parse_spec("dynamic:balance=price")));
}

TEST_F(PolicyPanelTest, TheFoldedPartSaysHowMuchOfItIsSet) {
  panel_.show_attention(SparseAttention{.by_depth = true}, 6);
  EXPECT_EQ(attention_.more().button().text(), "More");
  EXPECT_EQ(attention_.layers_field().placeholderText(), "auto: 0.25/0.75");
  panel_.show_attention(SparseAttention{.by_depth = true, .chooser = PageChooser::own}, 6);
  EXPECT_EQ(attention_.more().button().text(), "More, 1 set");
  panel_.show_attention(SparseAttention{.by_depth = true, .chooser = PageChooser::own, .every = 8}, 6);
  EXPECT_EQ(attention_.more().button().text(), "More, 1 set") << "who chooses for itself serves nobody else";
  panel_.show_attention(SparseAttention{.by_depth = true, .every = 8}, 6);
  EXPECT_EQ(attention_.more().button().text(), "More, 1 set");
  panel_.show_experts(ExpertRule{.kmin = 2, .layer_target_k = {2, 2, 2, 2, 3, 3}}, 4, 6);
  EXPECT_EQ(panel_.experts_form().more().button().text(), "More, 2 set");
}

}  // namespace
}  // namespace fovea
