// format_chat: each format as the templates of its models write it.
#include <span>
#include <utility>

#include "engine/io/shown_name.hpp"
#include "engine/text/chat_template.hpp"

namespace fovea {
namespace {

using Messages = std::span<const ChatMessage>;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view white = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(white);
  return first == std::string_view::npos ? std::string_view()
                                         : text.substr(first, text.find_last_not_of(white) - first + 1);
}

// What an answer says after its reasoning.
std::string_view conclusion(std::string_view answer) {
  constexpr std::string_view mark = "</think>";
  const std::size_t at = answer.rfind(mark);
  return at == std::string_view::npos ? answer : answer.substr(at + mark.size());
}

bool is_assistant(const ChatMessage& message) { return message.role == "assistant"; }

// The system message, taken off the front.
std::string take_system(Messages& messages) {
  if (messages.front().role != "system") return {};
  const std::string system = messages.front().content;
  messages = messages.subspan(1);
  return system;
}

std::string chatml(Messages messages) {
  std::string prompt;
  for (const ChatMessage& message : messages) {
    std::string_view content = message.content;
    if (is_assistant(message) && conclusion(content).size() < content.size()) {
      content = conclusion(content);
      while (content.starts_with('\n')) content.remove_prefix(1);
    }
    prompt.append("<|im_start|>").append(message.role).append("\n").append(content).append("<|im_end|>\n");
  }
  return prompt + "<|im_start|>assistant\n";
}

// The first <s> is the beginning-of-sequence token; each further exchange opens with one of its own.
std::string llama2(Messages messages) {
  std::string system = take_system(messages);
  if (!system.empty()) system = "<<SYS>>\n" + system + "\n<</SYS>>\n\n";
  std::string prompt;
  if (messages.empty()) prompt = "[INST] " + system + " [/INST]";
  for (const ChatMessage& message : messages) {
    const std::string_view content = trimmed(message.content);
    if (is_assistant(message)) {
      prompt.append(" ").append(content).append(" </s>");
    } else {
      prompt.append(prompt.empty() ? "[INST] " : "<s>[INST] ")
          .append(std::exchange(system, {}))
          .append(content)
          .append(" [/INST]");
    }
  }
  return prompt;
}

std::string llama3(Messages messages) {
  std::string prompt;
  for (const ChatMessage& message : messages)
    prompt.append("<|start_header_id|>")
        .append(message.role)
        .append("<|end_header_id|>\n\n")
        .append(trimmed(message.content))
        .append("<|eot_id|>");
  return prompt + "<|start_header_id|>assistant<|end_header_id|>\n\n";
}

// The first version puts the system message before the first question, the later one before the last.
std::string mistral(Messages messages, bool first_version) {
  const std::string system = take_system(messages);
  const std::string space = first_version ? " " : "";
  std::string prompt;
  if (messages.empty()) prompt = "[INST]" + space + system + space + "[/INST]";
  std::size_t told = messages.size();  // the question that carries the system message
  for (std::size_t i = 0; i < messages.size() && !system.empty(); ++i)
    if (!is_assistant(messages[i]) && (told == messages.size() || !first_version)) told = i;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string& content = messages[i].content;
    if (is_assistant(messages[i]))
      prompt += space + content + "</s>";
    else
      prompt += "[INST]" + space + (i == told ? system + "\n\n" : "") + content + space + "[/INST]";
  }
  return prompt;
}

// Gemma knows no system role: its message opens the first turn of the user.
std::string gemma(Messages messages) {
  std::string system(trimmed(take_system(messages)));
  if (!system.empty()) system += "\n\n";
  std::string prompt;
  for (const ChatMessage& message : messages) {
    const bool model = is_assistant(message);
    prompt.append("<start_of_turn>").append(model ? "model\n" : "user\n");
    if (!model) prompt.append(std::exchange(system, {}));
    prompt.append(trimmed(message.content)).append("<end_of_turn>\n");
  }
  if (!system.empty()) prompt.append("<start_of_turn>user\n").append(trimmed(system)).append("<end_of_turn>\n");
  return prompt + "<start_of_turn>model\n";
}

std::string phi3(Messages messages) {
  std::string prompt;
  for (const ChatMessage& message : messages)
    if (message.role != "system" || !message.content.empty())
      prompt += "<|" + message.role + "|>\n" + message.content + "<|end|>\n";
  return prompt + "<|assistant|>\n";
}

std::string deepseek(Messages messages) {
  std::string prompt = take_system(messages);
  for (const ChatMessage& message : messages) {
    if (is_assistant(message))
      prompt.append("<｜Assistant｜>").append(conclusion(message.content)).append("<｜end▁of▁sentence｜>");
    else
      prompt.append("<｜User｜>").append(message.content);
  }
  return prompt + "<｜Assistant｜>";
}

std::string granite(Messages messages) {
  std::string prompt;
  for (const ChatMessage& message : messages)
    prompt += "<|start_of_role|>" + message.role + "<|end_of_role|>" + message.content + "<|end_of_text|>\n";
  return prompt + "<|start_of_role|>assistant<|end_of_role|>";
}

// The harmony format: the system block sets effort and channels; a person's system message is the developer's.
std::string gpt_oss(Messages messages) {
  const std::string system = take_system(messages);
  std::string prompt =
      "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: "
      "2024-06\n\n"
      "Reasoning: medium\n\n# Valid channels: analysis, commentary, final. Channel must be included for every message."
      "<|end|>";
  if (!system.empty()) prompt += "<|start|>developer<|message|># Instructions\n\n" + system + "\n\n<|end|>";
  for (const ChatMessage& message : messages)
    prompt += (is_assistant(message) ? "<|start|>assistant<|channel|>final<|message|>" : "<|start|>user<|message|>") +
              message.content + "<|end|>";
  return prompt + "<|start|>assistant";
}

Result<void> check(Messages messages) {
  constexpr std::string_view what = "chat";
  if (messages.empty())
    return fail(ErrorCode::usage, std::string(what), "there are no messages", "give at least one from the user");
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    if (role != "system" && role != "user" && role != "assistant")
      return fail(ErrorCode::usage, std::string(what), "the role " + shown_name(role) + " is not known",
                  "use system, user or assistant");
    if (role == "system" && i > 0)
      return fail(ErrorCode::usage, std::string(what), "a system message comes after others",
                  "put the system message first");
  }
  return {};
}

}  // namespace

Result<std::string> format_chat(ChatFormat format, const std::vector<ChatMessage>& messages) {
  FOVEA_TRY(check(messages));
  switch (format) {
    case ChatFormat::none:
      break;
    case ChatFormat::chatml:
      return chatml(messages);
    case ChatFormat::llama2:
      return llama2(messages);
    case ChatFormat::llama3:
      return llama3(messages);
    case ChatFormat::mistral:
      return mistral(messages, false);
    case ChatFormat::mistral_v1:
      return mistral(messages, true);
    case ChatFormat::gemma:
      return gemma(messages);
    case ChatFormat::phi3:
      return phi3(messages);
    case ChatFormat::deepseek:
      return deepseek(messages);
    case ChatFormat::granite:
      return granite(messages);
    case ChatFormat::gpt_oss:
      return gpt_oss(messages);
  }
  return fail(ErrorCode::unsupported, "chat", "the model has no chat template, or one that is not known",
              "give the prompt as plain text, without chat");
}

}  // namespace fovea
