#include "engine/text/chat_template.hpp"

namespace fovea {

ChatFormat recognise_chat_format(std::string_view chat_template) {
  const auto has = [chat_template](std::string_view marker) {
    return chat_template.find(marker) != std::string_view::npos;
  };
  // Phi-4 has the outer marks of ChatML around a separator of its own.
  if (has("<|im_start|>") && has("<|im_end|>") && !has("<|im_sep|>")) return ChatFormat::chatml;
  if (has("<|start_header_id|>") && has("<|end_header_id|>") && has("<|eot_id|>")) return ChatFormat::llama3;
  if (has("<start_of_turn>") && has("<end_of_turn>")) return ChatFormat::gemma;
  if (has("<|start_of_role|>") && has("<|end_of_role|>") && has("<|end_of_text|>")) return ChatFormat::granite;
  if (has("<|start|>") && has("<|channel|>") && has("<|message|>")) return ChatFormat::gpt_oss;
  if (has("<｜User｜>") && has("<｜Assistant｜>")) return ChatFormat::deepseek;
  // Phi-4 mini writes the same marks without line ends, and not as literals.
  if (has("<|user|>") && has("<|assistant|>") && has("<|end|>")) return ChatFormat::phi3;
  if (has("[INST]") && has("[/INST]")) {
    if (has("<<SYS>>")) return ChatFormat::llama2;
    if (has("[SYSTEM_PROMPT]")) return ChatFormat::none;  // a still later Mistral, with a block for the system message
    if (has("\"[INST]\"") || has("'[INST]'")) return ChatFormat::mistral;
    if (has("[INST] ") && has(" [/INST]")) return ChatFormat::mistral_v1;
  }
  return ChatFormat::none;
}

std::string_view name(ChatFormat format) {
  switch (format) {
    case ChatFormat::none:
      return "none";
    case ChatFormat::chatml:
      return "chatml";
    case ChatFormat::llama2:
      return "llama2";
    case ChatFormat::llama3:
      return "llama3";
    case ChatFormat::mistral:
      return "mistral";
    case ChatFormat::mistral_v1:
      return "mistral-v1";
    case ChatFormat::gemma:
      return "gemma";
    case ChatFormat::phi3:
      return "phi3";
    case ChatFormat::deepseek:
      return "deepseek";
    case ChatFormat::granite:
      return "granite";
    case ChatFormat::gpt_oss:
      return "gpt-oss";
  }
  return "none";
}

}  // namespace fovea
