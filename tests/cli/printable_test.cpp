#include <gtest/gtest.h>

#include "app/cli/output.hpp"

namespace fovea::cli {
namespace {

TEST(Printable, ControlCharactersAreReplacedAndTextIsKept) {
  EXPECT_EQ(printable("plain caf\xc3\xa9 \xe7\x8c\xab"), "plain caf\xc3\xa9 \xe7\x8c\xab");
  EXPECT_EQ(printable("\x1b[31mred\x7f\n"), "?[31mred??");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "?31m");  // the one-character form of ESC [
  EXPECT_EQ(printable("\xc2"), "\xc2");
}

}  // namespace
}  // namespace fovea::cli
