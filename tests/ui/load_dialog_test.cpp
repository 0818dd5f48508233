// The dialog that asks how a model is to be opened, over made-up estimates.
#include "ui/panels/load_dialog.hpp"

#include <gtest/gtest.h>

#include <QDir>

#include "app/workbench/main_window.hpp"
#include "tests/ui/synthetic_run.hpp"
#include "ui/text/translation.hpp"

namespace fovea {
namespace {

// The made-up model, not loaded, on a device with room for 110 MB of the 129 that f16 would take.
std::shared_ptr<const ModelSummary> inspected(std::uint32_t context = 16384) {
  auto model = std::make_shared<ModelSummary>(*synthetic::model({}));
  model->context = context;
  model->device_room = 110'000'000;
  model->kv = KvType::q8_0;
  return model;
}

class LoadDialogTest : public testing::Test {
 protected:
  LoadDialogTest() {
    QObject::connect(&dialog_, &LoadDialog::command, [this](const Command& command) { asked_.push_back(std::get<InspectModel>(command)); });
    QObject::connect(&dialog_, &LoadDialog::load_requested, [this](const QString& path, quint32 context, std::optional<KvType> kv) {
      path_ = path;
      context_ = context;
      kv_ = kv;
    });
    dialog_.inspect();
  }
  std::string row(std::size_t at) const { return dialog_.row_text(at).replace(QChar(0x202f), ' ').toStdString(); }
  Theme theme_;
  WorkbenchState state_;
  LoadDialog dialog_{state_, theme_, {.path = "/models/large.gguf", .device = 1, .context = 16384}, QString()};
  std::vector<InspectModel> asked_;
  QString path_;
  quint32 context_ = 0;
  std::optional<KvType> kv_;
};

TEST_F(LoadDialogTest, TellsWhatEveryCacheTakesBeforeAnythingIsRead) {
  ASSERT_EQ(asked_.size(), 1u);
  EXPECT_EQ(asked_[0].path, "/models/large.gguf");
  EXPECT_EQ(asked_[0].device, 1);
  EXPECT_EQ(asked_[0].kv, std::nullopt) << "which suits the device is part of the answer";
  EXPECT_FALSE(dialog_.open_button().isEnabled()) << "nothing is known yet";
  EXPECT_EQ(dialog_.facts_text(), "Reading the file…");
  state_.take({ModelInspected{asked_[0].id, inspected()}});
  EXPECT_EQ(row(0), "automatic: q8_0 | 25.7 MiB | 100 MiB | fits");
  EXPECT_EQ(row(1), "f16 | 48.6 MiB | 123 MiB | does not fit");
  EXPECT_EQ(row(2), "q8_0 | 25.7 MiB | 100 MiB | fits");
  EXPECT_EQ(row(3), "tiered | 20.0 MiB | 94.4 MiB | fits");
  dialog_.choice(3).setChecked(true);
  ASSERT_TRUE(dialog_.open_button().isEnabled());
  dialog_.open_button().click();
  EXPECT_EQ(path_, "/models/large.gguf");
  EXPECT_EQ(context_, 16384u);
  EXPECT_EQ(kv_, KvType::tiered);
}

TEST_F(LoadDialogTest, AsksAnewForAnotherContextAndTakesNoOlderAnswer) {
  state_.take({ModelInspected{asked_[0].id, inspected()}});
  dialog_.context_box().setValue(4096);
  EXPECT_FALSE(dialog_.open_button().isEnabled()) << "the estimates shown are of another context";
  ASSERT_TRUE(synthetic::wait_until([&] { return asked_.size() == 2; }, 3000));
  EXPECT_EQ(asked_[1].context, 4096u);
  state_.take({ModelInspected{asked_[0].id, inspected()}});
  EXPECT_FALSE(dialog_.open_button().isEnabled());
  state_.take({ModelInspected{asked_[1].id, inspected(4096)}});
  dialog_.open_button().click();
  EXPECT_EQ(context_, 4096u);
  EXPECT_EQ(kv_, std::nullopt) << "automatic";
}

TEST_F(LoadDialogTest, SaysWhyAFileIsNone) {
  state_.take({InspectFailed{asked_[0].id, {ErrorCode::file, "large.gguf", "it is no GGUF file", "choose another"}}});
  EXPECT_FALSE(dialog_.open_button().isEnabled());
  EXPECT_TRUE(dialog_.facts_text().isEmpty());
}

// For looking at.
TEST(LoadDialogPictures, InBothLanguagesAndThemes) {
  QDir().mkpath(FOVEA_PICTURES);
  for (const auto& [language, mode] : {std::pair{"en", ThemeMode::light}, {"zh_CN", ThemeMode::dark}}) {
    use_language(language);
    Theme theme;
    theme.set_mode(mode);
    WorkbenchState state;
    LoadDialog dialog(state, theme, {.path = "/models/large-mixture-of-experts.Q4_K.gguf", .context = 16384},
                      "the model: 131072 positions as f16 need 12.4 GiB more than there is; choose a smaller context or another cache");
    RequestId id = 0;
    QObject::connect(&dialog, &LoadDialog::command, [&](const Command& command) { id = std::get<InspectModel>(command).id; });
    dialog.inspect();
    state.take({ModelInspected{id, inspected()}});
    dialog.show();
    ASSERT_TRUE(dialog.grab().save(QStringLiteral(FOVEA_PICTURES "/load_dialog_%1.png").arg(language)));
  }
  use_language("en");
}

}  // namespace
}  // namespace fovea
