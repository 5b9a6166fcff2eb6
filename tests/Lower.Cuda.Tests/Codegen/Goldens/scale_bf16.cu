// algorithm scale
//   input x: bf16[4096]
//   y[i] = x[i] * 2.0bf16 + 1.0bf16 over i<4096
//   output y
// schedule:
//   y.i.o, y.i.t, y.i.v = tile y.i 128 8

// Rounds to nearest even.
__device__ __forceinline__ unsigned short f32_to_bf16(float x)
{
#ifndef PICOGRAD_EMULATOR
    unsigned short r;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(r) : "f"(x));
    return r;
#else
    unsigned bits = __float_as_uint(x);
    return (bits & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FFF : (unsigned short)((bits + 0x7FFFu + (bits >> 16 & 1)) >> 16);
#endif
}
__device__ __forceinline__ float bf16_to_f32(unsigned short x) { return __uint_as_float((unsigned)x << 16); }

__device__ __forceinline__ unsigned int pack(unsigned short low, unsigned short high) {
  return (unsigned int)low | (unsigned int)high << 16;
}

__device__ __forceinline__ unsigned int pack(unsigned char a, unsigned char b, unsigned char c, unsigned char d) {
  return (unsigned int)a | (unsigned int)b << 8 | (unsigned int)c << 16 | (unsigned int)d << 24;
}

extern "C" __global__ void __launch_bounds__(128)
scale_bf16_1024_t128(const unsigned short* x, unsigned short* y) {
  const int i_o = blockIdx.x;
  const int i_t = threadIdx.x;
  const uint4 x_v = *(const uint4*)&x[i_o * 1024 + i_t * 8];
  *(uint4*)&y[i_o * 1024 + i_t * 8] = make_uint4(pack(f32_to_bf16(bf16_to_f32((unsigned short)x_v.x) * 2.0f + 1.0f), f32_to_bf16(bf16_to_f32((unsigned short)(x_v.x >> 16)) * 2.0f + 1.0f)), pack(f32_to_bf16(bf16_to_f32((unsigned short)x_v.y) * 2.0f + 1.0f), f32_to_bf16(bf16_to_f32((unsigned short)(x_v.y >> 16)) * 2.0f + 1.0f)), pack(f32_to_bf16(bf16_to_f32((unsigned short)x_v.z) * 2.0f + 1.0f), f32_to_bf16(bf16_to_f32((unsigned short)(x_v.z >> 16)) * 2.0f + 1.0f)), pack(f32_to_bf16(bf16_to_f32((unsigned short)x_v.w) * 2.0f + 1.0f), f32_to_bf16(bf16_to_f32((unsigned short)(x_v.w >> 16)) * 2.0f + 1.0f)));
}
