#include "engine/gpu/pipeline_store.hpp"

#include <bit>
#include <vector>

#include "engine/gpu/workgroup_size.hpp"
#include "shaders/shader_library.hpp"

namespace fovea::gpu {
namespace {

tl::unexpected<Error> does_not_run(const std::string& what, std::string why) {
  return fail(ErrorCode::unsupported, what, std::move(why), "choose another device with --device");
}

}  // namespace

std::size_t PipelineKeyHash::operator()(const PipelineKey& key) const noexcept {
  std::uint64_t hash = static_cast<std::uint64_t>(key.shader) * 0x9e3779b97f4a7c15u + key.subgroup;
  for (const std::uint32_t constant : key.constants) hash = (std::rotl(hash, 13) ^ constant) * 0x9e3779b97f4a7c15u;
  return hash;
}

Result<std::unique_ptr<PipelineStore>> PipelineStore::create(std::shared_ptr<Context> context,
                                                             const std::filesystem::path& cache_folder) {
  std::unique_ptr<PipelineStore> self(new PipelineStore);
  self->context_ = std::move(context);
  Context& shared = *self->context_;
  // GPUs that offer more than what every device has (kPushBytes) are not made to carry it.
  const DeviceFacts& facts = shared.physical.facts;
  const std::uint32_t bytes = facts.cpu ? std::min(facts.max_push_constant_bytes, kMostPushBytes) : kPushBytes;
  const VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, bytes};
  auto info = tagged<VkPipelineLayoutCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO);
  info.pushConstantRangeCount = 1;
  info.pPushConstantRanges = &range;
  const VkResult made = shared.vk.vkCreatePipelineLayout(shared.device, &info, nullptr, &self->layout_);
  if (made != VK_SUCCESS) return shared.failed("Making a pipeline layout", made);
  self->cache_key_ = pipeline_cache_key(shared.physical);
  self->cache_file_ = pipeline_cache_file(pipeline_cache_folder(cache_folder), self->cache_key_);
  FOVEA_TRY(self->open_cache());
  return self;
}

Result<void> PipelineStore::open_cache() {
  const auto data = read_pipeline_cache(cache_file_, cache_key_);
  auto info = tagged<VkPipelineCacheCreateInfo>(VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO);
  if (data) {
    info.initialDataSize = data->size();
    info.pInitialData = data->data();
    saved_bytes_ = data->size();
  }
  VkResult made = context_->vk.vkCreatePipelineCache(context_->device, &info, nullptr, &cache_);
  if (made != VK_SUCCESS && data) {
    info.initialDataSize = 0;
    info.pInitialData = nullptr;
    saved_bytes_ = 0;
    made = context_->vk.vkCreatePipelineCache(context_->device, &info, nullptr, &cache_);
  }
  if (made != VK_SUCCESS) return context_->failed("Making a pipeline cache", made);
  return {};
}

PipelineStore::~PipelineStore() {
  if (context_->abandoned) return;
  const VulkanApi& vk = context_->vk;
  for (const auto& [key, pipeline] : pipelines_) vk.vkDestroyPipeline(context_->device, pipeline->handle, nullptr);
  if (cache_ != VK_NULL_HANDLE) vk.vkDestroyPipelineCache(context_->device, cache_, nullptr);
  if (layout_ != VK_NULL_HANDLE) vk.vkDestroyPipelineLayout(context_->device, layout_, nullptr);
}

