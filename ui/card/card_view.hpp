// The model's card: its Markdown file laid out for reading, or what its metadata says where there is no such file.
#pragma once

#include <QLabel>
#include <QStackedWidget>
#include <QTextBrowser>
#include <QUrl>
#include <memory>

#include "engine/api/model_summary.hpp"
#include "ui/card/card_document.hpp"
#include "ui/theme/theme.hpp"
#include "ui/widgets/empty_state.hpp"

namespace fovea {

// Text to read, select and follow links in, with lines no longer than is comfortable.
class CardBrowser : public QTextBrowser {
  Q_OBJECT
 public:
  explicit CardBrowser(QWidget* parent = nullptr);
  void show_document(std::unique_ptr<CardDocument> document);

 protected:
  void resizeEvent(QResizeEvent* event) override;
  QVariant loadResource(int type, const QUrl& name) override;

 private:
  CardDocument* shown_ = nullptr;  // a child, so that it outlives the text control that draws it
};

class CardView : public QStackedWidget {
  Q_OBJECT
 public:
  explicit CardView(const Theme& theme, QWidget* parent = nullptr);
  ~CardView() override;

  // Lays the card out when it is first seen.
  void show_model(std::shared_ptr<const ModelSummary> model);
  [[nodiscard]] CardBrowser& browser() const { return *browser_; }
  [[nodiscard]] EmptyState& empty_state() const { return *empty_; }
  [[nodiscard]] QString note() const { return note_->text(); }             // which file, and what of it is shown
  [[nodiscard]] QString metadata_text() const { return stated_->text(); }  // where there is no card; "": nothing said

 Q_SIGNALS:
  void address_chosen(const QUrl& address);

 protected:
  void changeEvent(QEvent* event) override;
  void showEvent(QShowEvent* event) override;

 private:
  [[nodiscard]] const ModelCard* card() const;
  void refresh();
  void show_card(const ModelCard& card);
  void show_absence(const ModelCard* unreadable);
  void tell_address(const QUrl& address);

  const Theme& theme_;
  std::shared_ptr<const ModelSummary> model_;
  bool stale_ = false;
  QLabel *note_, *stated_;
  CardBrowser* browser_;
  EmptyState* empty_;
};

}  // namespace fovea
