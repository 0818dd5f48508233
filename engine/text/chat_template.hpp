// Chat formatting from a fixed list of known templates; the file's own template is matched, never executed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"

namespace fovea {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

// mistral_v1 is Mixtral's and the first Mistrals' (spaces inside the brackets), mistral the later one's (none).
enum class ChatFormat { none, chatml, llama2, llama3, mistral, mistral_v1, gemma, phi3, deepseek, granite, gpt_oss };

// Recognises the format from markers in tokenizer.chat_template; none when absent or unknown.
[[nodiscard]] ChatFormat recognise_chat_format(std::string_view chat_template);
[[nodiscard]] std::string_view name(ChatFormat format);
// The prompt for the messages, ending where the assistant's answer begins; to be encoded with parse_special.
// It has no beginning-of-sequence token, which Tokenizer::encode adds where the model wants one; no system message of
// the template's own (a date, a name) where none is given; and no <think> block opened for the model. The reasoning of
// earlier answers is left out where the models' templates leave it out.
// Errors: ChatFormat::none, no messages, an unknown role, a system message that is not the first.
[[nodiscard]] Result<std::string> format_chat(ChatFormat format, const std::vector<ChatMessage>& messages);

}  // namespace fovea
