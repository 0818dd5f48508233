#include "ui/panels/prompt_panel.hpp"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QResizeEvent>
#include <QSignalBlocker>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/theme/icon.hpp"

namespace fovea {

namespace {
constexpr int kMargin = 12, kEdge = 1;  // around the controls, around the panel
constexpr int kNarrowestControls = 280;
}

PromptPanel::PromptPanel(WorkbenchState& state, const Theme& theme, QWidget* parent)
    : QFrame(parent),
      state_(state),
      theme_(theme),
      pages_(new QStackedWidget),
      empty_(new EmptyState),
      transcript_(new TranscriptView(state, theme)),
      prompt_(new QPlainTextEdit),
      completion_(new QToolButton),
      chat_(new QToolButton),
      more_(new QToolButton),
      mode_(new QButtonGroup(this)),
      recording_label_(new QLabel),
      recording_(new QComboBox),
      actions_(new QStackedWidget),
      run_(new QPushButton),
      stop_(new QPushButton),
      sampling_(new SamplingForm) {
  setProperty("panel", true);
  pages_->addWidget(empty_);
  pages_->addWidget(transcript_);
  prompt_->setTabChangesFocus(true);
  prompt_->setFixedHeight(76);
  prompt_->installEventFilter(this);
  sampling_->hide();

  auto* below = new QVBoxLayout;
  below->setContentsMargins(kMargin, 8, kMargin, kMargin);
  below->setSpacing(8);
  below->addWidget(prompt_);
  controls_ = make_controls();
  below->addWidget(controls_);
  below->addWidget(sampling_);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(kEdge, 0, kEdge, kEdge);
  layout->setSpacing(0);
  layout->addWidget(pages_, 1);
  layout->addLayout(below);

  connect(run_, &QPushButton::clicked, this, &PromptPanel::run_requested);
  connect(stop_, &QPushButton::clicked, this, &PromptPanel::stop_requested);
  connect(more_, &QToolButton::toggled, sampling_, &QWidget::setVisible);
  connect(prompt_, &QPlainTextEdit::textChanged, this, &PromptPanel::refresh);
  connect(&state, &WorkbenchState::model_changed, this, &PromptPanel::retranslate);
  connect(&state, &WorkbenchState::load_changed, this, &PromptPanel::refresh);
  connect(&state, &WorkbenchState::run_started, this, &PromptPanel::refresh);
  connect(&state, &WorkbenchState::prompt_tokenized, this, &PromptPanel::refresh);
  connect(&state, &WorkbenchState::run_ended, this, &PromptPanel::refresh);
  connect(&theme, &Theme::changed, this, &PromptPanel::restyle);
  recording_->addItems({QString(), QString(), QString()});
  recording_->setSizeAdjustPolicy(QComboBox::AdjustToContents);  // also when the language changes
  recording_->setCurrentIndex(static_cast<int>(Recording::all_heads));
  retranslate();
  restyle();
}

void PromptPanel::resizeEvent(QResizeEvent* event) {
  arrange_controls();
  QFrame::resizeEvent(event);
}

// Where a row has no room for all, there are two; the word before the box then goes first, as the box's tooltip says it too.
void PromptPanel::arrange_controls() {
  const int room = width() - 2 * (kMargin + kEdge), spacing = control_rows_->spacing();
  const int label = recording_label_->sizeHint().width() + first_row_->spacing();
  const int first = first_row_->sizeHint().width() - (recording_label_->isHidden() ? 0 : label), second = second_row_->sizeHint().width();
  const bool one_row = first + spacing + second <= room;
  recording_label_->setVisible((one_row ? first + spacing + second : first) + label <= room);
  control_rows_->setDirection(one_row ? QBoxLayout::LeftToRight : QBoxLayout::TopToBottom);
  controls_->setMinimumWidth(std::min(kNarrowestControls, std::max(first, second)));  // its layout would ask for a whole row
}

QWidget* PromptPanel::make_controls() {
  recording_label_->setObjectName("recording_label");
  recording_label_->setProperty("dim", true);
  recording_label_->setMinimumWidth(1);  // so that it never keeps the panel from becoming narrow
  recording_label_->hide();
  auto* row = new QWidget;
  control_rows_ = new QHBoxLayout(row);
  control_rows_->setContentsMargins(0, 0, 0, 0);
  first_row_ = new QHBoxLayout;
  second_row_ = new QHBoxLayout;
  for (QBoxLayout* part : {control_rows_, first_row_, second_row_}) part->setSpacing(6);
  for (QToolButton* button : {completion_, chat_}) {
    button->setCheckable(true);
    button->setFocusPolicy(Qt::StrongFocus);
    mode_->addButton(button);
  }
  completion_->setChecked(true);
  more_->setCheckable(true);
  more_->setFocusPolicy(Qt::StrongFocus);
  run_->setProperty("primary", true);
  auto* switches = new QHBoxLayout;
  switches->setSpacing(2);
  switches->addWidget(completion_);
  switches->addWidget(chat_);
  first_row_->addLayout(switches);
  first_row_->addWidget(recording_label_);
  first_row_->addWidget(recording_);
  first_row_->addStretch(1);
  second_row_->addWidget(more_);
  second_row_->addStretch(1);
  control_rows_->addLayout(first_row_);
  control_rows_->addLayout(second_row_, 1);
  actions_->setObjectName("actions");
  actions_->addWidget(run_);
  actions_->addWidget(stop_);
  actions_->setSizePolicy(QSizePolicy::Maximum, QSizePolicy::Fixed);
  second_row_->addWidget(actions_);
  return row;
}

Generate PromptPanel::request() const {
  Generate generate;
  generate.prompt = prompt_->toPlainText().toStdString();
  generate.chat = chat_->isChecked() && chat_->isEnabled();
  generate.max_tokens = sampling_->max_tokens();
  generate.sampling = sampling_->options();
  if (recording() == Recording::this_head) generate.trace.heads = {state_.selection().head()};
  generate.trace.all_heads = recording() == Recording::all_heads;
  // Every row where memory allows: the decoder takes fewer of a large model.
  const bool sparse = state_.model() && state_.model()->attention;
  generate.trace.measure_every = sparse && recording() != Recording::nothing ? 1 : 0;
  return generate;
}

void PromptPanel::set_prompt(const QString& text) {
  prompt_->setPlainText(text);
  prompt_->moveCursor(QTextCursor::End);
}

Recording PromptPanel::recording() const { return static_cast<Recording>(recording_->currentIndex()); }
void PromptPanel::set_recording(Recording recording) { recording_->setCurrentIndex(static_cast<int>(recording)); }

bool PromptPanel::eventFilter(QObject* watched, QEvent* event) {
  if (watched == prompt_ && event->type() == QEvent::KeyPress) {
    const auto* key = static_cast<QKeyEvent*>(event);
    const bool enter = key->key() == Qt::Key_Return || key->key() == Qt::Key_Enter;
    if (enter && key->modifiers() & Qt::ControlModifier) {
      if (run_->isEnabled()) Q_EMIT run_requested();
      return true;
    }
  }
  return QFrame::eventFilter(watched, event);
}

void PromptPanel::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) retranslate();
  QFrame::changeEvent(event);
}

