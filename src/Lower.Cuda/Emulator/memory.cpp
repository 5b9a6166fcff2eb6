// Shared memory of a block: where it is, what may be accessed; asynchronous copies of single threads (cp.async); conversions.
#include "runtime.h"
#include <cstdio>

namespace picograd
{
size_t shared_offset(const void* pointer, size_t bytes, int line, Block** owner)
{
    Block* mine = self() ? self()->block : nullptr;
    for (Block& b : cluster->blocks)
    {
        if (!owner && mine && &b != mine)
            continue;
        const uint8_t* p = (const uint8_t*)pointer;
        if (p < b.window || p + bytes > b.window + b.window_bytes)
            continue;
        size_t offset = (size_t)(p - b.window);
        bool dynamic = offset >= Reserved && offset + bytes <= Reserved + b.dynamic_bytes, variable = false;
        for (size_t i = 0; i < b.statics.size() && !variable; i++)
            variable = offset >= b.statics[i].from && offset + bytes <= b.statics[i].end;
        if (!dynamic && !variable)
            fail(
                IllegalAddress, line, "an access of %zu bytes at offset %lld of a dynamic shared memory of %zu bytes", bytes,
                (long long)offset - (long long)Reserved, b.dynamic_bytes);
        if (owner)
            *owner = &b;
        return offset;
    }
    fail(IllegalAddress, line, "address %p is not in shared memory", pointer);
}

void check_alignment(const void* pointer, size_t alignment, const char* what, int line)
{
    if ((uintptr_t)pointer % alignment)
        fail(
            MisalignedAddress, line, "%s: address %p is not aligned to %zu bytes (it is %zu off)", what, pointer, alignment,
            (size_t)((uintptr_t)pointer % alignment));
}

static void perform(const Copy& c)
{
    memcpy(c.to, c.from, c.bytes);
    memset((uint8_t*)c.to + c.bytes, 0, c.size - c.bytes);
}
} // namespace picograd

using namespace picograd;

extern "C"
{
    void* picograd_dynamic_shared(int alignment)
    {
        if (alignment > 1024)
            fail(MisalignedAddress, 0, "shared memory aligned to %d bytes was asked for; at most 1024 is promised", alignment);
        return self()->block->window + Reserved;
    }

    // Static variables lie behind the dynamic memory, 64 bytes apart; the first thread that comes to one places it.
    void* picograd_static_shared(const void* key, size_t size, size_t alignment)
    {
        Block& b = *self()->block;
        size_t from = Reserved + ((b.dynamic_bytes + 1023) & ~(size_t)1023) + Guard;
        for (auto& v : b.statics)
            if (v.key == key)
                return b.window + v.from;
        if (!b.statics.empty())
            from = b.statics.back().end + 64;
        alignment = alignment < 4 ? 4 : alignment;
        size = (size + 3) & ~(size_t)3;
        size_t at = (from + alignment - 1) / alignment * alignment;
        if (at + size + Guard > b.window_bytes)
            fail(IllegalAddress, 0, "static shared variables of more than 48 KiB");
        poison(b.window + from, at + size + 64 - from);
        b.statics.push_back({key, at, at + size});
        return b.window + at;
    }

    size_t picograd_shared_offset(const void* pointer, int line) { return shared_offset(pointer, 0, line); }

    // As late as it may, a copy is made when it is waited for; until then its destination holds nothing that can be used.
    void picograd_cp_async(void* shared, const void* global, int size, int bytes, int line)
    {
        if (bytes < 0 || bytes > size)
            fail(IllegalInstruction, line, "cp.async of %d bytes was asked to read %d", size, bytes);
        shared_offset(shared, (size_t)size, line);
        check_alignment(shared, (size_t)size, "cp.async's destination", line);
        if (bytes)
            check_alignment(global, (size_t)size, "cp.async's source", line);
        poison(shared, (size_t)size);
        volatile char probe = 0; // a wild source is reported here, where the line is known
        for (int i = 0; i < bytes; i += size)
            probe = ((const volatile char*)global)[i];
        (void)probe;
        self()->copies.back().push_back({shared, global, size, bytes});
    }

    void picograd_cp_async_commit() { self()->copies.emplace_back(); }

    void picograd_cp_async_wait(int newest)
    {
        auto& groups = self()->copies; // all but the last one are committed
        if (newest < 0) // cp.async.wait_all: those not committed, too
        {
            groups.emplace_back();
            newest = 0;
        }
        while ((int)groups.size() - 1 > newest)
        {
            for (const Copy& c : groups.front())
                perform(c);
            groups.erase(groups.begin());
        }
    }

    float picograd_f16_to_f32(unsigned short h)
    {
        uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 0x3FF, bits;
        if (exponent == 31)
            bits = sign | 0x7F800000 | mantissa << 13;
        else if (exponent)
            bits = sign | (exponent + 112) << 23 | mantissa << 13;
        else
        {
            float f = (float)mantissa * 0x1p-24f;
            memcpy(&bits, &f, 4);
            bits |= sign;
        }
        float f;
        memcpy(&f, &bits, 4);
        return f;
    }

    unsigned short picograd_f32_to_f16(float f)
    {
        uint32_t bits;
        memcpy(&bits, &f, 4);
        uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
        if (magnitude > 0x7F800000)
            return 0x7FFF;
        if (magnitude >= 0x477FF000) // rounds to 65536 or more
            return (unsigned short)(sign | 0x7C00);
        if (magnitude < 0x38800000) // below the smallest normal: a multiple of 2^-24, rounded by the addition
        {
            float a;
            memcpy(&a, &magnitude, 4);
            a += 0.5f;
            uint32_t r;
            memcpy(&r, &a, 4);
            return (unsigned short)(sign | (r - 0x3F000000));
        }
        uint32_t rounded = magnitude + 0xFFF + (magnitude >> 13 & 1);
        return (unsigned short)(sign | ((rounded - 0x38000000) >> 13));
    }

    // What the compiler's checks call (-fsanitize=alignment,bounds).
    struct SourceLocation
    {
        const char* file;
        uint32_t line, column;
    };
    struct TypeDescriptor
    {
        uint16_t kind, info;
        char name[1];
    };
    struct TypeMismatch
    {
        SourceLocation at;
        const TypeDescriptor* type;
        uint8_t log_alignment, access;
    };
    struct OutOfBounds
    {
        SourceLocation at;
        const TypeDescriptor *array, *index;
    };

    void __ubsan_handle_type_mismatch_v1(const TypeMismatch* data, uintptr_t pointer)
    {
        if (!self())
            return;
        fail(
            MisalignedAddress, (int)data->at.line, "an access to %s at address %p, which is not aligned to %d bytes", data->type->name,
            (void*)pointer, 1 << data->log_alignment);
    }
    void __ubsan_handle_type_mismatch_v1_abort(const TypeMismatch* data, uintptr_t pointer)
    {
        __ubsan_handle_type_mismatch_v1(data, pointer);
    }
    void __ubsan_handle_out_of_bounds(const OutOfBounds* data, uintptr_t index)
    {
        if (!self())
            return;
        fail(
            IllegalAddress, (int)data->at.line, "index %lld is out of range for an array of type %s", (long long)index,
            data->array->name);
    }
    void __ubsan_handle_out_of_bounds_abort(const OutOfBounds* data, uintptr_t index) { __ubsan_handle_out_of_bounds(data, index); }
}
