// algorithm matmul
//   input A: f32[64, 64]
//   input B: f32[64, 64]
//   C[m, n] = reduce.sum(A[m, k] * B[k, n]) over m<64, n<64, k<64 reduce
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
//   ko.pre, at.pre, av.pre, A.copy.pre, bt.pre, bv.pre, B.copy.pre = double_buffer ko

extern "C" __global__ void __launch_bounds__(32)
matmul_f32_16x16x8_t32(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C) {
  extern __shared__ __align__(1024) unsigned char shared[];
  float* const As = (float*)(shared + 0);
  float* const Bs = (float*)(shared + 1024);
  const int mo = blockIdx.y;
  const int no = blockIdx.x;
  const int thread = threadIdx.x;
  const int A_at = mo * 1024 + thread / 2 * 64 + thread % 2 * 4;
  const int B_at = thread / 4 * 64 + no * 16 + thread % 4 * 4;
  const int C_at = mo * 1024 + thread / 4 * 128 + no * 16 + thread % 4 * 4;
  float C_reg[8];
#pragma unroll
  for (int mr = 0; mr < 2; mr++) {
#pragma unroll
    for (int nr = 0; nr < 4; nr++) {
      C_reg[mr * 4 + nr] = 0.0f;
    }
  }
  *(float4*)&As[thread * 4] = *(const float4*)&A[A_at];
  *(float4*)&Bs[thread * 4] = *(const float4*)&B[B_at];
#pragma unroll 1
  for (int ko = 0; ko < 8; ko++) {
    const int As_at = thread * 4 + (ko + 1) % 2 * 128;
    const int Bs_at = thread * 4 + (ko + 1) % 2 * 128;
    const int As_at_1 = thread / 4 * 16 + ko % 2 * 128;
    const int Bs_at_1 = thread % 4 * 4 + ko % 2 * 128;
    __syncwarp();
    if (ko < 7) {
      *(float4*)&As[As_at] = *(const float4*)&A[A_at + ko * 8 + 8];
    }
    if (ko < 7) {
      *(float4*)&Bs[Bs_at] = *(const float4*)&B[B_at + ko * 512 + 512];
    }
    for (int ki = 0; ki < 8; ki++) {
#pragma unroll
      for (int mr_1 = 0; mr_1 < 2; mr_1++) {
#pragma unroll
        for (int nr_1 = 0; nr_1 < 4; nr_1++) {
          C_reg[mr_1 * 4 + nr_1] += As[As_at_1 + ki + mr_1 * 8] * Bs[Bs_at_1 + ki * 16 + nr_1];
        }
      }
    }
  }
#pragma unroll
  for (int cmr = 0; cmr < 2; cmr++) {
    *(float4*)&C[C_at + cmr * 64] = make_float4(C_reg[cmr * 4], C_reg[cmr * 4 + 1], C_reg[cmr * 4 + 2], C_reg[cmr * 4 + 3]);
  }
}
