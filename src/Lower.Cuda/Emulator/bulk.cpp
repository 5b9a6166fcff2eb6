// Bulk tensor copies. A load completes when nothing else can run, or now and then before; a store when it is waited for.
#include "barriers.h"
#include "tensormap.h"

namespace picograd
{
// What wgmma and bulk stores see of shared memory: ordinary writes come into it with fence_proxy_async only.
uint8_t* proxy(Block& b)
{
    if (b.proxy.empty())
    {
        b.proxy.resize(b.window_bytes);
        poison(b.proxy.data(), b.proxy.size());
    }
    return b.proxy.data();
}

static TensorMap map_of(const void* at, int rank, int line)
{
    TensorMap m;
    memcpy(&m, at, sizeof m);
    if (m.mark != TensorMap::Mark)
        fail(LaunchFailed, line, "the tensor map at %p was not made by cuTensorMapEncodeTiled", at);
    if (m.rank != rank)
        fail(LaunchFailed, line, "a %d-dimensional bulk copy with a tensor map of %d dimensions", rank, m.rank);
    return m;
}

static size_t check_shared(const void* shared, const TensorMap& m, int line)
{
    size_t offset = shared_offset(shared, m.box_bytes(), line);
    // The swizzle permutes by bits of the address: a box starts where its pattern starts.
    size_t alignment = m.swizzle ? 8 * m.swizzle_bytes() : 128;
    if (offset % alignment)
        fail(
            MisalignedAddress, line, "a bulk copy's shared memory has to be aligned to %zu bytes for this tensor map; it is %zu off",
            alignment, offset % alignment);
    if (m.swizzle && m.box[0] * m.element_bytes != (int)m.swizzle_bytes())
        fail(
            NotSupportedHere, line, "a box of %d bytes along its innermost dimension with a swizzle of %u bytes: the emulator wants them equal",
            m.box[0] * m.element_bytes, m.swizzle_bytes());
    return offset;
}

static size_t swizzled(size_t offset, const TensorMap& m)
{
    return m.swizzle ? offset ^ (offset >> 3 & (m.swizzle_bytes() - 16)) : offset;
}

// Calls `element(global, offset in the window)` for each element of the box; global is null where it overhangs.
template <class F> static void each(const TensorMap& m, const int* at, size_t start, F element)
{
    int i[5] = {};
    uint64_t count = m.box_bytes() / m.element_bytes;
    for (uint64_t linear = 0; linear < count; linear++)
    {
        uint64_t address = m.address;
        bool inside = true;
        for (int d = 0; d < m.rank; d++)
        {
            int64_t x = (int64_t)at[d] + i[d];
            inside &= x >= 0 && (uint64_t)x < m.extents[d];
            address += (uint64_t)x * (d == 0 ? m.element_bytes : m.strides[d - 1]);
        }
        element(inside ? (uint8_t*)address : nullptr, swizzled(start + linear * m.element_bytes, m));
        for (int d = 0; d < m.rank && ++i[d] == m.box[d]; d++)
            i[d] = 0;
    }
}

bool complete_some_load()
{
    auto& loads = cluster->loads;
    if (loads.empty())
        return false;
    if (cluster->live == 0)
        throw Fault{LaunchFailed, "all threads have returned while a bulk load was in flight (line " + std::to_string(loads[0].line) + ")"};
    size_t which = random_below(loads.size());
    BulkLoad load = loads[which];
    loads.erase(loads.begin() + (long)which);
    TensorMap m;
    memcpy(&m, load.map, sizeof m);
    for (size_t r = 0; r < cluster->blocks.size(); r++)
    {
        if (!(load.receivers >> r & 1))
            continue;
        Block& b = cluster->blocks[r];
        uint8_t* view = proxy(b);
        each(
            m, load.at, load.to,
            [&](uint8_t* global, size_t offset)
            {
                uint8_t value[8] = {};
                if (global)
                    memcpy(value, global, m.element_bytes);
                else if (m.fill_nan)
                    memset(value, 0xFF, sizeof value);
                memcpy(b.window + offset, value, m.element_bytes);
                memcpy(view + offset, value, m.element_bytes);
            });
        Block* owner = nullptr;
        MBarrier barrier = MBarrier::read((uint64_t*)(b.window + load.barrier), load.line, &owner);
        barrier.bytes -= (int)m.box_bytes();
        barrier.update(b, load.line);
    }
    return true;
}

static void perform(const BulkStore& s)
{
    TensorMap m;
    memcpy(&m, s.map, sizeof m);
    Block& b = *self()->block;
    uint8_t* view = proxy(b);
    each(
        m, s.at, (size_t)((const uint8_t*)s.from - b.window),
        [&](uint8_t* global, size_t offset)
        {
            if (global)
                memcpy(global, view + offset, m.element_bytes);
        });
}

void block_ends(Block& b)
{
    for (Fiber& f : b.fibers)
        for (auto& group : f.stores)
            if (!group.empty())
                throw Fault{
                    LaunchFailed, "thread " + std::to_string(f.index) + " of block (" + std::to_string(b.index.x) + ", "
                        + std::to_string(b.index.y) + ", " + std::to_string(b.index.z)
                        + ") returned without waiting for its bulk store, whose shared memory is gone"};
}
} // namespace picograd

using namespace picograd;

extern "C"
{
    void picograd_bulk_load(
        void* shared, const void* map, uint64_t* barrier, int rank, const int* at, unsigned multicast, int line)
    {
        Fiber& me = *self();
        TensorMap m = map_of(map, rank, line);
        BulkLoad load = {};
        memcpy(load.map, &m, sizeof m);
        load.block = me.block;
        load.to = check_shared(shared, m, line);
        Block* owner = nullptr;
        MBarrier::read(barrier, line, &owner);
        load.barrier = shared_offset(barrier, 8, line);
        load.receivers = multicast ? multicast : 1u << me.block->rank;
        if (load.receivers >> cluster->blocks.size())
            fail(IllegalAddress, line, "a multicast to blocks 0x%x of a cluster of %zu", load.receivers, cluster->blocks.size());
        load.rank = rank;
        load.line = line;
        memcpy(load.at, at, sizeof(int) * (size_t)rank);
        for (size_t r = 0; r < cluster->blocks.size(); r++)
        {
            if (!(load.receivers >> r & 1))
                continue;
            Block& b = cluster->blocks[r];
            require_visible(b, (uint64_t*)(b.window + load.barrier), "a bulk copy", line);
            poison(b.window + load.to, m.box_bytes());
            poison(proxy(b) + load.to, m.box_bytes());
        }
        cluster->loads.push_back(load);
    }

    void picograd_bulk_store(const void* map, const void* shared, int rank, const int* at, int line)
    {
        TensorMap m = map_of(map, rank, line);
        check_shared(shared, m, line);
        BulkStore store = {};
        memcpy(store.map, &m, sizeof m);
        store.from = shared;
        store.rank = rank;
        memcpy(store.at, at, sizeof(int) * (size_t)rank);
        self()->stores.back().push_back(store);
    }

    void picograd_bulk_commit() { self()->stores.emplace_back(); }

    void picograd_bulk_wait(int newest)
    {
        auto& groups = self()->stores;
        while ((int)groups.size() - 1 > newest)
        {
            for (const BulkStore& s : groups.front())
                perform(s);
            groups.erase(groups.begin());
        }
    }
}
