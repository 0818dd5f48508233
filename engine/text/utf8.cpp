#include "engine/text/utf8.hpp"

namespace fovea {
namespace {

// Bytes a lead byte asks for, and the range its first continuation byte must lie in; length 0 = never a lead byte.
struct Lead {
  std::size_t length = 0;
  unsigned char low = 0x80, high = 0xBF;
};

Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {1};
  if (byte < 0xC2) return {0};
  if (byte < 0xE0) return {2};
  if (byte == 0xE0) return {3, 0xA0};
  if (byte == 0xED) return {3, 0x80, 0x9F};  // no surrogates
  if (byte < 0xF0) return {3};
  if (byte == 0xF0) return {4, 0x90};
  if (byte < 0xF4) return {4};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0};
}

}  // namespace

Utf8Step utf8_step(std::string_view bytes) {
  using Kind = Utf8Step::Kind;
  const Lead lead = lead_of(static_cast<unsigned char>(bytes[0]));
  if (lead.length == 0) return {Kind::malformed, 1};
  for (std::size_t i = 1; i < lead.length; ++i) {
    if (i == bytes.size()) return {Kind::unfinished, i};
    const auto byte = static_cast<unsigned char>(bytes[i]);
    const unsigned char low = i == 1 ? lead.low : 0x80, high = i == 1 ? lead.high : 0xBF;
    if (byte < low || byte > high) return {Kind::malformed, i};
  }
  return {Kind::complete, lead.length};
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Utf8Step step = utf8_step(bytes);
    if (step.kind != Utf8Step::Kind::complete) return false;
    bytes.remove_prefix(step.length);
  }
  return true;
}

char32_t code_point(std::string_view bytes) {
  const Utf8Step step = utf8_step(bytes);
  const auto lead = static_cast<unsigned char>(bytes[0]);
  if (step.length == 1) return lead;
  char32_t value = lead & (0xFFu >> (step.length + 1));
  for (std::size_t i = 1; i < step.length; ++i) value = (value << 6) | (static_cast<unsigned char>(bytes[i]) & 0x3Fu);
  return value;
}

std::string to_utf8(char32_t value) {
  const auto tail = [value](int shift) { return static_cast<char>(0x80u | ((value >> shift) & 0x3Fu)); };
  if (value < 0x80) return {static_cast<char>(value)};
  if (value < 0x800) return {static_cast<char>(0xC0u | (value >> 6)), tail(0)};
  if (value < 0x10000) return {static_cast<char>(0xE0u | (value >> 12)), tail(6), tail(0)};
  return {static_cast<char>(0xF0u | (value >> 18)), tail(12), tail(6), tail(0)};
}

}  // namespace fovea
