#include "ui/compare/paired_text.hpp"

#include <QFontMetricsF>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QPainter>
#include <QScrollBar>
#include <QToolTip>
#include <algorithm>
#include <cmath>
#include <utility>

#include "ui/compare/run_words.hpp"
#include "ui/text/format.hpp"

namespace fovea {

namespace {
constexpr int kMargin = 12, kGutter = 20, kHead = 24;  // pixels
constexpr int kTextSize = 14;
constexpr double kLeading = 1.9;      // of the font's size: room for the bars below
constexpr double kBars = 5;           // height of a token that uses the most experts
constexpr double kDeepest = 1;        // nats of divergence that get the deepest ground
}  // namespace

PairedText::PairedText(const Theme& theme, QWidget* parent) : QAbstractScrollArea(parent), theme_(theme) {
  setFrameShape(QFrame::NoFrame);
  setFocusPolicy(Qt::StrongFocus);
  setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  viewport()->setMouseTracking(true);
  connect(&theme, &Theme::changed, this, &PairedText::lay_out);
  lay_out();
}

void PairedText::show_pair(const Comparison* comparison) {
  comparison_ = comparison;
  cursor_.reset();
  experts_ = comparison != nullptr ? comparison->experts_used() : ComparedSeries{};
  divergence_ = comparison != nullptr && scored_on_a() ? comparison->divergence() : ComparedSeries{};
  most_experts_ = 1;
  if (comparison != nullptr) most_experts_ = std::max<double>({1, static_cast<double>(comparison->a().model.experts_used), static_cast<double>(comparison->b().model.experts_used)});
  lay_out();
  const std::pair<const RunRecord*, const RunRecord*> pair = comparison != nullptr ? std::pair(&comparison->a(), &comparison->b()) : std::pair<const RunRecord*, const RunRecord*>();
  if (pair != std::exchange(pair_, pair)) parting_due_ = comparison != nullptr;
  show_parting();
}

void PairedText::show_parting() {
  if (!parting_due_ || !isVisible()) return;
  parting_due_ = false;
  if (const auto token = comparison_->first_divergence()) scroll_to(*token);
}

// Scores of another text belong to no token here.
bool PairedText::scored_on_a() const {
  const PairScores* const scores = comparison_->scores();
  return scores != nullptr && scores->text == "the tokens of A" && scores->first + scores->count() == comparison_->a().tokens().size();
}

void PairedText::lay_out() {
  font_ = theme_.sans(kTextSize);
  const QFontMetricsF metrics(font_);
  line_height_ = std::ceil(kTextSize * kLeading);
  ascent_ = (line_height_ - kBars - metrics.capHeight()) / 2 + metrics.capHeight();
  const double width = viewport()->width() - 2 * kMargin, half = (width - kGutter) / 2;
  for (Block& block : blocks_) block.layout.start([metrics](const QString& text) { return metrics.horizontalAdvance(text); }, &block == &blocks_[kShared] ? width : half);
  content_ = kMargin;
  if (comparison_ != nullptr) {
    const auto &a = comparison_->a().tokens(), &b = comparison_->b().tokens();
    const std::size_t shared = comparison_->first_divergence().value_or(static_cast<std::uint32_t>(a.size()));
    blocks_[kShared].x = blocks_[kRestA].x = kMargin;
    blocks_[kShared].width = width;
    blocks_[kRestB].x = kMargin + half + kGutter;
    blocks_[kRestA].width = blocks_[kRestB].width = half;
    blocks_[kShared].first = 0;
    blocks_[kRestA].first = blocks_[kRestB].first = static_cast<std::uint32_t>(shared);
    for (std::size_t i = 0; i < shared; ++i) blocks_[kShared].layout.append(a[i]);
    for (std::size_t i = shared; i < a.size(); ++i) blocks_[kRestA].layout.append(a[i]);
    for (std::size_t i = shared; i < b.size(); ++i) blocks_[kRestB].layout.append(b[i]);
    const auto lines = [&](Part part) { return blocks_[part].layout.tokens() == 0 ? 0.0 : static_cast<double>(blocks_[part].layout.lines().size()); };
    blocks_[kShared].top = kMargin;
    const double parting = kMargin + lines(kShared) * line_height_ + (shared > 0 ? 6 : 0);
    const bool part = comparison_->first_divergence().has_value();
    blocks_[kRestA].top = blocks_[kRestB].top = parting + (part ? kHead : 0);
    content_ = blocks_[kRestA].top + std::max(lines(kRestA), lines(kRestB)) * line_height_ + kMargin;
  }
  verticalScrollBar()->setRange(0, std::max(0, static_cast<int>(std::ceil(content_)) - viewport()->height()));
  verticalScrollBar()->setPageStep(viewport()->height());
  verticalScrollBar()->setSingleStep(static_cast<int>(line_height_));
  viewport()->update();
}

std::optional<double> PairedText::divergence(std::uint32_t token) const { return token < divergence_.a.size() ? divergence_.a[token] : std::nullopt; }

void PairedText::paintEvent(QPaintEvent*) {
  QPainter painter(viewport());
  painter.setRenderHint(QPainter::Antialiasing);
  painter.fillRect(viewport()->rect(), theme_.colors().panel);
  if (comparison_ == nullptr) return;
  painter.setFont(font_);
  painter.translate(0, -verticalScrollBar()->value());
  for (const Part part : {kShared, kRestA, kRestB}) paint_block(painter, part);
  if (comparison_->first_divergence()) paint_heads(painter);
}

void PairedText::paint_heads(QPainter& painter) const {
  const ThemeColors& colors = theme_.colors();
  painter.setFont(theme_.sans(12));
  for (const Part part : {kRestA, kRestB}) {
    const Block& block = blocks_[part];
    const bool is_a = part == kRestA;
    painter.setPen(QPen(colors.line, 1));
    const double line = std::round(block.top - kHead) + 0.5;
    painter.drawLine(QPointF(block.x, line), QPointF(block.x + block.width, line));
    painter.setPen(is_a ? colors.run_a : colors.run_b);
    painter.drawText(QPointF(block.x, block.top - 7), QStringLiteral("%1 %2").arg(QString::fromUtf8(is_a ? kMarkA : kMarkB), is_a ? QStringLiteral("A") : QStringLiteral("B")));
    if (block.layout.tokens() > 0) continue;
    painter.setPen(colors.dim);
    painter.drawText(QPointF(block.x, block.top + ascent_), tr("ends here"));
  }
  painter.setFont(font_);
}

void PairedText::paint_block(QPainter& painter, Part part) const {
  const Block& block = blocks_[part];
  const double scrolled = verticalScrollBar()->value();
  const auto& lines = block.layout.lines();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const double top = block.top + static_cast<double>(i) * line_height_;
    if (top + line_height_ < scrolled) continue;
    if (top > scrolled + viewport()->height()) break;
    for (const auto& fragment : lines[i]) paint_fragment(painter, part, fragment, QRectF(block.x + fragment.x, top, fragment.width, line_height_));
  }
}

