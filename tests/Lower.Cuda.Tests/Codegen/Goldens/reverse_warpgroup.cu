// algorithm reverse
//   input x: f32[1024]
//   y[i] = x[i // 128 * 128 + 127 - i % 128] over i<1024
//   output y

// Under the emulator functions know the line that calls them, for its messages.
#ifdef PICOGRAD_EMULATOR
#define PICOGRAD_AT , int line = __builtin_LINE()
#define PICOGRAD_AT0 int line = __builtin_LINE()
#else
#define PICOGRAD_AT
#define PICOGRAD_AT0
#endif
// Waits at barrier `id` (1 to 15; 0 is __syncthreads) for `threads` threads of the block.
__device__ __forceinline__ void named_barrier_sync(int id, int threads PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
#else
    picograd_barrier(id, threads, line);
#endif
}

extern "C" __global__ void __launch_bounds__(256)
reverse_f32_256_t256(const float* __restrict__ x, float* __restrict__ y) {
  extern __shared__ __align__(1024) unsigned char shared[];
  float* const tile = (float*)(shared + 0);
  const int i_o = blockIdx.x;
  const int tid = threadIdx.x;
  const int tile_at = tid / 128 * 128 - tid % 128;
  tile[tile_at + 127] = x[i_o * 256 + tid];
  named_barrier_sync(1 + tid / 128, 128);
  y[i_o * 256 + tid] = tile[tid];
}
