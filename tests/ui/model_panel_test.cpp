#include "ui/panels/model_panel.hpp"

#include <gtest/gtest.h>

#include <QAbstractItemModelTester>
#include <QClipboard>
#include <QGuiApplication>
#include <QtTest/QTest>

#include "tests/ui/synthetic_run.hpp"

namespace fovea {
namespace {

TEST(TensorModel, KeepsTheRulesOfItemModels) {
  TensorModel model;
  QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::Fatal);
  model.set_model(synthetic::model({}));
  EXPECT_EQ(model.rowCount(), 18);
  EXPECT_EQ(model.index(1, TensorModel::kShape).data().toString().toStdString(), "384 × 256 × 16");
  EXPECT_EQ(model.index(1, TensorModel::kShape).data(TensorModel::kSortRole).toULongLong(), 384u * 256 * 16);
  model.set_model(nullptr);
  EXPECT_EQ(model.rowCount(), 0);
}

TEST(MetadataModel, KeepsTheRulesOfItemModels) {
  MetadataModel model;
  QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::Fatal);
  model.set_model(synthetic::model({}));
  EXPECT_EQ(model.index(0, MetadataModel::kValue).data().toString().toStdString(), "qwen3moe");
}

TEST(ModelPanel, FiltersSortsAndCopies) {
  Theme theme;
  WorkbenchState state;
  ModelPanel panel(state, theme);
  panel.resize(600, 400);
  panel.show();
  EXPECT_EQ(panel.empty_state().title(), "No model is open");
  state.take({synthetic::loaded({})});
  EXPECT_TRUE(panel.summary_text().contains("Experts: 16, 4 used per token and layer"));
  QTableView& table = panel.tensor_table();
  EXPECT_EQ(table.model()->rowCount(), 18);
  QTest::keyClicks(&panel.filter_box(), "GATE");
  EXPECT_EQ(table.model()->rowCount(), 6);
  panel.filter_box().clear();
  table.sortByColumn(TensorModel::kBytes, Qt::DescendingOrder);
  EXPECT_TRUE(table.model()->index(0, 0).data().toString().contains("gate_exps"));
  table.sortByColumn(TensorModel::kBytes, Qt::AscendingOrder);
  EXPECT_TRUE(table.model()->index(0, 0).data().toString().contains("norm"));
  table.selectRow(0);
  const QString row = ModelPanel::selected_rows(table);
  EXPECT_EQ(row.count('\t'), 3);
  QTest::keyClick(&table, Qt::Key_C, Qt::ControlModifier);
  EXPECT_TRUE(row.startsWith("blk."));
}

TEST(AdaptationView, TellsWhatTheLoadTookAndWhy) {
  Theme theme;
  AdaptationView view(theme);
  EXPECT_TRUE(view.text().isEmpty());
  EXPECT_FALSE(view.load_button().isEnabled()) << "nothing is open";
  view.show_model(synthetic::model({}));
  EXPECT_TRUE(view.text().startsWith("KV cache: f16 (as f16 a run of the whole context fits")) << view.text().toStdString();
  EXPECT_EQ(view.text().count('\n'), 2);
  EXPECT_EQ(view.choice(), LoadChoice{}) << "nobody asked for anything";
}

TEST(AdaptationView, OverrulesWithTheEstimateBesideIt) {
  Theme theme;
  AdaptationView view(theme);
  view.show_model(synthetic::model({}));
  for (const auto& [at, words] : {std::pair{1, "f16: KV 48.6 MiB, 123 MiB in all"}, {2, "q8_0: KV 25.7 MiB, 100 MiB in all"}, {3, "tiered: KV 20.0 MiB, 94.4 MiB in all"}})
    EXPECT_EQ(view.kv_box().itemText(at).replace(QChar(0x202f), ' ').toStdString(), words) << at;
  std::optional<LoadChoice> asked;
  QObject::connect(&view, &AdaptationView::load_requested, [&](const LoadChoice& choice) { asked = choice; });
  view.kv_box().setCurrentIndex(2);
  ASSERT_TRUE(view.load_button().isEnabled());
  view.load_button().click();
  ASSERT_TRUE(asked.has_value());
  EXPECT_EQ(asked->kv, KvType::q8_0);
  EXPECT_EQ(asked->activations, std::nullopt);
  view.show_model(synthetic::model({.eight_bits = true}));
  EXPECT_EQ(view.choice().kv, KvType::q8_0) << "what was asked for stays chosen";
  EXPECT_FALSE(view.load_button().isEnabled());
  view.kv_box().setCurrentIndex(0);
  EXPECT_TRUE(view.load_button().isEnabled()) << "back to what suits the device";
}

TEST(ModelPanel, CopiesByKeyboard) {
  Theme theme;
  WorkbenchState state;
  ModelPanel panel(state, theme);
  panel.resize(600, 400);
  panel.show();
  panel.activateWindow();
  state.take({synthetic::loaded({})});
  panel.metadata_table().selectAll();
  EXPECT_EQ(ModelPanel::selected_rows(panel.metadata_table()).count('\n'), 3);
}

}  // namespace
}  // namespace fovea
