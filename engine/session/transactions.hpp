// Made records of card payments as a person would write them down, some of them fraudulent by a hidden rule with noise: the text
// classification of the worked case (docs/worked-case.md). A seed gives the same records on every machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fovea {

struct Transaction {
  std::string text;
  bool fraud = false;
  double risk = 0;  // log odds of the hidden rule, before the noise
};

// The rule: log odds = -4.2 + 1.6 [at night] + 1.5 [abroad] + 1.3 [amount of 300 and more] + 1.2 [goods that are easily sold]
// + 1.2 [six payments that day and more] + 1.6 [at night and abroad]; fraud is drawn with that probability, so that no reader can
// tell all of it.
[[nodiscard]] std::vector<Transaction> make_transactions(std::uint64_t seed, std::size_t count);

}  // namespace fovea
