// The Markdown of a card before it becomes a document: what is no part of the text goes, and what Qt would take too
// long over is recognised.
#pragma once

#include <QString>

namespace fovea {

// Without the YAML between two lines of dashes that cards on Hugging Face begin with; line ends become '\n', and
// characters that Qt would take for the structure of a document U+FFFD.
[[nodiscard]] QString card_body(const QString& text);

// Qt's Markdown reader takes quadratic time, or memory, over large tables, long lists and endless paragraphs; a card
// is somebody else's file, and the window must not wait for it. True: show it as it is written.
[[nodiscard]] bool is_intricate(const QString& body);

// The text with line ends added so that no line is longer than `length`.
[[nodiscard]] QString with_short_lines(const QString& text, qsizetype length);

}  // namespace fovea
