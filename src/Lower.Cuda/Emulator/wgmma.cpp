// wgmma: a warpgroup's asynchronous multiply-add. It reads its operands, and writes its accumulators, when it is waited for;
// until then accumulators hold nothing that can be used.
#include "runtime.h"
#include <algorithm>

namespace picograd
{
float half(int kind, uint16_t x);
float tf32(uint32_t x);

struct WgmmaArguments
{
    int kind, n, scale_d, transpose_a, transpose_b, line;
    float* c;
    const uint32_t* a_registers;
    uint64_t a, b;
};

// Offset in the window of element (mn, k) of an operand (PTX ISA, wgmma: strides of the canonical layouts).
static size_t locate(uint64_t descriptor, bool mn_major, int mn, int k, int element_bytes)
{
    size_t start = (descriptor & 0x3FFF) << 4, leading = (descriptor >> 16 & 0x3FFF) << 4, stride = (descriptor >> 32 & 0x3FFF) << 4;
    int mode = (int)(descriptor >> 62);
    size_t width = mode == 0 ? 16 : mode == 1 ? 128 : mode == 2 ? 64 : 32, offset;
    if (mn_major)
    {
        size_t chunk = (size_t)mn / 8, inside = (size_t)(mn % 8) * 2, across = width / 16;
        offset = mode == 0 ? chunk * stride + (size_t)(k % 8) * 16 + (size_t)(k / 8) * leading + inside
                           : chunk % across * 16 + chunk / across * leading + (size_t)(k % 8) * width + (size_t)(k / 8) * stride + inside;
    }
    else
    {
        size_t bytes = (size_t)k * (size_t)element_bytes;
        offset = (size_t)(mn / 8) * stride + (size_t)(mn % 8) * width + (mode == 0 ? bytes / 16 * leading + bytes % 16 : bytes);
    }
    size_t address = start + offset;
    return mode == 0 ? address : address ^ (address >> 3 & (width - 16));
}

static void check_descriptor(uint64_t d, const char* which, int line)
{
    int mode = (int)(d >> 62);
    size_t start = (d & 0x3FFF) << 4, width = mode == 0 ? 16 : mode == 1 ? 128 : mode == 2 ? 64 : 32;
    if ((d & 0x0001C000C000C000ull) || (d >> 52 & 0x3FF))
        fail(IllegalInstruction, line, "wgmma: reserved bits of the descriptor of %s are set (0x%016llx)", which, (unsigned long long)d);
    if (d >> 49 & 7)
        fail(IllegalInstruction, line, "wgmma: the descriptor of %s has a base offset; the emulator wants aligned tiles", which);
    if (mode && start % (8 * width) >= width)
        fail(
            MisalignedAddress, line, "wgmma: the tile of %s starts %zu bytes into the swizzle's pattern of %zu", which,
            start % (8 * width), 8 * width);
}

static float element(Block& b, uint64_t descriptor, bool mn_major, int mn, int k, const WarpgroupOperation& op, const char* which)
{
    size_t bytes = op.kind == 0 ? 4 : 2, at = locate(descriptor, mn_major, mn, k, (int)bytes);
    bool inside = at >= Reserved && at + bytes <= Reserved + b.dynamic_bytes;
    for (auto& v : b.statics)
        inside |= at >= v.from && at + bytes <= v.end;
    if (!inside)
        fail(
            IllegalAddress, op.line, "wgmma: element (%d, %d) of %s would lie at offset %lld of a dynamic shared memory of %zu bytes", mn, k,
            which, (long long)at - (long long)Reserved, b.dynamic_bytes);
    const uint8_t* view = proxy(b);
    if (op.kind == 0)
    {
        uint32_t x;
        memcpy(&x, view + at, 4);
        return tf32(x);
    }
    uint16_t x;
    memcpy(&x, view + at, 2);
    return half(op.kind, x);
}

// The part of one warp: 16 rows of the accumulators.
static void execute(Block& block, size_t warpgroup, WarpgroupOperation& op, int part)
{
    static float a[64][16], b[16][256], d[64][256]; // one launch runs at a time
    int depth = op.kind == 0 ? 8 : 16, registers = op.n / 2, first = 32 * part;
    auto place = [&](int t, int r, int& row, int& column)
    {
        int lane = t % 32;
        row = 16 * (t / 32) + lane / 4 + 8 * (r >> 1 & 1);
        column = 8 * (r >> 2) + 2 * (lane % 4) + (r & 1);
    };
    if (op.a_in_registers)
        for (int t = first; t < first + 32; t++)
            for (int i = 0; i < (op.kind == 0 ? 4 : 8); i++)
            {
                int g = t % 32 / 4, c = t % 4, row = 16 * (t / 32) + g;
                if (op.kind == 0)
                    a[row + 8 * (i & 1)][c + 4 * (i >> 1)] = tf32(op.a_registers[(size_t)t * 4 + i]);
                else
                    a[row + 8 * (i >> 1 & 1)][8 * (i >> 2) + 2 * c + (i & 1)]
                        = half(op.kind, (uint16_t)(op.a_registers[(size_t)t * 4 + i / 2] >> 16 * (i & 1)));
            }
    else
        for (int m = 16 * part; m < 16 * part + 16; m++)
            for (int k = 0; k < depth; k++)
                a[m][k] = element(block, op.a, op.transpose_a, m, k, op, "a");
    for (int n = 0; n < op.n; n++)
        for (int k = 0; k < depth; k++)
            b[k][n] = element(block, op.b, op.transpose_b, n, k, op, "b");
    for (int t = first; t < first + 32; t++)
        for (int r = 0; r < registers; r++)
        {
            int row, column;
            place(t, r, row, column);
            d[row][column] = !op.scale_d ? 0.0f : op.saved[t] ? op.values[(size_t)t * registers + r] : op.c[t][r];
        }
    for (int m = 16 * part; m < 16 * part + 16; m++)
        for (int k = 0; k < depth; k++)
            for (int n = 0; n < op.n; n++)
                d[m][n] += a[m][k] * b[k][n];
    // Results go to the next operation on the same registers, if one is in flight, and are visible when that is waited for.
    auto& queue = block.wgmma[warpgroup];
    for (int t = first; t < first + 32; t++)
    {
        WarpgroupOperation* next = nullptr;
        for (auto& later : queue)
            if (!next && later.get() != &op && ((later->issued & ~later->done) >> part & 1) && later->c[t] == op.c[t])
                next = later.get();
        if (next)
            next->values.resize((size_t)128 * registers);
        float* to = next ? &next->values[(size_t)t * registers] : op.c[t];
        if (next)
            next->saved[t] = true;
        for (int r = 0; r < registers; r++)
        {
            int row, column;
            place(t, r, row, column);
            to[r] = d[row][column];
        }
    }
}

static void issue(Meeting& m)
{
    auto& first = *(WgmmaArguments*)m.arguments[0];
    Fiber& me = *m.fibers[0];
    Warp& warp = *me.warp;
    Block& block = *me.block;
    size_t warpgroup = (size_t)warp.number / 4;
    int part = warp.number % 4, registers = first.n / 2;
    auto& queue = block.wgmma[warpgroup];
    size_t position = (size_t)(warp.wgmma_issued++ - block.wgmma_done[warpgroup]);
    if (position == queue.size())
    {
        auto op = std::make_shared<WarpgroupOperation>();
        op->kind = first.kind;
        op->n = first.n;
        op->scale_d = first.scale_d != 0;
        op->transpose_a = first.transpose_a;
        op->transpose_b = first.transpose_b;
        op->line = first.line;
        op->a = first.a;
        op->b = first.b;
        op->a_in_registers = first.a_registers != nullptr;
        op->values.resize((size_t)128 * registers);
        if (op->a_in_registers)
            op->a_registers.resize(128 * 4);
        queue.push_back(op);
    }
    WarpgroupOperation& op = *queue[position];
    for (int lane = 0; lane < 32; lane++)
    {
        auto& a = *(WgmmaArguments*)m.arguments[lane];
        if (a.kind != op.kind || a.n != op.n || (a.scale_d != 0) != (op.scale_d != 0) || a.a != op.a || a.b != op.b || a.line != op.line)
            fail(LaunchFailed, a.line, "wgmma: the threads of a warpgroup give different operands or are at different instructions");
        int t = 32 * part + lane;
        bool in_flight = false;
        for (auto& other : queue)
            in_flight |= other.get() != &op && ((other->issued & ~other->done) >> part & 1) && other->c[t] == a.c;
        if (!m.fibers[lane]->wgmma_fenced && !in_flight)
            fail(LaunchFailed, a.line, "wgmma: no wgmma_fence since the accumulators could last be touched");
        op.c[t] = a.c;
        op.saved[t] = !in_flight;
        if (!in_flight)
            memcpy(&op.values[(size_t)t * registers], a.c, sizeof(float) * (size_t)registers);
        poison(a.c, sizeof(float) * (size_t)registers);
        if (a.a_registers)
            memcpy(&op.a_registers[(size_t)t * 4], a.a_registers, 16);
    }
    op.group[part] = warp.wgmma_group;
    op.issued |= 1 << part;
    if (op.issued == 15)
    {
        for (Fiber* f : block.wgmma_waiters)
            wake(f);
        block.wgmma_waiters.clear();
    }
}

static void check_warpgroup(const char* name, int line)
{
    Fiber& me = *self();
    if ((me.index / 128 + 1) * 128 > (int)me.block->fibers.size())
        fail(IllegalInstruction, line, "%s needs all 128 threads of a warpgroup; the block ends within this one", name);
}

void wgmma_ends(Block& b)
{
    for (auto& queue : b.wgmma)
        if (!queue.empty())
            throw Fault{LaunchFailed, "all threads have returned while a wgmma was in flight (line " + std::to_string(queue[0]->line) + ")"};
}
} // namespace picograd

