// Lets one struct definition serve GLSL (scalar layout) and C++.
#ifndef FOVEA_PUSH_H
#define FOVEA_PUSH_H

#ifdef __cplusplus
#include <cstdint>
#define FOVEA_PUSH_BEGIN namespace fovea::shader { using uint = std::uint32_t; using address = std::uint64_t;
#define FOVEA_PUSH_END }
#else
#define address uint64_t
#define FOVEA_PUSH_BEGIN
#define FOVEA_PUSH_END
#endif

#endif
