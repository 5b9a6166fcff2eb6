// The part of the driver's C interface about modules, functions, launches, streams, events and graphs.
#include "driver.h"
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <unistd.h>

using namespace picograd;

namespace picograd
{
int compute_major();
int compute_minor();
int shared_limit();
} // namespace picograd

PICOGRAD_EXPORT int cuModuleLoadData(void** module, const void* image)
{
    PICOGRAD_READY
    if (!module || !image)
        return InvalidValue;
    if (memcmp(image, "PICOGRAD", 8))
        return InvalidImage;
    uint64_t size;
    memcpy(&size, (const char*)image + 8, 8);
    const char* arch = (const char*)image + 16;
    int built = atoi(arch), major = compute_major(), minor = compute_minor();
    bool exact = arch[strlen(arch) - 1] == 'a';
    if (exact ? built != major * 10 + minor : built / 10 != major || built % 10 > minor)
        return NoBinary;
    // Kernels find the emulator's primitives among the global symbols.
    static bool global = []
    {
        Dl_info info;
        return dladdr((void*)&cuModuleLoadData, &info) && dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
    }();
    const char* folder = getenv("TMPDIR");
    std::string path = std::string(folder && *folder ? folder : "/tmp") + "/picograd-module-XXXXXX";
    int file = mkstemp(path.data());
    if (file < 0 || !global)
        return InvalidImage;
    const char* bytes = (const char*)image + 32;
    for (uint64_t done = 0; done < size;)
    {
        ssize_t n = write(file, bytes + done, size - done);
        if (n <= 0)
        {
            close(file);
            unlink(path.c_str());
            return OutOfMemory;
        }
        done += (uint64_t)n;
    }
    close(file);
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    unlink(path.c_str());
    if (!handle)
    {
        device().message = dlerror();
        fprintf(stderr, "picograd emulator: %s\n", device().message.c_str());
        return InvalidImage;
    }
    auto* m = new Module{handle, (const Kernel*)dlsym(handle, "picograd_kernels"), {}};
    device().modules.insert(m);
    *module = m;
    return m->kernels ? 0 : InvalidImage;
}

PICOGRAD_EXPORT int cuModuleLoadDataEx(void** module, const void* image, unsigned, int*, void**)
{
    return cuModuleLoadData(module, image);
}

PICOGRAD_EXPORT int cuModuleUnload(void* module)
{
    PICOGRAD_READY
    auto* m = (Module*)module;
    if (!device().modules.count(m))
        return InvalidHandle;
    if (int error = drain_all())
        return error;
    device().modules.erase(m);
    for (auto& [name, f] : m->functions)
    {
        device().functions.erase(f);
        delete f;
    }
    dlclose(m->handle);
    delete m;
    return 0;
}

PICOGRAD_EXPORT int cuModuleGetFunction(void** function, void* module, const char* name)
{
    PICOGRAD_READY
    auto* m = (Module*)module;
    if (!device().modules.count(m))
        return InvalidHandle;
    if (!function || !name)
        return InvalidValue;
    for (const Kernel* k = m->kernels; k->name; k++)
    {
        if (strcmp(k->name, name))
            continue;
        Function*& f = m->functions[name];
        if (!f)
            device().functions.insert(f = new Function{k, m});
        *function = f;
        return 0;
    }
    return NotFound;
}

static Function* function_of(void* handle)
{
    auto* f = (Function*)handle;
    return device().functions.count(f) ? f : nullptr;
}

PICOGRAD_EXPORT int cuFuncSetAttribute(void* function, int attribute, int value)
{
    PICOGRAD_READY
    Function* f = function_of(function);
    if (!f)
        return InvalidHandle;
    switch (attribute)
    {
    case 8: // most dynamic shared memory
        if (value < 0 || value > shared_limit())
            return InvalidValue;
        f->dynamic_shared = value;
        return 0;
    case 14: f->non_portable_cluster = value; return 0;
    case 9: return value < -1 || value > 100 ? InvalidValue : 0; // preferred share of the L1 cache
    default: return InvalidValue;
    }
}

