// mbarriers, barriers of a cluster, and registers handed from warpgroup to warpgroup.
#include "barriers.h"
#include <algorithm>
#include <cstdlib>

namespace picograd
{
// The 64 bits of an mbarrier here: arrivals pending, arrivals of a phase, bytes still expected, phase, and a mark.
constexpr uint64_t Low20 = 0xFFFFF, Mark = 2;

MBarrier MBarrier::read(uint64_t* at, int line, Block** owner)
{
    check_alignment(at, 8, "an mbarrier", line);
    shared_offset(at, 8, line, owner);
    uint64_t v = *at;
    if (v >> 62 != Mark)
        fail(LaunchFailed, line, "an mbarrier is used before it was initialised, or after it was overwritten");
    MBarrier b;
    b.at = at;
    b.pending = (int)(v & Low20);
    b.expected = (int)(v >> 20 & Low20);
    b.bytes = (int)((int64_t)(v << 3) >> 43);
    b.phase = v >> 61 & 1;
    return b;
}

void MBarrier::write() const
{
    *at = (uint64_t)pending | (uint64_t)expected << 20 | ((uint64_t)(int64_t)bytes & 0x1FFFFF) << 40 | (uint64_t)phase << 61
        | Mark << 62;
}

void MBarrier::update(Block& block, int line)
{
    if (abs(bytes) > 0xFFFFF)
        fail(LaunchFailed, line, "an mbarrier expects %d bytes; at most 1048575 can be in flight", bytes);
    if (pending == 0 && bytes == 0)
    {
        phase ^= 1;
        pending = expected;
        auto& waiters = block.mbarrier_waiters;
        for (size_t i = 0; i < waiters.size();)
        {
            if (waiters[i]->barrier != at)
            {
                i++;
                continue;
            }
            wake(waiters[i]);
            waiters[i] = waiters.back();
            waiters.pop_back();
        }
    }
    write();
}

void require_visible(Block& block, uint64_t* barrier, const char* to, int line)
{
    if (std::count(block.unfenced.begin(), block.unfenced.end(), barrier))
        fail(LaunchFailed, line, "an mbarrier was initialised without mbarrier_fence_init, so %s may not see it", to);
}

static void made_visible()
{
    Fiber& me = *self();
    auto& open = me.block->unfenced;
    for (uint64_t* b : me.initialised)
        open.erase(std::remove(open.begin(), open.end(), b), open.end());
    me.initialised.clear();
}
} // namespace picograd

using namespace picograd;

extern "C"
{
    void picograd_mbarrier_init(uint64_t* at, int count, int line)
    {
        check_alignment(at, 8, "an mbarrier", line);
        shared_offset(at, 8, line);
        if (count < 1 || count > (int)Low20)
            fail(IllegalInstruction, line, "an mbarrier of %d arrivals; 1 to 1048575 are allowed", count);
        MBarrier b = {at, count, count, 0, false};
        b.write();
        self()->initialised.push_back(at);
        self()->block->unfenced.push_back(at);
    }

    void picograd_mbarrier_fence_init() { made_visible(); }

    void picograd_mbarrier_arrive(uint64_t* at, int rank, int expected_bytes, int line)
    {
        Block* owner = self()->block;
        if (rank >= 0)
        {
            size_t offset = shared_offset(at, 8, line);
            if (rank >= (int)cluster->blocks.size())
                fail(IllegalAddress, line, "block %d of a cluster of %zu", rank, cluster->blocks.size());
            owner = &cluster->blocks[(size_t)rank];
            at = (uint64_t*)(owner->window + offset);
            if (owner != self()->block)
                require_visible(*owner, at, "another block", line);
            if (owner->live == 0)
                fail(IllegalAddress, line, "an arrival at an mbarrier of block %d of the cluster, which has ended", rank);
        }
        MBarrier b = MBarrier::read(at, line, &owner);
        if (b.pending == 0)
            fail(LaunchFailed, line, "more arrivals at an mbarrier than the %d of a phase", b.expected);
        b.pending--;
        b.bytes += expected_bytes;
        b.update(*owner, line);
    }

    void picograd_mbarrier_wait(uint64_t* at, unsigned parity, int line)
    {
        Fiber& me = *self();
        while (MBarrier::read(at, line, nullptr).phase == (parity & 1))
        {
            me.barrier = at;
            me.block->mbarrier_waiters.push_back(&me);
            suspend("mbarrier_wait", line);
            me.barrier = nullptr;
        }
    }

    void picograd_fence_proxy_async()
    {
        made_visible();
        Block& b = *self()->block;
        uint8_t* view = proxy(b);
        memcpy(view + Reserved, b.window + Reserved, b.dynamic_bytes);
        for (auto& v : b.statics)
            memcpy(view + v.from, b.window + v.from, v.end - v.from);
    }

    unsigned picograd_cluster_rank() { return self()->block->rank; }

    void picograd_cluster_sync(int line)
    {
        Cluster& c = *cluster;
        size_t all = c.blocks.size() * c.blocks[0].fibers.size();
        if (++c.cluster_arrived < (int)all)
        {
            c.cluster_waiters.push_back(self());
            suspend("cluster_sync", line);
            return;
        }
        c.cluster_arrived = 0;
        for (Fiber* f : c.cluster_waiters)
            wake(f);
        c.cluster_waiters.clear();
    }

    void* picograd_cluster_map(const void* shared, unsigned rank, int line)
    {
        size_t offset = shared_offset(shared, 1, line);
        if (rank >= cluster->blocks.size())
            fail(IllegalAddress, line, "block %u of a cluster of %zu", rank, cluster->blocks.size());
        return cluster->blocks[rank].window + offset;
    }

    // Registers of a block are handed out at its start, as many as the launch bounds allow; a warp that wants more waits until
    // others gave theirs back.
    void picograd_setmaxnreg(int registers, int increase, int line)
    {
        Fiber& me = *self();
        Warp& warp = *me.warp;
        Block& block = *me.block;
        if (registers < 24 || registers > 256 || registers % 8)
            fail(IllegalInstruction, line, "setmaxnreg of %d; multiples of 8 from 24 to 256 are allowed", registers);
        if (increase ? registers < warp.registers_at_start : registers > warp.registers_at_start)
            fail(
                IllegalInstruction, line, "setmaxnreg.%s to %d registers, but threads start with %d (from the launch bounds)",
                increase ? "inc" : "dec", registers, warp.registers_at_start);
        meet(SetRegisters, ~0u, nullptr, line, "setmaxnreg", nullptr);
        if (!increase)
        {
            if (registers < warp.registers)
            {
                block.free_registers += (warp.registers - registers) * 32;
                warp.registers = registers;
                for (Fiber* f : block.register_waiters)
                    wake(f);
                block.register_waiters.clear();
            }
            return;
        }
        while (warp.registers < registers)
        {
            int more = (registers - warp.registers) * 32;
            if (more <= block.free_registers)
            {
                block.free_registers -= more;
                warp.registers = registers;
                break;
            }
            block.register_waiters.push_back(&me);
            suspend("setmaxnreg_inc", line);
        }
    }
}
