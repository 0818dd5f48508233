// The type and colours of a card: headings, paragraphs, lists, quotations, code, tables.
#pragma once

#include <QTextDocument>
#include <QTextFormat>

#include "ui/theme/theme.hpp"

namespace fovea {

// Restyles what QTextDocument::setMarkdown made. Character formats are built anew from the few properties that a card
// may set (bold, italic, struck out, code, a web address), so that nothing else of the file reaches the window.
void style_card(QTextDocument& document, const Theme& theme);

inline constexpr int kStandsForImage = QTextFormat::UserProperty;  // text in the place of an image

[[nodiscard]] bool is_code_block(const QTextBlockFormat& format);

}  // namespace fovea