PICOGRAD_EXPORT int cuFuncGetAttribute(int* value, int attribute, void* function)
{
    PICOGRAD_READY
    Function* f = function_of(function);
    if (!f)
        return InvalidHandle;
    switch (attribute)
    {
    case 0: *value = f->kernel->max_threads; return 0;
    case 1: *value = 0; return 0; // static shared memory: not known before it runs
    case 2: case 3: *value = 0; return 0; // constant, local
    // Registers: what the launch bounds allow, for there is no register allocation to ask.
    case 4: *value = std::min(255, 65536 / (f->kernel->max_threads * std::max(1, f->kernel->min_blocks)) / 8 * 8); return 0;
    case 5: case 6: *value = compute_major() * 10 + compute_minor(); return 0;
    case 8: *value = f->dynamic_shared; return 0;
    case 14: *value = f->non_portable_cluster; return 0;
    default: *value = 0; return 0;
    }
}

PICOGRAD_EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void* function, int threads, size_t shared)
{
    PICOGRAD_READY
    Function* f = function_of(function);
    if (!f || threads < 1)
        return InvalidValue;
    int by_shared = (int)(((size_t)shared_limit() + 1024) / (shared + 1024));
    *blocks = std::min({32, 2048 / threads, by_shared});
    return 0;
}

struct LaunchAttribute
{
    int id;
    char padding[4];
    unsigned value[16];
};

struct LaunchConfiguration
{
    unsigned grid[3], block[3], shared;
    void* stream;
    const LaunchAttribute* attributes;
    unsigned count;
};

PICOGRAD_EXPORT int cuLaunchKernelEx(const LaunchConfiguration* c, void* function, void** arguments, void** extra)
{
    PICOGRAD_READY
    Function* f = function_of(function);
    Stream* s = c ? stream_of(c->stream) : nullptr;
    if (!f || !s)
        return InvalidHandle;
    if (extra)
        return NotSupported;
    const unsigned* cluster = nullptr;
    for (unsigned i = 0; i < c->count; i++)
        if (c->attributes[i].id == 4)
            cluster = c->attributes[i].value;
    if (cluster && compute_major() < 9)
        return NotSupported;
    return launch(f, c->grid, c->block, cluster, c->shared, s, arguments);
}

PICOGRAD_EXPORT int cuLaunchKernel(
    void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void* stream,
    void** arguments, void** extra)
{
    LaunchConfiguration c = {{gx, gy, gz}, {bx, by, bz}, shared, stream, nullptr, 0};
    return cuLaunchKernelEx(&c, function, arguments, extra);
}

PICOGRAD_EXPORT int cuStreamCreate(void** stream, unsigned flags)
{
    PICOGRAD_READY
    auto* s = new Stream();
    s->non_blocking = flags & 1;
    device().streams.insert(s);
    *stream = s;
    return 0;
}
PICOGRAD_EXPORT int cuStreamCreateWithPriority(void** stream, unsigned flags, int) { return cuStreamCreate(stream, flags); }
PICOGRAD_EXPORT int cuStreamDestroy_v2(void* stream)
{
    PICOGRAD_READY
    Stream* s = stream_of(stream);
    if (!s || s == &device().legacy)
        return InvalidHandle;
    int error = drain(s);
    device().streams.erase(s);
    for (Event* e : device().events)
        if (e->stream == s)
            e->stream = nullptr;
    delete s;
    return error;
}
PICOGRAD_EXPORT int cuStreamSynchronize(void* stream)
{
    PICOGRAD_READY
    Stream* s = stream_of(stream);
    if (!s)
        return InvalidHandle;
    if (s->capturing)
        return CaptureUnsupported;
    return drain(s);
}
PICOGRAD_EXPORT int cuStreamQuery(void* stream)
{
    PICOGRAD_READY
    Stream* s = stream_of(stream);
    if (!s)
        return InvalidHandle;
    if (s->queue.empty())
        return 0;
    // Whoever asks again and again sees the work come to its end.
    int error = drain(s);
    return error ? error : NotReady;
}