Result<void> PipelineStore::check(const PipelineKey& key, const std::string& what) const {
  const PhysicalDevice& device = context_->physical;
  const DeviceFacts& facts = device.facts;
  if (shader_code(key.shader).empty())
    return fail(ErrorCode::internal, what, "the shader library has no such shader",
                "report this as a fault of the program");
  const auto size = workgroup_size(shader_code(key.shader), key.constants);
  if (!size)
    return fail(ErrorCode::internal, what, "its workgroup size cannot be told",
                "report this as a fault of the program");
  std::uint64_t invocations = 1;
  for (std::size_t i = 0; i < 3; ++i) {
    invocations *= (*size)[i];
    if ((*size)[i] == 0 || (*size)[i] > device.max_workgroup_size[i] || invocations > facts.max_workgroup_invocations)
      return does_not_run(what, "a workgroup of " + std::to_string((*size)[0]) + " x " + std::to_string((*size)[1]) +
                                    " x " + std::to_string((*size)[2]) + " is more than " + facts.name + " can run (" +
                                    std::to_string(facts.max_workgroup_invocations) + " invocations)");
  }
  if (key.subgroup == 0) return {};
  const bool only_size = facts.subgroup_min == facts.subgroup_max && key.subgroup == facts.subgroup;
  if (!std::has_single_bit(key.subgroup) || key.subgroup < facts.subgroup_min || key.subgroup > facts.subgroup_max ||
      (!only_size && (device.subgroup_size_stages & VK_SHADER_STAGE_COMPUTE_BIT) == 0))
    return does_not_run(what, "it needs subgroups of " + std::to_string(key.subgroup) + " where " + facts.name +
                                  " has " + std::to_string(facts.subgroup_min) + " to " +
                                  std::to_string(facts.subgroup_max));
  if (invocations > std::uint64_t{key.subgroup} * facts.max_workgroup_subgroups)
    return does_not_run(what, "its workgroup has more subgroups than " + facts.name + " can run");
  return {};
}

Result<const Pipeline*> PipelineStore::get(const PipelineKey& key) {
  FOVEA_TRY(context_->check());
  if (const auto found = pipelines_.find(key); found != pipelines_.end()) return found->second.get();
  const std::string what = "Kernel " + std::string(shader_name(key.shader));
  FOVEA_TRY(check(key, what));
  const VulkanApi& vk = context_->vk;
  const DeviceFacts& facts = context_->physical.facts;
  const auto code = shader_code(key.shader);
  auto module_info = tagged<VkShaderModuleCreateInfo>(VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO);
  module_info.codeSize = code.size_bytes();
  module_info.pCode = code.data();
  VkShaderModule module = VK_NULL_HANDLE;
  VkResult made = vk.vkCreateShaderModule(context_->device, &module_info, nullptr, &module);
  if (made != VK_SUCCESS) return context_->failed(what, made);

  std::vector<VkSpecializationMapEntry> entries;
  for (std::uint32_t i = 0; i < key.constants.size(); ++i) entries.push_back({i, i * 4, 4});
  const VkSpecializationInfo constants{static_cast<std::uint32_t>(entries.size()), entries.data(),
                                       key.constants.size() * 4, key.constants.data()};
  auto subgroup = tagged<VkPipelineShaderStageRequiredSubgroupSizeCreateInfo>(
      VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO);
  subgroup.requiredSubgroupSize = key.subgroup;
  auto info = tagged<VkComputePipelineCreateInfo>(VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO);
  info.layout = layout_;
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &constants;
  // Where there is only one size anyhow, asking for it is needless, and not every driver allows it.
  const bool ask = key.subgroup != 0 && (context_->physical.subgroup_size_stages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
  if (ask) info.stage.pNext = &subgroup;
  // Full subgroups need a width that is a multiple of whatever size the driver may pick.
  const std::uint32_t width = workgroup_size(code, key.constants).value_or(std::array<std::uint32_t, 3>{1, 1, 1})[0];
  if (width % (ask ? key.subgroup : facts.subgroup_max) == 0)
    info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
  auto pipeline = std::make_unique<Pipeline>();
  pipeline->name = shader_name(key.shader);
  made = vk.vkCreateComputePipelines(context_->device, cache_, 1, &info, nullptr, &pipeline->handle);
  vk.vkDestroyShaderModule(context_->device, module, nullptr);
  if (made != VK_SUCCESS) return context_->failed(what, made);
  return pipelines_.emplace(key, std::move(pipeline)).first->second.get();
}

Result<void> PipelineStore::save() {
  FOVEA_TRY(context_->check());
  if (cache_file_.empty()) return {};
  std::size_t bytes = 0;
  VkResult read = context_->vk.vkGetPipelineCacheData(context_->device, cache_, &bytes, nullptr);
  if (read == VK_SUCCESS && bytes <= saved_bytes_) return {};
  std::vector<std::byte> data(bytes);
  if (read == VK_SUCCESS) read = context_->vk.vkGetPipelineCacheData(context_->device, cache_, &bytes, data.data());
  if (read != VK_SUCCESS) return context_->failed("Reading the pipeline cache", read);
  data.resize(bytes);
  FOVEA_TRY(write_pipeline_cache(cache_file_, cache_key_, data));
  saved_bytes_ = bytes;
  return {};
}

}  // namespace fovea::gpu
