// algorithm scale
//   input x: f32[1001]
//   y[i] = x[i] * 2.0 + 1.0 over i<1001
//   output y
// schedule:
//   y.i.o, y.i.t, y.i.v = tile y.i 128 4

extern "C" __global__ void __launch_bounds__(128)
scale_f32_512_t128(const float* x, float* y) {
  const int i_o = blockIdx.x;
  const int i_t = threadIdx.x;
  if (i_o * 128 + i_t < 250) {
    const float4 x_v = *(const float4*)&x[i_o * 512 + i_t * 4];
    *(float4*)&y[i_o * 512 + i_t * 4] = make_float4(x_v.x * 2.0f + 1.0f, x_v.y * 2.0f + 1.0f, x_v.z * 2.0f + 1.0f, x_v.w * 2.0f + 1.0f);
  } else {
#pragma unroll
    for (int i_v = 0; i_v < 4; i_v++) {
      if (i_o * 512 + i_t * 4 + i_v < 1001) {
        y[i_o * 512 + i_t * 4 + i_v] = x[i_o * 512 + i_t * 4 + i_v] * 2.0f + 1.0f;
      }
    }
  }
}
