#include "ui/panels/transcript_view.hpp"

#include <QClipboard>
#include <QContextMenuEvent>
#include <QFontMetricsF>
#include <QGuiApplication>
#include <QMenu>
#include <QPainter>
#include <QScrollBar>
#include <QToolTip>
#include <algorithm>
#include <cmath>

#include "ui/text/format.hpp"

namespace fovea {

namespace {
constexpr int kMargin = 12;
constexpr double kLeading = 1.6;  // of the font's pixel size
constexpr int kTextSize = 15;
}  // namespace

TranscriptView::TranscriptView(WorkbenchState& state, const Theme& theme, QWidget* parent)
    : QAbstractScrollArea(parent),
      state_(state),
      theme_(theme),
      clock_(
          33, [this] { take_new_tokens(); }, this) {
  setFrameShape(QFrame::NoFrame);
  setFocusPolicy(Qt::StrongFocus);
  setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  viewport()->setMouseTracking(true);
  viewport()->setCursor(Qt::IBeamCursor);
  connect(&state, &WorkbenchState::run_started, this, &TranscriptView::start_over);
  connect(&state, &WorkbenchState::tokens_appended, this, [this](int first) {
    if (first == 0) start_over();
    clock_.request();
  });
  connect(&state, &WorkbenchState::run_ended, this, [this] {
    clock_.flush();
    viewport()->update();
  });
  connect(&state.selection(), &Selection::token_changed, this, &TranscriptView::reveal_cursor);
  connect(&state.selection(), &Selection::hover_changed, viewport(), qOverload<>(&QWidget::update));
  connect(&theme, &Theme::changed, this, &TranscriptView::start_over);
  start_over();
}

void TranscriptView::start_over() {
  font_ = theme_.sans(kTextSize);
  const QFontMetricsF metrics(font_);
  line_height_ = std::ceil(kTextSize * kLeading);
  ascent_ = (line_height_ - metrics.capHeight()) / 2 + metrics.capHeight();
  layout_.start([metrics](const QString& text) { return metrics.horizontalAdvance(text); },
                viewport()->width() - 2 * kMargin);
  take_new_tokens();
}

void TranscriptView::take_new_tokens() {
  const auto& tokens = state_.tokens();
  const bool at_end = verticalScrollBar()->value() >= verticalScrollBar()->maximum() - 2;
  for (std::size_t i = layout_.tokens(); i < tokens.size(); ++i) layout_.append(tokens[i]);
  update_scrollbar();
  if (at_end && !state_.selection().token()) verticalScrollBar()->setValue(verticalScrollBar()->maximum());
  viewport()->update();
}

void TranscriptView::update_scrollbar() {
  const int height =
      static_cast<int>(std::ceil(static_cast<double>(layout_.lines().size()) * line_height_)) + 2 * kMargin;
  verticalScrollBar()->setRange(0, std::max(0, height - viewport()->height()));
  verticalScrollBar()->setPageStep(viewport()->height());
  verticalScrollBar()->setSingleStep(static_cast<int>(line_height_));
}

QString TranscriptView::text() const {
  std::string all;
  for (const TokenText& token : state_.tokens()) all += token.text;
  return QString::fromStdString(all);
}

std::optional<std::uint32_t> TranscriptView::token_at(const QPoint& point) const {
  const double y = point.y() - kMargin + verticalScrollBar()->value();
  if (y < 0) return std::nullopt;
  return layout_.token_at(static_cast<std::size_t>(y / line_height_), point.x() - kMargin, 2);
}

QRect TranscriptView::token_rect(std::uint32_t token) const {
  const auto line = layout_.line_of(token);
  if (!line) return {};
  for (const auto& fragment : layout_.lines()[*line])
    if (fragment.token == token)
      return QRectF(kMargin + fragment.x,
                    kMargin + static_cast<double>(*line) * line_height_ - verticalScrollBar()->value(), fragment.width,
                    line_height_)
          .toAlignedRect();
  return {};
}

void TranscriptView::reveal_cursor() {
  if (const TokenIndex token = state_.selection().token()) {
    const QRect at = token_rect(*token);
    if (at.isValid() && at.top() < 0) verticalScrollBar()->setValue(verticalScrollBar()->value() + at.top() - kMargin);
    if (at.isValid() && at.bottom() > viewport()->height())
      verticalScrollBar()->setValue(verticalScrollBar()->value() + at.bottom() - viewport()->height() + kMargin);
  }
  viewport()->update();
}

void TranscriptView::paintEvent(QPaintEvent*) {
  QPainter painter(viewport());
  painter.setRenderHint(QPainter::Antialiasing);
  painter.fillRect(viewport()->rect(), theme_.colors().panel);
  painter.setFont(font_);
  const double scrolled = verticalScrollBar()->value() - kMargin;
  const auto& lines = layout_.lines();
  const auto first = static_cast<std::size_t>(std::max(0.0, scrolled / line_height_));
  for (std::size_t i = first; i < lines.size(); ++i) {
    const double top = static_cast<double>(i) * line_height_ - scrolled;
    if (top > viewport()->height()) break;
    paint_line(painter, lines[i], top);
  }
  if (state_.running() && !lines.empty()) {
    const double x = lines.back().empty() ? 0 : lines.back().back().x + lines.back().back().width;
    const double top = static_cast<double>(lines.size() - 1) * line_height_ - scrolled;
    painter.fillRect(QRectF(kMargin + x + 2, top + ascent_ - 12, 7, 15), theme_.colors().accent);
  }
  if (hasFocus()) {
    painter.setRenderHint(QPainter::Antialiasing, false);
    painter.setPen(QPen(theme_.colors().accent, 1));
    painter.setBrush(Qt::NoBrush);
    painter.drawRect(viewport()->rect().adjusted(0, 0, -1, -1));
  }
}

void TranscriptView::paint_line(QPainter& painter, const TranscriptLayout::Line& line, double top) const {
  const ThemeColors& colors = theme_.colors();
  const Selection& selection = state_.selection();
  for (const auto& fragment : line) {
    const bool selected = selection.token() == fragment.token, hovered = selection.hovered() == fragment.token;
    const QRectF at(kMargin + fragment.x, top, fragment.width, line_height_);
    if (selected || hovered) {
      // A leading space belongs to the token, but the eye wants the word.
      const double space = fragment.text.size() > 1 && fragment.text.front() == ' '
                               ? QFontMetricsF(font_).horizontalAdvance(' ') - 2
                               : 0;
      const QRectF ground = at.adjusted(space - 0.5, 2, 1.5, -1);
      painter.setPen(selected ? QPen(colors.accent, 1) : QPen(Qt::NoPen));
      painter.setBrush(selected ? colors.selected : colors.hover);
      painter.drawRoundedRect(ground, 3, 3);
    }
    const bool mark = fragment.kind != TranscriptLayout::Kind::text;
    if (fragment.kind == TranscriptLayout::Kind::line_end && !selected && !hovered) continue;
    const bool prompt = fragment.token < state_.prompt_tokens();
    painter.setPen(mark || prompt ? colors.dim : colors.text);
    if (selected) painter.setPen(colors.text);
    painter.drawText(QPointF(at.left(), top + ascent_), fragment.text);
  }
}

void TranscriptView::resizeEvent(QResizeEvent*) { start_over(); }
void TranscriptView::scrollContentsBy(int, int) { viewport()->update(); }

void TranscriptView::mousePressEvent(QMouseEvent* event) {
  if (event->button() == Qt::LeftButton) state_.selection().select_token(token_at(event->pos()));
}

void TranscriptView::mouseMoveEvent(QMouseEvent* event) { state_.selection().hover_token(token_at(event->pos())); }

bool TranscriptView::viewportEvent(QEvent* event) {
  if (event->type() == QEvent::Leave) state_.selection().hover_token(std::nullopt);
  if (event->type() == QEvent::ToolTip) {
    const auto* help = static_cast<QHelpEvent*>(event);
    const auto token = token_at(help->pos());
    if (token && *token < state_.token_count())
      QToolTip::showText(help->globalPos(), tr("token %1, id %2, %3")
                                                .arg(*token)
                                                .arg(state_.tokens()[*token].id)
                                                .arg(shown_token(state_.tokens()[*token])));
    else
      QToolTip::hideText();
    return true;
  }
  return QAbstractScrollArea::viewportEvent(event);
}

void TranscriptView::move_lines(int lines) {
  Selection& selection = state_.selection();
  if (!selection.token()) return selection.step(lines, state_.token_count());
  const auto line = layout_.line_of(*selection.token());
  if (!line) return;
  const double x = token_rect(*selection.token()).center().x() - kMargin;
  const auto count = static_cast<std::int64_t>(layout_.lines().size());
  for (std::int64_t to = static_cast<std::int64_t>(*line) + lines; to >= 0 && to<count; to += lines> 0 ? 1 : -1)
    if (const auto token = layout_.nearest(static_cast<std::size_t>(to), x)) return selection.select_token(*token);
}

void TranscriptView::keyPressEvent(QKeyEvent* event) {
  Selection& selection = state_.selection();
  const std::uint32_t tokens = state_.token_count();
  if (event->matches(QKeySequence::Copy)) {
    QGuiApplication::clipboard()->setText(selection.token() && *selection.token() < tokens
                                              ? QString::fromStdString(state_.tokens()[*selection.token()].text)
                                              : text());
    return;
  }
  switch (event->key()) {
    case Qt::Key_Left:
      return selection.step(-1, tokens);
    case Qt::Key_Right:
      return selection.step(1, tokens);
    case Qt::Key_Up:
      return move_lines(-1);
    case Qt::Key_Down:
      return move_lines(1);
    case Qt::Key_Home:
      return tokens > 0 ? selection.select_token(0) : void();
    case Qt::Key_End:
      return tokens > 0 ? selection.select_token(tokens - 1) : void();
    case Qt::Key_Escape:
      return selection.select_token(std::nullopt);
    default:
      QAbstractScrollArea::keyPressEvent(event);
  }
}

void TranscriptView::contextMenuEvent(QContextMenuEvent* event) {
  const auto token = token_at(viewport()->mapFromGlobal(event->globalPos()));
  QMenu menu(this);
  menu.addAction(tr("Copy all &text"), this, [this] { QGuiApplication::clipboard()->setText(text()); });
  QAction* one = menu.addAction(tr("Copy this &token"));
  one->setEnabled(token.has_value());
  connect(one, &QAction::triggered, this, [this, token] {
    if (*token < state_.token_count())
      QGuiApplication::clipboard()->setText(QString::fromStdString(state_.tokens()[*token].text));
  });
  menu.exec(event->globalPos());
}

}  // namespace fovea
