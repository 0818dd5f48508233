// The prompt view: the streaming transcript above, the prompt box and everything that shapes the run below.
#pragma once

#include <QBoxLayout>
#include <QButtonGroup>
#include <QComboBox>
#include <QFrame>
#include <QLabel>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QStackedWidget>
#include <QToolButton>

#include "ui/panels/sampling_form.hpp"
#include "ui/panels/transcript_view.hpp"
#include "ui/widgets/empty_state.hpp"

namespace fovea {

enum class Recording { nothing, this_head, all_heads };

class PromptPanel : public QFrame {
  Q_OBJECT
 public:
  PromptPanel(WorkbenchState& state, const Theme& theme, QWidget* parent = nullptr);

  // The run as the panel stands, without an id.
  [[nodiscard]] Generate request() const;
  void set_prompt(const QString& text);
  [[nodiscard]] Recording recording() const;
  void set_recording(Recording recording);
  [[nodiscard]] SamplingForm& sampling() const { return *sampling_; }
  [[nodiscard]] QPlainTextEdit& prompt_box() const { return *prompt_; }
  [[nodiscard]] TranscriptView& transcript() const { return *transcript_; }
  [[nodiscard]] QToolButton& chat_button() const { return *chat_; }

 Q_SIGNALS:
  void run_requested();
  void stop_requested();

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;
  void changeEvent(QEvent* event) override;
  void resizeEvent(QResizeEvent* event) override;

 private:
  QWidget* make_controls();
  void arrange_controls();
  void retranslate();
  void restyle();
  void refresh();

  WorkbenchState& state_;
  const Theme& theme_;
  QStackedWidget* pages_;
  EmptyState* empty_;
  TranscriptView* transcript_;
  QPlainTextEdit* prompt_;
  QToolButton *completion_, *chat_, *more_;
  QButtonGroup* mode_;
  // Below the prompt: how the prompt is read and what is recorded, then how tokens are chosen and Run; in a narrow panel under one another.
  QWidget* controls_ = nullptr;
  QBoxLayout *control_rows_ = nullptr, *first_row_ = nullptr, *second_row_ = nullptr;
  QLabel* recording_label_;
  QComboBox* recording_;
  QStackedWidget* actions_;  // run or stop: only one of them can ever be pressed
  QPushButton *run_, *stop_;
  SamplingForm* sampling_;
};

}  // namespace fovea
