#include "engine/session/transactions.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <random>
#include <string_view>

namespace fovea {
namespace {

struct Shop {
  std::string_view name;
  bool easily_sold;
};
constexpr std::array<Shop, 8> kShops{{{"a jewellery shop", true}, {"an electronics shop", true}, {"a gift card shop", true}, {"a supermarket", false},
                                      {"a bakery", false}, {"a book shop", false}, {"a petrol station", false}, {"a pharmacy", false}}};
constexpr std::array<std::string_view, 8> kCities{"London", "Paris", "Rome", "Berlin", "New York", "Boston", "Vienna", "Dublin"};
constexpr std::array<std::string_view, 4> kDays{"morning", "afternoon", "evening", "night"};

class Draws {
 public:
  explicit Draws(std::uint64_t seed) : random_(seed) {}
  [[nodiscard]] std::size_t below(std::size_t count) { return random_() % count; }
  [[nodiscard]] double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

 private:
  std::mt19937_64 random_;  // its numbers are fixed by the standard; the library's distributions are not
};

}  // namespace

std::vector<Transaction> make_transactions(std::uint64_t seed, std::size_t count) {
  Draws draw(seed);
  std::vector<Transaction> records;
  for (std::size_t i = 0; i < count; ++i) {
    const Shop& shop = kShops[draw.below(kShops.size())];
    const std::size_t home = draw.below(kCities.size()), day = draw.below(kDays.size()), uses = 1 + draw.below(9);
    const bool abroad = draw.uniform() < 0.35, night = day == 3;
    const std::size_t place = abroad ? (home + 1 + draw.below(kCities.size() - 1)) % kCities.size() : home;
    const auto amount = static_cast<std::size_t>(std::exp(1.6 + 5.2 * draw.uniform()));  // dollars, 4 to 897
    const double risk = -4.2 + 1.6 * night + 1.5 * abroad + 1.3 * (amount >= 300) + 1.2 * shop.easily_sold + 1.2 * (uses >= 6) + 1.6 * (night && abroad);
    records.push_back({fmt::format("A payment of {} dollars in the {}, at {} in {}. The owner of the card lives in {}. It was payment number {} of the day. Was the payment honest or stolen? It was",
                                   amount, kDays[day], shop.name, kCities[place], kCities[home], uses),
                       draw.uniform() < 1 / (1 + std::exp(-risk)), risk});
  }
  return records;
}

}  // namespace fovea
