// The score of one key for a query, as attention itself has it: for kernels that recompute rows of it for the trace. Needs
// pages.glsl, HEAD_WIDTH and push constants `p` with pages, layer_offset, kv_heads and scale.
#ifndef FOVEA_KEY_SCORE_GLSL
#define FOVEA_KEY_SCORE_GLSL

float score_of(uint kv_head, uint key, Floats query) {
#if KV_TIERED
  TierPage page = tier_page(p.pages, p.layer_offset, key, p.kv_heads, HEAD_WIDTH);
  vec2 s = vec2(0.0);
  const uint units = page.is_far ? far_units(HEAD_WIDTH) : 0u, wide = page.is_far ? wide_bits(page, p.kv_heads, kv_head, HEAD_WIDTH) : 0u;
  [[dont_unroll]] for (uint unit = 0; unit < units; unit++) {
    FarUnit codes = far_unit(page, wide, p.kv_heads, kv_head, key, HEAD_WIDTH, unit);
    [[unroll]] for (uint j = 0; j < 2; j++) {
      uint d = unit * kFarUnit + 4u * j, most = HEAD_WIDTH - 1u;
      FarScale scale = far_scale(page, p.kv_heads, kv_head, HEAD_WIDTH, d);
      vec4 k = scale.low + scale.unit * (codes_of(codes.word, codes.lower, j) + codes.bias);
      s += vec2(query.v[min(d, most)], query.v[min(d + 1u, most)]) * k.xy + vec2(query.v[min(d + 2u, most)], query.v[min(d + 3u, most)]) * k.zw;
    }
  }
  if (page.is_far) return (s.x + s.y) * p.scale;
  Uints k = Uints(page.at + uint64_t(key_offset(kv_head, key, HEAD_WIDTH)));
#elif KV_F16
  Uints k = Uints(key_address(p.pages, p.layer_offset, kv_head, key, HEAD_WIDTH));
  vec2 s = vec2(0.0);
#endif
#if KV_F16
  [[dont_unroll]] for (uint d = 0; d < HEAD_WIDTH / 2; d++)
    s += vec2(query.v[2 * d], query.v[2 * d + 1]) * unpackHalf2x16(k.v[d]);
#elif KV_Q8_0
  uint64_t layer = layer_address(p.pages, p.layer_offset, key);
  uint64_t quants = layer + uint64_t(key_quants(kv_head, key, HEAD_WIDTH));
  uint64_t scales = layer + uint64_t(key_scales(p.kv_heads, kv_head, key, HEAD_WIDTH));
  vec2 s = vec2(0.0);
  [[dont_unroll]] for (uint piece = 0; piece < kv_pieces(HEAD_WIDTH); piece++) {
    float scale = scale_at(scales + uint64_t(piece * kKvPiece / kKvBlock * kKeyScaleStride));
    uvec4 words = Uint4s(quants + uint64_t(piece * kKeyPieceStride)).v[0];
    vec4 t = vec4(0.0);
    [[unroll]] for (uint j = 0; j < 4; j++) {
      // Past the head's end the quants are zeros, and any number will do.
      uint d = piece * kKvPiece + 4u * j, most = HEAD_WIDTH - 1u;
      t += vec4(query.v[min(d, most)], query.v[min(d + 1u, most)], query.v[min(d + 2u, most)], query.v[min(d + 3u, most)]) *
           quants_of(words[j]);
    }
    s += scale * (t.xy + t.zw);
  }
#endif
  return (s.x + s.y) * p.scale;
}

#endif