void PairedText::paint_fragment(QPainter& painter, Part part, const TranscriptLayout::Fragment& fragment, const QRectF& at) const {
  const ThemeColors& colors = theme_.colors();
  const std::uint32_t token = blocks_[part].first + fragment.token;
  // A leading space belongs to the token, but the eye wants the word.
  const double space = fragment.text.size() > 1 && fragment.text.front() == ' ' ? QFontMetricsF(font_).horizontalAdvance(' ') : 0;
  const QRectF ground = at.adjusted(space - 1, 2, 1, -kBars - 3);
  painter.setPen(Qt::NoPen);
  if (const auto kl = part == kRestB ? std::nullopt : divergence(token)) {
    QColor depth = colors.loss;
    depth.setAlphaF(static_cast<float>(0.45 * std::sqrt(std::clamp(*kl / kDeepest, 0.0, 1.0))));
    painter.setBrush(depth);
    painter.drawRoundedRect(ground, 3, 3);
  }
  const bool framed = part != kShared && fragment.token == 0, cursor = cursor_ == token;
  if (framed || cursor) {
    painter.setBrush(cursor ? QBrush(colors.hover) : QBrush(Qt::NoBrush));
    painter.setPen(framed ? QPen(part == kRestA ? colors.run_a : colors.run_b, 1.6) : QPen(colors.accent, 1));
    painter.drawRoundedRect(ground, 3, 3);
  }
  const bool mark = fragment.kind != TranscriptLayout::Kind::text;
  const auto& tokens = run(part).tokens();
  painter.setPen(mark || (token < tokens.size() && tokens[token].prompt) ? colors.dim : colors.text);
  if (fragment.kind != TranscriptLayout::Kind::line_end || framed || cursor) painter.drawText(QPointF(at.left(), at.top() + ascent_), fragment.text);
  const PairScores* const scores = comparison_->scores();
  if (part != kRestB && divergence(token) && token >= scores->first && scores->same_top[token - scores->first] == 0) {
    painter.setPen(QPen(colors.loss, 1.4, Qt::DotLine));
    painter.drawLine(QPointF(ground.left() + 1, ground.bottom() + 0.5), QPointF(ground.right() - 1, ground.bottom() + 0.5));
  }
  const auto bar = [&](const std::vector<std::optional<double>>& used, const QColor& color, double from, double width) {
    if (token >= used.size() || !used[token]) return;
    const double height = std::max(1.0, kBars * *used[token] / most_experts_);
    painter.fillRect(QRectF(from, at.bottom() - height - 1, std::max(1.0, width), height), color);
  };
  painter.setPen(Qt::NoPen);
  const double left = at.left() + space + 0.5, width = at.width() - space - 1.5;
  if (part == kShared) {
    bar(experts_.a, colors.run_a, left, width / 2 - 0.5);
    bar(experts_.b, colors.run_b, left + width / 2 + 0.5, width / 2 - 0.5);
  } else {
    bar(part == kRestA ? experts_.a : experts_.b, part == kRestA ? colors.run_a : colors.run_b, left, width);
  }
}

