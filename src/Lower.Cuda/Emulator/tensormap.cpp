// cuTensorMapEncodeTiled, with the driver's conditions (CUDA driver API, tensor map object management).
#include "driver.h"
#include "tensormap.h"

using namespace picograd;

PICOGRAD_EXPORT int cuTensorMapEncodeTiled(
    void* map, int type, unsigned rank, void* address, const uint64_t* extents, const uint64_t* strides, const unsigned* box,
    const unsigned* steps, int interleave, int swizzle, int, int fill)
{
    PICOGRAD_READY
    static const uint8_t bytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
    if (!map || (uintptr_t)map % 64 || type < 0 || type > 12 || rank < 1 || rank > 5 || !address || (uintptr_t)address % 16)
        return InvalidValue;
    if (!extents || !box || !steps || (rank > 1 && !strides) || swizzle < 0 || swizzle > 3 || fill < 0 || fill > 1)
        return InvalidValue;
    if (interleave != 0)
        return interleave == 1 || interleave == 2 ? NotSupported : InvalidValue;
    bool floating = type >= 6;
    if (fill && !floating)
        return InvalidValue;
    TensorMap m = {};
    m.mark = TensorMap::Mark;
    m.address = (uint64_t)address;
    m.rank = (uint8_t)rank;
    m.type = (uint8_t)type;
    m.element_bytes = bytes[type];
    m.swizzle = (uint8_t)swizzle;
    m.fill_nan = (uint8_t)fill;
    uint64_t whole = 0;
    for (unsigned d = 0; d < rank; d++)
    {
        if (extents[d] < 1 || extents[d] > 1ull << 32 || box[d] < 1 || box[d] > 256 || steps[d] < 1 || steps[d] > 8)
            return InvalidValue;
        if (steps[d] != 1)
            return NotSupported;
        if (d > 0)
        {
            if (strides[d - 1] % 16 || strides[d - 1] >= 1ull << 40)
                return InvalidValue;
            m.strides[d - 1] = strides[d - 1];
        }
        whole += (extents[d] - 1) * (d == 0 ? m.element_bytes : strides[d - 1]);
        m.extents[d] = extents[d];
        m.box[d] = (uint16_t)box[d];
        m.steps[d] = (uint16_t)steps[d];
    }
    unsigned inner = box[0] * m.element_bytes;
    if (inner % 16 || (swizzle && inner > m.swizzle_bytes()))
        return InvalidValue;
    if (!on_device(m.address, whole + m.element_bytes))
        return InvalidValue;
    memcpy(map, &m, sizeof m);
    return 0;
}
