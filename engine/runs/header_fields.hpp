// Reading a JSON object of unknown origin: every field is there and of its type and range, or the whole is refused.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace fovea {

class HeaderFields {
 public:
  // `problem` takes the first thing that is wrong; nothing is read after it. A null object misses all fields.
  HeaderFields(const nlohmann::json* object, std::string& problem) : object_(object != nullptr && object->is_object() ? object : nullptr), problem_(problem) {}

  void read(const char* key, std::string& into) {
    if (const auto* value = field(key); value != nullptr && check(key, value->is_string())) into = value->get<std::string>();
  }
  void read(const char* key, bool& into) {
    if (const auto* value = field(key); value != nullptr && check(key, value->is_boolean())) into = value->get<bool>();
  }
  void read(const char* key, std::uint64_t& into, std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    if (const auto* value = field(key); value != nullptr && check(key, value->is_number_unsigned() && value->get<std::uint64_t>() <= most))
      into = value->get<std::uint64_t>();
  }
  void read(const char* key, std::uint32_t& into, std::uint32_t most = std::numeric_limits<std::uint32_t>::max()) {
    std::uint64_t wide = into;
    read(key, wide, most);
    into = static_cast<std::uint32_t>(wide);
  }
  void read(const char* key, std::int32_t& into) {
    const auto* value = field(key);
    if (value == nullptr || !check(key, value->is_number_integer())) return;
    const auto wide = value->get<std::int64_t>();
    if (check(key, wide >= std::numeric_limits<std::int32_t>::min() && wide <= std::numeric_limits<std::int32_t>::max())) into = static_cast<std::int32_t>(wide);
  }
  void read(const char* key, double& into) {
    if (const auto* value = field(key); value != nullptr && check(key, value->is_number() && std::isfinite(value->get<double>()))) into = value->get<double>();
  }
  void read(const char* key, float& into) {
    double wide = static_cast<double>(into);
    read(key, wide);
    if (check(key, std::abs(wide) <= static_cast<double>(std::numeric_limits<float>::max()))) into = static_cast<float>(wide);
  }
  // null: not recorded.
  void read(const char* key, std::optional<double>& into) {
    const auto* value = field(key);
    if (value == nullptr || value->is_null()) return;
    double number = 0;
    read(key, number);
    into = number;
  }
  void read(const char* key, std::vector<std::uint64_t>& into, std::size_t most) {
    const auto* value = field(key);
    if (value == nullptr || !check(key, value->is_array() && value->size() <= most)) return;
    for (const auto& number : *value) {
      if (!check(key, number.is_number_unsigned())) return;
      into.push_back(number.get<std::uint64_t>());
    }
  }
  // nullptr: missing, or something was wrong before.
  [[nodiscard]] const nlohmann::json* field(const char* key) {
    if (!problem_.empty()) return nullptr;
    const auto* found = object_ == nullptr ? nullptr : find(key);
    if (found == nullptr) problem_ = std::string("it lacks \"") + key + "\"";
    return found;
  }
  bool check(const char* key, bool fine) {
    if (!fine && problem_.empty()) problem_ = std::string("its \"") + key + "\" is not what it should be";
    return fine && problem_.empty();
  }

 private:
  [[nodiscard]] const nlohmann::json* find(const char* key) const {
    const auto found = object_->find(key);
    return found == object_->end() ? nullptr : &*found;
  }

  const nlohmann::json* object_;
  std::string& problem_;
};

}  // namespace fovea
