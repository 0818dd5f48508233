// A tile's product by matrices of TOKENS tokens, as a function named PRODUCT: linear/product_workgroup.comp includes it once
// for every number of tokens that its matrices have.
void PRODUCT(uint first, uint count, uint first_row, uint64_t weights, uint64_t up) {
  // Rows and tokens past the end repeat the last one; their sums are not written.
  uint me = gl_LocalInvocationIndex;
  uint64_t row[WEIGHT_PIECES], x[TOKEN_PIECES];
  [[unroll]] for (uint i = 0; i < WEIGHT_PIECES; i++) {
    uint r = (me + i * INVOCATIONS) / ROW_WEIGHTS;
    row[i] = (r >= TILE_ROWS ? up : weights) + uint64_t(min(first_row + r % TILE_ROWS, p.rows - 1u)) * uint64_t(p.row_bytes);
  }
  [[unroll]] for (uint i = 0; i < TOKEN_PIECES; i++) {
    uint place = me + i * INVOCATIONS, token = first + min(place / ROW_TOKENS, count - 1u);
    if (GROUPED && PAIRED) token = token_at(p.sorted, token, p.slots);
    x[i] = p.x + uint64_t(token) * uint64_t(p.columns * 2u) + uint64_t((place % ROW_TOKENS) * 16u);
  }

  // Round `step` fetches step `step`, multiplies the one before and unpacks what was fetched.
  Sums sums = Sums(0.0), up_sums = Sums(0.0);
  uint steps = p.columns / DEPTH;
  [[dont_unroll]] for (uint step = 0; step <= steps; step++) {
    uint raw[WEIGHT_PIECES * kPieceWords];
    uvec4 activations[TOKEN_PIECES];
    if (step < steps) {
      [[unroll]] for (uint i = 0; i < WEIGHT_PIECES; i++) {
        uint piece[kPieceWords], c = (me + i * INVOCATIONS) % ROW_WEIGHTS;
        fetch16(row[i], step * (DEPTH / 32u) + c / 2u, c & 1u, piece);
        [[unroll]] for (uint j = 0; j < kPieceWords; j++) raw[i * kPieceWords + j] = piece[j];
      }
      [[unroll]] for (uint i = 0; i < TOKEN_PIECES; i++)
        activations[i] = Uint4s(x[i] + uint64_t(step * DEPTH * 2u)).v[0];
    }
    if (step > 0u) {
      WeightMatrix a;
      TokenMatrix b;
      coopMatLoad(b, token_tile, 0u, PITCH, gl_CooperativeMatrixLayoutColumnMajor);
      coopMatLoad(a, weight_tile, 0u, PITCH, gl_CooperativeMatrixLayoutRowMajor);
      sums = coopMatMulAdd(a, b, sums);
      if (PAIRED) {
        coopMatLoad(a, weight_tile, TILE_ROWS * PITCH, PITCH, gl_CooperativeMatrixLayoutRowMajor);
        up_sums = coopMatMulAdd(a, b, up_sums);
      }
    }
    barrier();
    if (step < steps) {
      [[unroll]] for (uint i = 0; i < WEIGHT_PIECES; i++) {
        uint place = me + i * INVOCATIONS, c = place % ROW_WEIGHTS, sub = step * (DEPTH / 32u) + c / 2u, piece[kPieceWords];
        [[unroll]] for (uint j = 0; j < kPieceWords; j++) piece[j] = raw[i * kPieceWords + j];
        [[unroll]] for (uint j = 0; j < 2u; j++)
          weight_tile[place / ROW_WEIGHTS * PITCH + c * 2u + j] =
              uvec4(unpack4(piece, sub, c & 1u, 2u * j), unpack4(piece, sub, c & 1u, 2u * j + 1u));
      }
      [[unroll]] for (uint i = 0; i < TOKEN_PIECES; i++) {
        uint place = me + i * INVOCATIONS;
        token_tile[place / ROW_TOKENS * PITCH + place % ROW_TOKENS] = activations[i];
      }
    }
    barrier();
  }

  // y (tokens, rows) from sums (rows, tokens); what is past the end is left out.
  tensorViewNV<2, false, 1, 0> turned = createTensorViewNV(2, false, 1, 0);
  tensorLayoutNV<2, gl_CooperativeMatrixClampModeConstantNV> y = createTensorLayoutNV(2, gl_CooperativeMatrixClampModeConstantNV);
  y = setTensorLayoutDimensionNV(y, first + count, p.rows);
  y = setTensorLayoutStrideNV(y, p.y_stride, 1);
  y = sliceTensorLayoutNV(y, first, TOKENS, first_row, TILE_ROWS);
  if (PAIRED) {
    [[unroll]] for (uint i = 0; i < sums.length(); i++)
      sums[i] = clamp(sums[i] / (1.0 + exp(-sums[i])) * up_sums[i], -65504.0, 65504.0);
    coopMatStoreTensorNV(HalfSums(sums), HalfRows(p.y).v, 0, y, turned);
  } else if (GROUPED) {
    coopMatPerElementNV(sums, sums, put_sum, first_row, count);  // targets are there since the first barrier
  } else {
    if (p.accumulate == 1u) {
      Sums before;
      coopMatLoadTensorNV(before, Floats(p.y).v, 0, y, turned);
      sums += before;
    }
    coopMatStoreTensorNV(sums, Floats(p.y).v, 0, y, turned);
  }
}