using namespace picograd;

extern "C"
{
    void picograd_wgmma(
        int kind, int n, float* c, const uint32_t* a_registers, uint64_t a, uint64_t b, int scale_d, int transpose_a, int transpose_b,
        int line)
    {
        check_warpgroup("wgmma", line);
        if (!a_registers)
            check_descriptor(a, "a", line);
        check_descriptor(b, "b", line);
        WgmmaArguments mine = {kind, n, scale_d, transpose_a, transpose_b, line, c, a_registers, a, b};
        meet(Wgmma, ~0u, &mine, line, "wgmma", issue);
    }

    void picograd_wgmma_fence(int line)
    {
        check_warpgroup("wgmma_fence", line);
        meet(WgmmaFence, ~0u, nullptr, line, "wgmma_fence", nullptr);
        self()->wgmma_fenced = true;
    }

    void picograd_wgmma_commit(int line)
    {
        check_warpgroup("wgmma_commit", line);
        meet(WgmmaCommit, ~0u, nullptr, line, "wgmma_commit", [](Meeting& m) { m.fibers[0]->warp->wgmma_group++; });
    }

    void picograd_wgmma_wait(int newest, int line)
    {
        check_warpgroup("wgmma_wait", line);
        meet(WgmmaWait, ~0u, nullptr, line, "wgmma_wait", nullptr);
        Fiber& me = *self();
        Warp& warp = *me.warp;
        Block& block = *me.block;
        size_t warpgroup = (size_t)warp.number / 4;
        int part = warp.number % 4, until = warp.wgmma_group - newest;
        auto& queue = block.wgmma[warpgroup];
        for (size_t i = 0; i < queue.size();)
        {
            auto op = queue[i];
            if (op->done >> part & 1)
            {
                i++;
                continue;
            }
            if (!(op->issued >> part & 1) || op->group[part] >= until)
                break;
            if (op->issued != 15)
            {
                block.wgmma_waiters.push_back(&me);
                suspend("wgmma_wait, for the other warps of its warpgroup", line);
                i = 0;
                continue;
            }
            execute(block, warpgroup, *op, part);
            op->done |= 1 << part;
            while (!queue.empty() && queue[0]->done == 15)
            {
                queue.erase(queue.begin());
                block.wgmma_done[warpgroup]++;
            }
            i = 0;
        }
        me.wgmma_fenced = false;
    }
}
