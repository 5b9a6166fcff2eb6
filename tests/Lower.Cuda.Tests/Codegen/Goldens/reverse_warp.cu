// algorithm reverse
//   input x: f32[1024]
//   y[i] = x[i // 32 * 32 + 31 - i % 32] over i<1024
//   output y

extern "C" __global__ void __launch_bounds__(256)
reverse_f32_256_t256(const float* __restrict__ x, float* __restrict__ y) {
  extern __shared__ __align__(1024) unsigned char shared[];
  float* const tile = (float*)(shared + 0);
  const int i_o = blockIdx.x;
  const int tid = threadIdx.x;
  const int tile_at = tid / 32 * 32 - tid % 32;
  tile[tile_at + 31] = x[i_o * 256 + tid];
  __syncwarp();
  y[i_o * 256 + tid] = tile[tid];
}