PICOGRAD_EXPORT int cuEventCreate(void** event, unsigned flags)
{
    PICOGRAD_READY
    auto* e = new Event();
    e->timing = !(flags & 2);
    device().events.insert(e);
    *event = e;
    return 0;
}
static Event* event_of(void* handle)
{
    auto* e = (Event*)handle;
    return device().events.count(e) ? e : nullptr;
}
static int finish(Event* e)
{
    return e->pending && e->stream ? drain(e->stream) : device().sticky;
}
PICOGRAD_EXPORT int cuEventDestroy_v2(void* event)
{
    PICOGRAD_READY
    Event* e = event_of(event);
    if (!e)
        return InvalidHandle;
    int error = finish(e);
    device().events.erase(e);
    delete e;
    return error;
}
PICOGRAD_EXPORT int cuEventRecord(void* event, void* stream)
{
    PICOGRAD_READY
    Event* e = event_of(event);
    Stream* s = stream_of(stream);
    if (!e || !s)
        return InvalidHandle;
    if (!s->capturing)
    {
        e->pending++;
        e->stream = s;
    }
    e->recorded = true;
    return enqueue(
        s,
        [e]
        {
            if (e->pending)
                e->pending--;
            e->time = std::chrono::steady_clock::now();
            return 0;
        });
}
PICOGRAD_EXPORT int cuEventSynchronize(void* event)
{
    PICOGRAD_READY
    Event* e = event_of(event);
    return e ? finish(e) : InvalidHandle;
}
PICOGRAD_EXPORT int cuEventQuery(void* event)
{
    PICOGRAD_READY
    Event* e = event_of(event);
    if (!e)
        return InvalidHandle;
    if (!e->pending)
        return 0;
    int error = finish(e);
    return error ? error : NotReady;
}
PICOGRAD_EXPORT int cuEventElapsedTime(float* milliseconds, void* from, void* to)
{
    PICOGRAD_READY
    Event *a = event_of(from), *b = event_of(to);
    if (!a || !b || !a->recorded || !b->recorded || !a->timing || !b->timing)
        return InvalidHandle;
    if (a->pending || b->pending)
        return NotReady;
    *milliseconds = std::chrono::duration<float, std::milli>(b->time - a->time).count();
    return 0;
}
PICOGRAD_EXPORT int cuEventElapsedTime_v2(float* milliseconds, void* from, void* to)
{
    return cuEventElapsedTime(milliseconds, from, to);
}
PICOGRAD_EXPORT int cuStreamWaitEvent(void* stream, void* event, unsigned)
{
    PICOGRAD_READY
    Stream* s = stream_of(stream);
    Event* e = event_of(event);
    if (!s || !e)
        return InvalidHandle;
    Stream* other = e->stream;
    if (!e->pending || other == s)
        return 0;
    // An event may be destroyed before the wait's turn comes: destroying it has then waited already.
    return enqueue(s, [e] { return event_of(e) ? finish(e) : device().sticky; });
}

PICOGRAD_EXPORT int cuStreamBeginCapture_v2(void* stream, int)
{
    PICOGRAD_READY
    Stream* s = stream_of(stream);
    if (!s)
        return InvalidHandle;
    if (s == &device().legacy || s->capturing)
        return s->capturing ? IllegalState : CaptureUnsupported;
    s->capturing = true;
    s->captured.clear();
    return 0;
}
PICOGRAD_EXPORT int cuStreamEndCapture(void* stream, void** graph)
{
    PICOGRAD_READY
    Stream* s = stream_of(stream);
    if (!s)
        return InvalidHandle;
    if (!s->capturing)
        return IllegalState;
    s->capturing = false;
    *graph = new Graph{std::move(s->captured)};
    s->captured.clear();
    return 0;
}
PICOGRAD_EXPORT int cuStreamIsCapturing(void* stream, int* status)
{
    PICOGRAD_READY
    Stream* s = stream_of(stream);
    if (!s)
        return InvalidHandle;
    *status = s->capturing;
    return 0;
}
PICOGRAD_EXPORT int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long)
{
    PICOGRAD_READY
    if (!graph)
        return InvalidHandle;
    *executable = new Graph(*(Graph*)graph);
    return 0;
}
PICOGRAD_EXPORT int cuGraphInstantiate_v2(void** executable, void* graph, void**, char*, size_t)
{
    return cuGraphInstantiateWithFlags(executable, graph, 0);
}
PICOGRAD_EXPORT int cuGraphLaunch(void* executable, void* stream)
{
    PICOGRAD_READY
    Stream* s = stream_of(stream);
    if (!s || !executable)
        return InvalidHandle;
    for (auto& action : ((Graph*)executable)->actions)
        if (int error = enqueue(s, action))
            return error;
    return 0;
}
PICOGRAD_EXPORT int cuGraphDestroy(void* graph)
{
    PICOGRAD_READY
    delete (Graph*)graph;
    return 0;
}
PICOGRAD_EXPORT int cuGraphExecDestroy(void* executable)
{
    PICOGRAD_READY
    delete (Graph*)executable;
    return 0;
}
PICOGRAD_EXPORT int cuGraphUpload(void*, void*) { return 0; }
