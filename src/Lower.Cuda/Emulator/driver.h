// State of the emulated device and the records behind the driver interface's handles.
#pragma once
#include "runtime.h"
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>

#define PICOGRAD_EXPORT extern "C" __attribute__((visibility("default")))

namespace picograd
{
enum
{
    InvalidValue = 1, OutOfMemory = 2, NotInitialized = 3, NoDevice = 100, InvalidDevice = 101, InvalidImage = 200,
    InvalidContext = 201, NoBinary = 209, InvalidHandle = 400, IllegalState = 401, NotFound = 500, NotReady = 600,
    OutOfResources = 701, NotSupported = 801, CaptureUnsupported = 900, CaptureUnmatched = 903
};

struct Event
{
    bool recorded = false, timing = true;
    int pending = 0; // records that have not run yet
    struct Stream* stream = nullptr;
    std::chrono::steady_clock::time_point time;
};

typedef std::function<int()> Action;

struct Stream
{
    std::deque<Action> queue;
    bool non_blocking = false, capturing = false;
    std::vector<Action> captured;
};

struct Graph
{
    std::vector<Action> actions;
};

struct Module
{
    void* handle;
    const Kernel* kernels;
    std::map<std::string, struct Function*> functions;
};

struct Function
{
    const Kernel* kernel;
    Module* module;
    int dynamic_shared = 48 * 1024, non_portable_cluster = 0;
};

struct Allocation
{
    size_t bytes, mapped;
    void* mapping;
};

struct Device
{
    std::recursive_mutex lock;
    bool initialised = false;
    int sticky = 0; // the error that ended the context
    std::string message; // of the last fault
    std::map<uint64_t, Allocation> memory;
    std::map<void*, size_t> pinned;
    size_t used = 0;
    Stream legacy; // the default stream
    std::set<Stream*> streams;
    std::set<Event*> events;
    std::set<Function*> functions;
    std::set<Module*> modules;
    uint64_t launches = 0;
};

Device& device();
std::string setting(const char* name, const char* otherwise);
long long number(const char* name, long long otherwise);

// The error that every call ends with first: not initialised, or a kernel faulted before.
int ready();
Stream* stream_of(void* handle); // null: not a stream
int enqueue(Stream* stream, Action action);
int drain(Stream* stream);
int drain_all();
// Whether a range lies in one allocation.
bool on_device(uint64_t at, size_t bytes);
int launch(
    Function* f, const unsigned* grid, const unsigned* block, const unsigned* cluster, unsigned shared, Stream* stream, void** arguments);
// Runs on a thread of the emulator's own: a fiber's stack is not one that the caller's run time knows.
int on_worker(const std::function<int()>& work);
void check_tails(std::string& message, int& code);
} // namespace picograd

#define PICOGRAD_READY                                                \
    std::lock_guard<std::recursive_mutex> hold(picograd::device().lock); \
    if (int error_ = picograd::ready())                               \
        return error_;
