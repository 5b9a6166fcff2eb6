// algorithm matmul
//   input A: f32[100, 44]
//   input B: f32[44, 72]
//   C[m, n] = reduce.sum(A[m, k] * B[k, n]) over m<100, n<72, k<44 reduce
//   output C
// schedule:
//   C.m.o, C.m.i = split C.m 64

extern "C" __global__ void __launch_bounds__(64, 4)
matmul_f32_64x64x16_t64(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C) {
  extern __shared__ __align__(1024) unsigned char shared[];
  float* const As = (float*)(shared + 0);
  float* const Bs = (float*)(shared + 4336);
  const int m_o = blockIdx.y;
  const int n_o = blockIdx.x;
  const int tid = threadIdx.x;
  const int A_at = m_o * 2816 + tid / 4 * 44 + tid % 4 * 4;
  const int As_at = tid % 4 * 272 + tid / 4;
  const int B_at = tid / 16 * 72 + n_o * 64 + tid % 16 * 4;
  const int C_at = m_o * 4608 + tid / 8 * 576 + n_o * 64 + tid % 8 * 8;
  float Cr[64];
  float Ar[8];
  float Br[8];
#pragma unroll
  for (int m_z = 0; m_z < 8; m_z++) {
#pragma unroll
    for (int n_z = 0; n_z < 8; n_z++) {
      Cr[m_z * 8 + n_z] = 0.0f;
    }
  }
#pragma unroll 1
  for (int k_o = 0; k_o < 3; k_o++) {
#pragma unroll
    for (int r = 0; r < 4; r++) {
      if (m_o * 64 + r * 16 + tid / 4 < 100 && k_o * 4 + tid % 4 < 11) {
        const float4 A_v = *(const float4*)&A[A_at + k_o * 16 + r * 704];
        As[As_at + r * 16] = A_v.x;
        As[As_at + r * 16 + 68] = A_v.y;
        As[As_at + r * 16 + 136] = A_v.z;
        As[As_at + r * 16 + 204] = A_v.w;
      } else {
#pragma unroll
        for (int v = 0; v < 4; v++) {
          As[As_at + v * 68 + r * 16] = 0.0f;
        }
      }
    }
#pragma unroll
    for (int r_1 = 0; r_1 < 4; r_1++) {
      if (k_o * 16 + r_1 * 4 + tid / 16 < 44 && n_o * 16 + tid % 16 < 18) {
        *(float4*)&Bs[tid * 4 + r_1 * 256] = *(const float4*)&B[B_at + k_o * 1152 + r_1 * 288];
      } else {
        *(float4*)&Bs[tid * 4 + r_1 * 256] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      }
    }
    __syncthreads();
#pragma unroll
    for (int k_i = 0; k_i < 16; k_i++) {
      const float4 As_v = *(const float4*)&As[tid / 8 * 8 + k_i * 68];
      Ar[0] = As_v.x;
      Ar[1] = As_v.y;
      Ar[2] = As_v.z;
      Ar[3] = As_v.w;
      const float4 As_v_1 = *(const float4*)&As[tid / 8 * 8 + k_i * 68 + 4];
      Ar[4] = As_v_1.x;
      Ar[5] = As_v_1.y;
      Ar[6] = As_v_1.z;
      Ar[7] = As_v_1.w;
      const float4 Bs_v = *(const float4*)&Bs[tid % 8 * 8 + k_i * 64];
      Br[0] = Bs_v.x;
      Br[1] = Bs_v.y;
      Br[2] = Bs_v.z;
      Br[3] = Bs_v.w;
      const float4 Bs_v_1 = *(const float4*)&Bs[tid % 8 * 8 + k_i * 64 + 4];
      Br[4] = Bs_v_1.x;
      Br[5] = Bs_v_1.y;
      Br[6] = Bs_v_1.z;
      Br[7] = Bs_v_1.w;
#pragma unroll
      for (int m_i = 0; m_i < 8; m_i++) {
#pragma unroll
        for (int n_i = 0; n_i < 8; n_i++) {
          Cr[m_i * 8 + n_i] += Ar[m_i] * Br[n_i];
        }
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int m_w = 0; m_w < 8; m_w++) {
    if (m_o * 64 + tid / 8 * 8 + m_w < 100 && n_o * 8 + tid % 8 < 9) {
      *(float4*)&C[C_at + m_w * 72] = make_float4(Cr[m_w * 8], Cr[m_w * 8 + 1], Cr[m_w * 8 + 2], Cr[m_w * 8 + 3]);
      *(float4*)&C[C_at + m_w * 72 + 4] = make_float4(Cr[m_w * 8 + 4], Cr[m_w * 8 + 5], Cr[m_w * 8 + 6], Cr[m_w * 8 + 7]);
    }
  }
}
