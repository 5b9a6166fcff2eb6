// algorithm transpose
//   input x: f32[100, 68]
//   y[i, j] = x[j, i] over i<68, j<100
//   output y

// Under the emulator functions know the line that calls them, for its messages.
#ifdef PICOGRAD_EMULATOR
#define PICOGRAD_AT , int line = __builtin_LINE()
#define PICOGRAD_AT0 int line = __builtin_LINE()
#else
#define PICOGRAD_AT
#define PICOGRAD_AT0
#endif
// The same, but only the first `bytes` are read; zeros follow.
__device__ __forceinline__ void cp_async_16_zfill(void* shared, const void* global, int bytes PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile(
        "cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"((unsigned)__cvta_generic_to_shared(shared)), "l"(global), "r"(bytes)
        : "memory");
#else
    picograd_cp_async(shared, global, 16, bytes, line);
#endif
}
// Closes the open group of this thread.
__device__ __forceinline__ void cp_async_commit()
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("cp.async.commit_group;" ::: "memory");
#else
    picograd_cp_async_commit();
#endif
}
// Waits until at most the N newest groups of this thread are in flight.
template <int N> __device__ __forceinline__ void cp_async_wait()
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#else
    picograd_cp_async_wait(N);
#endif
}

// Elements of a shared buffer in permuted order: bits of the row are added to those of the 16-byte chunk.
__device__ __forceinline__ int swizzle(int i, int shift, int mask) { return i ^ ((i >> shift) & mask); }

extern "C" __global__ void __launch_bounds__(128)
transpose_f32_32x32_t128(const float* __restrict__ x, float* __restrict__ y) {
  extern __shared__ __align__(1024) unsigned char shared[];
  float* const tile = (float*)(shared + 0);
  const int j_o = blockIdx.y;
  const int i_o = blockIdx.x;
  const int tid = threadIdx.x;
  const int x_at = j_o * 2176 + tid / 8 * 68 + i_o * 32 + tid % 8 * 4;
  const int y_at = i_o * 3200 + tid / 32 * 100 + j_o * 32 + tid % 32;
  const int tile_at = tid % 32 * 32 + tid / 32;
#pragma unroll
  for (int c = 0; c < 2; c++) {
    cp_async_16_zfill(&tile[swizzle(tid * 4 + c * 512, 3, 28)], &x[x_at + c * 1088], (j_o * 32 + c * 16 + tid / 8 < 100 && i_o * 8 + tid % 8 < 17 ? 4 : 0) * 4);
  }
  cp_async_commit();
  cp_async_wait<0>();
  __syncthreads();
  for (int w = 0; w < 8; w++) {
    if (i_o * 32 + w * 4 + tid / 32 < 68 && j_o * 32 + tid % 32 < 100) {
      y[y_at + w * 400] = tile[swizzle(tile_at + w * 4, 3, 28)];
    }
  }
}
