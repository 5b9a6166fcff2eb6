// algorithm matmul
//   input A: f32[35, 21]
//   input B: f32[21, 37]
//   C[m, n] = reduce.sum(A[m, k] * B[k, n]) over m<35, n<37, k<21 reduce
//   output C
// schedule:
//   C.reg, C.copy = cache_write C register
//   mo, mi = split C.m 16
//   no, ni = split C.n 16
//   ko, ki = split C.k 8
//   mt, mr = split mi 2
//   nt, nr = split ni 4
//   reorder mo no ko mt nt ki mr nr
//   As, A.copy = cache_read A C shared
//   Bs, B.copy = cache_read B C shared
//   am, ak = compute_at A.copy ko
//   bk, bn = compute_at B.copy ko
//   cm, cn = reverse_compute_at C.copy no
//   t = fuse mt nt
//   af = fuse am ak
//   at, av = split af 4
//   bf = fuse bk bn
//   bt, bv = split bf 4
//   cmt, cmr = split cm 2
//   cnt, cnr = split cn 4
//   reorder cmt cnt cmr cnr
//   ct = fuse cmt cnt
//   bind mo block.y
//   bind no block.x
//   bind t thread.x
//   init = decompose_reduction C ko
//   vectorize av
//   bind at thread.x
//   vectorize bv
//   bind bt thread.x
//   vectorize cnr
//   bind ct thread.x

extern "C" __global__ void __launch_bounds__(32)
matmul_f32_16x16x8_t32(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C) {
  extern __shared__ __align__(1024) unsigned char shared[];
  float* const As = (float*)(shared + 0);
  float* const Bs = (float*)(shared + 512);
  const int mo = blockIdx.y;
  const int no = blockIdx.x;
  const int thread = threadIdx.x;
  const int A_at = mo * 336 + thread / 2 * 21 + thread % 2 * 4;
  const int B_at = thread / 4 * 37 + no * 16 + thread % 4 * 4;
  const int C_at = mo * 592 + thread / 4 * 74 + no * 16 + thread % 4 * 4;
  float C_reg[8];
#pragma unroll
  for (int mr = 0; mr < 2; mr++) {
#pragma unroll
    for (int nr = 0; nr < 4; nr++) {
      if (no * 16 + thread % 4 * 4 + nr < 37 && mo * 16 + thread / 4 * 2 + mr < 35) {
        C_reg[mr * 4 + nr] = 0.0f;
      }
    }
  }
#pragma unroll 1
  for (int ko = 0; ko < 3; ko++) {
    __syncwarp();
    if (mo * 16 + thread / 2 < 35 && ko * 2 + thread % 2 < 5) {
      *(float4*)&As[thread * 4] = make_float4(A[A_at + ko * 8], A[A_at + ko * 8 + 1], A[A_at + ko * 8 + 2], A[A_at + ko * 8 + 3]);
    } else {
#pragma unroll
      for (int av = 0; av < 4; av++) {
        if (mo * 16 + thread / 2 < 35 && ko * 8 + thread % 2 * 4 + av < 21) {
          As[thread * 4 + av] = A[A_at + ko * 8 + av];
        }
      }
    }
    if (ko * 8 + thread / 4 < 21 && no * 4 + thread % 4 < 9) {
      *(float4*)&Bs[thread * 4] = make_float4(B[B_at + ko * 296], B[B_at + ko * 296 + 1], B[B_at + ko * 296 + 2], B[B_at + ko * 296 + 3]);
    } else {
#pragma unroll
      for (int bv = 0; bv < 4; bv++) {
        if (ko * 8 + thread / 4 < 21 && no * 16 + thread % 4 * 4 + bv < 37) {
          Bs[thread * 4 + bv] = B[B_at + ko * 296 + bv];
        }
      }
    }
    __syncwarp();
    for (int ki = 0; ki < 8; ki++) {
      const int As_at = thread / 4 * 16 + ki;
      const int Bs_at = thread % 4 * 4 + ki * 16;
#pragma unroll
      for (int mr_1 = 0; mr_1 < 2; mr_1++) {
#pragma unroll
        for (int nr_1 = 0; nr_1 < 4; nr_1++) {
          if (ko * 8 + ki < 21 && (no * 16 + thread % 4 * 4 + nr_1 < 37 && mo * 16 + thread / 4 * 2 + mr_1 < 35)) {
            C_reg[mr_1 * 4 + nr_1] += As[As_at + mr_1 * 8] * Bs[Bs_at + nr_1];
          }
        }
      }
    }
  }
#pragma unroll
  for (int cmr = 0; cmr < 2; cmr++) {
#pragma unroll
    for (int cnr = 0; cnr < 4; cnr++) {
      if (mo * 16 + thread / 4 * 2 + cmr < 35 && no * 16 + thread % 4 * 4 + cnr < 37) {
        C[C_at + cmr * 37 + cnr] = C_reg[cmr * 4 + cnr];
      }
    }
  }
}
