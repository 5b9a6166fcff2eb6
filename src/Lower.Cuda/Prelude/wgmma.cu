//= wgmma_fence
// Orders what this warpgroup did to accumulators and shared memory before its next wgmma.
__device__ __forceinline__ void wgmma_fence(PICOGRAD_AT0)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#else
    picograd_wgmma_fence(line);
#endif
}
//= wgmma_commit
// Closes the group of the wgmma issued since the last commit.
__device__ __forceinline__ void wgmma_commit(PICOGRAD_AT0)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#else
    picograd_wgmma_commit(line);
#endif
}
//= wgmma_wait
// Waits until at most the N newest groups are in flight; accumulators may be touched from then on.
template <int N> __device__ __forceinline__ void wgmma_wait(PICOGRAD_AT0)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
#else
    picograd_wgmma_wait(N, line);
#endif
}
//= wgmma_fence_operand
// Keeps the compiler from moving accesses to an accumulator across this place.
__device__ __forceinline__ void wgmma_fence_operand(float& x)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("" : "+f"(x)::"memory");
#else
    asm volatile("" : "+m"(x)::"memory");
#endif
}
//= wgmma_descriptor
// Descriptor of an operand in shared memory (PTX ISA, matrix descriptor). swizzle_mode: 0 none, 1 128 B, 2 64 B, 3 32 B.
__device__ __forceinline__ unsigned long long wgmma_descriptor(const void* shared, int leading_bytes, int stride_bytes, int swizzle_mode)
{
    return (unsigned long long)(((unsigned)__cvta_generic_to_shared(shared) & 0x3FFFFu) >> 4)
        | (unsigned long long)(((unsigned)leading_bytes & 0x3FFFFu) >> 4) << 16
        | (unsigned long long)(((unsigned)stride_bytes & 0x3FFFFu) >> 4) << 32 | (unsigned long long)swizzle_mode << 62;
}
