//= cp_async_4
// Starts a copy of 4 bytes, both addresses aligned to 4, into the open group of this thread.
__device__ __forceinline__ void cp_async_4(void* shared, const void* global PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"((unsigned)__cvta_generic_to_shared(shared)), "l"(global) : "memory");
#else
    picograd_cp_async(shared, global, 4, 4, line);
#endif
}
//= cp_async_4_zfill
// The same, but only the first `bytes` are read; zeros follow.
__device__ __forceinline__ void cp_async_4_zfill(void* shared, const void* global, int bytes PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile(
        "cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"((unsigned)__cvta_generic_to_shared(shared)), "l"(global), "r"(bytes)
        : "memory");
#else
    picograd_cp_async(shared, global, 4, bytes, line);
#endif
}
//= cp_async_8
// Starts a copy of 8 bytes, both addresses aligned to 8, into the open group of this thread.
__device__ __forceinline__ void cp_async_8(void* shared, const void* global PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8;" ::"r"((unsigned)__cvta_generic_to_shared(shared)), "l"(global) : "memory");
#else
    picograd_cp_async(shared, global, 8, 8, line);
#endif
}
//= cp_async_8_zfill
// The same, but only the first `bytes` are read; zeros follow.
__device__ __forceinline__ void cp_async_8_zfill(void* shared, const void* global, int bytes PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile(
        "cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"((unsigned)__cvta_generic_to_shared(shared)), "l"(global), "r"(bytes)
        : "memory");
#else
    picograd_cp_async(shared, global, 8, bytes, line);
#endif
}
//= cp_async_16
// Starts a copy of 16 bytes, both addresses aligned to 16, into the open group of this thread.
__device__ __forceinline__ void cp_async_16(void* shared, const void* global PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((unsigned)__cvta_generic_to_shared(shared)), "l"(global) : "memory");
#else
    picograd_cp_async(shared, global, 16, 16, line);
#endif
}
//= cp_async_16_zfill
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
//= cp_async_commit
// Closes the open group of this thread.
__device__ __forceinline__ void cp_async_commit()
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("cp.async.commit_group;" ::: "memory");
#else
    picograd_cp_async_commit();
#endif
}
//= cp_async_wait
// Waits until at most the N newest groups of this thread are in flight.
template <int N> __device__ __forceinline__ void cp_async_wait()
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#else
    picograd_cp_async_wait(N);
#endif
}
