// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011).
#ifndef FOVEA_PHILOX_GLSL
#define FOVEA_PHILOX_GLSL

uvec4 philox(uvec4 counter, uvec2 key) {
  for (uint turn = 0u; turn < 10u; turn++) {
    uvec2 high, low;
    umulExtended(counter.xz, uvec2(0xD2511F53u, 0xCD9E8D57u), high, low);
    counter = uvec4(high.y ^ counter.y ^ key.x, low.y, high.x ^ counter.w ^ key.y, low.x);
    key += uvec2(0x9E3779B9u, 0xBB67AE85u);
  }
  return counter;
}

#endif
