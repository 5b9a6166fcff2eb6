// What the files of the emulator's driver library share: fibers, blocks, and the state of asynchronous copies.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace picograd
{
// A quiet NaN as f32, bf16 and f16 alike: what nobody wrote yet.
constexpr uint32_t Poison = 0xFFA5FFA5u;
// Bytes before the dynamic shared memory (as on compute capability 9.0), and the size of the zone behind it.
constexpr size_t Reserved = 1024, Guard = 1024, StaticCapacity = 64 * 1024;

void poison(void* at, size_t bytes);

struct Kernel
{
    const char* name;
    void (*run)(void**);
    int parameters;
    const int* parameter_bytes;
    int max_threads, min_blocks, cluster_x, cluster_y, cluster_z;
};

struct Launch
{
    const Kernel* kernel;
    unsigned grid[3], block[3], cluster[3];
    size_t shared_bytes;
    void** arguments;
};

// Runs a launch to its end. 0, or a CUresult; then `message` says what was wrong, where.
int run(const Launch& launch, uint64_t seed, std::string& message);

struct Index3
{
    unsigned x, y, z;
};

// The part of a fiber that kernels read (picograd_thread in emulation.h).
struct Thread
{
    Index3 thread, block, blocks, grid;
};

struct Block;
struct Warp;

struct Copy
{
    void* to;
    const void* from;
    int size, bytes;
};

struct BulkStore
{
    uint64_t map[16];
    const void* from;
    int rank, at[5];
};

#if defined(__x86_64__)
typedef void* Context;
#else
typedef ucontext_t Context;
#endif

struct Fiber
{
    Thread thread;
    Context context;
    Block* block;
    Warp* warp;
    int index, lane;
    bool done, slow;
    const char* waits; // what for, while it is not runnable
    int line;
    uint64_t* barrier; // the mbarrier that it waits for
    unsigned parity;
    std::vector<std::vector<Copy>> copies;      // groups of cp.async; the last one is open
    std::vector<std::vector<BulkStore>> stores; // groups of bulk stores; the last one is open
    std::vector<uint64_t*> initialised;         // mbarriers not yet made visible by a fence
    bool wgmma_fenced;
    int vote; // of the barrier that it waited at
};

// Lanes that execute one warp-wide operation together.
struct Meeting
{
    unsigned mask, arrived;
    int operation, line;
    Fiber* fibers[32];
    void* arguments[32];
};

// One wgmma: 64 rows of the accumulators are spread over the four warps of a warpgroup, which issue it one by one.
struct WarpgroupOperation
{
    int kind, n, scale_d, transpose_a, transpose_b, line;
    uint64_t a, b;
    bool a_in_registers;
    int issued, done;             // bits of warps
    int group[4];                 // of each warp
    float* c[128];                // accumulators of each thread
    bool saved[128];              // whether their values are below; otherwise an operation before this one writes them
    std::vector<float> values;    // 128 rows of n / 2
    std::vector<uint32_t> a_registers; // 128 rows of 4
};

struct Warp
{
    unsigned lanes; // that exist
    int number;
    int barrier_line[16];
    std::vector<std::unique_ptr<Meeting>> meetings;
    int wgmma_issued, wgmma_group;
    int registers, registers_at_start; // of a thread
};

struct Barrier
{
    int expected, arrived, count, all;
    std::vector<Fiber*> waiting;
};

struct StaticVariable
{
    const void* key;
    size_t from, end; // in the window
};

struct Cluster;

struct Block
{
    Cluster* cluster;
    unsigned rank; // in the cluster
    Index3 index;
    uint8_t* window; // shared memory: Reserved, dynamic, Guard, static variables, Guard
    size_t window_bytes, dynamic_bytes;
    std::vector<StaticVariable> statics;
    std::vector<uint8_t> proxy; // what asynchronous units see of the window; empty until one is used
    std::vector<Fiber> fibers;
    std::vector<Warp> warps;
    Barrier barriers[16];
    std::vector<Fiber*> mbarrier_waiters;
    std::vector<std::shared_ptr<WarpgroupOperation>> wgmma[8]; // of each warpgroup, in flight, in order
    int wgmma_done[8];                                         // of each warpgroup, completed and removed
    std::vector<Fiber*> wgmma_waiters, register_waiters;
    int free_registers;
    std::vector<uint64_t*> unfenced; // mbarriers that only the block's threads see
    int live;
};

struct BulkLoad
{
    uint64_t map[16];
    Block* block; // that issued it
    size_t to, barrier; // offsets in the windows of the receivers
    unsigned receivers;
    int rank, at[5], line;
};

struct Cluster
{
    std::vector<Block> blocks;
    std::vector<Fiber*> runnable, slow; // slow ones run when no other can
    bool eager;                         // whether loads may complete before nothing else can run
    std::vector<BulkLoad> loads;
    std::vector<Fiber*> cluster_waiters;
    int cluster_arrived;
    int live;
};

extern Cluster* cluster; // that runs
extern uint64_t random_state;

inline uint64_t random_bits()
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}
inline size_t random_below(size_t n) { return (size_t)((random_bits() >> 32) * n >> 32); }

struct Fault
{
    int code;
    std::string message;
};

// CUresult values that a faulty kernel ends with.
enum
{
    IllegalAddress = 700,
    LaunchTimeout = 702,
    Assert = 710,
    NotSupportedHere = 801,
    IllegalInstruction = 715,
    MisalignedAddress = 716,
    LaunchFailed = 719
};

// Ends the launch with an error. In a fiber the message is completed with the thread and the line.
[[noreturn]] void fail(int code, int line, const char* format, ...) __attribute__((format(printf, 3, 4)));

Fiber* self();
void wake(Fiber* fiber);
void suspend(const char* waits, int line); // until woken
// The last lane of `mask` to arrive runs `action`; then all go on.
void meet(int operation, unsigned mask, void* argument, int line, const char* name, void (*action)(Meeting&));
// Offset of a pointer in the shared window of its block, which is of the running cluster; fails if it is elsewhere.
size_t shared_offset(const void* pointer, size_t bytes, int line, Block** block = nullptr);
void check_alignment(const void* pointer, size_t alignment, const char* what, int line);

// bulk.cpp
bool complete_some_load(); // false: none is in flight
void block_ends(Block& block);
uint8_t* proxy(Block& block);
// wgmma.cpp
void wgmma_ends(Block& block);

enum Operation
{
    SyncWarp, Shuffle, Ballot, Reduce, LoadMatrix, StoreMatrix, Mma, Wgmma, WgmmaFence, WgmmaCommit, WgmmaWait, SetRegisters
};
} // namespace picograd
