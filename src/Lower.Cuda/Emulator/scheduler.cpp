// Fibers: a thread of a block is a fiber, run until it has to wait; who runs next is drawn at random. Blocks run one after
// the other, in random order; blocks of a cluster run together.
#include "runtime.h"
#include <algorithm>
#include <csetjmp>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <pthread.h>
#include <sys/mman.h>

extern "C"
{
    picograd::Thread* picograd_current;
}

namespace picograd
{
Cluster* cluster;
uint64_t random_state = 1;

static const Launch* launch;
static Context scheduler;
static Fault pending;
static bool failed;

constexpr size_t StackBytes = 128 * 1024;
constexpr uint64_t Canary = 0x5AFE57ACC0DEull;
static std::vector<char*> stacks;

#if defined(__x86_64__)
extern "C" void picograd_swap(void** save, void* to);
asm(R"(
.text
.globl picograd_swap
.hidden picograd_swap
.type picograd_swap, @function
picograd_swap:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size picograd_swap, .-picograd_swap
)");
static void swap(Context& save, Context& to) { picograd_swap(&save, to); }
#else
static void swap(Context& save, Context& to) { swapcontext(&save, &to); }
#endif

void poison(void* at, size_t bytes)
{
    uint8_t* p = (uint8_t*)at;
    for (; bytes && ((uintptr_t)p & 3); bytes--, p++)
        *p = (uint8_t)(Poison >> 8 * ((uintptr_t)p & 3));
    std::fill_n((uint32_t*)p, bytes / 4, Poison);
    for (size_t i = bytes & ~(size_t)3; i < bytes; i++)
        p[i] = (uint8_t)(Poison >> 8 * (i & 3));
}

Fiber* self() { return (Fiber*)picograd_current; }

static std::string place(const Fiber& f, int line)
{
    char text[160];
    snprintf(
        text, sizeof text, "block (%u, %u, %u), thread %d%s", f.thread.block.x, f.thread.block.y, f.thread.block.z, f.index,
        line ? (", line " + std::to_string(line)).c_str() : "");
    return text;
}

void fail(int code, int line, const char* format, ...)
{
    char text[2000];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    Fiber* f = self();
    std::string message = f ? std::string(text) + " (" + place(*f, line) + ")" : text;
    if (!f)
        throw Fault{code, message};
    pending = {code, message};
    failed = true;
    picograd_current = nullptr;
    Context lost = f->context;
    swap(lost, scheduler);
    abort(); // a fiber that failed is never resumed
}

void wake(Fiber* fiber) { (fiber->slow ? cluster->slow : cluster->runnable).push_back(fiber); }

static Fiber* pick()
{
    auto& ready = cluster->runnable.empty() ? cluster->slow : cluster->runnable;
    if (ready.empty())
        return nullptr;
    size_t i = random_below(ready.size());
    Fiber* f = ready[i];
    ready[i] = ready.back();
    ready.pop_back();
    return f;
}

static void leave(Fiber* me)
{
    // Asynchronous copies complete when nothing else can run, and now and then before that: in the scheduler's context.
    bool now_and_then = cluster->eager && !cluster->loads.empty() && (random_bits() >> 20 & 15) == 0;
    Fiber* next = now_and_then ? nullptr : pick();
    if (next == me)
        return;
    picograd_current = next ? &next->thread : nullptr;
    swap(me->context, next ? next->context : scheduler);
}

void suspend(const char* waits, int line)
{
    Fiber* me = self();
    me->waits = waits;
    me->line = line;
    leave(me);
    me->waits = nullptr;
}

static void fiber_main()
{
    launch->kernel->run(launch->arguments);
    Fiber* me = self();
    me->done = true;
    me->block->live--;
    cluster->live--;
    leave(me);
    abort(); // a fiber that ended is never resumed
}

static void prepare(Fiber& f, char* stack, size_t colour)
{
    *(uint64_t*)stack = Canary;
    // Tops of stacks at different distances from a page's start: equal ones would share a few lines of the cache.
    char* top = stack + StackBytes - 64 - colour % 32 * 128;
#if defined(__x86_64__)
    void** sp = (void**)((uintptr_t)top & ~(uintptr_t)15);
    *--sp = nullptr;
    *--sp = (void*)fiber_main;
    for (int i = 0; i < 6; i++)
        *--sp = nullptr;
    f.context = sp;
#else
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = stack;
    f.context.uc_stack.ss_size = (size_t)(top - stack);
    f.context.uc_link = nullptr;
    makecontext(&f.context, fiber_main, 0);
#endif
}

static char* stack_of(size_t i)
{
    while (stacks.size() <= i)
    {
        constexpr size_t Together = 64;
        void* p = mmap(
            nullptr, StackBytes * Together, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED)
            throw Fault{2, "no memory for the stacks of the threads"};
        for (size_t s = 0; s < Together; s++)
            stacks.push_back((char*)p + s * StackBytes);
    }
    return stacks[i];
}

// Threads by what they wait for, e.g. "96 threads (32..127) wait at __syncthreads (line 41)".
static std::string waiting_threads()
{
    std::string text;
    for (Block& b : cluster->blocks)
    {
        std::map<std::string, std::vector<int>> groups;
        for (Fiber& f : b.fibers)
        {
            std::string what = f.done ? "returned" : std::string("wait at ") + (f.waits ? f.waits : "nothing");
            if (!f.done && f.line)
                what += " (line " + std::to_string(f.line) + ")";
            groups[what].push_back(f.index);
        }
        char start[80];
        snprintf(start, sizeof start, "%sblock (%u, %u, %u): ", text.empty() ? "" : "; ", b.index.x, b.index.y, b.index.z);
        text += start;
        bool first = true;
        for (auto& [what, who] : groups)
        {
            text += (first ? "" : ", ") + std::to_string(who.size()) + (who.size() == 1 ? " thread (" : " threads (");
            first = false;
            for (size_t i = 0, shown = 0; i < who.size(); shown++)
            {
                size_t j = i;
                while (j + 1 < who.size() && who[j + 1] == who[j] + 1)
                    j++;
                if (shown == 4)
                {
                    text += ", …";
                    break;
                }
                text += (shown ? ", " : "") + std::to_string(who[i]);
                if (j > i)
                    text += ".." + std::to_string(who[j]);
                i = j + 1;
            }
            text += ") " + what;
        }
    }
    return text;
}

static void setup(Cluster& c, const Launch& l, Index3 first)
{
    size_t threads = (size_t)l.block[0] * l.block[1] * l.block[2];
    size_t count = (size_t)l.cluster[0] * l.cluster[1] * l.cluster[2];
    size_t dynamic = (l.shared_bytes + 1023) & ~(size_t)1023;
    size_t bytes = Reserved + dynamic + Guard + StaticCapacity + Guard;
    if (c.blocks.size() != count)
    {
        for (Block& b : c.blocks)
            free(b.window);
        c.blocks = std::vector<Block>(count);
        for (Block& b : c.blocks)
        {
            // Windows are aligned as widely as they are long, so that swizzles by address bits agree with offsets.
            if (posix_memalign((void**)&b.window, 4096, bytes))
                throw Fault{2, "no memory for the shared memory of a block"};
            b.window_bytes = bytes;
            b.dynamic_bytes = l.shared_bytes;
            b.fibers = std::vector<Fiber>(threads);
            b.warps = std::vector<Warp>((threads + 31) / 32);
        }
    }
    c.runnable.clear();
    c.slow.clear();
    c.eager = random_below(4) == 0;
    c.runnable.reserve(threads * count);
    c.loads.clear();
    c.cluster_waiters.clear();
    c.cluster_arrived = 0;
    c.live = (int)(threads * count);
    for (size_t r = 0; r < count; r++)
    {
        Block& b = c.blocks[r];
        b.cluster = &c;
        b.rank = (unsigned)r;
        b.index = {
            first.x + (unsigned)(r % l.cluster[0]), first.y + (unsigned)(r / l.cluster[0] % l.cluster[1]),
            first.z + (unsigned)(r / l.cluster[0] / l.cluster[1])};
        poison(b.window, Reserved + dynamic + Guard);
        b.statics.clear();
        b.proxy.clear();
        b.mbarrier_waiters.clear();
        b.unfenced.clear();
        // A fair order hides much: one warp is far behind the others or far ahead, or one thread far behind.
        // Leaders, which tend to be the first of their block, are drawn more often.
        size_t order = random_below(4), warp_drawn = order != 2 && random_below(2) ? 0 : random_below((threads + 31) / 32);
        auto slow = [=](size_t t)
        { return order == 1 ? t / 32 == warp_drawn : order == 2 ? t / 32 != warp_drawn : order == 3 && t == 32 * warp_drawn; };
        b.wgmma_waiters.clear();
        b.register_waiters.clear();
        b.free_registers = 0;
        b.live = (int)threads;
        for (Barrier& barrier : b.barriers)
            barrier = {};
        for (size_t w = 0; w < b.warps.size(); w++)
        {
            Warp& warp = b.warps[w];
            size_t lanes = std::min<size_t>(32, threads - 32 * w);
            warp.lanes = lanes == 32 ? ~0u : (1u << lanes) - 1;
            warp.number = (int)w;
            memset(warp.barrier_line, 0, sizeof warp.barrier_line);
            for (auto& m : warp.meetings)
                m->mask = 0;
            warp.wgmma_issued = warp.wgmma_group = 0;
            warp.registers = warp.registers_at_start
                = std::min(255, 65536 / (l.kernel->max_threads * std::max(1, l.kernel->min_blocks)) / 8 * 8);
        }
        for (auto& operations : b.wgmma)
            operations.clear();
        memset(b.wgmma_done, 0, sizeof b.wgmma_done);
        for (size_t t = 0; t < threads; t++)
        {
            Fiber& f = b.fibers[t];
            f.thread.thread = {
                (unsigned)(t % l.block[0]), (unsigned)(t / l.block[0] % l.block[1]), (unsigned)(t / l.block[0] / l.block[1])};
            f.thread.block = b.index;
            f.thread.blocks = {l.block[0], l.block[1], l.block[2]};
            f.thread.grid = {l.grid[0], l.grid[1], l.grid[2]};
            f.block = &b;
            f.warp = &b.warps[t / 32];
            f.index = (int)t;
            f.lane = (int)(t % 32);
            f.done = false;
            f.waits = "its start";
            f.line = 0;
            f.barrier = nullptr;
            f.copies.assign(1, {});
            f.stores.assign(1, {});
            f.initialised.clear();
            f.wgmma_fenced = false;
            prepare(f, stack_of(r * threads + t), r * threads + t);
            f.slow = slow(t);
            wake(&f);
        }
    }
}

static void check_guards(Block& b)
{
    auto check = [&](size_t from, size_t to, const char* where)
    {
        for (size_t i = from; i < to; i += 4)
            if (uint32_t value; memcpy(&value, b.window + i, 4), value != Poison)
                throw Fault{
                    IllegalAddress, "shared memory was written out of range: " + std::to_string(from == 0 ? Reserved - i : i - from) + " bytes "
                        + where + " (block (" + std::to_string(b.index.x) + ", " + std::to_string(b.index.y) + ", "
                        + std::to_string(b.index.z) + "))"};
    };
    size_t end = Reserved + b.dynamic_bytes, aligned = (end + 3) & ~(size_t)3;
    check(0, Reserved, "before the dynamic shared memory");
    check(aligned, Reserved + ((b.dynamic_bytes + 1023) & ~(size_t)1023) + Guard, "behind the dynamic shared memory");
    for (const StaticVariable& v : b.statics)
        check(v.end, v.end + 64, "behind a static shared variable");
}

static void run_cluster(Cluster& c)
{
    while (true)
    {
        if (Fiber* next = pick())
        {
            picograd_current = &next->thread;
            swap(scheduler, next->context);
            if (failed)
                throw pending;
            // Here a fiber asked for an asynchronous copy to complete, or nothing is runnable any more.
            complete_some_load();
        }
        else if (!complete_some_load())
            break;
    }
    if (c.live)
        throw Fault{LaunchTimeout, "deadlock or divergent barrier: " + waiting_threads()};
    for (size_t i = 0; i < c.blocks.size() * c.blocks[0].fibers.size(); i++)
        if (*(uint64_t*)stacks[i] != Canary)
            throw Fault{IllegalAddress, "the stack of a thread overflowed (128 KiB)"};
    for (Block& b : c.blocks)
    {
        block_ends(b);
        wgmma_ends(b);
        check_guards(b);
    }
}

static void run_all(const Launch& l)
{
    Cluster c;
    cluster = &c;
    struct Release
    {
        Cluster& c;
        ~Release()
        {
            for (Block& b : c.blocks)
                free(b.window);
            cluster = nullptr;
            picograd_current = nullptr;
        }
    } release{c};
    unsigned counts[3];
    for (int d = 0; d < 3; d++)
        counts[d] = l.grid[d] / l.cluster[d];
    uint64_t total = (uint64_t)counts[0] * counts[1] * counts[2];
    std::vector<uint32_t> order(total);
    for (uint64_t i = 0; i < total; i++)
    {
        size_t j = random_below(i + 1);
        order[i] = order[j];
        order[j] = (uint32_t)i;
    }
    for (uint32_t i : order)
    {
        Index3 first = {
            i % counts[0] * l.cluster[0], i / counts[0] % counts[1] * l.cluster[1], i / counts[0] / counts[1] * l.cluster[2]};
        setup(c, l, first);
        run_cluster(c);
    }
}

// A wild access ends the launch, not the process: while a launch runs, its signals jump back here.
static sigjmp_buf wild;
static pthread_t runner;
static struct sigaction previous[2];

static void on_signal(int number, siginfo_t* info, void* context)
{
    Fiber* f = self();
    if (cluster && pthread_equal(pthread_self(), runner))
    {
        pending.code = IllegalAddress;
        char text[240];
        snprintf(text, sizeof text, "an access to address %p, which is no memory of the device (%s)", info->si_addr,
            f ? place(*f, 0).c_str() : "an asynchronous copy");
        pending.message = text;
        siglongjmp(wild, 1);
    }
    struct sigaction& old = previous[number == SIGBUS];
    if (old.sa_flags & SA_SIGINFO)
        old.sa_sigaction(number, info, context);
    else
    {
        sigaction(number, &old, nullptr);
        raise(number);
    }
}

int run(const Launch& l, uint64_t seed, std::string& message)
{
    launch = &l;
    runner = pthread_self();
    failed = false;
    random_state = seed * 0x9E3779B97F4A7C15ull + 0x1234567ull;
    if (!random_state)
        random_state = 1;
    for (int i = 0; i < 4; i++)
        random_bits();
    static char signal_stack[64 * 1024];
    stack_t own = {}, before = {};
    own.ss_sp = signal_stack;
    own.ss_size = sizeof signal_stack;
    sigaltstack(&own, &before);
    struct sigaction action = {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, &previous[0]);
    sigaction(SIGBUS, &action, &previous[1]);
    int code = 0;
    try
    {
        if (sigsetjmp(wild, 1) == 0)
            run_all(l);
        else
        {
            cluster = nullptr;
            picograd_current = nullptr;
            throw pending;
        }
    }
    catch (const Fault& fault)
    {
        code = fault.code;
        message = std::string("kernel ") + l.kernel->name + ": " + fault.message;
    }
    sigaction(SIGSEGV, &previous[0], nullptr);
    sigaction(SIGBUS, &previous[1], nullptr);
    sigaltstack(&before, nullptr);
    return code;
}
} // namespace picograd
