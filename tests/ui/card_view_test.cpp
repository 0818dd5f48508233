#include "ui/card/card_view.hpp"

#include <gtest/gtest.h>

#include <QAbstractTextDocumentLayout>
#include <QDesktopServices>
#include <QMainWindow>
#include <QScrollBar>
#include <QSignalSpy>
#include <QStatusBar>
#include <QtTest/QTest>

#include "tests/ui/synthetic_run.hpp"
#include "ui/panels/model_panel.hpp"
#include "ui/text/format.hpp"
#include "ui/text/translation.hpp"

namespace fovea {
namespace {

std::shared_ptr<const ModelSummary> with_cards(std::vector<ModelCard> cards) {
  auto model = std::make_shared<ModelSummary>(*synthetic::model({}));
  model->cards = std::move(cards);
  return model;
}

ModelCard card(const std::string& text, const std::string& language = "") {
  ModelCard card;
  card.language = language;
  card.path = "/models/made-up.md";
  card.text = text;
  card.file_bytes = text.size();
  return card;
}

class CardViewTest : public testing::Test {
 protected:
  CardViewTest() {
    window_.setCentralWidget(view_);
    window_.statusBar();
    window_.resize(600, 400);
    window_.show();
  }
  QString shown() const { return view_->browser().document()->toPlainText(); }
  // Where the first letter of `word` is drawn.
  QPoint place_of(const QString& word) const {
    QTextCursor cursor = view_->browser().document()->find(word);
    cursor.setPosition(cursor.selectionStart() + 1);
    return view_->browser().cursorRect(cursor).center();
  }
  Theme theme_;
  QMainWindow window_;
  CardView* view_ = new CardView(theme_);
};

TEST_F(CardViewTest, ShowsTheCardAndWhichFileItIs) {
  view_->show_model(with_cards({card("# Made up\n\nText")}));
  EXPECT_EQ(shown(), "Made up\nText");
  EXPECT_EQ(view_->note(), "made-up.md");
  EXPECT_TRUE(view_->browser().isVisible());
  EXPECT_FALSE(view_->empty_state().isVisible());
}

TEST_F(CardViewTest, SaysThatACardWasCut) {
  ModelCard large = card("# Large\n");
  large.cut = true;
  large.file_bytes = 3u << 20;
  view_->show_model(with_cards({large}));
  EXPECT_EQ(
      view_->note(),
      QString("made-up.md · only the first %1 of %2 are shown").arg(shown_bytes(256 << 10), shown_bytes(3 << 20)));
}

TEST_F(CardViewTest, ShowsAnIntricateCardAsWritten) {
  view_->show_model(with_cards({card("# Endless\n\n" + std::string(50'000, 'x'))}));
  EXPECT_TRUE(shown().startsWith("# Endless\n\nxxx"));
  EXPECT_TRUE(view_->note().contains("as written"));
}

TEST_F(CardViewTest, WithoutACardSaysWhereOneIsLookedForAndWhatTheMetadataTells) {
  view_->show_model(with_cards({}));
  EXPECT_EQ(view_->empty_state().title(), "This model has no card");
  EXPECT_TRUE(view_->empty_state().isVisible());
  EXPECT_EQ(view_->metadata_text(), "");
  auto model = std::make_shared<ModelSummary>(*with_cards({}));
  model->metadata.push_back({"general.url", "https://example.org"});
  model->metadata.push_back({"general.description", "<b>Made</b>\nup " + std::string(5'000, 'x')});
  model->metadata.push_back({"general.author", "Nobody"});
  view_->show_model(model);
  const QStringList lines = view_->metadata_text().split('\n');
  ASSERT_EQ(lines.size(), 2);
  EXPECT_TRUE(lines[0].startsWith("<b>Made</b> up xxx"));
  EXPECT_LT(lines[0].size(), 500);
  EXPECT_EQ(lines[1], "Nobody · https://example.org");
}

TEST_F(CardViewTest, SaysThatACardCannotBeRead) {
  ModelCard unreadable = card("");
  unreadable.problem = Error{ErrorCode::file, "made-up.md", "it cannot be read", "check its permissions"};
  view_->show_model(with_cards({unreadable}));
  EXPECT_EQ(view_->empty_state().title(), "The card cannot be read");
}

TEST_F(CardViewTest, FollowsTheWindowsLanguage) {
  view_->show_model(with_cards({card("汉字", "zh_CN"), card("Latin")}));
  EXPECT_EQ(shown(), "Latin");
  use_language("zh_CN");
  QCoreApplication::processEvents();
  EXPECT_EQ(shown(), "汉字");
  use_language("en");
  QCoreApplication::processEvents();
  EXPECT_EQ(shown(), "Latin");
}

TEST_F(CardViewTest, IsLaidOutOnlyWhenSeen) {
  view_->hide();
  view_->show_model(with_cards({card("Text")}));
  EXPECT_EQ(shown(), "");
  view_->show();
  EXPECT_EQ(shown(), "Text");
}

TEST_F(CardViewTest, AnAddressIsToldBeforeItIsOpened) {
  view_->show_model(with_cards({card("Words [link](https://example.org/page) and [local](file:///etc/passwd)")}));
  QSignalSpy chosen(view_, &CardView::address_chosen);
  QWidget* const page = view_->browser().viewport();
  QTest::mouseMove(page, place_of("link"));
  QTest::mouseMove(page, place_of("link") + QPoint(2, 0));
  EXPECT_EQ(window_.statusBar()->currentMessage(), "https://example.org/page");
  EXPECT_EQ(chosen.count(), 0);
  QTest::mouseClick(page, Qt::LeftButton, {}, place_of("local"));
  EXPECT_EQ(chosen.count(), 0);
  QTest::mouseClick(page, Qt::LeftButton, {}, place_of("link"));
  ASSERT_EQ(chosen.count(), 1);
  EXPECT_EQ(chosen[0][0].toUrl(), QUrl("https://example.org/page"));
  EXPECT_EQ(shown(), "Words link and local");  // nothing is opened in here
}

TEST_F(CardViewTest, LinesStayShortInAWideWindow) {
  view_->show_model(with_cards({card("Text")}));
  window_.resize(1800, 500);
  QCoreApplication::processEvents();
  EXPECT_LE(view_->browser().viewport()->width(), 700);
  EXPECT_GT(view_->browser().viewport()->width(), 600);
  window_.resize(400, 500);
  QCoreApplication::processEvents();
  EXPECT_GT(view_->browser().viewport()->width(), 380);
}

TEST_F(CardViewTest, TextCanBeSelectedButNotChanged) {
  view_->show_model(with_cards({card("Text")}));
  QTest::keyClicks(&view_->browser(), "x");
  EXPECT_EQ(shown(), "Text");
  QTest::keyClick(&view_->browser(), Qt::Key_A, Qt::ControlModifier);
  EXPECT_EQ(view_->browser().textCursor().selectedText(), "Text");
}

TEST_F(CardViewTest, KeepsItsPlaceWhenTheThemeChanges) {
  view_->show_model(with_cards({card("Text")}));
  std::string text;
  for (int i = 0; i < 200; ++i) text += "A paragraph.\n\n";
  view_->show_model(with_cards({card(text)}));
  QScrollBar* const bar = view_->browser().verticalScrollBar();
  ASSERT_GT(bar->maximum(), 1000);
  bar->setValue(700);
  theme_.set_mode(ThemeMode::dark);
  EXPECT_EQ(bar->value(), 700);
  view_->show_model(with_cards({card(text)}));
  EXPECT_EQ(bar->value(), 0);
}

struct Browser : QObject {
  Q_OBJECT
 public:
  Q_SLOT void open(const QUrl& url) { opened = url; }
  QUrl opened;
};

TEST(ModelPanel, OpensACardsLinkWithTheDesktop) {
  Theme theme;
  WorkbenchState state;
  ModelPanel panel(state, theme);
  panel.resize(600, 400);
  panel.show();
  state.take({ModelLoaded{with_cards({card("[link](https://example.org/page)")})}});
  panel.show_card();
  EXPECT_TRUE(panel.card().browser().isVisible());
  Browser browser;
  QDesktopServices::setUrlHandler("https", &browser, "open");
  Q_EMIT panel.card().address_chosen(QUrl("https://example.org/page"));
  QDesktopServices::unsetUrlHandler("https");
  EXPECT_EQ(browser.opened, QUrl("https://example.org/page"));
}

}  // namespace
}  // namespace fovea

#include "card_view_test.moc"
