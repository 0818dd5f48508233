// A barrier of the workgroup: what each of its invocations has written is there for all. A workgroup of eight is a CPU's vector, whose lanes
// go in step (eight_lanes.glsl). Behind the declaration of the workgroup's size.
#ifndef FOVEA_MEETING_GLSL
#define FOVEA_MEETING_GLSL

#include "eight_lanes.glsl"

void meet() {
  if (gl_WorkGroupSize.x == 8u)
    lanes_in_step();
  else
    barrier();
}

#endif
