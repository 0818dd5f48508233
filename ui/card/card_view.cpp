#include "ui/card/card_view.hpp"

#include <QApplication>
#include <QFileInfo>
#include <QScrollBar>
#include <QStatusTipEvent>
#include <QVBoxLayout>
#include <algorithm>
#include <utility>

#include "ui/card/card_text.hpp"
#include "ui/text/format.hpp"
#include "ui/text/translation.hpp"

namespace fovea {

namespace {

constexpr int kWidestText = 680;           // pixels; about 90 letters a line
constexpr qsizetype kLongestStated = 400;  // characters of one piece of metadata; its own tab has all of it

QString stated(const ModelSummary& model, std::string_view key) {
  const auto found = std::ranges::find(model.metadata, key, &MetadataEntry::key);
  if (found == model.metadata.end()) return {};
  const QString value = QString::fromStdString(found->value).simplified();
  return value.size() > kLongestStated ? value.left(kLongestStated) + QChar(0x2026) : value;
}

QLabel* make_label(bool dim) {
  auto* label = new QLabel;
  label->setProperty("dim", dim);
  label->setTextFormat(Qt::PlainText);
  label->setWordWrap(true);
  label->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
  label->setContentsMargins(12, 10, 12, 6);
  return label;
}

}  // namespace

CardBrowser::CardBrowser(QWidget* parent) : QTextBrowser(parent) {
  setOpenLinks(false);
  setFrameShape(QFrame::NoFrame);
  setTextInteractionFlags(Qt::TextBrowserInteraction | Qt::TextSelectableByKeyboard);
  setAcceptDrops(false);  // a model dropped here is for the window
  viewport()->setAcceptDrops(false);
}

void CardBrowser::show_document(std::unique_ptr<CardDocument> document) {
  CardDocument* const next = document.release();
  next->setParent(this);
  setDocument(next);
  delete std::exchange(shown_, next);  // only now that nobody points to it
}

void CardBrowser::resizeEvent(QResizeEvent* event) {
  const int room = contentsRect().width() - (verticalScrollBar()->isVisible() ? verticalScrollBar()->width() : 0);
  const QMargins margins(0, 0, std::max(0, room - kWidestText), 0);
  if (margins != viewportMargins()) setViewportMargins(margins);
  QTextBrowser::resizeEvent(event);
}

// Nothing that a card names is ever fetched, from the network or the disk.
QVariant CardBrowser::loadResource(int, const QUrl&) { return {}; }

CardView::CardView(const Theme& theme, QWidget* parent)
    : QStackedWidget(parent),
      theme_(theme),
      note_(make_label(true)),
      stated_(make_label(false)),
      browser_(new CardBrowser),
      empty_(new EmptyState) {
  const auto page = [this](QWidget* top, QWidget* rest) {
    auto* widget = new QWidget;
    auto* column = new QVBoxLayout(widget);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(top);
    column->addWidget(rest, 1);
    addWidget(widget);
  };
  page(note_, browser_);
  page(stated_, empty_);
  connect(browser_, &QTextBrowser::highlighted, this, &CardView::tell_address);
  connect(browser_, &QTextBrowser::anchorClicked, this, [this](const QUrl& url) {
    if (const auto address = web_address(url.toString(QUrl::FullyEncoded))) Q_EMIT address_chosen(*address);
  });
  connect(&theme, &Theme::changed, this, &CardView::refresh);
  refresh();
}

CardView::~CardView() = default;

void CardView::show_model(std::shared_ptr<const ModelSummary> model) {
  model_ = std::move(model);
  browser_->verticalScrollBar()->setValue(0);
  refresh();
}

const ModelCard* CardView::card() const {
  return model_ ? card_for(model_->cards, current_language().toStdString()) : nullptr;
}

void CardView::refresh() {
  stale_ = !isVisible();
  if (stale_) return;
  browser_->setAccessibleName(tr("Model card"));
  const ModelCard* const found = card();
  if (found != nullptr && !found->problem)
    show_card(*found);
  else
    show_absence(found);
}

void CardView::show_card(const ModelCard& card) {
  const QString body = card_body(QString::fromStdString(card.text));
  const bool intricate = is_intricate(body);
  const QString path = QString::fromStdString(card.path);
  QStringList parts{QFileInfo(path).fileName()};
  if (card.cut)
    parts << tr("only the first %1 of %2 are shown")
                 .arg(shown_bytes(kCardBytes), shown_bytes(static_cast<double>(card.file_bytes)));
  if (intricate) parts << tr("too intricate to lay out, so it is shown as written");
  note_->setText(parts.join(QStringLiteral(" · ")));
  note_->setToolTip(path.toHtmlEscaped());
  const int scrolled = browser_->verticalScrollBar()->value();
  browser_->show_document(intricate ? CardDocument::as_written(body, theme_) : CardDocument::laid_out(body, theme_));
  browser_->verticalScrollBar()->setValue(scrolled);
  setCurrentIndex(0);
}

void CardView::show_absence(const ModelCard* unreadable) {
  if (model_) {
    QStringList sources;
    for (const char* key : {"general.author", "general.license", "general.url"})
      if (const QString value = stated(*model_, key); !value.isEmpty()) sources << value;
    QStringList lines{stated(*model_, "general.description"), sources.join(QStringLiteral(" · "))};
    lines.removeAll(QString());
    stated_->setText(lines.join('\n'));
  } else {
    stated_->clear();
  }
  stated_->setVisible(!stated_->text().isEmpty());
  const QString name = model_ ? QFileInfo(QString::fromStdString(model_->path)).completeBaseName() : QString();
  if (unreadable != nullptr)
    empty_->say(tr("The card cannot be read"), QString::fromStdString(unreadable->problem->sentence()));
  else
    empty_->say(
        tr("This model has no card"),
        tr("A card is a Markdown file beside the model, %1; README.md serves too where the folder holds no other "
           "model.")
            .arg(name + QStringLiteral(".md")));
  setCurrentIndex(1);
}

// The status line says where a link leads; its tooltip is in the document.
void CardView::tell_address(const QUrl& address) {
  QStatusTipEvent tip(address.toString(QUrl::FullyEncoded));
  QApplication::sendEvent(this, &tip);
}

void CardView::changeEvent(QEvent* event) {
  if (event->type() == QEvent::LanguageChange) refresh();
  QStackedWidget::changeEvent(event);
}

void CardView::showEvent(QShowEvent* event) {
  QStackedWidget::showEvent(event);
  if (stale_) refresh();
}

}  // namespace fovea
