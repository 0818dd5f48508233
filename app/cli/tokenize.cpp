// `tokenize`: the token ids of a text, as the model's own vocabulary cuts it; needs no device.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/cli/command.hpp"
#include "app/cli/load.hpp"
#include "app/cli/options.hpp"
#include "app/cli/text_source.hpp"
#include "engine/io/gguf.hpp"
#include "engine/text/tokenizer.hpp"

namespace fovea::cli {
namespace {

struct TokenizeOptions {
  CommonOptions common;
  TextSource text;
  bool no_special = false;
};

nlohmann::ordered_json to_json(TokenId id, const Tokenizer& tokenizer) {
  const std::string bytes = tokenizer.bytes(id, true);
  auto values = nlohmann::ordered_json::array();
  for (const char byte : bytes) values.push_back(static_cast<unsigned char>(byte));
  return {{"id", id}, {"text", bytes}, {"bytes", std::move(values)}};
}

Result<void> run_tokenize(const TokenizeOptions& options, Process& process) {
  FOVEA_ASSIGN(const std::filesystem::path path, model_path(options.common));
  FOVEA_ASSIGN(const GgufFile file, GgufFile::open(path));
  FOVEA_ASSIGN(const Tokenizer tokenizer, Tokenizer::create(file.gguf()));
  FOVEA_ASSIGN(const std::string text, read_text(options.text));
  const std::vector<TokenId> ids =
      tokenizer.encode(text, {.add_bos = !options.no_special, .parse_special = !options.no_special});
  if (!options.common.json) {
    process.out.write(fmt::format("{}\n", fmt::join(ids, " ")));
    return {};
  }
  auto tokens = nlohmann::ordered_json::array();
  for (const TokenId id : ids) tokens.push_back(to_json(id, tokenizer));
  process.out.write_json(nlohmann::ordered_json{{"tokens", std::move(tokens)}});
  return {};
}

}  // namespace

void add_tokenize(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand("tokenize", "Print the token ids of a text");
  const auto options = std::make_shared<TokenizeOptions>();
  add_model_option(*parser, options->common);
  add_text_options(*parser, options->text);
  parser->add_flag("--no-special", options->no_special,
                   "No special tokens: none is put in front, and those spelled in the text are plain text");
  add_json_option(*parser, options->common);
  commands.push_back({parser, [options](Process& process) { return run_tokenize(*options, process); }});
}

}  // namespace fovea::cli
