// The worked case from the outside.
#include <gtest/gtest.h>

#include "tests/cli/program.hpp"

namespace fovea::test {
namespace {

TEST(WorkedCase, of_a_policy_with_itself_differs_by_nothing) {
  const auto done = run_json({"case", "--cases", "30", "--seeds", "1", "--a", "static", "--b", "dynamic:p=1"});
  EXPECT_EQ(done["held_out"], 15);
  ASSERT_EQ(done["recall"].size(), 3u);
  for (const auto& row : done["recall"])
    for (const char* side : {"b", "b_with_head_of_a"}) {
      EXPECT_EQ(row[side]["difference"], 0.0);
      EXPECT_EQ(row[side]["interval"], (nlohmann::json{0.0, 0.0}));
    }
  EXPECT_EQ(done["area"]["a"], done["area"]["b"]);
  EXPECT_EQ(done["a"]["k_mean"], 4);
  EXPECT_EQ(done["b"]["k_mean"], 4.0);
  EXPECT_GT(done["a"]["case_ms"].get<double>(), 0);
}

}  // namespace
}  // namespace fovea::test
