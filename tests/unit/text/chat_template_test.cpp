#include "engine/text/chat_template.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

namespace fovea {
namespace {

const std::vector<ChatMessage> question{{"user", "Hi"}};
const std::vector<ChatMessage> talk{
    {"system", "Be brief."}, {"user", " Hi "}, {"assistant", "Hello!"}, {"user", "Bye"}};

std::string prompt(ChatFormat format, const std::vector<ChatMessage>& messages) {
  const auto formatted = format_chat(format, messages);
  return formatted ? *formatted : formatted.error().sentence();
}

TEST(ChatTemplate, RecognisesTheTemplatesOfRealModels) {
  const std::filesystem::path folder = std::filesystem::path(FOVEA_SHARED) / "fixtures/templates";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << folder << " is not here; the shared fixtures are needed for this test";
  const std::map<std::string, ChatFormat> expected{
      {"LFM2-8B-A1B", ChatFormat::chatml},
      {"Qwen-Qwen2.5-7B-Instruct", ChatFormat::chatml},
      {"Qwen-Qwen3-0.6B", ChatFormat::chatml},
      {"deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", ChatFormat::deepseek},
      {"google-gemma-2-2b-it", ChatFormat::gemma},
      {"ibm-granite-granite-3.3-2B-Instruct", ChatFormat::granite},
      {"meta-llama-Llama-3.1-8B-Instruct", ChatFormat::llama3},
      {"microsoft-Phi-3.5-mini-instruct", ChatFormat::phi3},
      {"mistralai-Mistral-Nemo-Instruct-2407", ChatFormat::mistral},
      {"openai-gpt-oss-120b", ChatFormat::gpt_oss},
  };
  std::size_t seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".jinja") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto at = expected.find(entry.path().stem().string());
    if (at == expected.end()) continue;
    EXPECT_EQ(name(recognise_chat_format(text)), name(at->second)) << entry.path();
    ++seen;
  }
  EXPECT_EQ(seen, expected.size());
}

TEST(ChatTemplate, RecognisesMarkersAndNothingElse) {
  EXPECT_EQ(recognise_chat_format(""), ChatFormat::none);
  EXPECT_EQ(recognise_chat_format("{{ messages }}"), ChatFormat::none);
  EXPECT_EQ(recognise_chat_format("{{ '<|im_start|>' + role + '<|im_sep|>' + content + '<|im_end|>' }}"),
            ChatFormat::none);
  EXPECT_EQ(recognise_chat_format("'[SYSTEM_PROMPT]' '[INST]' '[/INST]'"), ChatFormat::none);
  EXPECT_EQ(recognise_chat_format("'[INST] ' + '<<SYS>>\\n' + content + ' [/INST]'"), ChatFormat::llama2);
  EXPECT_EQ(recognise_chat_format("{{ ' [INST] ' + message['content'] + ' [/INST]' }}"), ChatFormat::mistral_v1);
}

