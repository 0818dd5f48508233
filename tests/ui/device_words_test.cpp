// Every sentence that the engine says of devices has words in the other language.
#include "ui/text/device_words.hpp"

#include <gtest/gtest.h>

#include "engine/session/device_fits.hpp"
#include "ui/text/translation.hpp"

namespace fovea {
namespace {

TEST(DeviceWords, EveryReasonOfEveryKindOfDeviceIsSaidInChinese) {
  ModelConfig dense;
  dense.layers = 2, dense.width = 256, dense.query_heads = 4, dense.kv_heads = 2, dense.head_width = 64, dense.feed_forward = 512, dense.vocabulary = 1000;
  ModelConfig mixture = dense;
  mixture.experts = 8, mixture.experts_used = 2, mixture.expert_feed_forward = 64;
  gpu::DeviceFacts cpu, plain, subgroups, workgroups;
  cpu.memory_bytes = plain.memory_bytes = 8ull << 30;
  cpu.cpu = true;
  cpu.subgroup = 8;
  plain.subgroup = 32;
  subgroups = plain;
  subgroups.integer_dot = subgroups.cooperative_matrix = true;
  workgroups = subgroups;
  workgroups.workgroup_matrices.resize(1);
  use_language("zh_CN");
  int sentences = 0;
  for (const gpu::DeviceFacts& device : {cpu, plain, subgroups, workgroups})
    for (const ModelConfig& model : {dense, mixture})
      for (const bool eights : {false, device.cpu})
        for (const std::uint64_t weights : {1ull << 30, 20ull << 30})
          for (const DeviceFit& fit : device_fits(device, model, 4096, KvType::tiered, true, {.weights = weights}, std::nullopt, eights)) {
            EXPECT_NE(fit_reason(fit).toStdString(), why(fit)) << "not translated";
            EXPECT_FALSE(fit_reason(fit).contains('%')) << fit_reason(fit).toStdString();
            EXPECT_NE(fit_name(fit).toStdString(), fit.what);
            for (const std::string& figure : fit.figures) EXPECT_TRUE(fit_reason(fit).contains(QString::fromStdString(figure))) << fit_reason(fit).toStdString();
            ++sentences;
          }
  EXPECT_GT(sentences, 60);
  for (const char* said : {"chosen: the only device", "chosen: the only usable device", "chosen: asked for by its number", "chosen: the discrete device",
                           "chosen: the integrated device with the most memory", "chosen: the cpu device that comes first among equals"})
    EXPECT_TRUE(device_reason(said).startsWith("选用：") && !device_reason(said).contains("device")) << device_reason(said).toStdString();
  EXPECT_EQ(device_reason("chosen: the discrete device with the most memory"), "选用：内存最多的独立设备");
  use_language("en");
  EXPECT_EQ(device_reason("chosen: the discrete device with the most memory"), "chosen: the discrete device with the most memory");
  const DeviceFits fits = device_fits(cpu, dense, 4096, KvType::f16, false, {.weights = 1ull << 30}, std::nullopt);
  for (const DeviceFit& fit : fits) EXPECT_EQ(fit_reason(fit).toStdString(), why(fit));
}

}  // namespace
}  // namespace fovea
