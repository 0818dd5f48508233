// Breaks a stream of tokens into lines: only what is new is laid out, words are kept whole.
#pragma once

#include <QHash>
#include <QString>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "engine/api/trace.hpp"

namespace fovea {

class TranscriptLayout {
 public:
  // Width of a text in pixels.
  using Measure = std::function<double(const QString&)>;
  enum class Kind {
    text,
    line_end,  // a line feed, drawn as a quiet mark
    silent,    // a token without text of its own: its spelling, drawn as a quiet mark
  };
  struct Fragment {
    std::uint32_t token = 0;
    Kind kind = Kind::text;
    QString text;
    double x = 0, width = 0;
  };
  using Line = std::vector<Fragment>;

  void start(Measure measure, double width);  // forgets everything
  void append(const TokenText& token);

  [[nodiscard]] const std::vector<Line>& lines() const { return lines_; }
  [[nodiscard]] std::uint32_t tokens() const { return tokens_; }
  // The token under x of a line: also the last one when x is right of all of them within `slack` pixels.
  [[nodiscard]] std::optional<std::uint32_t> token_at(std::size_t line, double x, double slack = 0) const;
  // The line where a token begins.
  [[nodiscard]] std::optional<std::size_t> line_of(std::uint32_t token) const;
  // The nearest token on a line to x.
  [[nodiscard]] std::optional<std::uint32_t> nearest(std::size_t line, double x) const;

 private:
  void add_text(std::uint32_t token, QString text);
  void add(Fragment fragment);
  void wrap(Fragment& next);
  void next_line();
  [[nodiscard]] double measured(const QString& text);

  Measure measure_;
  double width_ = 0;
  std::vector<Line> lines_;
  std::uint32_t tokens_ = 0;
  double x_ = 0;
  std::size_t word_begin_ = 0;  // index in the last line of the first fragment of the word that is still growing
  QHash<QString, double> widths_;
};

}  // namespace fovea