void PromptPanel::retranslate() {
  completion_->setText(tr("Co&mpletion"));
  completion_->setToolTip(tr("The model goes on with the text as it stands"));
  chat_->setText(tr("Ch&at"));
  const auto& model = state_.model();
  const bool chat = model && model->chat;
  chat_->setEnabled(chat);
  if (!chat) completion_->setChecked(true);
  chat_->setToolTip(
      chat ? tr("The text is wrapped in the model's chat format (%1)").arg(QString::fromStdString(model->chat_format))
           : tr("This model has no chat format that is known here; use completion"));
  const QSignalBlocker blocked(recording_);
  recording_label_->setText(tr("Record"));
  recording_->setItemText(0, tr("nothing"));
  recording_->setItemText(1, tr("this head"));
  recording_->setItemText(2, tr("all heads"));
  recording_->setToolTip(tr("Which attention is recorded while the model runs; recording costs some speed"));
  recording_->setAccessibleName(tr("Recording"));
  more_->setText(tr("&Sampling"));
  more_->setToolTip(tr("Temperature, seed and how many tokens"));
  run_->setText(tr("R&un"));
  run_->setToolTip(tr("Generate from this prompt (Ctrl+Enter)"));
  stop_->setText(tr("St&op"));
  stop_->setToolTip(tr("End the run; what was written stays"));
  prompt_->setPlaceholderText(tr("Write a prompt, then press Ctrl+Enter"));
  prompt_->setAccessibleName(tr("Prompt"));
  transcript_->setAccessibleName(tr("Transcript"));
  refresh();
  arrange_controls();
}

void PromptPanel::restyle() {
  const ThemeColors& colors = theme_.colors();
  run_->setIcon(themed_icon(QStringLiteral("run"), colors.on_accent, colors.dim));
  stop_->setIcon(themed_icon(QStringLiteral("stop"), colors.text, colors.dim));
  more_->setArrowType(Qt::NoArrow);
  prompt_->setFont(theme_.sans(14));
}

void PromptPanel::refresh() {
  const bool ready = state_.model() && !state_.loading();
  run_->setEnabled(ready && !state_.running() && !prompt_->toPlainText().isEmpty());
  stop_->setEnabled(state_.running());
  actions_->setCurrentWidget(state_.running() ? stop_ : run_);
  pages_->setCurrentWidget(state_.token_count() > 0 || state_.running() ? static_cast<QWidget*>(transcript_) : empty_);
  if (state_.loading())
    empty_->say(tr("Opening the model"), QString());
  else if (!state_.model())
    empty_->say(tr("No model is open"), tr("Open a GGUF file with Ctrl+O, or drop one on the window."));
  else
    empty_->say(tr("Ready"), tr("Write a prompt below and press Run: the text appears here, and every token of it can be clicked."));
}

}  // namespace fovea
