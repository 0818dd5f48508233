// Cuts text into words before byte-level merging, with the regular expressions of tokenizer.ggml.pre.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"

namespace fovea {

class PreTokenizer {
 public:
  // `name` as in tokenizer.ggml.pre; "" means "default". Errors: a name we have no expressions for.
  [[nodiscard]] static Result<PreTokenizer> create(std::string_view name);
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;
  ~PreTokenizer();

  // The words, in order; together they are the text. Bytes that are not UTF-8 count as symbols.
  [[nodiscard]] std::vector<std::string_view> split(std::string_view text) const;
  // A word that is a token as a whole is taken whole, whatever the merges would make of it.
  [[nodiscard]] bool ignores_merges() const { return ignores_merges_; }
  [[nodiscard]] bool adds_bos() const { return adds_bos_; }

 private:
  struct Pattern;
  PreTokenizer(std::vector<Pattern> patterns, bool ignores_merges, bool adds_bos);
  std::vector<Pattern> patterns_;  // each cuts what the one before left
  bool ignores_merges_ = false, adds_bos_ = false;
};

}  // namespace fovea
