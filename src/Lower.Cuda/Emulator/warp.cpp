// Barriers of a block and operations of a warp: every lane leaves its arguments, and the last one to arrive does the work.
#include "runtime.h"

namespace picograd
{
void meet(int operation, unsigned mask, void* argument, int line, const char* name, void (*action)(Meeting&))
{
    Fiber* me = self();
    Warp& warp = *me->warp;
    unsigned bit = 1u << me->lane;
    mask &= warp.lanes;
    if (!(mask & bit))
        fail(IllegalInstruction, line, "%s: the mask 0x%08x does not name the calling lane %d", name, mask, me->lane);
    Meeting* meeting = nullptr;
    Meeting* unused = nullptr;
    for (auto& m : warp.meetings)
        if (m->mask == 0)
            unused = m.get();
        else if (m->mask == mask && m->operation == operation && m->line == line && !(m->arrived & bit))
            meeting = m.get();
    if (!meeting)
    {
        if (!unused)
            warp.meetings.emplace_back(unused = new Meeting());
        meeting = unused;
        meeting->mask = mask;
        meeting->arrived = 0;
        meeting->operation = operation;
        meeting->line = line;
    }
    meeting->arrived |= bit;
    meeting->fibers[me->lane] = me;
    meeting->arguments[me->lane] = argument;
    if (meeting->arrived != mask)
    {
        suspend(name, line);
        return;
    }
    if (action)
        action(*meeting);
    meeting->mask = 0;
    for (int i = 0; i < 32; i++)
        if ((mask & ~bit) >> i & 1)
            wake(meeting->fibers[i]);
}

static int arrive(int id, int threads, int line, int predicate, bool waits)
{
    static const char* const names[] = {
        "__syncthreads", "named barrier 1", "named barrier 2", "named barrier 3", "named barrier 4", "named barrier 5",
        "named barrier 6", "named barrier 7", "named barrier 8", "named barrier 9", "named barrier 10", "named barrier 11",
        "named barrier 12", "named barrier 13", "named barrier 14", "named barrier 15"};
    Fiber* me = self();
    Block& block = *me->block;
    int all = (int)block.fibers.size();
    if (id < 0 || id > 15)
        fail(IllegalInstruction, line, "barrier %d was named; a block has barriers 0 to 15", id);
    if (threads == 0)
        threads = all;
    else if (threads % 32 || threads > (all + 31) / 32 * 32)
        fail(IllegalInstruction, line, "barrier %d of %d threads: a multiple of 32 up to the block's %d is allowed", id, threads, all);
    Barrier& barrier = block.barriers[id];
    if (barrier.arrived == 0)
    {
        barrier.expected = threads;
        barrier.count = 0;
        barrier.all = 1;
    }
    else if (barrier.expected != threads)
        fail(LaunchFailed, line, "barrier %d is used with %d threads and with %d at once", id, barrier.expected, threads);
    int& at = me->warp->barrier_line[id];
    if (at && at != line)
        fail(LaunchFailed, line, "divergent barrier: lanes of warp %d are at %s in lines %d and %d", me->warp->number, names[id], at, line);
    barrier.count += predicate != 0;
    barrier.all &= predicate != 0;
    if (++barrier.arrived < barrier.expected)
    {
        if (!waits)
            return 0;
        at = line;
        barrier.waiting.push_back(me);
        suspend(names[id], line);
        return me->vote; // left by the last one
    }
    barrier.arrived = 0;
    std::vector<Fiber*> waiting;
    waiting.swap(barrier.waiting);
    int vote = barrier.count << 1 | barrier.all;
    for (Fiber* f : waiting)
    {
        f->warp->barrier_line[id] = 0;
        f->vote = vote;
        wake(f);
    }
    waiting.clear();
    barrier.waiting.swap(waiting);
    if (waits)
    {
        // Who came last does not have to go on first.
        wake(me);
        suspend(names[id], line);
    }
    return vote;
}

struct ShuffleArguments
{
    int kind, size, operand, width;
    void* value;
    unsigned char result[8];
};

struct VoteArguments
{
    int kind;
    unsigned value, result;
};
} // namespace picograd

