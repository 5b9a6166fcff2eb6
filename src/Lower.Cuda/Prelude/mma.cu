//= ldmatrix_x1
// 1 matrix of 8 x 8 elements of 16 bits: lane i gives the address of row i % 8 of matrix i / 8.
__device__ __forceinline__ void ldmatrix_x1(unsigned (&r)[1], const void* shared_row PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];"
                 : "=r"(r[0])
                 : "r"((unsigned)__cvta_generic_to_shared(shared_row))
                 : "memory");
#else
    picograd_ldmatrix(r, shared_row, 1, 0, line);
#endif
}
//= ldmatrix_x2
// 2 matrices of 8 x 8 elements of 16 bits: lane i gives the address of row i % 8 of matrix i / 8.
__device__ __forceinline__ void ldmatrix_x2(unsigned (&r)[2], const void* shared_row PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"((unsigned)__cvta_generic_to_shared(shared_row))
                 : "memory");
#else
    picograd_ldmatrix(r, shared_row, 2, 0, line);
#endif
}
//= ldmatrix_x4
// 4 matrices of 8 x 8 elements of 16 bits: lane i gives the address of row i % 8 of matrix i / 8.
__device__ __forceinline__ void ldmatrix_x4(unsigned (&r)[4], const void* shared_row PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"((unsigned)__cvta_generic_to_shared(shared_row))
                 : "memory");
#else
    picograd_ldmatrix(r, shared_row, 4, 0, line);
#endif
}
//= ldmatrix_x1_trans
// 1 matrix of 8 x 8 elements of 16 bits, transposed: lane i gives the address of row i % 8 of matrix i / 8.
__device__ __forceinline__ void ldmatrix_x1_trans(unsigned (&r)[1], const void* shared_row PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
                 : "=r"(r[0])
                 : "r"((unsigned)__cvta_generic_to_shared(shared_row))
                 : "memory");
#else
    picograd_ldmatrix(r, shared_row, 1, 1, line);
#endif
}
//= ldmatrix_x2_trans
// 2 matrices of 8 x 8 elements of 16 bits, transposed: lane i gives the address of row i % 8 of matrix i / 8.
__device__ __forceinline__ void ldmatrix_x2_trans(unsigned (&r)[2], const void* shared_row PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"((unsigned)__cvta_generic_to_shared(shared_row))
                 : "memory");
#else
    picograd_ldmatrix(r, shared_row, 2, 1, line);
#endif
}
//= ldmatrix_x4_trans
// 4 matrices of 8 x 8 elements of 16 bits, transposed: lane i gives the address of row i % 8 of matrix i / 8.
__device__ __forceinline__ void ldmatrix_x4_trans(unsigned (&r)[4], const void* shared_row PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"((unsigned)__cvta_generic_to_shared(shared_row))
                 : "memory");
#else
    picograd_ldmatrix(r, shared_row, 4, 1, line);
#endif
}
//= stmatrix_x1
// What ldmatrix_x1 reads, written. Compute capability 9.0.
__device__ __forceinline__ void stmatrix_x1(void* shared_row, const unsigned (&r)[1] PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("stmatrix.sync.aligned.m8n8.x1.shared.b16 [%0], {%1};" ::"r"((unsigned)__cvta_generic_to_shared(shared_row)),
                 "r"(r[0])
                 : "memory");
#else
    picograd_stmatrix(shared_row, r, 1, 0, line);
#endif
}
//= stmatrix_x2
// What ldmatrix_x2 reads, written. Compute capability 9.0.
__device__ __forceinline__ void stmatrix_x2(void* shared_row, const unsigned (&r)[2] PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("stmatrix.sync.aligned.m8n8.x2.shared.b16 [%0], {%1, %2};" ::"r"((unsigned)__cvta_generic_to_shared(shared_row)),
                 "r"(r[0]), "r"(r[1])
                 : "memory");
#else
    picograd_stmatrix(shared_row, r, 2, 0, line);
#endif
}
//= stmatrix_x4
// What ldmatrix_x4 reads, written. Compute capability 9.0.
__device__ __forceinline__ void stmatrix_x4(void* shared_row, const unsigned (&r)[4] PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"((unsigned)__cvta_generic_to_shared(shared_row)),
                 "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
                 : "memory");
#else
    picograd_stmatrix(shared_row, r, 4, 0, line);
#endif
}
//= stmatrix_x1_trans
// What ldmatrix_x1_trans reads, written. Compute capability 9.0.
__device__ __forceinline__ void stmatrix_x1_trans(void* shared_row, const unsigned (&r)[1] PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("stmatrix.sync.aligned.m8n8.x1.trans.shared.b16 [%0], {%1};" ::"r"((unsigned)__cvta_generic_to_shared(shared_row)),
                 "r"(r[0])
                 : "memory");
#else
    picograd_stmatrix(shared_row, r, 1, 1, line);
#endif
}
//= stmatrix_x2_trans
// What ldmatrix_x2_trans reads, written. Compute capability 9.0.
__device__ __forceinline__ void stmatrix_x2_trans(void* shared_row, const unsigned (&r)[2] PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1, %2};" ::"r"((unsigned)__cvta_generic_to_shared(shared_row)),
                 "r"(r[0]), "r"(r[1])
                 : "memory");
#else
    picograd_stmatrix(shared_row, r, 2, 1, line);
#endif
}
//= stmatrix_x4_trans
// What ldmatrix_x4_trans reads, written. Compute capability 9.0.
__device__ __forceinline__ void stmatrix_x4_trans(void* shared_row, const unsigned (&r)[4] PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"((unsigned)__cvta_generic_to_shared(shared_row)),
                 "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
                 : "memory");
#else
    picograd_stmatrix(shared_row, r, 4, 1, line);
#endif
}
//= mma_m16n8k8_tf32
// c += a b over a warp: 16 x 8 by 8 x 8, sums in fp32.
__device__ __forceinline__ void mma_m16n8k8_tf32(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2] PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    picograd_mma(0, c, a, b, line);
#endif
}
//= mma_m16n8k16_bf16
// c += a b over a warp: 16 x 16 by 16 x 8, sums in fp32.
__device__ __forceinline__ void mma_m16n8k16_bf16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2] PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    picograd_mma(1, c, a, b, line);
#endif
}
//= mma_m16n8k16_f16
// c += a b over a warp: 16 x 16 by 16 x 8, sums in fp32.
__device__ __forceinline__ void mma_m16n8k16_f16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2] PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    picograd_mma(2, c, a, b, line);
#endif
}
