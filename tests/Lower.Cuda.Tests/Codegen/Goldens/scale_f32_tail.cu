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
#pragma unroll
  for (int i_v = 0; i_v < 4; i_v++) {
    if (i_o * 512 + i_t * 4 + i_v < 1001) {
      y[i_o * 512 + i_t * 4 + i_v] = x[i_o * 512 + i_t * 4 + i_v] * 2.0f + 1.0f;
    }
  }
}
