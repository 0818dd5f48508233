// A card laid out: Markdown as a document in the theme's type and colours that fetches nothing and opens nothing
// itself.
#pragma once

#include <QCoreApplication>
#include <QTextDocument>
#include <QUrl>
#include <memory>
#include <optional>

#include "ui/theme/theme.hpp"

namespace fovea {

// The address that a link may open: http or https to a host, without a user's name, which only serves to mislead.
[[nodiscard]] std::optional<QUrl> web_address(const QString& link);

class CardDocument : public QTextDocument {
  Q_DECLARE_TR_FUNCTIONS(fovea::CardDocument)
 public:
  // `markdown` must not be intricate (card_text). Images become their description, HTML tags go and their text stays,
  // links that are no web_address are text.
  [[nodiscard]] static std::unique_ptr<CardDocument> laid_out(const QString& markdown, const Theme& theme);
  // The text as it is written.
  [[nodiscard]] static std::unique_ptr<CardDocument> as_written(const QString& text, const Theme& theme);

 protected:
  QVariant loadResource(int type, const QUrl& name) override;

 private:
  CardDocument();
  [[nodiscard]] static QString described(const QString& image);
  void replace_images_and_html();
};

}  // namespace fovea