using namespace picograd;

extern "C"
{
    void picograd_barrier(int id, int threads, int line) { arrive(id, threads, line, 0, true); }
    void picograd_barrier_arrive(int id, int threads, int line) { arrive(id, threads, line, 0, false); }

    int picograd_barrier_vote(int kind, int predicate, int line)
    {
        int vote = arrive(0, 0, line, predicate, true);
        return kind == 0 ? vote >> 1 : kind == 1 ? vote & 1 : vote >> 1 != 0;
    }

    void picograd_syncwarp(unsigned mask, int line) { meet(SyncWarp, mask, nullptr, line, "__syncwarp", nullptr); }

    void picograd_shuffle(int kind, unsigned mask, void* value, int size, int operand, int width, int line)
    {
        if (size != 4 && size != 8)
            fail(IllegalInstruction, line, "a shuffle of %d bytes; 4 and 8 are allowed", size);
        if (width < 1 || width > 32 || (width & (width - 1)))
            fail(IllegalInstruction, line, "a shuffle over a width of %d; a power of two up to 32 is allowed", width);
        ShuffleArguments mine = {kind, size, operand, width, value, {}};
        meet(
            Shuffle, mask, &mine, line, "a shuffle",
            [](Meeting& m)
            {
                for (int lane = 0; lane < 32; lane++)
                {
                    if (!(m.mask >> lane & 1))
                        continue;
                    auto& a = *(ShuffleArguments*)m.arguments[lane];
                    int first = lane & ~(a.width - 1), from = lane;
                    switch (a.kind)
                    {
                    case 0: from = first + (a.operand & (a.width - 1)); break;
                    case 1: from = lane - a.operand < first ? lane : lane - a.operand; break;
                    case 2: from = lane + a.operand >= first + a.width ? lane : lane + a.operand; break;
                    default: from = (lane ^ a.operand) >= first + a.width ? lane : lane ^ a.operand; break;
                    }
                    // The value of a lane that does not take part is undefined.
                    if (m.mask >> from & 1)
                        memcpy(a.result, ((ShuffleArguments*)m.arguments[from])->value, a.size);
                    else
                        poison(a.result, 8);
                }
            });
        memcpy(value, mine.result, size);
    }

    unsigned picograd_ballot(unsigned mask, int predicate, int line)
    {
        VoteArguments mine = {0, predicate != 0, 0};
        meet(
            Ballot, mask, &mine, line, "a vote",
            [](Meeting& m)
            {
                unsigned votes = 0;
                for (int i = 0; i < 32; i++)
                    if (m.mask >> i & 1)
                        votes |= ((VoteArguments*)m.arguments[i])->value << i;
                for (int i = 0; i < 32; i++)
                    if (m.mask >> i & 1)
                        ((VoteArguments*)m.arguments[i])->result = votes;
            });
        return mine.result;
    }

    unsigned picograd_warp_reduce(int kind, unsigned mask, unsigned value, int line)
    {
        VoteArguments mine = {kind, value, 0};
        meet(
            Reduce, mask, &mine, line, "a warp reduction",
            [](Meeting& m)
            {
                bool first = true;
                unsigned total = 0;
                for (int i = 0; i < 32; i++)
                {
                    if (!(m.mask >> i & 1))
                        continue;
                    auto& a = *(VoteArguments*)m.arguments[i];
                    unsigned v = a.value;
                    bool less = a.kind < 3 ? v < total : (int)v < (int)total;
                    total = first ? v : a.kind == 0 ? total + v : (a.kind == 1 || a.kind == 3) == less ? v : total;
                    first = false;
                }
                for (int i = 0; i < 32; i++)
                    if (m.mask >> i & 1)
                        ((VoteArguments*)m.arguments[i])->result = total;
            });
        return mine.result;
    }

    void picograd_yield()
    {
        // Whoever waits in a loop lets all others run first.
        cluster->slow.push_back(self());
        suspend("a pause", 0);
    }

    void picograd_trap(int line) { fail(LaunchFailed, line, "__trap was called"); }
}
