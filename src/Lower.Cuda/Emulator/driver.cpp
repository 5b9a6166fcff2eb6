// The part of the CUDA driver's C interface that the bindings use: devices, contexts, memory, errors.
#include "driver.h"
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

using namespace picograd;

namespace
{
const std::pair<int, const char*> errors[] = {
    {0, "CUDA_SUCCESS"}, {1, "CUDA_ERROR_INVALID_VALUE"}, {2, "CUDA_ERROR_OUT_OF_MEMORY"}, {3, "CUDA_ERROR_NOT_INITIALIZED"},
    {4, "CUDA_ERROR_DEINITIALIZED"}, {100, "CUDA_ERROR_NO_DEVICE"}, {101, "CUDA_ERROR_INVALID_DEVICE"},
    {200, "CUDA_ERROR_INVALID_IMAGE"}, {201, "CUDA_ERROR_INVALID_CONTEXT"}, {209, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
    {218, "CUDA_ERROR_INVALID_PTX"}, {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"}, {400, "CUDA_ERROR_INVALID_HANDLE"},
    {401, "CUDA_ERROR_ILLEGAL_STATE"}, {500, "CUDA_ERROR_NOT_FOUND"}, {600, "CUDA_ERROR_NOT_READY"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS"}, {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"}, {702, "CUDA_ERROR_LAUNCH_TIMEOUT"},
    {710, "CUDA_ERROR_ASSERT"}, {714, "CUDA_ERROR_HARDWARE_STACK_ERROR"}, {715, "CUDA_ERROR_ILLEGAL_INSTRUCTION"},
    {716, "CUDA_ERROR_MISALIGNED_ADDRESS"}, {719, "CUDA_ERROR_LAUNCH_FAILED"}, {801, "CUDA_ERROR_NOT_SUPPORTED"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"}, {903, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED"}, {999, "CUDA_ERROR_UNKNOWN"}};

int major() { return atoi(setting("PICOGRAD_EMULATOR_COMPUTE", "9.0").c_str()); }
int minor()
{
    std::string text = setting("PICOGRAD_EMULATOR_COMPUTE", "9.0");
    size_t dot = text.find('.');
    return dot == std::string::npos ? 0 : atoi(text.c_str() + dot + 1);
}
size_t capacity() { return (size_t)number("PICOGRAD_EMULATOR_MEMORY", 16ll << 30); }
size_t opt_in_shared() { return major() >= 9 ? 232448 : minor() == 0 && major() == 8 ? 166912 : 101376; }

int context; // its address is the only context's handle
thread_local void* current;

// Device memory lies in address space of its own, far from everything else and with gaps that nobody may touch: a wild access
// finds nothing. What was freed is reused late, so that it is missed, too.
constexpr size_t Page = 4096, Arena = 256ull << 30, Gap = 8 << 20;
std::multimap<size_t, char*> freed;

char* map_memory(size_t bytes)
{
    static char* next = []
    {
        void* p = mmap(nullptr, Arena, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return p == MAP_FAILED ? nullptr : (char*)p + Gap;
    }();
    static char* const end = next ? next - Gap + Arena : nullptr;
    char* at = nullptr;
    if (next && bytes + Gap <= (size_t)(end - next))
    {
        at = next;
        next += bytes + Gap;
    }
    else if (auto it = freed.find(bytes); it != freed.end())
    {
        at = it->second;
        freed.erase(it);
    }
    if (at)
        return mprotect(at, bytes, PROT_READ | PROT_WRITE) == 0 ? at : nullptr;
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? nullptr : (char*)p;
}

void unmap_memory(char* at, size_t bytes)
{
    madvise(at, bytes, MADV_DONTNEED);
    mprotect(at, bytes, PROT_NONE);
    freed.emplace(bytes, at);
}

int copy(void* to, const void* from, size_t bytes)
{
    memmove(to, from, bytes);
    return 0;
}
} // namespace

namespace picograd
{
int compute_major() { return major(); }
int compute_minor() { return minor(); }
int shared_limit() { return (int)opt_in_shared(); }
} // namespace picograd

PICOGRAD_EXPORT int cuInit(unsigned flags)
{
    if (flags)
        return InvalidValue;
    std::lock_guard<std::recursive_mutex> hold(device().lock);
    if (number("PICOGRAD_EMULATOR_DEVICES", 1) < 1)
        return NoDevice;
    device().initialised = true;
    return 0;
}

PICOGRAD_EXPORT int cuDriverGetVersion(int* version)
{
    if (!version)
        return InvalidValue;
    *version = (int)number("PICOGRAD_EMULATOR_DRIVER_VERSION", 12040);
    return 0;
}

PICOGRAD_EXPORT int cuGetErrorName(int error, const char** text)
{
    for (auto& [code, name] : errors)
        if (code == error)
        {
            *text = name;
            return 0;
        }
    *text = nullptr;
    return InvalidValue;
}

// For the error that a kernel ended with, what was wrong and where.
PICOGRAD_EXPORT int cuGetErrorString(int error, const char** text)
{
    std::lock_guard<std::recursive_mutex> hold(device().lock);
    if (error && error == device().sticky && !device().message.empty())
    {
        *text = device().message.c_str();
        return 0;
    }
    return cuGetErrorName(error, text);
}

PICOGRAD_EXPORT int cuDeviceGetCount(int* count)
{
    PICOGRAD_READY
    *count = (int)number("PICOGRAD_EMULATOR_DEVICES", 1);
    return 0;
}

PICOGRAD_EXPORT int cuDeviceGet(int* handle, int ordinal)
{
    PICOGRAD_READY
    if (ordinal < 0 || ordinal >= number("PICOGRAD_EMULATOR_DEVICES", 1))
        return InvalidDevice;
    *handle = ordinal;
    return 0;
}

PICOGRAD_EXPORT int cuDeviceGetName(char* name, int length, int)
{
    PICOGRAD_READY
    std::string text = setting("PICOGRAD_EMULATOR_NAME", "Picograd emulated H100");
    snprintf(name, (size_t)length, "%s", text.c_str());
    return 0;
}

PICOGRAD_EXPORT int cuDeviceGetUuid_v2(char* uuid, int ordinal)
{
    PICOGRAD_READY
    memset(uuid, 0, 16);
    memcpy(uuid, "picograd-emul", 13);
    uuid[15] = (char)ordinal;
    return 0;
}
PICOGRAD_EXPORT int cuDeviceGetUuid(char* uuid, int ordinal) { return cuDeviceGetUuid_v2(uuid, ordinal); }

PICOGRAD_EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int)
{
    PICOGRAD_READY
    *bytes = capacity();
    return 0;
}

PICOGRAD_EXPORT int cuDeviceComputeCapability(int* a, int* b, int)
{
    PICOGRAD_READY
    *a = major();
    *b = minor();
    return 0;
}

PICOGRAD_EXPORT int cuDeviceGetAttribute(int* value, int attribute, int)
{
    PICOGRAD_READY
    // H100 SXM's values, where they do not follow from the compute capability.
    switch (attribute)
    {
    case 1: case 2: case 3: *value = 1024; return 0;       // threads of a block, along x, along y
    case 4: *value = 64; return 0;                         // along z
    case 5: *value = 0x7FFFFFFF; return 0;                 // blocks of a grid along x
    case 6: case 7: *value = 65535; return 0;              // along y, z
    case 8: *value = 49152; return 0;                      // shared memory of a block without opting in
    case 9: *value = 65536; return 0;                      // constant memory
    case 10: *value = 32; return 0;                        // warp
    case 12: case 82: *value = 65536; return 0;            // registers of a block, of a multiprocessor
    case 13: *value = 1980000; return 0;                   // clock, kHz
    case 16: *value = (int)number("PICOGRAD_EMULATOR_SMS", 132); return 0;
    case 15: case 19: case 40: case 41: case 95: *value = 1; return 0; // overlap, mapped host memory, async engines, unified addresses, cooperative launch
    case 17: case 18: case 20: case 35: *value = 0; return 0; // execution timeout, integrated, compute mode, TCC
    case 36: *value = 2619000; return 0;                   // memory clock, kHz
    case 37: *value = 5120; return 0;                      // memory bus, bits
    case 38: *value = 52428800; return 0;                  // L2
    case 39: *value = 2048; return 0;                      // threads of a multiprocessor
    case 75: *value = major(); return 0;
    case 76: *value = minor(); return 0;
    case 81: *value = (int)opt_in_shared() + 1024; return 0; // shared memory of a multiprocessor
    case 97: *value = (int)opt_in_shared(); return 0;
    case 106: *value = 32; return 0;                       // blocks of a multiprocessor
    case 111: *value = 1024; return 0;                     // reserved shared memory of a block
    case 120: *value = major() >= 9; return 0;             // clusters
    default: *value = 0; return attribute > 0 && attribute < 150 ? 0 : InvalidValue;
    }
}

PICOGRAD_EXPORT int cuDevicePrimaryCtxRetain(void** handle, int)
{
    PICOGRAD_READY
    *handle = &context;
    return 0;
}
PICOGRAD_EXPORT int cuDevicePrimaryCtxRelease_v2(int) { return 0; }
PICOGRAD_EXPORT int cuDevicePrimaryCtxSetFlags_v2(int, unsigned) { return 0; }
PICOGRAD_EXPORT int cuCtxSetCurrent(void* handle)
{
    PICOGRAD_READY
    if (handle && handle != &context)
        return InvalidContext;
    current = handle;
    return 0;
}
PICOGRAD_EXPORT int cuCtxGetCurrent(void** handle)
{
    PICOGRAD_READY
    *handle = current;
    return 0;
}
PICOGRAD_EXPORT int cuCtxPushCurrent_v2(void* handle) { return cuCtxSetCurrent(handle); }
PICOGRAD_EXPORT int cuCtxPopCurrent_v2(void** handle)
{
    if (handle)
        *handle = current;
    current = nullptr;
    return 0;
}
PICOGRAD_EXPORT int cuCtxGetDevice(int* ordinal)
{
    PICOGRAD_READY
    *ordinal = 0;
    return current ? 0 : InvalidContext;
}
PICOGRAD_EXPORT int cuCtxSynchronize()
{
    PICOGRAD_READY
    return current ? drain_all() : InvalidContext;
}

PICOGRAD_EXPORT int cuMemAlloc_v2(uint64_t* at, size_t bytes)
{
    PICOGRAD_READY
    if (!current)
        return InvalidContext;
    if (!at || !bytes)
        return InvalidValue;
    Device& d = device();
    if (d.used + bytes > capacity())
        return OutOfMemory;
    size_t whole = (bytes + 255) & ~(size_t)255, pages = (whole + Page - 1) & ~(Page - 1);
    char* p = map_memory(pages);
    if (!p)
        return OutOfMemory;
    char* start = p + pages - whole; // its end is the mapping's
    // What was never written is not a number, unless it is so much that filling it would take long.
    if (whole <= 64u << 20)
        poison(start, whole);
    else
        poison(start + (bytes & ~(size_t)3), whole - (bytes & ~(size_t)3));
    d.memory[(uint64_t)start] = {bytes, pages, p};
    d.used += bytes;
    *at = (uint64_t)start;
    return 0;
}

PICOGRAD_EXPORT int cuMemFree_v2(uint64_t at)
{
    PICOGRAD_READY
    Device& d = device();
    if (int error = drain_all())
        return error;
    auto it = d.memory.find(at);
    if (it == d.memory.end())
        return at ? InvalidValue : 0;
    d.used -= it->second.bytes;
    unmap_memory((char*)it->second.mapping, it->second.mapped);
    d.memory.erase(it);
    return 0;
}

PICOGRAD_EXPORT int cuMemGetInfo_v2(size_t* free, size_t* total)
{
    PICOGRAD_READY
    *total = capacity();
    *free = *total > device().used ? *total - device().used : 0;
    return 0;
}

PICOGRAD_EXPORT int cuMemHostAlloc(void** at, size_t bytes, unsigned)
{
    PICOGRAD_READY
    if (!at || !bytes)
        return InvalidValue;
    if (posix_memalign(at, 4096, bytes))
        return OutOfMemory;
    device().pinned[*at] = bytes;
    return 0;
}
PICOGRAD_EXPORT int cuMemAllocHost_v2(void** at, size_t bytes) { return cuMemHostAlloc(at, bytes, 0); }
PICOGRAD_EXPORT int cuMemFreeHost(void* at)
{
    PICOGRAD_READY
    if (int error = drain_all())
        return error;
    if (!device().pinned.erase(at))
        return InvalidValue;
    free(at);
    return 0;
}

static bool pinned(const void* at)
{
    auto& p = device().pinned;
    auto it = p.upper_bound((void*)at);
    return it != p.begin() && (--it, (char*)at < (char*)it->first + it->second);
}

PICOGRAD_EXPORT int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* stream)
{
    PICOGRAD_READY
    Stream* s = stream_of(stream);
    if (!s)
        return InvalidHandle;
    if (!bytes)
        return 0;
    if (!on_device(to, bytes))
        return InvalidValue;
    if (pinned(from)) // read when the copy is made; other memory is read before this returns
        return enqueue(s, [=] { return copy((void*)to, from, bytes); });
    auto staged = std::make_shared<std::vector<char>>((const char*)from, (const char*)from + bytes);
    return enqueue(s, [=] { return copy((void*)to, staged->data(), bytes); });
}

PICOGRAD_EXPORT int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* stream)
{
    PICOGRAD_READY
    Stream* s = stream_of(stream);
    if (!s)
        return InvalidHandle;
    if (!bytes)
        return 0;
    if (!on_device(from, bytes))
        return InvalidValue;
    if (int error = enqueue(s, [=] { return copy(to, (const void*)from, bytes); }))
        return error;
    return pinned(to) || s->capturing ? 0 : drain(s);
}

