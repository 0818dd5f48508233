// No hardware follows gathers and brings ahead what they will read: 64 bytes of the last cache took 13 ns of a core of Zen 4, 3.7
// of the first. Loads of 16 bits are no gathers on a CPU driver, so what reads one of each line ahead is followed.
#ifndef FOVEA_TOUCHES_GLSL
#define FOVEA_TOUCHES_GLSL

#include "addresses.glsl"

uint touched = 0u;
void touch_at(uint64_t at) { touched |= uint(Halves(at).v[0]); }
// 0, which only the driver cannot know: what is added to the place of a result keeps the loads.
uint of_touches() { return touched * (gl_NumWorkGroups.z - 1u); }

#endif
