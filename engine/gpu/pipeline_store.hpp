// Compute pipelines, made once per (shader, constants, subgroup size) and kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <unordered_map>

#include "engine/gpu/context.hpp"
#include "engine/gpu/pipeline.hpp"
#include "engine/gpu/pipeline_cache.hpp"

namespace fovea::gpu {

struct Pipeline {
  VkPipeline handle = VK_NULL_HANDLE;
  std::string name;  // the shader's
};

struct PipelineKeyHash {
  std::size_t operator()(const PipelineKey& key) const noexcept;
};

class PipelineStore {
 public:
  [[nodiscard]] static Result<std::unique_ptr<PipelineStore>> create(std::shared_ptr<Context> context,
                                                                     const std::filesystem::path& cache_folder);
  ~PipelineStore();
  PipelineStore(const PipelineStore&) = delete;
  PipelineStore& operator=(const PipelineStore&) = delete;

  [[nodiscard]] Result<const Pipeline*> get(const PipelineKey& key);
  [[nodiscard]] Result<void> save();
  // Shared by all pipelines: push constants and nothing else.
  [[nodiscard]] VkPipelineLayout layout() const { return layout_; }

 private:
  PipelineStore() = default;
  [[nodiscard]] Result<void> open_cache();
  [[nodiscard]] Result<void> check(const PipelineKey& key, const std::string& what) const;

  std::shared_ptr<Context> context_;
  VkPipelineLayout layout_ = VK_NULL_HANDLE;
  VkPipelineCache cache_ = VK_NULL_HANDLE;
  PipelineCacheKey cache_key_;
  std::filesystem::path cache_file_;  // empty: not kept
  std::size_t saved_bytes_ = 0;
  std::unordered_map<PipelineKey, std::unique_ptr<Pipeline>, PipelineKeyHash> pipelines_;
};

}  // namespace fovea::gpu
