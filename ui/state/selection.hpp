// The one cursor that all views share: which token, which head, and what the mouse is over.
#pragma once

#include <QObject>
#include <cstdint>
#include <optional>

#include "engine/api/trace.hpp"

namespace fovea {

using TokenIndex = std::optional<std::uint32_t>;

class Selection : public QObject {
  Q_OBJECT
 public:
  using QObject::QObject;

  [[nodiscard]] TokenIndex token() const { return token_; }
  [[nodiscard]] TokenIndex hovered() const { return hovered_; }
  [[nodiscard]] HeadId head() const { return head_; }

  void select_token(TokenIndex token);
  void hover_token(TokenIndex token);  // a preview; never moves the cursor
  void select_head(HeadId head);
  // Moves the cursor by `steps` within `tokens`; from nothing selected it enters at the near end.
  void step(int steps, std::uint32_t tokens);

 Q_SIGNALS:
  void token_changed();
  void hover_changed();
  void head_changed();

 private:
  TokenIndex token_, hovered_;
  HeadId head_;
};

}  // namespace fovea
