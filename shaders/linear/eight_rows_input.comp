// Activations of one token as linear/eight_rows.comp reads them, normed on the way where there is a norm: by one subgroup of eight lanes.
// Twins: engine/reference/quantize, rms_norm.
#version 460
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0) in;  // 8
layout(constant_id = 1) const uint COLUMNS = 256;  // a multiple of 32
layout(constant_id = 2) const bool NORM = false;

#include "shaders/include/eight_input.glsl"

layout(push_constant, scalar) uniform Push { EightInputPush p; };

void main() { leave_eight_input(p.x, p.norm, NORM, p.epsilon, p.words); }
