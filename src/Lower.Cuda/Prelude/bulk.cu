//= CUtensorMap
struct __align__(64) CUtensorMap
{
    unsigned long long opaque[16];
};
//= bulk_load_1d : CUtensorMap
// Starts a copy of the map's box at (x), innermost first, into shared memory; its bytes complete at the barrier.
__device__ __forceinline__ void bulk_load_1d(void* shared, const CUtensorMap* map, unsigned long long* bar, int x PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile(
        "cp.async.bulk.tensor.1d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3}], [%2];" ::"r"(
            (unsigned)__cvta_generic_to_shared(shared)),
        "l"(map), "r"((unsigned)__cvta_generic_to_shared(bar)), "r"(x)
        : "memory");
#else
    const int at[] = {x};
    picograd_bulk_load(shared, map, bar, 1, at, 0, line);
#endif
}
//= bulk_load_2d : CUtensorMap
// Starts a copy of the map's box at (x, y), innermost first, into shared memory; its bytes complete at the barrier.
__device__ __forceinline__ void bulk_load_2d(void* shared, const CUtensorMap* map, unsigned long long* bar, int x, int y PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(
            (unsigned)__cvta_generic_to_shared(shared)),
        "l"(map), "r"((unsigned)__cvta_generic_to_shared(bar)), "r"(x), "r"(y)
        : "memory");
#else
    const int at[] = {x, y};
    picograd_bulk_load(shared, map, bar, 2, at, 0, line);
#endif
}
//= bulk_load_2d_multicast : CUtensorMap
// Starts a copy of the map's box at (x, y), innermost first, into shared memory; its bytes complete at the barrier.
// Every block of the cluster whose bit is set in `blocks` gets it at the same place, and its bytes at its own barrier.
__device__ __forceinline__ void bulk_load_2d_multicast(void* shared, const CUtensorMap* map, unsigned long long* bar, unsigned short blocks, int x, int y PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%3, %4}], [%2], %5;" ::"r"(
            (unsigned)__cvta_generic_to_shared(shared)),
        "l"(map), "r"((unsigned)__cvta_generic_to_shared(bar)), "r"(x), "r"(y), "h"(blocks)
        : "memory");
#else
    const int at[] = {x, y};
    picograd_bulk_load(shared, map, bar, 2, at, blocks, line);
#endif
}
//= bulk_load_3d : CUtensorMap
// Starts a copy of the map's box at (x, y, z), innermost first, into shared memory; its bytes complete at the barrier.
__device__ __forceinline__ void bulk_load_3d(void* shared, const CUtensorMap* map, unsigned long long* bar, int x, int y, int z PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile(
        "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(
            (unsigned)__cvta_generic_to_shared(shared)),
        "l"(map), "r"((unsigned)__cvta_generic_to_shared(bar)), "r"(x), "r"(y), "r"(z)
        : "memory");
#else
    const int at[] = {x, y, z};
    picograd_bulk_load(shared, map, bar, 3, at, 0, line);
#endif
}
//= bulk_load_3d_multicast : CUtensorMap
// Starts a copy of the map's box at (x, y, z), innermost first, into shared memory; its bytes complete at the barrier.
// Every block of the cluster whose bit is set in `blocks` gets it at the same place, and its bytes at its own barrier.
__device__ __forceinline__ void bulk_load_3d_multicast(void* shared, const CUtensorMap* map, unsigned long long* bar, unsigned short blocks, int x, int y, int z PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile(
        "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%3, %4, %5}], [%2], %6;" ::"r"(
            (unsigned)__cvta_generic_to_shared(shared)),
        "l"(map), "r"((unsigned)__cvta_generic_to_shared(bar)), "r"(x), "r"(y), "r"(z), "h"(blocks)
        : "memory");
#else
    const int at[] = {x, y, z};
    picograd_bulk_load(shared, map, bar, 3, at, blocks, line);
#endif
}
//= bulk_store_1d : CUtensorMap
// Starts a copy of the map's box from shared memory to (x), in the open group of this thread.
__device__ __forceinline__ void bulk_store_1d(const CUtensorMap* map, const void* shared, int x PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("cp.async.bulk.tensor.1d.global.shared::cta.tile.bulk_group [%0, {%2}], [%1];" ::"l"(map),
                 "r"((unsigned)__cvta_generic_to_shared(shared)), "r"(x)
                 : "memory");
#else
    const int at[] = {x};
    picograd_bulk_store(map, shared, 1, at, line);
#endif
}
//= bulk_store_2d : CUtensorMap
// Starts a copy of the map's box from shared memory to (x, y), in the open group of this thread.
__device__ __forceinline__ void bulk_store_2d(const CUtensorMap* map, const void* shared, int x, int y PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%2, %3}], [%1];" ::"l"(map),
                 "r"((unsigned)__cvta_generic_to_shared(shared)), "r"(x), "r"(y)
                 : "memory");
#else
    const int at[] = {x, y};
    picograd_bulk_store(map, shared, 2, at, line);
#endif
}
//= bulk_store_3d : CUtensorMap
// Starts a copy of the map's box from shared memory to (x, y, z), in the open group of this thread.
__device__ __forceinline__ void bulk_store_3d(const CUtensorMap* map, const void* shared, int x, int y, int z PICOGRAD_AT)
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.tile.bulk_group [%0, {%2, %3, %4}], [%1];" ::"l"(map),
                 "r"((unsigned)__cvta_generic_to_shared(shared)), "r"(x), "r"(y), "r"(z)
                 : "memory");
#else
    const int at[] = {x, y, z};
    picograd_bulk_store(map, shared, 3, at, line);
#endif
}
//= bulk_commit
// Closes the open group of bulk stores of this thread.
__device__ __forceinline__ void bulk_commit()
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("cp.async.bulk.commit_group;" ::: "memory");
#else
    picograd_bulk_commit();
#endif
}
//= bulk_wait
// Waits until at most the N newest groups of bulk stores of this thread are in flight.
template <int N> __device__ __forceinline__ void bulk_wait()
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("cp.async.bulk.wait_group %0;" ::"n"(N) : "memory");
#else
    picograd_bulk_wait(N);
#endif
}
//= bulk_wait_read
// The same for their reads of shared memory only, which may then be written again.
template <int N> __device__ __forceinline__ void bulk_wait_read()
{
#ifndef PICOGRAD_EMULATOR
    asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(N) : "memory");
#else
    picograd_bulk_wait(N);
#endif
}
