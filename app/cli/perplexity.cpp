// `perplexity`: how well the model predicts a text, in windows that are evaluated and scored as llama-perplexity does.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/cli/against.hpp"
#include "app/cli/attention_figures.hpp"
#include "app/cli/command.hpp"
#include "app/cli/load.hpp"
#include "app/cli/moe_figures.hpp"
#include "app/cli/number_range.hpp"
#include "app/cli/options.hpp"
#include "app/cli/text_source.hpp"
#include "engine/api/divergence.hpp"
#include "engine/api/nll_score.hpp"
#include "engine/io/bounded_read.hpp"
#include "engine/io/shown_name.hpp"
#include "engine/session/evaluation.hpp"
#include "engine/tensor/kv_row.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint32_t default_window = 512;  // llama-perplexity's

// Rows of which one is measured: not a multiple of a tile of 16 of a prompt, whose rows so have their turn, those that a choice is
// made by and the others.
constexpr std::uint32_t kMeasured = 257;

struct PerplexityOptions {
  CommonOptions common;
  EvaluationOptions text{.measure = kMeasured};
  std::optional<std::size_t> first_bytes;
  std::string against;
  std::string bias_file;
};

void show_progress(const Evaluation& done) {
  if (isatty(STDERR_FILENO) == 0) return;
  fmt::print(stderr, "\r{} of windows, perplexity {:.4f} ", done.windows, done.score.perplexity());
}

// What the same pages would take as F16: derived, while `kv_bytes` is the allocator's.
std::uint64_t kv_bytes_as_f16(const ModelSummary& model, std::uint64_t kv_bytes) {
  if (model.kv == KvType::f16) return kv_bytes;
  if (model.kv == KvType::tiered) {  // of the whole context, which the cache has room for
    const std::uint64_t positions = (model.context + kAttentionPage - 1) / kAttentionPage * kAttentionPage;
    return 2 * kv_row_bytes(DType::F16, model.head_width) * model.layers * model.kv_heads * positions;
  }
  return kv_bytes * kv_row_bytes(DType::F16, model.head_width) / kv_row_bytes(DType::Q8_0, model.head_width);
}

double delta_percent(const Evaluation& done) { return percent_above(done.score.perplexity(), done.standard.perplexity()); }

Json against_json(const Evaluation& done, const std::string& policy) {
  if (policy.empty()) return nullptr;
  return {{"policy", policy},
          {"perplexity", done.standard.perplexity()},
          {"kl_mean", done.divergence.kl_mean()},
          {"kl_p99", done.divergence.kl_p99()},
          {"same_top", done.divergence.same_top()},
          {"delta_ppl_percent", delta_percent(done)},
          {"delta_ppl_stderr_percent", percent_above_error(done.difference)}};
}

// `against`: the policy that it is held against, or empty.
Json to_json(const Evaluation& done, const Engine& engine, const PerplexityOptions& options, const std::string& against) {
  const std::uint64_t kv = engine.memory().kv;
  Json value{{"tokens", done.score.count()},
             {"nll", done.score.mean()},
             {"perplexity", done.score.perplexity()},
             {"stderr", done.score.standard_error()},
             {"seconds", done.seconds},
             {"context", done.window},
             {"windows", done.windows},
             {"text_tokens", done.text_tokens}};
  Json attention = attention_json(engine.summary(), done.attention);
  attention["kv"] = name(engine.summary().kv);
  attention["kv_bytes"] = kv;
  attention["kv_bytes_f16"] = kv_bytes_as_f16(engine.summary(), kv);
  const auto tiers = engine.tier_facts();
  attention["kv_tiers"] = tiers_json(tiers && *tiers ? &**tiers : nullptr);
  add_recall(attention, done.measured, engine.summary());
  value["attention"] = std::move(attention);
  value["moe"] = moe_json(engine.summary(), done.routing, done.routing);
  // Batches take floats under any policy.
  value["activations"] = name(options.text.decoded ? engine.summary().activations : ActivationType::f32);
  value["steps"] = options.text.decoded ? "decode" : "prompt";
  value["against"] = against_json(done, against);
  return value;
}

