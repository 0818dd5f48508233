// Light colours while something is drawn for paper, whatever the window is in.
#pragma once

#include "ui/theme/theme.hpp"

namespace fovea {

// While it lives, colors() of the theme are those of paper. Nobody is told: for what the window's thread draws meanwhile. One at a time.
class PaperColors {
 public:
  explicit PaperColors(const Theme& theme);
  ~PaperColors();
  PaperColors(const PaperColors&) = delete;
  PaperColors& operator=(const PaperColors&) = delete;
};

}  // namespace fovea
