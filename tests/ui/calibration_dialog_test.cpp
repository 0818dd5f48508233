// Evening the load of experts from the window, over a made-up outcome.
#include "ui/panels/calibration_dialog.hpp"

#include <gtest/gtest.h>

#include <QDir>
#include <QLabel>
#include <QLayout>
#include <QTemporaryDir>

#include "tests/ui/synthetic_run.hpp"
#include "ui/theme/theme.hpp"
#include "ui/text/translation.hpp"

namespace fovea {
namespace {

RoutingWork work(std::uint64_t busiest, double mass) {
  LayerRouting layer{.tokens = 100, .kept_mass = 100, .moved_mass = 100 * mass, .counts = {0, 100}, .calls = {busiest, 50, 50, 100 - busiest}};
  return RoutingWork(6, layer);
}

std::shared_ptr<const ExpertCalibration> outcome(const CalibrateExperts& asked) {
  auto done = std::make_shared<ExpertCalibration>(ExpertCalibration{.text = "code.txt", .bias_file = asked.bias_file, .rule = {.count = ExpertCount::fixed, .reset = LoadReset::frozen},
                                                                    .before = work(90, 1), .after = work(60, 0.982), .perplexity_before = 8, .perplexity_after = 8.184,
                                                                    .tokens = 16384, .held_out_tokens = 16384});
  done->rule.bias.assign(6 * 16, 0.25f);
  done->layers = {{CalibrationEnd::reached, 0}, {CalibrationEnd::guard, 3}, {CalibrationEnd::guard, 2}, {CalibrationEnd::text, 0}, {CalibrationEnd::reached, 0}, {CalibrationEnd::reached, 0}};
  return done;
}

class CalibrationDialogTest : public testing::Test {
 protected:
  CalibrationDialogTest() {
    QObject::connect(&dialog_, &CalibrationDialog::command, [this](const Command& command) { commands_.push_back(command); });
    QObject::connect(&dialog_, &CalibrationDialog::rule_chosen, [this](const ExpertRule& rule) { rule_ = rule; });
  }
  const CalibrateExperts& asked() const { return std::get<CalibrateExperts>(commands_.at(0)); }
  QTemporaryDir folder_;
  WorkbenchState state_;
  CalibrationDialog dialog_{state_, folder_.filePath("biases")};
  std::vector<Command> commands_;
  std::optional<ExpertRule> rule_;
};

TEST_F(CalibrationDialogTest, TellsWhatTheBiasReachedAndCostAndUsesIt) {
  dialog_.calibrate("/texts/code.txt");
  EXPECT_TRUE(commands_.empty()) << "no model is open";
  state_.take({synthetic::loaded({})});
  dialog_.cv_box().setValue(0.1);
  dialog_.calibrate("/texts/code.txt");
  ASSERT_EQ(commands_.size(), 1u);
  EXPECT_EQ(asked().file, "/texts/code.txt");
  EXPECT_DOUBLE_EQ(asked().goal.cv, 0.1);
  EXPECT_DOUBLE_EQ(asked().goal.retained, 0.97);
  EXPECT_EQ(asked().windows, 16u);
  EXPECT_TRUE(QString::fromStdString(asked().bias_file).endsWith("biases/made-up-moe-64m.Q8_0-code.bias.json")) << asked().bias_file;
  EXPECT_TRUE(QDir(folder_.filePath("biases")).exists());
  state_.take({ScoresAdvanced{asked().id + 7, "Evening the load", 0.5}, ExpertsCalibrated{asked().id + 7, outcome(asked())}});
  EXPECT_TRUE(dialog_.measuring()) << "an answer to somebody else";
  state_.take({ExpertsCalibrated{asked().id, outcome(asked())}});
  EXPECT_FALSE(dialog_.measuring());
  EXPECT_EQ(dialog_.verdict(), "Of 6 layers: 3 layers reached the CV; 2 were held back so that enough mass is kept; for 1 the text was too short.");
  EXPECT_EQ(dialog_.row_text(5).replace(QChar(0x202f), ' ').toStdString(), "Router mass kept | 100 % | 98.2 % | ");
  EXPECT_EQ(dialog_.row_text(6).replace(QChar(0x202f), ' ').toStdString(), "Perplexity | 8.00 | 8.18 | +2.30 %");
  dialog_.use_button().click();
  ASSERT_TRUE(rule_.has_value());
  EXPECT_EQ(rule_->bias.size(), 96u);
  EXPECT_EQ(rule_->reset, LoadReset::frozen);
  EXPECT_EQ(rule_->count, ExpertCount::mass) << "a rule that can be set by hand";
  EXPECT_EQ(rule_->kmin, 4u) << "the model's own number for every token";
}

TEST_F(CalibrationDialogTest, IsNotForDenseModelsNorForPoliciesThatBalanceAlready) {
  state_.take({synthetic::loaded({.experts = 0})});
  EXPECT_EQ(dialog_.verdict(), "Not applicable: the model is dense.");
  state_.take({synthetic::loaded({.dynamic = true})});
  EXPECT_TRUE(dialog_.verdict().contains("already moves choices")) << dialog_.verdict().toStdString();
}

TEST_F(CalibrationDialogTest, IsStoppedByItsButtonAndByBeingClosed) {
  state_.take({synthetic::loaded({})});
  dialog_.calibrate("/texts/code.txt");
  dialog_.reject();
  ASSERT_EQ(commands_.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<Cancel>(commands_[1]));
  state_.take({ScoresFailed{asked().id, {ErrorCode::cancelled, "the text", "it was stopped", ""}}});
  EXPECT_EQ(dialog_.verdict(), "Stopped; the policy is as it was.");
}

TEST_F(CalibrationDialogTest, IsAsHighAsWhatItTells) {
  state_.take({synthetic::loaded({})});
  dialog_.show();
  dialog_.calibrate("/texts/code.txt");
  auto told = std::make_shared<ExpertCalibration>(*outcome(asked()));
  for (int i = 0; i < 40; ++i) told->bias_file += " a folder with a long name/";
  state_.take({ExpertsCalibrated{asked().id, told}});
  dialog_.layout()->activate();
  for (const QLabel* label : dialog_.findChildren<QLabel*>())
    if (label->isVisible() && !label->text().isEmpty()) {
      EXPECT_GE(label->height(), label->wordWrap() ? label->heightForWidth(label->width()) : label->sizeHint().height()) << label->text().toStdString();
    }
}

// For looking at.
TEST(CalibrationDialogPictures, InBothLanguagesAndThemes) {
  QDir().mkpath(FOVEA_PICTURES);
  QTemporaryDir folder;
  for (const auto& [language, mode] : {std::pair{"en", ThemeMode::light}, {"zh_CN", ThemeMode::dark}}) {
    use_language(language);
    Theme theme;
    theme.set_mode(mode);
    WorkbenchState state;
    state.take({synthetic::loaded({})});
    CalibrationDialog dialog(state, folder.path());
    CalibrateExperts asked;
    QObject::connect(&dialog, &CalibrationDialog::command, [&](const Command& command) { asked = std::get<CalibrateExperts>(command); });
    dialog.show();
    dialog.calibrate("/texts/code.txt");
    state.take({ScoresAdvanced{asked.id, "Evening the load", 0.4}});
    ASSERT_TRUE(dialog.grab().save(QStringLiteral(FOVEA_PICTURES "/calibration_going_%1.png").arg(language)));
    state.take({ExpertsCalibrated{asked.id, outcome(asked)}});
    ASSERT_TRUE(dialog.grab().save(QStringLiteral(FOVEA_PICTURES "/calibration_done_%1.png").arg(language)));
  }
  use_language("en");
}

}  // namespace
}  // namespace fovea
