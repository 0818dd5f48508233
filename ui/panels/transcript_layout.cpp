#include "ui/panels/transcript_layout.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace fovea {

namespace {

// Scripts written without spaces may break anywhere.
bool breaks_anywhere(QChar c) {
  const char16_t code = c.unicode();
  return (code >= 0x2e80 && code < 0xfb00) || (code >= 0xff00 && code < 0xff61);  // the latter: full-width forms
}

// What no line may begin with, and what none may end with (W3C, Requirements for Chinese Text Layout, 3.1.2).
constexpr QStringView kNeverFirst = u"。，、；：？！）》〉」』】〕〗”’…—·％.,;:?!)]}%";
constexpr QStringView kNeverLast = u"（《〈「『【〔〖“‘([{";

bool may_break_between(const QString& left, const QString& right) {
  if (left.isEmpty() || right.isEmpty()) return true;
  if (kNeverFirst.contains(right.front()) || kNeverLast.contains(left.back())) return false;
  return right.front().isSpace() || left.back().isSpace() || breaks_anywhere(left.back()) ||
         breaks_anywhere(right.front());
}

QString quiet_mark(const TokenText& token) {
  const QString piece = QString::fromStdString(token.piece);
  const bool special = piece.size() > 2 && (piece.startsWith('<') || piece.startsWith('['));
  // A byte inside a character that a later token completes has no letter to show.
  return special && !piece.startsWith(QLatin1String("<0x")) ? piece : QString(QChar(0x00b7));
}

}  // namespace

void TranscriptLayout::start(Measure measure, double width) {
  measure_ = std::move(measure);
  width_ = std::max(width, 20.0);
  lines_.assign(1, {});
  tokens_ = 0;
  x_ = 0;
  word_begin_ = 0;
  widths_.clear();
}

double TranscriptLayout::measured(const QString& text) {
  const auto known = widths_.constFind(text);
  if (known != widths_.constEnd()) return *known;
  const double width = measure_(text);
  widths_.insert(text, width);
  return width;
}

void TranscriptLayout::next_line() {
  lines_.emplace_back();
  x_ = 0;
  word_begin_ = 0;
}

void TranscriptLayout::append(const TokenText& token) {
  const std::uint32_t index = tokens_++;
  const QString text = QString::fromStdString(token.text);
  if (text.isEmpty()) {
    const QString mark = quiet_mark(token);
    add({index, Kind::silent, mark, 0, measured(mark)});
    return;
  }
  qsizetype from = 0;
  while (from <= text.size()) {
    const qsizetype end = text.indexOf('\n', from);
    add_text(index,
             text.mid(from, (end < 0 ? text.size() : end) - from).replace('\t', QLatin1String("    ")).remove('\r'));
    if (end < 0) break;
    // The mark hangs over the edge rather than begin a line of its own.
    const QString mark(QChar(0x21b5));
    lines_.back().push_back({index, Kind::line_end, mark, x_, measured(mark)});
    next_line();
    from = end + 1;
  }
}

// A text wider than a line is cut where it fits.
void TranscriptLayout::add_text(std::uint32_t token, QString text) {
  while (!text.isEmpty()) {
    qsizetype length = text.size();
    if (measured(text) > width_) {
      while (length > 1 && measure_(text.left(length)) > width_) length = length > 16 ? length * 7 / 8 : length - 1;
      if (length > 1 && text[length - 1].isHighSurrogate()) --length;
    }
    const QString part = text.left(length);
    add({token, Kind::text, part, 0, measured(part)});
    text = text.mid(length);
  }
}

void TranscriptLayout::add(Fragment fragment) {
  Line& line = lines_.back();
  if (line.empty() || may_break_between(line.back().text, fragment.text)) word_begin_ = line.size();
  if (x_ + fragment.width > width_ && !line.empty()) wrap(fragment);
  fragment.x = x_;
  x_ += fragment.width;
  lines_.back().push_back(std::move(fragment));
}

void TranscriptLayout::wrap(Fragment& next) {
  Line carried;
  if (word_begin_ > 0) {
    Line& line = lines_.back();
    carried.assign(std::make_move_iterator(line.begin() + static_cast<std::ptrdiff_t>(word_begin_)),
                   std::make_move_iterator(line.end()));
    line.resize(word_begin_);
  }
  next_line();
  const auto without_space = [this](Fragment& first) {
    if (first.kind != Kind::text || first.text.size() < 2 || first.text.front() != ' ') return;
    first.text.remove(0, 1);
    first.width = measured(first.text);
  };
  without_space(carried.empty() ? next : carried.front());
  for (Fragment& fragment : carried) {
    fragment.x = x_;
    x_ += fragment.width;
    lines_.back().push_back(std::move(fragment));
  }
}

std::optional<std::uint32_t> TranscriptLayout::token_at(std::size_t line, double x, double slack) const {
  if (line >= lines_.size()) return std::nullopt;
  for (const Fragment& fragment : lines_[line])
    if (x >= fragment.x && x < fragment.x + fragment.width) return fragment.token;
  if (lines_[line].empty() || x < 0) return std::nullopt;
  const Fragment& last = lines_[line].back();
  return x < last.x + last.width + slack ? std::optional(last.token) : std::nullopt;
}

std::optional<std::size_t> TranscriptLayout::line_of(std::uint32_t token) const {
  // An empty line (nothing after a line feed yet) sorts after everything.
  const auto found = std::partition_point(
      lines_.begin(), lines_.end(), [token](const Line& line) { return !line.empty() && line.back().token < token; });
  if (found == lines_.end() || found->empty()) return std::nullopt;
  return static_cast<std::size_t>(found - lines_.begin());
}

std::optional<std::uint32_t> TranscriptLayout::nearest(std::size_t line, double x) const {
  if (line >= lines_.size() || lines_[line].empty()) return std::nullopt;
  const auto distance = [x](const Fragment& f) { return std::fabs(f.x + f.width / 2 - x); };
  const auto& fragments = lines_[line];
  return std::min_element(fragments.begin(), fragments.end(),
                          [&](const Fragment& a, const Fragment& b) { return distance(a) < distance(b); })
      ->token;
}

}  // namespace fovea
