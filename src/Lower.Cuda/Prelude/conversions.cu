//= f32_to_bf16
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
//= bf16_to_f32
__device__ __forceinline__ float bf16_to_f32(unsigned short x) { return __uint_as_float((unsigned)x << 16); }
//= f32_to_f16
// Rounds to nearest even; beyond the range to infinity.
__device__ __forceinline__ unsigned short f32_to_f16(float x)
{
#ifndef PICOGRAD_EMULATOR
    unsigned short r;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r) : "f"(x));
    return r;
#else
    return picograd_f32_to_f16(x);
#endif
}
//= f16_to_f32
__device__ __forceinline__ float f16_to_f32(unsigned short x)
{
#ifndef PICOGRAD_EMULATOR
    float r;
    asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(x));
    return r;
#else
    return picograd_f16_to_f32(x);
#endif
}
//= pack_bf16x2 : f32_to_bf16
// Two values, rounded; `lo` in the low half.
__device__ __forceinline__ unsigned pack_bf16x2(float lo, float hi)
{
#ifndef PICOGRAD_EMULATOR
    unsigned r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
    return r;
#else
    return f32_to_bf16(lo) | (unsigned)f32_to_bf16(hi) << 16;
#endif
}
//= pack_f16x2 : f32_to_f16
// Two values, rounded; `lo` in the low half.
__device__ __forceinline__ unsigned pack_f16x2(float lo, float hi)
{
#ifndef PICOGRAD_EMULATOR
    unsigned r;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo));
    return r;
#else
    return f32_to_f16(lo) | (unsigned)f32_to_f16(hi) << 16;
#endif
}
//= f32_to_tf32
// Rounds to the 19 bits that tensor cores read, to nearest, ties away from zero.
__device__ __forceinline__ unsigned f32_to_tf32(float x)
{
#ifndef PICOGRAD_EMULATOR
    unsigned r;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(x));
    return r;
#else
    unsigned bits = __float_as_uint(x), magnitude = bits & 0x7FFFFFFFu;
    return magnitude > 0x7F800000u ? 0x7FFFFFFFu : magnitude == 0x7F800000u ? bits : (bits + 0x1000u) & 0xFFFFE000u;
#endif
}
