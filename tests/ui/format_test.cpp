#include "ui/text/format.hpp"

#include <gtest/gtest.h>

namespace fovea {
namespace {

// Thin and narrow spaces as plain ones, for reading.
std::string plain(QString text) { return text.replace(QChar(0x2009), ' ').replace(QChar(0x202f), ' ').toStdString(); }

TEST(Format, NumbersHaveThreeSignificantDigits) {
  EXPECT_EQ(plain(shown_number(61.34)), "61.3");
  EXPECT_EQ(plain(shown_number(0.012345)), "0.0123");
  EXPECT_EQ(plain(shown_number(9.996)), "10.0");
  EXPECT_EQ(plain(shown_number(99.97)), "100");
  EXPECT_EQ(plain(shown_number(0)), "0");
  EXPECT_EQ(plain(shown_number(-0.5)), "-0.500");
  EXPECT_EQ(plain(shown_number(1234567)), "1 234 567");
  EXPECT_EQ(plain(shown_number(3.21e-7)), "3.2e-07");
  EXPECT_EQ(plain(shown_number(std::nan(""))), "–");
}

TEST(Format, UnitsAlways) {
  EXPECT_EQ(plain(shown_count(12345)), "12 345");
  EXPECT_EQ(plain(shown_count(999)), "999");
  EXPECT_EQ(plain(shown_short(63'900'000)), "63.9 M");
  EXPECT_EQ(plain(shown_short(999'900)), "1.00 M");
  EXPECT_EQ(plain(shown_bytes(1024)), "1.00 KiB");
  EXPECT_EQ(plain(shown_bytes(67.2 * 1024 * 1024)), "67.2 MiB");
  EXPECT_EQ(plain(shown_duration(42)), "42.0 ms");
  EXPECT_EQ(plain(shown_duration(1530)), "1.53 s");
  EXPECT_EQ(plain(shown_percent(0.123)), "12.3 %");
  EXPECT_EQ(plain(shown_rate(61.3)), "61.3 tok/s");
}

TEST(Format, TokensShowTheirSpaces) {
  EXPECT_EQ(shown_token({1, " girl", "▁girl", false}).toStdString(), "“·girl”");
  EXPECT_EQ(shown_token({1, "\n", "<0x0A>", false}).toStdString(), "“↵”");
  EXPECT_EQ(shown_token({1, "", "<0xE4>", false}).toStdString(), "“<0xE4>”");
  EXPECT_EQ(shown_token({1, std::string(100, 'x'), "", false}).size(), 26);
}

}  // namespace
}  // namespace fovea
