// What the 128 bytes of a tensor map mean here.
#pragma once
#include <cstdint>
#include <cstring>

namespace picograd
{
struct TensorMap
{
    static constexpr uint64_t Mark = 0x50414D4F434950ull;

    uint64_t mark, address;
    uint8_t rank, element_bytes, swizzle, type, fill_nan, unused[3];
    uint64_t extents[5];      // innermost first
    uint64_t strides[4];      // bytes, of dimensions 1, 2, …
    uint16_t box[5], steps[5];
    uint8_t padding[12];

    uint64_t box_bytes() const
    {
        uint64_t n = element_bytes;
        for (int d = 0; d < rank; d++)
            n *= box[d];
        return n;
    }
    unsigned swizzle_bytes() const { return swizzle ? 16u << swizzle : 0; }
};
static_assert(sizeof(TensorMap) == 128, "as long as the driver's");
} // namespace picograd
