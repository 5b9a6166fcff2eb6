// algorithm softmax
//   input X: f32[5, 7]
//   M[r] = reduce.max(X[r, c]) over r<5, c<7 reduce
//   E[r, c] = exp(X[r, c] - M[r]) over r<5, c<7
//   S[r] = reduce.sum(E[r, c]) over r<5, c<7 reduce
//   R[r] = reciprocal(S[r]) over r<5
//   Y[r, c] = E[r, c] * R[r] over r<5, c<7
//   output Y

__device__ __forceinline__ float max_nan(float a, float b) {
#ifndef PICOGRAD_EMULATOR
  float r;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
#else
  return a > b || a != a ? a : b;
#endif
}
__device__ __forceinline__ double max_nan(double a, double b) { return a > b || a != a ? a : b; }

extern "C" __global__ void __launch_bounds__(128)
softmax_M_f32_5x1_t128(const float* __restrict__ X, float* __restrict__ M) {
  const int thread0 = threadIdx.x;
  if (thread0 < 5) {
    for (int c = 0; c < 7; c++) {
      const int X_at = thread0 % 5 * 7 + c;
      M[thread0 % 5] = max_nan(c == 0 ? -__int_as_float(0x7f800000) : M[thread0 % 5], X[X_at]);
    }
  }
}

extern "C" __global__ void __launch_bounds__(128)
softmax_E_f32_5x7_t128(const float* __restrict__ X, const float* __restrict__ M, float* __restrict__ E) {
  const int thread1 = threadIdx.x;
  const int E_at = thread1 / 7 % 5 * 7 + thread1 % 7;
  const int X_at = thread1 / 7 % 5 * 7 + thread1 % 7;
  const int M_at = thread1 / 7 % 5;
  if (thread1 < 35) {
    E[E_at] = expf(X[X_at] - M[M_at]);
  }
}

extern "C" __global__ void __launch_bounds__(128)
softmax_S_f32_5_t128(const float* __restrict__ E, float* __restrict__ S) {
  const int thread2 = threadIdx.x;
  if (thread2 < 5) {
    for (int c = 0; c < 7; c++) {
      const int E_at = thread2 % 5 * 7 + c;
      S[thread2 % 5] = (c == 0 ? 0.0f : S[thread2 % 5]) + E[E_at];
    }
  }
}

extern "C" __global__ void __launch_bounds__(128)
softmax_R_f32_5_t128(const float* __restrict__ S, float* __restrict__ R) {
  const int thread3 = threadIdx.x;
  if (thread3 < 5) {
    R[thread3 % 5] = 1.0f / S[thread3 % 5];
  }
}

extern "C" __global__ void __launch_bounds__(128)
softmax_Y_f32_5x7_t128(float* __restrict__ Y, const float* __restrict__ E, const float* __restrict__ R) {
  const int thread4 = threadIdx.x;
  const int Y_at = thread4 / 7 % 5 * 7 + thread4 % 7;
  const int E_at = thread4 / 7 % 5 * 7 + thread4 % 7;
  const int R_at = thread4 / 7 % 5;
  if (thread4 < 35) {
    Y[Y_at] = E[E_at] * R[R_at];
  }
}
