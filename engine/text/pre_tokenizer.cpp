#include "engine/text/pre_tokenizer.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

#include "engine/io/shown_name.hpp"
#include "engine/text/utf8.hpp"

namespace fovea {
namespace {

// The property White_Space. PCRE2's own \s also takes U+180E, which has not been white space since Unicode 6.3.
#define FOVEA_WHITE R"(\t-\r\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})"
#define FOVEA_WHITE_RUN "[" FOVEA_WHITE "]+"
#define FOVEA_LAST_WHITE FOVEA_WHITE_RUN "(?![^" FOVEA_WHITE "])"  // all of a run but the one that a word follows
#define FOVEA_SYMBOLS " ?[^" FOVEA_WHITE R"(\p{L}\p{N}]+)"
// Without case folding in Unicode, which would take the long s for an s.
#define FOVEA_CONTRACTIONS "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
#define FOVEA_LINES "[" FOVEA_WHITE R"(]*[\r\n]+)"
#define FOVEA_TAIL FOVEA_LINES "|" FOVEA_LAST_WHITE "|" FOVEA_WHITE_RUN

// The expressions as published with the models (tokenizer.json, encoder.py of GPT-2).
constexpr const char* gpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+|)" FOVEA_SYMBOLS "|" FOVEA_LAST_WHITE "|" FOVEA_WHITE_RUN;
constexpr const char* qwen2 =
    FOVEA_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)" FOVEA_SYMBOLS R"([\r\n]*|)" FOVEA_TAIL;
constexpr const char* llama3 =
    FOVEA_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)" FOVEA_SYMBOLS R"([\r\n]*|)" FOVEA_TAIL;
constexpr const char* tekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}|)" FOVEA_SYMBOLS
    R"([\r\n/]*|)" FOVEA_TAIL;
constexpr const char* one_digit = R"(\p{N})";
constexpr const char* three_digits = "[0-9][0-9][0-9]";

struct Family {
  std::array<const char*, 4> patterns;  // unused ones null
  bool ignores_merges, adds_bos;
  std::span<const std::string_view> names;
};

constexpr std::string_view gpt2_names[]{
    "gpt-2",  "gpt2",     "phi-2",           "mpt",     "olmo",    "jais",       "exaone4",    "trillion",   "a.x-4.0",
    "mellum", "gigachat", "granite-docling", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "modern-bert"};
constexpr std::string_view digit_names[]{"starcoder", "refact", "command-r", "smollm",
                                         "codeshell", "exaone", "minerva-7b"};
constexpr std::string_view qwen2_names[]{"qwen2",   "deepseek-r1-qwen", "stablelm2", "megrez", "kormo",
                                         "hunyuan", "solar-open",       "grok-2",    "f2llmv2"};
constexpr std::string_view llama3_names[]{"llama-bpe", "llama3",   "llama-v3", "falcon3",     "falcon-h1",
                                          "pixtral",   "midm-2.0", "lfm2",     "jina-v5-nano"};
constexpr std::string_view dbrx_names[]{"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"};
constexpr std::string_view tekken_names[]{"tekken"};
constexpr std::string_view falcon_names[]{"falcon"};
constexpr std::string_view default_names[]{"", "default"};

// Which names share which expressions is llama.cpp's table, for the names are its own.
const Family families[]{
    {{gpt2}, false, false, gpt2_names},
    {{one_digit, gpt2}, false, false, digit_names},
    {{qwen2}, false, false, qwen2_names},
    {{llama3}, true, true, llama3_names},
    {{llama3}, false, false, dbrx_names},
    {{tekken}, true, true, tekken_names},
    {{R"([\p{P}\$\+<=>\^~\|`]+)", gpt2, three_digits}, false, false, falcon_names},
    {{R"([\p{P}\$\+<=>\^~\|]+)", gpt2, R"(\p{N}+)", three_digits}, false, false, default_names},
};

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <class T, auto Free>
using Owned = std::unique_ptr<T, Freed<Free>>;

// The same text for PCRE2, byte for byte as long: what is not UTF-8 becomes U+0001, neither letter, number nor space.
std::string shadow(std::string_view text) {
  std::string shown(text);
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text.substr(at));
    if (step.kind != Utf8Step::Kind::complete)
      std::fill_n(shown.begin() + static_cast<std::ptrdiff_t>(at), step.length, '\x01');
    at += step.length;
  }
  return shown;
}

}  // namespace

