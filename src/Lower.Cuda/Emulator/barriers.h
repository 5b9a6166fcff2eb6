// mbarriers, as bulk copies and kernels see them.
#pragma once
#include "runtime.h"

namespace picograd
{
struct MBarrier
{
    uint64_t* at;
    int pending, expected, bytes;
    bool phase;

    // Fails if there is none.
    static MBarrier read(uint64_t* at, int line, Block** owner);
    void write() const;
    // Completes the phase if nothing is pending, and wakes who waits for it.
    void update(Block& block, int line);
};

// Fails if the thread that initialised a barrier did not make it visible to others than its block's threads.
void require_visible(Block& block, uint64_t* barrier, const char* to, int line);
} // namespace picograd
