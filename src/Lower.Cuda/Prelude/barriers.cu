//= mbarrier_init
// A barrier in shared memory whose phases complete after `count` arrivals and all expected bytes. One thread calls it.
__device__ __forceinline__ void mbarrier_init(unsigned long long* bar, int count PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"((unsigned)__cvta_generic_to_shared(bar)), "r"(count) : "memory");
#else
    picograd_mbarrier_init(bar, count, line);
#endif
}
//= mbarrier_fence_init
// Makes the barriers that this thread initialised visible to the cluster and to bulk copies; a block or cluster barrier follows.
__device__ __forceinline__ void mbarrier_fence_init()
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#else
    picograd_mbarrier_fence_init();
#endif
}
//= mbarrier_arrive
__device__ __forceinline__ void mbarrier_arrive(unsigned long long* bar PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.shared::cta.b64 state, [%0];\n}" ::"r"((unsigned)__cvta_generic_to_shared(bar)) : "memory");
#else
    picograd_mbarrier_arrive(bar, -1, 0, line);
#endif
}
//= mbarrier_expect_tx
// Arrives, and lets the phase wait for `bytes` more of bulk copies.
__device__ __forceinline__ void mbarrier_expect_tx(unsigned long long* bar, int bytes PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.expect_tx.shared::cta.b64 state, [%0], %1;\n}" ::"r"((unsigned)__cvta_generic_to_shared(bar)),
                 "r"(bytes)
                 : "memory");
#else
    picograd_mbarrier_arrive(bar, -1, bytes, line);
#endif
}
//= mbarrier_arrive_cluster
// Arrives at the barrier at the same place in the shared memory of block `rank` of the cluster.
__device__ __forceinline__ void mbarrier_arrive_cluster(unsigned long long* bar, unsigned rank PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile(
        "{\n.reg .b32 remote;\nmapa.shared::cluster.u32 remote, %0, %1;\nmbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote];\n}" ::"r"(
            (unsigned)__cvta_generic_to_shared(bar)),
        "r"(rank)
        : "memory");
#else
    picograd_mbarrier_arrive(bar, (int)rank, 0, line);
#endif
}
//= mbarrier_wait
// Waits until the phase of this parity is complete: 0 for the first phase, then 1, 0, …
__device__ __forceinline__ void mbarrier_wait(unsigned long long* bar, unsigned parity PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("{\n.reg .pred done;\nagain:\nmbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n@done bra go_on;\nbra again;\ngo_on:\n}" ::"r"(
                     (unsigned)__cvta_generic_to_shared(bar)),
                 "r"(parity)
                 : "memory");
#else
    picograd_mbarrier_wait(bar, parity, line);
#endif
}
//= fence_proxy_async
// Makes this thread's ordinary writes to shared memory visible to wgmma and bulk stores; a barrier follows.
__device__ __forceinline__ void fence_proxy_async()
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#else
    picograd_fence_proxy_async();
#endif
}
//= setmaxnreg_inc
template <int R> __device__ __forceinline__ void setmaxnreg_inc(PICOGRAD_AT0)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(R));
#else
    picograd_setmaxnreg(R, 1, line);
#endif
}
//= setmaxnreg_dec
template <int R> __device__ __forceinline__ void setmaxnreg_dec(PICOGRAD_AT0)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(R));
#else
    picograd_setmaxnreg(R, 0, line);
#endif
}
//= named_barrier_sync
// Waits at barrier `id` (1 to 15; 0 is __syncthreads) for `threads` threads of the block.
__device__ __forceinline__ void named_barrier_sync(int id, int threads PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
#else
    picograd_barrier(id, threads, line);
#endif
}
//= named_barrier_arrive
// Arrives at barrier `id` without waiting; `threads` counts those that wait, too.
__device__ __forceinline__ void named_barrier_arrive(int id, int threads PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
#else
    picograd_barrier_arrive(id, threads, line);
#endif
}
//= cluster_rank
__device__ __forceinline__ unsigned cluster_rank()
{
#ifndef PICOGRAD_EMULATOR
    unsigned r;
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(r));
    return r;
#else
    return picograd_cluster_rank();
#endif
}
//= cluster_sync
// All threads of all blocks of the cluster.
__device__ __forceinline__ void cluster_sync(PICOGRAD_AT0)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
#else
    picograd_cluster_sync(line);
#endif
}
//= grid_dependency_wait
// Waits for the kernel before this one in the stream, where it was launched to overlap with it.
__device__ __forceinline__ void grid_dependency_wait()
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
//= grid_dependency_launch
// Lets the next kernel of the stream start, where it was launched to overlap with this one.
__device__ __forceinline__ void grid_dependency_launch()
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
