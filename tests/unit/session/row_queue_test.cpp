#include "engine/session/row_queue.hpp"

#include <gtest/gtest.h>

#include <array>
#include <thread>

namespace fovea {
namespace {

TEST(RowQueue, HandsOnAllRowsInOrderAndEnds) {
  RowQueue queue;
  std::jthread maker([&queue] {
    for (int i = 0; i < 100; ++i) {
      const std::array<float, 1> row{static_cast<float>(i)};
      EXPECT_TRUE(queue.push(row));
    }
    queue.close();
  });
  for (int i = 0; i < 100; ++i) {
    const auto row = queue.pop();
    ASSERT_TRUE(row);
    EXPECT_EQ(row->front(), static_cast<float>(i));
  }
  EXPECT_FALSE(queue.pop());
  const std::array<float, 1> row{1};
  EXPECT_FALSE(queue.push(row));
}

}  // namespace
}  // namespace fovea