TEST(ChatTemplate, FormatsOneQuestion) {
  EXPECT_EQ(prompt(ChatFormat::chatml, question), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(prompt(ChatFormat::llama2, question), "[INST] Hi [/INST]");
  EXPECT_EQ(
      prompt(ChatFormat::llama3, question),
      "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_EQ(prompt(ChatFormat::mistral, question), "[INST]Hi[/INST]");
  EXPECT_EQ(prompt(ChatFormat::mistral_v1, question), "[INST] Hi [/INST]");
  EXPECT_EQ(prompt(ChatFormat::gemma, question), "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n");
  EXPECT_EQ(prompt(ChatFormat::phi3, question), "<|user|>\nHi<|end|>\n<|assistant|>\n");
  EXPECT_EQ(prompt(ChatFormat::deepseek, question), "<｜User｜>Hi<｜Assistant｜>");
  EXPECT_EQ(prompt(ChatFormat::granite, question),
            "<|start_of_role|>user<|end_of_role|>Hi<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>");
  EXPECT_EQ(
      prompt(ChatFormat::gpt_oss, question),
      "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: "
      "2024-06\n\n"
      "Reasoning: medium\n\n# Valid channels: analysis, commentary, final. Channel must be included for every message."
      "<|end|><|start|>user<|message|>Hi<|end|><|start|>assistant");
}

TEST(ChatTemplate, FormatsATalkWithASystemMessage) {
  EXPECT_EQ(prompt(ChatFormat::chatml, talk),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi "
            "<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n"
            "<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(prompt(ChatFormat::llama2, talk),
            "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello! </s><s>[INST] Bye [/INST]");
  EXPECT_EQ(prompt(ChatFormat::llama3, talk),
            "<|start_header_id|>system<|end_header_id|>\n\nBe "
            "brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nHello!<|eot_id|><|start_header_id|>user<|end_header_id|>"
            "\n\nBye<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_EQ(prompt(ChatFormat::mistral, talk), "[INST] Hi [/INST]Hello!</s>[INST]Be brief.\n\nBye[/INST]");
  EXPECT_EQ(prompt(ChatFormat::mistral_v1, talk), "[INST] Be brief.\n\n Hi  [/INST] Hello!</s>[INST] Bye [/INST]");
  EXPECT_EQ(prompt(ChatFormat::gemma, talk),
            "<start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nHello!<end_of_turn>\n"
            "<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n");
  EXPECT_EQ(prompt(ChatFormat::phi3, talk),
            "<|system|>\nBe brief.<|end|>\n<|user|>\n Hi "
            "<|end|>\n<|assistant|>\nHello!<|end|>\n<|user|>\nBye<|end|>\n<|assistant|>\n");
  EXPECT_EQ(prompt(ChatFormat::deepseek, talk),
            "Be brief.<｜User｜> Hi <｜Assistant｜>Hello!<｜end▁of▁sentence｜><｜User｜>Bye<｜Assistant｜>");
  EXPECT_EQ(prompt(ChatFormat::granite, talk),
            "<|start_of_role|>system<|end_of_role|>Be brief.<|end_of_text|>\n<|start_of_role|>user<|end_of_role|> Hi "
            "<|end_of_text|>\n"
            "<|start_of_role|>assistant<|end_of_role|>Hello!<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>Bye<|"
            "end_of_text|>\n"
            "<|start_of_role|>assistant<|end_of_role|>");
  EXPECT_TRUE(
      prompt(ChatFormat::gpt_oss, talk)
          .ends_with("<|end|><|start|>developer<|message|># Instructions\n\nBe brief.\n\n<|end|>"
                     "<|start|>user<|message|> Hi <|end|><|start|>assistant<|channel|>final<|message|>Hello!<|end|>"
                     "<|start|>user<|message|>Bye<|end|><|start|>assistant"));
}

TEST(ChatTemplate, LeavesEarlierReasoningOut) {
  const std::vector<ChatMessage> thought{
      {"user", "1+1"}, {"assistant", "<think>\none more\n</think>\n\n2"}, {"user", "Sure?"}};
  EXPECT_EQ(prompt(ChatFormat::chatml, thought),
            "<|im_start|>user\n1+1<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n<|im_start|>user\nSure?<|im_end|>\n<|"
            "im_start|>assistant\n");
  EXPECT_EQ(prompt(ChatFormat::deepseek, thought).find("one more"), std::string::npos);
}

TEST(ChatTemplate, ASystemMessageAloneStillAsks) {
  const std::vector<ChatMessage> alone{{"system", "Be brief."}};
  for (const ChatFormat format :
       {ChatFormat::llama2, ChatFormat::mistral, ChatFormat::mistral_v1, ChatFormat::gemma, ChatFormat::gpt_oss})
    EXPECT_NE(prompt(format, alone).find("Be brief."), std::string::npos) << name(format);
}

TEST(ChatTemplate, RefusesWhatItCannotFormat) {
  EXPECT_EQ(format_chat(ChatFormat::none, question).error().code, ErrorCode::unsupported);
  EXPECT_EQ(format_chat(ChatFormat::chatml, {}).error().code, ErrorCode::usage);
  EXPECT_EQ(format_chat(ChatFormat::chatml, {{"tool", "x"}}).error().code, ErrorCode::usage);
  EXPECT_EQ(format_chat(ChatFormat::chatml, {{"user", "x"}, {"system", "y"}}).error().code, ErrorCode::usage);
}

}  // namespace
}  // namespace fovea
