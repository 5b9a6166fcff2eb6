// The emulated device: its settings, streams (work is done as late as it may: when somebody waits for it), and launches.
#include "driver.h"
#include <condition_variable>
#include <cstdlib>
#include <thread>

namespace picograd
{
Device& device()
{
    static Device* d = new Device(); // never destroyed: other threads may outlive the process's last lines
    return *d;
}

static std::mutex settings_lock;
static std::map<std::string, std::string>& settings()
{
    static auto* s = new std::map<std::string, std::string>();
    return *s;
}

std::string setting(const char* name, const char* otherwise)
{
    std::lock_guard<std::mutex> hold(settings_lock);
    auto it = settings().find(name);
    if (it != settings().end())
        return it->second;
    const char* value = getenv(name);
    return value && *value ? value : otherwise;
}

long long number(const char* name, long long otherwise)
{
    std::string text = setting(name, "");
    return text.empty() ? otherwise : atoll(text.c_str());
}

int ready()
{
    Device& d = device();
    return !d.initialised ? NotInitialized : d.sticky;
}

Stream* stream_of(void* handle)
{
    Device& d = device();
    if ((uintptr_t)handle <= 2)
        return &d.legacy;
    auto* s = (Stream*)handle;
    return d.streams.count(s) ? s : nullptr;
}

int drain(Stream* s)
{
    Device& d = device();
    while (!s->queue.empty())
    {
        Action action = std::move(s->queue.front());
        s->queue.pop_front();
        if (int error = action())
        {
            d.sticky = error;
            d.legacy.queue.clear();
            for (Stream* other : d.streams)
                other->queue.clear();
            return error;
        }
    }
    return d.sticky;
}

int drain_all()
{
    Device& d = device();
    drain(&d.legacy);
    for (Stream* s : d.streams)
        drain(s);
    return d.sticky;
}

int enqueue(Stream* s, Action action)
{
    Device& d = device();
    if (s->capturing)
    {
        s->captured.push_back(std::move(action));
        return 0;
    }
    // Work in the default stream comes after what was given to the blocking streams before, and before what comes later.
    if (s == &d.legacy)
    {
        for (Stream* other : d.streams)
            if (other->capturing && !other->non_blocking)
                return CaptureUnsupported;
        for (Stream* other : d.streams)
            if (!other->non_blocking && drain(other))
                return d.sticky;
    }
    else if (!s->non_blocking && drain(&d.legacy))
        return d.sticky;
    s->queue.push_back(std::move(action));
    return 0;
}

bool on_device(uint64_t at, size_t bytes)
{
    auto& memory = device().memory;
    auto it = memory.upper_bound(at);
    if (it == memory.begin())
        return false;
    --it;
    return at + bytes <= it->first + it->second.bytes;
}

// What lies between the end of an allocation and the next multiple of 256 bytes is filled when memory is handed out.
void check_tails(std::string& message, int& code)
{
    for (auto& [at, a] : device().memory)
        for (size_t i = (a.bytes + 3) & ~(size_t)3; i < ((a.bytes + 255) & ~(size_t)255); i += 4)
        {
            uint32_t value;
            memcpy(&value, (char*)at + i, 4);
            if (value == Poison)
                continue;
            poison((char*)at + i, 4);
            code = IllegalAddress;
            message = "device memory was written out of range: " + std::to_string(i - a.bytes) + " bytes behind an allocation of "
                + std::to_string(a.bytes);
        }
}

namespace
{
struct Worker
{
    std::mutex lock;
    std::condition_variable changed;
    const std::function<int()>* work = nullptr;
    int result = 0;
    bool done = false;