Result<void> run_perplexity(const PerplexityOptions& options, Process& process) {
  const std::uint32_t window = options.common.context == 0 ? default_window : options.common.context;
  if (window < 2 || options.text.last > window - 1)
    return fail(ErrorCode::usage, "perplexity",
                fmt::format("a window of {} tokens has no {} positions that predict another", window,
                            std::max(options.text.last, 1u)),
                "use a larger -c or a smaller --last");
  FOVEA_ASSIGN(const std::string text,
               read_file(options.text.file, "text file " + shown_name(options.text.file), kLongestText, options.first_bytes));
  FOVEA_ASSIGN(const auto engine, load_engine(options.common, window, process.stop.get_token()));
  if (!options.bias_file.empty() && (!engine->summary().experts_rule || engine->summary().experts_rule->balance == ExpertBalance::off))
    return fail(ErrorCode::usage, "--save-bias " + shown_name(options.bias_file), "the policy balances no load, so there is no bias to save",
                "add --moe dynamic:p=1,balance=headroom,reset=never");
  // What is spelled like a special token ("<|endoftext|>" between documents) is text here, as for llama-perplexity.
  const std::vector<TokenId> tokens = engine->tokenizer().encode(text, {.add_bos = true, .parse_special = false});
  std::unique_ptr<Engine> standard;  // with weights of its own
  std::string against;
  if (!options.against.empty()) {
    FOVEA_ASSIGN(standard, load_engine(with_policy(options.common, options.against), window, process.stop.get_token()));
    against = shown_policy(options.against, standard->summary());
  }
  FOVEA_ASSIGN(const Evaluation done, evaluate(*engine, standard.get(), options.text, tokens, window, show_progress, process.stop.get_token()));
  if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\n");
  if (!options.bias_file.empty()) {
    FOVEA_ASSIGN(const std::vector<float> bias, engine->expert_bias());
    const ExpertRule& rule = *engine->summary().experts_rule;
    FOVEA_TRY(write_expert_bias(options.bias_file, bias, engine->summary().layers, rule.balance == ExpertBalance::price ? std::optional(rule.tau) : std::nullopt));
  }
  if (options.common.json)
    process.out.write_json(to_json(done, *engine, options, against));
  else
    process.out.write(fmt::format("PPL = {:.4f} +/- {:.5f}, nll {:.6f}, {} tokens of {} windows of {}, {:.1f} s\n",
                                  done.score.perplexity(), done.score.standard_error(), done.score.mean(),
                                  done.score.count(), done.windows, done.window, done.seconds) +
                      moe_line(engine->summary(), done.routing.both()));
  if (const RecallFigures recall = recall_figures(done.measured, engine->summary().query_heads, 0, engine->summary().layers);
      !options.common.json && recall.sparse > 0)
    process.out.write(fmt::format("recall {:.4f} (5 %: {:.4f}), an oracle's {:.4f} (5 %: {:.4f}), in {} rows\n", recall.recall.mean, recall.recall.p5,
                                  recall.oracle.mean, recall.oracle.p5, done.measured.size()));
  if (!options.common.json && standard)
    process.out.write(fmt::format("against {}: PPL = {:.4f}, {:+.3f} +/- {:.3f} %, KL {:.6f} (99 %: {:.6f}), same token first {:.2f} %\n", against,
                                  done.standard.perplexity(), delta_percent(done), percent_above_error(done.difference), done.divergence.kl_mean(), done.divergence.kl_p99(),
                                  100 * done.divergence.same_top()));
  return {};
}

}  // namespace

void add_perplexity(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("perplexity", "Measure how well the model predicts a text");
  const auto options = std::make_shared<PerplexityOptions>();
  add_common_options(*parser, options->common);
  parser->get_option("-c")->description("Tokens of a window (default: 512)");
  parser->add_option("-f,--file", options->text.file, "The text")->required()->type_name("FILE");
  parser->add_option("--windows,--chunks", options->text.windows, "Score at most this many windows (default: all)")
      ->type_name("N")
      ->check(whole_number(1, std::numeric_limits<std::uint32_t>::max()));
  parser->add_option("--last", options->text.last, "Score the last M predictions of a window (default: the second half)")
      ->type_name("M")
      ->check(whole_number(1, std::numeric_limits<std::uint32_t>::max()));
  parser->add_option("--bytes", options->first_bytes, "Use only the first N bytes of the text")
      ->type_name("N")
      ->check(whole_number(1, kLongestText));
  parser->add_option("--measure", options->text.measure, "Sparse attention: measure recall in every Nth row (default: 257; 0: in none)")
      ->type_name("N")
      ->check(whole_number(0, std::numeric_limits<std::uint32_t>::max()));
  parser->add_flag("--decode", options->text.decoded, "Score token by token, by the steps of decoding, behind a prompt up to the first");
  parser->add_option("--save-bias", options->bias_file, "Write the bias by load at the end, for --moe dynamic:reset=frozen,bias=FILE")
      ->type_name("FILE");
  add_against_option(*parser, options->against);
  commands.push_back({parser, [options](Process& process) { return run_perplexity(*options, process); }});
}

}  // namespace fovea::cli