PICOGRAD_EXPORT int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* stream)
{
    PICOGRAD_READY
    Stream* s = stream_of(stream);
    if (!s)
        return InvalidHandle;
    if (!bytes)
        return 0;
    if (!on_device(to, bytes) || !on_device(from, bytes))
        return InvalidValue;
    return enqueue(s, [=] { return copy((void*)to, (const void*)from, bytes); });
}

static int waited(int error)
{
    return error ? error : drain(&device().legacy);
}
PICOGRAD_EXPORT int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t n) { return waited(cuMemcpyHtoDAsync_v2(to, from, n, nullptr)); }
PICOGRAD_EXPORT int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t n) { return waited(cuMemcpyDtoHAsync_v2(to, from, n, nullptr)); }
PICOGRAD_EXPORT int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t n) { return waited(cuMemcpyDtoDAsync_v2(to, from, n, nullptr)); }

template <class T> static int fill(uint64_t at, T value, size_t count, void* stream)
{
    PICOGRAD_READY
    Stream* s = stream_of(stream);
    if (!s)
        return InvalidHandle;
    if (!count)
        return 0;
    if (at % sizeof(T) || !on_device(at, count * sizeof(T)))
        return InvalidValue;
    return enqueue(
        s,
        [=]
        {
            for (size_t i = 0; i < count; i++)
                ((T*)at)[i] = value;
            return 0;
        });
}
PICOGRAD_EXPORT int cuMemsetD8Async(uint64_t at, unsigned char v, size_t n, void* s) { return fill(at, v, n, s); }
PICOGRAD_EXPORT int cuMemsetD16Async(uint64_t at, unsigned short v, size_t n, void* s) { return fill(at, v, n, s); }
PICOGRAD_EXPORT int cuMemsetD32Async(uint64_t at, unsigned v, size_t n, void* s) { return fill(at, v, n, s); }
PICOGRAD_EXPORT int cuMemsetD8_v2(uint64_t at, unsigned char v, size_t n) { return waited(fill(at, v, n, nullptr)); }
PICOGRAD_EXPORT int cuMemsetD16_v2(uint64_t at, unsigned short v, size_t n) { return waited(fill(at, v, n, nullptr)); }
PICOGRAD_EXPORT int cuMemsetD32_v2(uint64_t at, unsigned v, size_t n) { return waited(fill(at, v, n, nullptr)); }
