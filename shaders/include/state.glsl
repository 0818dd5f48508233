// The step state by address (shaders/interface/step_state.h).
#ifndef FOVEA_STATE_GLSL
#define FOVEA_STATE_GLSL

#include "addresses.glsl"
#include "shaders/interface/step_state.h"

layout(buffer_reference, scalar, buffer_reference_align = 4) buffer State { StepState s; };

#endif
