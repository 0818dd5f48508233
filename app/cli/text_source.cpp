#include "app/cli/text_source.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "engine/io/bounded_read.hpp"
#include "engine/io/shown_name.hpp"

namespace fovea::cli {

void add_text_options(CLI::App& parser, TextSource& source, bool required) {
  auto* const group = parser.add_option_group("Text");
  group->add_option("-p,--prompt", source.prompt, "The text; - reads it from standard input")->type_name("TEXT");
  group->add_option("-f,--file", source.file, "Read the text from a file")
      ->type_name("FILE")
      ->check([](const std::string& name) { return std::string(name.empty() ? "the file name is empty" : ""); });
  group->require_option(required ? 1 : 0, 1);
}

Result<std::string> read_text(const TextSource& source) {
  if (!source.file.empty()) return read_file(source.file, "text file " + shown_name(source.file), kLongestText);
  if (source.prompt == "-") return read_stream(stdin, "standard input", kLongestText);
  return source.prompt;
}

}  // namespace fovea::cli
