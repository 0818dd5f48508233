// Tiny model files of every family, written to disk; a test changes what it wants to be wrong.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "engine/io/gguf.hpp"
#include "engine/model/model_config.hpp"
#include "engine/model/model_weights.hpp"
#include "tests/unit/io/gguf_bytes.hpp"

namespace fovea::test {

// A file as a test sees it: keys by name (without the architecture where they begin with a dot), tensors in order.
struct SmallModel {
  std::string architecture = "llama";
  std::map<std::string, std::variant<std::uint32_t, float, std::string, bool>> keys;
  std::vector<TensorEntry> tensors;
  std::vector<std::string> vocabulary;

  TensorEntry& tensor(const std::string& name) {
    const auto at = std::ranges::find(tensors, name, &TensorEntry::name);
    if (at != tensors.end()) return *at;
    tensors.push_back({name, {1}, 0, {}});
    return tensors.back();
  }
  void remove(const std::string& name) {
    std::erase_if(tensors, [&](const TensorEntry& t) { return t.name == name; });
  }

  [[nodiscard]] Result<GgufFile> open() const { return open_bytes(bytes()); }

  [[nodiscard]] static Result<GgufFile> open_bytes(const std::vector<std::byte>& bytes) {
    const auto path =
        std::filesystem::path(testing::TempDir()) / ("small_model." + std::to_string(::getpid()) + ".gguf");
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    auto opened = GgufFile::open(path);
    std::filesystem::remove(path);  // the map stays
    return opened;
  }

  [[nodiscard]] std::vector<std::byte> bytes() const {
    GgufBytes file;
    if (!architecture.empty()) file.string("general.architecture", architecture);
    for (const auto& [key, value] : keys) {
      const std::string full = key.starts_with('.') ? architecture + key : key;
      if (const auto* natural = std::get_if<std::uint32_t>(&value)) file.u32(full, *natural);
      if (const auto* real = std::get_if<float>(&value)) file.f32(full, *real);
      if (const auto* text = std::get_if<std::string>(&value)) file.string(full, *text);
      if (const auto* truth = std::get_if<bool>(&value)) file.boolean(full, *truth);
    }
    if (!vocabulary.empty()) file.strings("tokenizer.ggml.tokens", vocabulary);
    for (const TensorEntry& entry : tensors) file.tensor(entry);
    return file.bytes();
  }
};

// Two layers, width 64, four heads of 16 (two for keys), hidden 96; mixtures have 4 experts of 32, two used.
inline SmallModel small_model(const std::string& architecture, bool mixture) {
  SmallModel m;
  m.architecture = architecture;
  m.keys = {{".block_count", 2u},
            {".embedding_length", 64u},
            {".context_length", 128u},
            {".feed_forward_length", 96u},
            {".attention.head_count", 4u},
            {".attention.head_count_kv", 2u},
            {".attention.layer_norm_rms_epsilon", 1e-6f}};
  if (mixture) {
    m.keys[".expert_count"] = 4u;
    m.keys[".expert_used_count"] = 2u;
    m.keys[".expert_feed_forward_length"] = 32u;
  }
  const std::uint32_t q8 = 8;
  m.tensors = {{"token_embd.weight", {64, 50}, q8, {}},
               {"output_norm.weight", {64}, 0, {}},
               {"output.weight", {64, 50}, q8, {}}};
  for (const std::string prefix : {"blk.0.", "blk.1."}) {
    const auto add = [&](const char* name, std::vector<std::uint64_t> shape, std::uint32_t type) {
      m.tensors.push_back({prefix + name + ".weight", std::move(shape), type, {}});
    };
    add("attn_norm", {64}, 0);
    add("attn_q", {64, 64}, q8);
    add("attn_k", {64, 32}, q8);
    add("attn_v", {64, 32}, q8);
    add("attn_output", {64, 64}, q8);
    if (architecture == "qwen3moe") {
      add("attn_q_norm", {16}, 0);
      add("attn_k_norm", {16}, 0);
    } else if (architecture == "olmoe") {
      add("attn_q_norm", {64}, 0);
      add("attn_k_norm", {32}, 0);
    }
    add("ffn_norm", {64}, 0);
    if (mixture) {
      add("ffn_gate_inp", {64, 4}, 0);
      add("ffn_gate_exps", {64, 32, 4}, q8);
      add("ffn_up_exps", {64, 32, 4}, q8);
      add("ffn_down_exps", {32, 64, 4}, q8);
    } else {
      add("ffn_gate", {64, 96}, q8);
      add("ffn_up", {64, 96}, q8);
      add("ffn_down", {96, 64}, q8);
    }
  }
  return m;
}

inline std::string config_refusal(const SmallModel& model) {
  const auto file = model.open();
  if (!file) return "file: " + file.error().sentence();
  const auto config = read_model_config(*file);
  return config ? "accepted" : config.error().sentence();
}

inline std::string weights_refusal(const SmallModel& model) {
  const auto file = model.open();
  if (!file) return "file: " + file.error().sentence();
  const auto config = read_model_config(*file);
  if (!config) return "config: " + config.error().sentence();
  const auto weights = read_model_weights(*file, *config);
  return weights ? "accepted" : weights.error().sentence();
}

inline testing::AssertionResult says(const std::string& sentence, const std::string& part) {
  if (sentence.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "\"" << sentence << "\" does not say \"" << part << "\"";
}

}  // namespace fovea::test