    void loop()
    {
        std::unique_lock<std::mutex> hold(lock);
        while (true)
        {
            changed.wait(hold, [&] { return work; });
            auto* mine = work;
            hold.unlock();
            int r = (*mine)();
            hold.lock();
            work = nullptr;
            result = r;
            done = true;
            changed.notify_all();
        }
    }
};
} // namespace

int on_worker(const std::function<int()>& work)
{
    static Worker* worker = []
    {
        auto* w = new Worker();
        std::thread([w] { w->loop(); }).detach();
        return w;
    }();
    std::unique_lock<std::mutex> hold(worker->lock);
    worker->work = &work;
    worker->done = false;
    worker->changed.notify_all();
    worker->changed.wait(hold, [&] { return worker->done; });
    return worker->result;
}

// PICOGRAD_EMULATOR_FAULT is `kind@which`: kind is `hang` or a CUresult; which is a launch's number from 1, or a part of a
// kernel's name.
static int injected(const Kernel& kernel, uint64_t number)
{
    std::string fault = setting("PICOGRAD_EMULATOR_FAULT", "");
    size_t at = fault.find('@');
    if (at == std::string::npos)
        return 0;
    std::string kind = fault.substr(0, at), which = fault.substr(at + 1);
    bool counted = !which.empty() && which.find_first_not_of("0123456789") == std::string::npos;
    if (counted ? strtoull(which.c_str(), nullptr, 10) != number : std::string(kernel.name).find(which) == std::string::npos)
        return 0;
    if (kind != "hang")
        return atoi(kind.c_str()) ? atoi(kind.c_str()) : IllegalAddress;
    while (true)
        std::this_thread::sleep_for(std::chrono::seconds(1));
}

int launch(
    Function* f, const unsigned* grid, const unsigned* block, const unsigned* cluster, unsigned shared, Stream* stream, void** arguments)
{
    Device& d = device();
    const Kernel& k = *f->kernel;
    uint64_t threads = (uint64_t)block[0] * block[1] * block[2];
    if (!threads || block[0] > 1024 || block[1] > 1024 || block[2] > 64 || threads > 1024)
        return InvalidValue;
    if (threads > (uint64_t)k.max_threads)
        return OutOfResources;
    if (!grid[0] || !grid[1] || !grid[2] || grid[0] > 0x7FFFFFFF || grid[1] > 65535 || grid[2] > 65535)
        return InvalidValue;
    if (shared > (unsigned)f->dynamic_shared)
        return InvalidValue;
    Launch l = {&k, {grid[0], grid[1], grid[2]}, {block[0], block[1], block[2]}, {1, 1, 1}, shared, nullptr};
    unsigned declared[3] = {(unsigned)k.cluster_x, (unsigned)k.cluster_y, (unsigned)k.cluster_z};
    const unsigned* shape = cluster ? cluster : k.cluster_x ? declared : nullptr;
    if (cluster && k.cluster_x && memcmp(cluster, declared, sizeof declared))
        return InvalidValue;
    if (shape)
    {
        unsigned blocks = shape[0] * shape[1] * shape[2];
        if (!blocks || blocks > (f->non_portable_cluster ? 16u : 8u))
            return InvalidValue;
        for (int i = 0; i < 3; i++)
        {
            if (grid[i] % shape[i])
                return InvalidValue;
            l.cluster[i] = shape[i];
        }
    }
    // Arguments are copied now, as the driver does: the caller may reuse their memory.
    struct alignas(64) Part
    {
        char bytes[64];
    };
    std::vector<std::vector<Part>> values;
    for (int i = 0; i < k.parameters; i++)
    {
        if (!arguments || !arguments[i])
            return InvalidValue;
        values.emplace_back(((size_t)k.parameter_bytes[i] + 63) / 64);
        memcpy(values.back().data(), arguments[i], (size_t)k.parameter_bytes[i]);
    }
    return enqueue(
        stream,
        [&d, l, values]() mutable -> int
        {
            uint64_t number = ++d.launches;
            std::vector<void*> pointers;
            for (auto& v : values)
                pointers.push_back(v.data());
            pointers.push_back(nullptr);
            l.arguments = pointers.data();
            if (int code = injected(*l.kernel, number))
            {
                d.message = std::string("kernel ") + l.kernel->name + ": a fault that PICOGRAD_EMULATOR_FAULT asked for";
                return code;
            }
            uint64_t seed = (uint64_t)picograd::number("PICOGRAD_EMULATOR_SEED", 1) + number * 1000003;
            int code = on_worker([&] { return run(l, seed, d.message); });
            if (!code)
                check_tails(d.message, code);
            if (code && setting("PICOGRAD_EMULATOR_QUIET", "") != "1")
                fprintf(stderr, "picograd emulator: %s\n", d.message.c_str());
            return code;
        });
}
} // namespace picograd

PICOGRAD_EXPORT void picograd_emulator_set(const char* name, const char* value)
{
    {
        // Launches are counted from here on: what a seed or a fault's number means does not depend on what ran before.
        std::lock_guard<std::recursive_mutex> hold(picograd::device().lock);
        picograd::device().launches = 0;
    }
    std::lock_guard<std::mutex> hold(picograd::settings_lock);
    if (value)
        picograd::settings()[name] = value;
    else
        picograd::settings().erase(name);
}

// Tests that provoke faults go on after them: forgets the error and everything enqueued; memory and modules stay.
PICOGRAD_EXPORT void picograd_emulator_recover()
{
    auto& d = picograd::device();
    std::lock_guard<std::recursive_mutex> hold(d.lock);
    d.sticky = 0;
    d.message.clear();
    d.legacy.queue.clear();
    for (auto* s : d.streams)
        s->queue.clear();
}

PICOGRAD_EXPORT const char* picograd_emulator_message() { return picograd::device().message.c_str(); }
