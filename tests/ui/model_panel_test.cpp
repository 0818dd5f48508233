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
