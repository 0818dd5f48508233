#include "engine/api/trace.hpp"

#include <gtest/gtest.h>

namespace fovea {
namespace {

// Weight of key k in query q is q * 100 + k, as raw bits, so that every cell names itself.
std::shared_ptr<const AttentionChunk> chunk_of(std::uint32_t first, std::uint32_t rows) {
  auto chunk = std::make_shared<AttentionChunk>();
  chunk->first_query = first;
  chunk->rows = rows;
  for (std::uint32_t q = first; q < first + rows; ++q)
    for (std::uint32_t k = 0; k <= q; ++k) chunk->weights.push_back(static_cast<std::uint16_t>(q * 100 + k));
  return chunk;
}

TEST(AttentionChunk, EveryRowHasItsOwnWeights) {
  const auto chunk = chunk_of(5, 7);
  for (std::uint32_t q = 5; q < 12; ++q) {
    const auto row = chunk->row(q);
    ASSERT_EQ(row.size(), q + 1);
    for (std::uint32_t k = 0; k <= q; ++k) EXPECT_EQ(row[k], q * 100 + k);
  }
  EXPECT_TRUE(chunk->row(4).empty());
  EXPECT_TRUE(chunk->row(12).empty());
}

TEST(AttentionChunk, ARowThatItsArrayDoesNotHoldIsNotRecorded) {
  AttentionChunk chunk = *chunk_of(0, 3);
  chunk.weights.pop_back();
  EXPECT_EQ(chunk.row(1).size(), 2u);
  EXPECT_TRUE(chunk.row(2).empty());
  chunk.rows = 0xffffffff;
  EXPECT_TRUE(chunk.row(0xfffffffe).empty());
}

TEST(HeadTrace, FindsRowsAcrossChunksAndGaps) {
  HeadTrace head;
  EXPECT_TRUE(head.row(0).empty());
  head.chunks = {chunk_of(2, 3), chunk_of(8, 1), chunk_of(9, 2)};
  EXPECT_TRUE(head.row(1).empty());
  EXPECT_EQ(head.row(4)[4], 404);
  EXPECT_TRUE(head.row(5).empty());
  EXPECT_TRUE(head.row(7).empty());
  EXPECT_EQ(head.row(8)[0], 800);
  EXPECT_EQ(head.row(10)[10], 1010);
  EXPECT_TRUE(head.row(11).empty());
}

TEST(TraceSnapshot, KnowsOnlySubscribedHeads) {
  TraceSnapshot trace;
  trace.heads = {HeadTrace{{1, 2}, {}}, HeadTrace{{2, 1}, {chunk_of(0, 1)}}};
  ASSERT_NE(trace.head({2, 1}), nullptr);
  EXPECT_EQ(trace.head({2, 1})->chunks.size(), 1u);
  EXPECT_EQ(trace.head({1, 1}), nullptr);
}

}  // namespace
}  // namespace fovea