struct PreTokenizer::Pattern {
  Owned<pcre2_code, pcre2_code_free> code;
};

PreTokenizer::PreTokenizer(std::vector<Pattern> patterns, bool ignores_merges, bool adds_bos)
    : patterns_(std::move(patterns)), ignores_merges_(ignores_merges), adds_bos_(adds_bos) {}
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

Result<PreTokenizer> PreTokenizer::create(std::string_view name) {
  const auto* family = std::find_if(std::begin(families), std::end(families), [name](const Family& candidate) {
    return std::find(candidate.names.begin(), candidate.names.end(), name) != candidate.names.end();
  });
  if (family == std::end(families))
    return fail(ErrorCode::unsupported, "tokenizer", "the pre-tokenizer " + shown_name(name) + " is not known",
                "use a model whose tokenizer.ggml.pre is gpt-2, qwen2, llama-bpe or one of their kin");
  std::vector<Pattern> patterns;
  for (const char* expression : family->patterns) {
    if (!expression) break;
    int error = 0;
    PCRE2_SIZE at = 0;
    Pattern pattern{Owned<pcre2_code, pcre2_code_free>(pcre2_compile(
        reinterpret_cast<PCRE2_SPTR>(expression), PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error, &at, nullptr))};
    if (!pattern.code)
      return fail(ErrorCode::internal, "tokenizer",
                  "PCRE2 refuses the expression of " + shown_name(name) + " at " + std::to_string(at) + " with error " +
                      std::to_string(error),
                  "install PCRE2 10.40 or newer, built with Unicode");
    pcre2_jit_compile(pattern.code.get(), PCRE2_JIT_COMPLETE);  // only speed: without it the interpreter matches
    patterns.push_back(std::move(pattern));
  }
  return PreTokenizer(std::move(patterns), family->ignores_merges, family->adds_bos);
}

std::vector<std::string_view> PreTokenizer::split(std::string_view text) const {
  using Range = std::pair<std::size_t, std::size_t>;  // begin, end
  const std::string shown = shadow(text);
  std::vector<Range> words, cut;
  if (!text.empty()) words.emplace_back(0, text.size());
  const Owned<pcre2_match_data, pcre2_match_data_free> found(pcre2_match_data_create(1, nullptr));
  const Owned<pcre2_match_context, pcre2_match_context_free> limits(pcre2_match_context_create(nullptr));
  // Each byte may be stepped back over a few times; more than that is an expression gone wrong, not a longer text.
  const auto steps =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(10'000'000 + 8 * std::uint64_t{text.size()}, UINT32_MAX));
  if (limits) pcre2_set_match_limit(limits.get(), steps);
  for (const Pattern& pattern : patterns_) {
    if (!found || !limits) break;  // out of memory: the words stay as coarse as they are
    cut.clear();
    for (const auto& [begin, end] : words) {
      // A word is matched as if it were all there is: nothing looks past its ends.
      const auto* subject = reinterpret_cast<PCRE2_SPTR>(shown.data() + begin);
      std::size_t at = 0;  // in the word, as are the offsets found
      while (at < end - begin) {
        int groups =
            pcre2_match(pattern.code.get(), subject, end - begin, at, PCRE2_NO_UTF_CHECK, found.get(), limits.get());
        if (groups == PCRE2_ERROR_JIT_STACKLIMIT)
          groups = pcre2_match(pattern.code.get(), subject, end - begin, at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                               found.get(), limits.get());
        if (groups < 0) break;  // nothing more, or a limit was met: the rest is one word
        const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(found.get());
        if (offsets[1] <= offsets[0]) break;
        if (offsets[0] > at) cut.emplace_back(begin + at, begin + offsets[0]);
        cut.emplace_back(begin + offsets[0], begin + offsets[1]);
        at = offsets[1];
      }
      if (at < end - begin) cut.emplace_back(begin + at, end);
    }
    std::swap(words, cut);
  }
  std::vector<std::string_view> views;
  views.reserve(words.size());
  for (const auto& [begin, end] : words) views.push_back(text.substr(begin, end - begin));
  return views;
}

}  // namespace fovea
