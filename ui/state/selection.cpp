#include "ui/state/selection.hpp"

#include <algorithm>

namespace fovea {

void Selection::select_token(TokenIndex token) {
  if (token == token_) return;
  token_ = token;
  Q_EMIT token_changed();
}

void Selection::hover_token(TokenIndex token) {
  if (token == hovered_) return;
  hovered_ = token;
  Q_EMIT hover_changed();
}

void Selection::select_head(HeadId head) {
  if (head == head_) return;
  head_ = head;
  Q_EMIT head_changed();
}

void Selection::step(int steps, std::uint32_t tokens) {
  if (tokens == 0 || steps == 0) return;
  const std::int64_t last = std::int64_t{tokens} - 1;
  const std::int64_t from = token_ ? std::int64_t{*token_} : (steps > 0 ? -1 : last + 1);
  select_token(static_cast<std::uint32_t>(std::clamp<std::int64_t>(from + steps, 0, last)));
}

}  // namespace fovea
