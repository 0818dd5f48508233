#include "engine/tensor/kv_row.hpp"

#include <gtest/gtest.h>

namespace fovea {
namespace {

TEST(KvRow, TakesWhatTheTypeAndTheWidthAskFor) {
  EXPECT_EQ(kv_row_bytes(DType::F16, 128), 256u);
  EXPECT_EQ(kv_row_bytes(DType::Q8_0, 128), 128u + 4 * 2);
  EXPECT_EQ(kv_row_bytes(DType::Q8_0, 128), row_bytes(DType::Q8_0, 128)) << "whole blocks cost what they cost in files";
  EXPECT_EQ(kv_row_bytes(DType::Q8_0, 80), 80u + 3 * 2) << "the third block has 16";
  EXPECT_EQ(kv_row_bytes(DType::Q8_0, 100), 112u + 4 * 2) << "quants come by 16";
  EXPECT_EQ(kv_row_bytes(DType::Q8_0, 8), 16u + 2);
  EXPECT_EQ(kv_row_bytes(DType::Q8_0, 4294967295u), 4294967296u + 134217728u * 2) << "no sum wraps";
}

TEST(KvRow, FarPagesTakeSixAndAHalfBitsAKeyAndFourAndAHalfAValueAndHotOnesFourMoreAValue) {
  constexpr std::uint64_t kNumbers = 2ull * 32 * 64;  // of a page's keys, or values, of two heads of 64
  EXPECT_EQ(far_page_bytes(2, 64), 16 + 16 + kNumbers * 13 / 16 + kNumbers * 9 / 16);
  EXPECT_EQ(refinement_bytes(2, 64), kNumbers / 2);
  EXPECT_EQ(refinement_bytes(1, 6), 32u * 8) << "codes come by 16 channels";
  EXPECT_EQ(far_page_bytes(1, 4294967280u), 16 + 16 + 4294967280u * 4ull + 32 * 134217728ull * 2 + 4294967280u * 32ull + 12 * 128) << "no sum wraps";
}

TEST(KvRow, OtherTypesAreNotRun) {
  EXPECT_TRUE(kv_type_runs(DType::F16));
  EXPECT_TRUE(kv_type_runs(DType::Q8_0));
  for (const DType type : {DType::F32, DType::BF16, DType::Q4_0}) {
    EXPECT_FALSE(kv_type_runs(type));
    EXPECT_EQ(kv_row_bytes(type, 64), 0u);
  }
}

}  // namespace
}  // namespace fovea
