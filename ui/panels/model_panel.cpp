#include "ui/panels/model_panel.hpp"

#include <QClipboard>
#include <QDesktopServices>
#include <QEvent>
#include <QGuiApplication>
#include <QHeaderView>
#include <QMenu>
#include <QScrollArea>
#include <QShortcut>
#include <QVBoxLayout>
#include <algorithm>
#include <initializer_list>

#include "ui/text/device_words.hpp"
#include "ui/text/format.hpp"

namespace fovea {

ModelPanel::ModelPanel(WorkbenchState& state, const Theme& theme, QWidget* parent)
    : QFrame(parent),
      state_(state),
      theme_(theme),
      tensors_(new TensorModel(this)),
      metadata_(new MetadataModel(this)),
      tensor_rows_(new QSortFilterProxyModel(this)),
      metadata_rows_(new QSortFilterProxyModel(this)),
      pages_(new QStackedWidget),
      empty_(new EmptyState),
      tabs_(new QTabWidget),
      card_(new CardView(theme)),
      adaptation_(new AdaptationView(theme)),
      filter_(new QLineEdit),
      summary_(new QWidget),
      facts_(new QFormLayout(summary_)) {
  setProperty("panel", true);
  tensor_rows_->setSourceModel(tensors_);
  metadata_rows_->setSourceModel(metadata_);
  tensor_table_ = make_table(*tensor_rows_);
  metadata_table_ = make_table(*metadata_rows_);
  facts_->setContentsMargins(12, 12, 12, 12);
  facts_->setHorizontalSpacing(16);
  facts_->setVerticalSpacing(6);
  facts_->setLabelAlignment(Qt::AlignLeft);
  facts_->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
  auto* scroll = new QScrollArea;
  scroll->setWidgetResizable(true);
  scroll->setWidget(summary_);
  scroll->setFrameShape(QFrame::NoFrame);
  scroll->viewport()->setAutoFillBackground(false);
  summary_->setAutoFillBackground(false);
  for (QWidget* tab : std::initializer_list<QWidget*>{scroll, card_, adaptation_, metadata_table_, tensor_table_})
    tabs_->addTab(tab, QString());
  tabs_->setDocumentMode(true);
  tabs_->setUsesScrollButtons(false);  // they would cover the last tab; a name too long is cut instead
  tabs_->setElideMode(Qt::ElideRight);
  filter_->setClearButtonEnabled(true);
  auto* page = new QWidget;
  auto* layout = new QVBoxLayout(page);
  layout->setContentsMargins(8, 8, 8, 8);
  layout->setSpacing(8);
  layout->addWidget(filter_);
  layout->addWidget(tabs_, 1);
  pages_->addWidget(empty_);
  pages_->addWidget(page);
  auto* outer = new QVBoxLayout(this);
  outer->setContentsMargins(1, 0, 1, 1);
  outer->addWidget(pages_);
  connect(filter_, &QLineEdit::textChanged, this, [this](const QString& text) {
    tensor_rows_->setFilterFixedString(text);
    metadata_rows_->setFilterFixedString(text);
    if (!text.isEmpty() && tabs_->currentIndex() < kMetadata) tabs_->setCurrentIndex(kTensors);
  });
  connect(adaptation_, &AdaptationView::load_requested, this, &ModelPanel::load_requested);
  connect(card_, &CardView::address_chosen, this, [](const QUrl& address) { QDesktopServices::openUrl(address); });
  connect(&state, &WorkbenchState::model_changed, this, &ModelPanel::refresh);
  connect(&theme, &Theme::changed, this, &ModelPanel::restyle);
  retranslate();
  restyle();
}

QTableView* ModelPanel::make_table(QSortFilterProxyModel& proxy) {
  proxy.setSortRole(TensorModel::kSortRole);
  proxy.setFilterKeyColumn(-1);
  proxy.setFilterCaseSensitivity(Qt::CaseInsensitive);
  auto* table = new QTableView;
  table->setModel(&proxy);
  table->setSortingEnabled(true);
  table->sortByColumn(-1, Qt::AscendingOrder);  // as in the file, until a header is pressed
  table->setSelectionBehavior(QAbstractItemView::SelectRows);
  table->setEditTriggers(QAbstractItemView::NoEditTriggers);
  table->setAlternatingRowColors(true);
  table->setShowGrid(false);
  table->setWordWrap(false);
  table->setTabKeyNavigation(false);
  table->verticalHeader()->hide();
  table->verticalHeader()->setDefaultSectionSize(24);
  table->horizontalHeader()->setStretchLastSection(true);
  table->horizontalHeader()->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
  table->horizontalHeader()->setHighlightSections(false);
  const auto copy = [table] { QGuiApplication::clipboard()->setText(selected_rows(*table)); };
  auto* shortcut = new QShortcut(QKeySequence::Copy, table, nullptr, nullptr, Qt::WidgetShortcut);
  connect(shortcut, &QShortcut::activated, table, copy);
  table->setContextMenuPolicy(Qt::CustomContextMenu);
  connect(table, &QTableView::customContextMenuRequested, this, [this, table, copy](const QPoint& at) {
    QMenu menu(this);
    menu.addAction(tr("&Copy the selected rows"), this, copy);
    menu.addAction(tr("Select &all"), table, &QTableView::selectAll);
    menu.exec(table->viewport()->mapToGlobal(at));
  });
  return table;
}

QString ModelPanel::selected_rows(const QTableView& table) {
  QModelIndexList rows = table.selectionModel()->selectedRows();
  std::sort(rows.begin(), rows.end(), [](const QModelIndex& a, const QModelIndex& b) { return a.row() < b.row(); });
  QStringList lines;
  for (const QModelIndex& row : rows) {
    QStringList cells;
    for (int column = 0; column < table.model()->columnCount(); ++column)
      cells << table.model()->index(row.row(), column).data(Qt::DisplayRole).toString();
    lines << cells.join('\t');
  }
  return lines.join('\n');
}

QString ModelPanel::summary_text() const {
  QStringList lines;
  for (const auto& [name, value] : fact_labels_) lines << name->text() + ": " + value->text();
  return lines.join('\n');
}

void ModelPanel::refresh() {
  const auto& model = state_.model();
  pages_->setCurrentIndex(model ? 1 : 0);
  tensors_->set_model(model);
  metadata_->set_model(model);
  card_->show_model(model);
  adaptation_->show_model(model);
  filter_->clear();
  fill_summary();
  if (!model) return;
  // Counts are for who asks: beside the names they are too wide for a narrow panel.
  tabs_->setTabToolTip(kMetadata, tr("Metadata (%1)").arg(model->metadata.size()));
  tabs_->setTabToolTip(kTensors, tr("Tensors (%1)").arg(shown_count(model->tensors.size())));
  tensor_table_->setColumnWidth(TensorModel::kName, 230);
  tensor_table_->setColumnWidth(TensorModel::kType, 64);
  tensor_table_->setColumnWidth(TensorModel::kShape, 150);
  metadata_table_->setColumnWidth(MetadataModel::kKey, 270);
}

void ModelPanel::fill_summary() {
  while (facts_->rowCount() > 0) facts_->removeRow(0);
  fact_labels_.clear();
  const auto& model = state_.model();
  if (!model) return;
  const auto fact = [this](const QString& name, const QString& value) {
    auto* title = new QLabel(name);
    auto* text = new QLabel(value);
    title->setProperty("dim", true);
    text->setTextFormat(Qt::PlainText);
    text->setWordWrap(true);
    text->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    facts_->addRow(title, text);
    fact_labels_.emplace_back(title, text);
  };
  const ModelSummary& m = *model;
  fact(tr("Name"), QString::fromStdString(m.name));
  fact(tr("File"), QString::fromStdString(m.path));
  fact(tr("Size"),
       tr("%1, mostly %2").arg(shown_bytes(static_cast<double>(m.file_bytes)), QString::fromStdString(m.quantization)));
  fact(tr("Architecture"), QString::fromStdString(m.architecture));
  fact(tr("Parameters"),
       m.experts > 0
           ? tr("%1, %2 of them active per token").arg(shown_short(m.parameters), shown_short(m.active_parameters))
           : shown_short(m.parameters));
  fact(tr("Layers"), QString::number(m.layers));
  fact(tr("Width"), shown_count(m.width));
  fact(tr("Heads"),
       tr("%1 query, %2 key and value, each %3 wide").arg(m.query_heads).arg(m.kv_heads).arg(m.head_width));
  fact(tr("Experts"), m.experts > 0 ? tr("%1, %2 used per token and layer").arg(m.experts).arg(m.experts_used)
                                    : tr("none, a dense model"));
  fact(tr("Vocabulary"), tr("%1 tokens").arg(shown_count(m.vocabulary)));
  fact(tr("Context"), tr("%1 tokens; trained for %2").arg(shown_count(m.context), shown_count(m.trained_context)));
  fact(tr("Chat format"), m.chat ? QString::fromStdString(m.chat_format) : tr("none known"));
  fact(tr("Device"), QString::fromStdString(m.device.name));
  fact(tr("Driver"),
       tr("%1, Vulkan %2").arg(QString::fromStdString(m.device.driver), QString::fromStdString(m.device.api)));
  fact(tr("Why this device"), device_reason(m.device.why));
  fact(tr("Loaded in"), shown_duration(m.load_ms));
}

void ModelPanel::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QFrame::changeEvent(event);
}

void ModelPanel::retranslate() {
  empty_->say(tr("No model is open"), tr("What a GGUF file holds appears here."));
  tabs_->setTabText(kSummary, tr("Summary"));
  tabs_->setTabText(kCard, tr("Card"));
  tabs_->setTabText(kAdaptation, tr("Device"));
  tabs_->setTabToolTip(kAdaptation, tr("What the load took because of the device, and choices for the next"));
  tabs_->setTabText(kMetadata, tr("Metadata"));
  tabs_->setTabText(kTensors, tr("Tensors"));
  filter_->setPlaceholderText(tr("Filter metadata and tensors"));
  filter_->setAccessibleName(tr("Filter"));
  tensor_table_->setAccessibleName(tr("Tensors"));
  metadata_table_->setAccessibleName(tr("Metadata"));
  tensors_->retranslate();
  metadata_->retranslate();
  refresh();
}

void ModelPanel::restyle() {
  for (QTableView* table : {tensor_table_, metadata_table_}) table->setFont(theme_.mono(12));
}

}  // namespace fovea