std::optional<std::pair<PairedText::Part, std::uint32_t>> PairedText::token_at(const QPointF& point) const {
  if (comparison_ == nullptr) return std::nullopt;
  const double y = point.y() + verticalScrollBar()->value();
  for (const Part part : {kShared, kRestA, kRestB}) {
    const Block& block = blocks_[part];
    if (y < block.top || point.x() < block.x || point.x() > block.x + block.width) continue;
    const auto line = static_cast<std::size_t>((y - block.top) / line_height_);
    if (const auto token = block.layout.token_at(line, point.x() - block.x, 2)) return std::pair(part, block.first + *token);
  }
  return std::nullopt;
}

QRect PairedText::token_rect(std::uint32_t token, bool b) const {
  for (const Part part : {kShared, b ? kRestB : kRestA}) {
    const Block& block = blocks_[part];
    if (token < block.first || token - block.first >= block.layout.tokens()) continue;
    const auto line = block.layout.line_of(token - block.first);
    if (!line) return {};
    for (const auto& fragment : block.layout.lines()[*line])
      if (fragment.token == token - block.first)
        return QRectF(block.x + fragment.x, block.top + static_cast<double>(*line) * line_height_ - verticalScrollBar()->value(), fragment.width, line_height_).toAlignedRect();
  }
  return {};
}

void PairedText::set_cursor(std::optional<std::uint32_t> token) {
  cursor_ = token;
  viewport()->update();
}

void PairedText::reveal(std::uint32_t token) {
  set_cursor(token);
  scroll_to(token);
}

void PairedText::scroll_to(std::uint32_t token) {
  QRect at = token_rect(token);
  if (!at.isValid()) at = token_rect(token, true);
  if (!at.isValid()) return;
  if (at.top() < 0 || at.bottom() > viewport()->height()) verticalScrollBar()->setValue(verticalScrollBar()->value() + at.center().y() - viewport()->height() / 2);
}

QString PairedText::described(Part part, std::uint32_t token) const {
  const auto& tokens = run(part).tokens();
  if (token >= tokens.size()) return {};
  QString text = tr("token %1, id %2, %3").arg(token).arg(tokens[token].id).arg(shown_token(tokens[token]));
  const auto used = [&](const std::vector<std::optional<double>>& values, const char* mark) {
    if (token < values.size() && values[token]) text += '\n' + tr("%1 %2 experts a layer").arg(QString::fromUtf8(mark), shown_number(*values[token]));
  };
  if (part != kRestB) used(experts_.a, kMarkA);
  if (part != kRestA) used(experts_.b, kMarkB);
  if (const auto kl = part == kRestB ? std::nullopt : divergence(token)) {
    text += '\n' + tr("KL divergence of B from A: %1 nats").arg(shown_number(*kl));
    if (comparison_->scores()->same_top[token - comparison_->scores()->first] == 0) text += '\n' + tr("another token was most likely");
  }
  return text;
}

void PairedText::mouseMoveEvent(QMouseEvent* event) {
  const auto found = token_at(event->position());
  set_cursor(found ? std::optional(found->second) : std::nullopt);
  Q_EMIT pointed(cursor_);
}

bool PairedText::viewportEvent(QEvent* event) {
  if (event->type() == QEvent::Leave) {
    set_cursor(std::nullopt);
    Q_EMIT pointed(std::nullopt);
  }
  if (event->type() == QEvent::ToolTip) {
    const auto* help = static_cast<QHelpEvent*>(event);
    const auto found = token_at(QPointF(help->pos()));
    if (found)
      QToolTip::showText(help->globalPos(), described(found->first, found->second));
    else
      QToolTip::hideText();
    return true;
  }
  return QAbstractScrollArea::viewportEvent(event);
}

void PairedText::keyPressEvent(QKeyEvent* event) {
  const auto count = comparison_ == nullptr ? 0u : static_cast<std::uint32_t>(std::max(comparison_->a().tokens().size(), comparison_->b().tokens().size()));
  const bool back = event->key() == Qt::Key_Left, on = event->key() == Qt::Key_Right;
  if ((back || on) && count > 0) {
    const std::uint32_t at = cursor_.value_or(on ? 0 : count - 1);
    reveal(!cursor_ ? at : back ? (at > 0 ? at - 1 : 0) : std::min(at + 1, count - 1));
    Q_EMIT pointed(cursor_);
  } else {
    QAbstractScrollArea::keyPressEvent(event);
  }
}

void PairedText::resizeEvent(QResizeEvent*) { lay_out(); }

void PairedText::showEvent(QShowEvent* event) {
  QAbstractScrollArea::showEvent(event);
  show_parting();
}

}  // namespace fovea
