#include "engine/tensor/dtype.hpp"

#include <gtest/gtest.h>

#include <set>

namespace fovea {
namespace {

TEST(DType, RunsExactlyTheNineTypesThatKernelsRead) {
  std::set<std::string> running;
  for (std::uint32_t id = 0; id < 1000; ++id)
    if (const auto t = dtype_traits(id); t && t->runs) running.insert(std::string(t->name));
  EXPECT_EQ(running, (std::set<std::string>{"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q5_0", "Q4_K", "Q5_K", "Q6_K"}));
}

TEST(DType, KnowsEveryIdThatGgmlDefinesAndNoOther) {
  const std::set<std::uint32_t> withdrawn{4, 5, 31, 32, 33, 36, 37, 38};
  for (std::uint32_t id = 0; id < 40; ++id) {
    const auto t = dtype_traits(id);
    EXPECT_EQ(t.has_value(), !withdrawn.contains(id)) << id;
    if (!t) continue;
    EXPECT_EQ(static_cast<std::uint32_t>(t->type), id);
    EXPECT_GT(t->block_bytes, 0u) << t->name;
    EXPECT_EQ(traits(t->type).name, t->name);
  }
  EXPECT_FALSE(dtype_traits(0xffffffffu));
}

TEST(DType, RowBytesFollowFromBlocks) {
  EXPECT_EQ(row_bytes(DType::F32, 10), 40u);
  EXPECT_EQ(row_bytes(DType::Q8_0, 64), 68u);
  EXPECT_EQ(row_bytes(DType::Q6_K, 512), 420u);
  EXPECT_EQ(row_bytes(DType::MXFP4, 32), 17u);
  EXPECT_EQ(row_bytes(DType::Q4_K, std::uint64_t{1} << 40), (std::uint64_t{1} << 32) * 144);
}

TEST(DType, AnIdOutsideTheTableHasNoBytes) { EXPECT_EQ(row_bytes(static_cast<DType>(77), 4096), 0u); }

}  // namespace
}  // namespace fovea
