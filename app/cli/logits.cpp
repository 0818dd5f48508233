// `logits`: the logits of every position of a token sequence, into a file.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <bit>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/cli/command.hpp"
#include "app/cli/load.hpp"
#include "app/cli/options.hpp"
#include "engine/io/gguf.hpp"
#include "engine/io/shown_name.hpp"
#include "engine/text/tokenizer.hpp"

namespace fovea::cli {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is little-endian");

struct LogitsOptions {
  CommonOptions common;
  std::string tokens;  // ids separated by blanks or commas
  std::string prompt;
  bool from_prompt = false;
  std::string file;
};

// nullopt: something in it is no number.
std::optional<std::vector<std::int64_t>> parse_ids(const std::string& text) {
  std::vector<std::int64_t> ids;
  constexpr const char* separators = " ,\t\r\n";
  for (std::size_t at = text.find_first_not_of(separators); at != std::string::npos;) {
    const std::size_t end = std::min(text.find_first_of(separators, at), text.size());
    std::int64_t id = 0;
    const auto [stop, error] = std::from_chars(text.data() + at, text.data() + end, id);
    if (error != std::errc{} || stop != text.data() + end) return std::nullopt;
    ids.push_back(id);
    at = text.find_first_not_of(separators, end);
  }
  return ids;
}

// Ids are held against the vocabulary before any weight is read.
Result<std::vector<TokenId>> tokens_of(const LogitsOptions& options) {
  FOVEA_ASSIGN(const std::filesystem::path path, model_path(options.common));
  std::vector<TokenId> tokens;
  if (options.from_prompt) {
    FOVEA_ASSIGN(const GgufFile file, GgufFile::open(path));
    FOVEA_ASSIGN(const Tokenizer tokenizer, Tokenizer::create(file.gguf()));
    tokens = tokenizer.encode(options.prompt);
  } else {
    FOVEA_ASSIGN(const ModelSummary model, inspect(path));
    for (const std::int64_t id : parse_ids(options.tokens).value_or(std::vector<std::int64_t>{})) {
      if (id < 0 || id >= std::int64_t{model.vocabulary})
        return fail(ErrorCode::usage, "--tokens", fmt::format("{} is no token of this model", id),
                    fmt::format("use ids from 0 to {}", std::int64_t{model.vocabulary} - 1));
      tokens.push_back(static_cast<TokenId>(id));
    }
  }
  if (tokens.empty()) return fail(ErrorCode::usage, "logits", "there is no token to begin with", "give at least one");
  return tokens;
}

// Writes the header and rows as they come; remembers the first failure.
class LogitsFile {
 public:
  static Result<LogitsFile> create(const std::string& name) {
    std::FILE* const file = std::fopen(name.c_str(), "wb");
    if (file == nullptr)
      return fail(ErrorCode::file, "output file " + shown_name(name), std::strerror(errno),
                  "name a file that can be written");
    return LogitsFile(name, file);
  }

  void write(const void* data, std::size_t bytes) {
    if (error_ == 0 && std::fwrite(data, 1, bytes, file_.get()) != bytes) error_ = errno != 0 ? errno : EIO;
  }
  [[nodiscard]] bool failed() const { return error_ != 0; }

  Result<void> finish() {
    if (std::fclose(file_.release()) != 0 && error_ == 0) error_ = errno;
    if (error_ == 0) return {};
    return fail(ErrorCode::file, "output file " + shown_name(name_), std::strerror(error_),
                "make room or write it somewhere else");
  }
  // Half a file says nothing true; a device file is left where it is.
  void discard() {
    file_.reset();
    std::error_code ignored;
    if (std::filesystem::is_regular_file(name_, ignored)) std::filesystem::remove(name_, ignored);
  }

 private:
  LogitsFile(std::string name, std::FILE* file) : name_(std::move(name)), file_(file, &std::fclose) {}
  std::string name_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
  int error_ = 0;
};

Result<void> write_logits(Engine& engine, const std::vector<TokenId>& tokens, LogitsFile& file, std::stop_source stop) {
  const auto count = static_cast<std::int32_t>(tokens.size());
  const auto vocabulary = static_cast<std::int32_t>(engine.summary().vocabulary);
  file.write(&count, sizeof count);
  file.write(&vocabulary, sizeof vocabulary);
  std::uint32_t delivered = 0;
  FOVEA_TRY(engine.logits(
      tokens, 0,
      [&](std::uint32_t, std::span<const float> row) {
        ++delivered;
        file.write(row.data(), row.size_bytes());
        if (file.failed()) stop.request_stop();
      },
      stop.get_token()));
  if (!file.failed() && delivered != tokens.size())
    return fail(ErrorCode::cancelled, "logits", fmt::format("stopped after {} of {} tokens", delivered, tokens.size()),
                "run it again");
  return {};
}

Result<void> run_logits(const LogitsOptions& options, Process& process) {
  FOVEA_ASSIGN(const std::vector<TokenId> tokens, tokens_of(options));
  FOVEA_ASSIGN(const auto engine,
               load_engine(options.common, static_cast<std::uint32_t>(tokens.size()), process.stop.get_token()));
  FOVEA_ASSIGN(LogitsFile file, LogitsFile::create(options.file));
  const auto start = std::chrono::steady_clock::now();
  const Result<void> computed = write_logits(*engine, tokens, file, process.stop);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  // A failed write stops the run, so it is the cause to tell.
  if (file.failed() || computed) {
    const Result<void> written = file.finish();
    if (!written) file.discard();
    FOVEA_TRY(written);
  } else {
    file.discard();
    return computed;
  }
  if (options.common.json)
    process.out.write_json(nlohmann::ordered_json{{"tokens", tokens.size()},
                                                  {"vocab", engine->summary().vocabulary},
                                                  {"file", options.file},
                                                  {"seconds", seconds.count()}});
  return {};
}

}  // namespace

void add_logits(CLI::App& program, Commands& commands) {
  CLI::App* const parser = program.add_subcommand(
      "logits", "Write the logits of every position: little-endian int32 n, int32 vocab, float32 n*vocab");
  const auto options = std::make_shared<LogitsOptions>();
  add_common_options(*parser, options->common);
  auto* const input = parser->add_option_group("Tokens");
  input->add_option("--tokens", options->tokens, "Token ids, separated by blanks")
      ->type_name("\"1 2 3\"")
      ->check([](const std::string& text) {
        return std::string(parse_ids(text) ? "" : "write numbers separated by blanks");
      });
  input->add_option("-p,--prompt", options->prompt, "A text instead of ids")
      ->type_name("TEXT")
      ->each([options = options.get()](const std::string&) { options->from_prompt = true; });
  input->require_option(1);
  parser->add_option("-o,--output", options->file, "The file to write")->required()->type_name("FILE");
  commands.push_back({parser, [options](Process& process) { return run_logits(*options, process); }});
}

}  // namespace fovea::cli
