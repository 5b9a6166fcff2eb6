// ldmatrix, stmatrix and mma.sync: fragments of a warp (PTX ISA, matrix fragments; g = lane / 4, t = lane % 4).
#include "runtime.h"
#include <cmath>

extern "C" float picograd_f16_to_f32(unsigned short);

namespace picograd
{
float bf16(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

// Tensor cores read the upper 19 bits.
float tf32(uint32_t x)
{
    x &= 0xFFFFE000u;
    float f;
    memcpy(&f, &x, 4);
    return f;
}

float half(int kind, uint16_t x) { return kind == 1 ? bf16(x) : picograd_f16_to_f32(x); }

struct MatrixArguments
{
    uint32_t* registers;
    void* row;
    int matrices, line;
    bool transposed;
};

struct MmaArguments
{
    int kind;
    float* c;
    const uint32_t *a, *b;
};

static void load(Meeting& m)
{
    for (int lane = 0; lane < 32; lane++)
    {
        auto& mine = *(MatrixArguments*)m.arguments[lane];
        int g = lane / 4, t = lane % 4;
        for (int j = 0; j < mine.matrices; j++)
        {
            auto row = [&](int r) { return (const uint16_t*)((MatrixArguments*)m.arguments[8 * j + r])->row; };
            uint32_t low = mine.transposed ? row(2 * t)[g] : row(g)[2 * t];
            uint32_t high = mine.transposed ? row(2 * t + 1)[g] : row(g)[2 * t + 1];
            mine.registers[j] = low | high << 16;
        }
    }
}

static void store(Meeting& m)
{
    for (int lane = 0; lane < 32; lane++)
    {
        auto& mine = *(MatrixArguments*)m.arguments[lane];
        int g = lane / 4, t = lane % 4;
        for (int j = 0; j < mine.matrices; j++)
        {
            auto row = [&](int r) { return (uint16_t*)((MatrixArguments*)m.arguments[8 * j + r])->row; };
            (mine.transposed ? row(2 * t)[g] : row(g)[2 * t]) = (uint16_t)mine.registers[j];
            (mine.transposed ? row(2 * t + 1)[g] : row(g)[2 * t + 1]) = (uint16_t)(mine.registers[j] >> 16);
        }
    }
}

static void multiply(Meeting& m)
{
    float a[16][16], b[16][8];
    int depth = 16;
    for (int lane = 0; lane < 32; lane++)
    {
        auto& mine = *(MmaArguments*)m.arguments[lane];
        int g = lane / 4, t = lane % 4;
        if (mine.kind == 0)
        {
            depth = 8;
            for (int i = 0; i < 4; i++)
                a[g + 8 * (i & 1)][t + 4 * (i >> 1)] = tf32(mine.a[i]);
            for (int i = 0; i < 2; i++)
                b[t + 4 * i][g] = tf32(mine.b[i]);
            continue;
        }
        for (int i = 0; i < 8; i++)
            a[i & 2 ? g + 8 : g][2 * t + (i & 1) + 8 * (i >> 2)] = half(mine.kind, (uint16_t)(mine.a[i / 2] >> 16 * (i & 1)));
        for (int i = 0; i < 4; i++)
            b[2 * t + (i & 1) + 8 * (i >> 1)][g] = half(mine.kind, (uint16_t)(mine.b[i / 2] >> 16 * (i & 1)));
    }
    for (int lane = 0; lane < 32; lane++)
    {
        auto& mine = *(MmaArguments*)m.arguments[lane];
        int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 4; i++)
        {
            int row = g + 8 * (i >> 1), column = 2 * t + (i & 1);
            float sum = mine.c[i];
            for (int k = 0; k < depth; k++)
                sum += a[row][k] * b[k][column];
            mine.c[i] = sum;
        }
    }
}

static void check_rows(MatrixArguments& a, const char* name)
{
    if (self()->lane >= 8 * a.matrices)
        return; // the addresses of these lanes are not used
    shared_offset(a.row, 16, a.line);
    check_alignment(a.row, 16, name, a.line);
}

static void whole_warp(const char* name, int line)
{
    if (self()->warp->lanes != ~0u)
        fail(IllegalInstruction, line, "%s needs all 32 lanes of a warp; the block ends within this one", name);
}
} // namespace picograd

using namespace picograd;

extern "C"
{
    void picograd_ldmatrix(uint32_t* registers, const void* row, int matrices, int transposed, int line)
    {
        whole_warp("ldmatrix", line);
        MatrixArguments mine = {registers, (void*)row, matrices, line, transposed != 0};
        check_rows(mine, "ldmatrix's row");
        meet(LoadMatrix, ~0u, &mine, line, "ldmatrix", load);
    }

    void picograd_stmatrix(void* row, const uint32_t* registers, int matrices, int transposed, int line)
    {
        whole_warp("stmatrix", line);
        MatrixArguments mine = {(uint32_t*)registers, row, matrices, line, transposed != 0};
        check_rows(mine, "stmatrix's row");
        meet(StoreMatrix, ~0u, &mine, line, "stmatrix", store);
    }

    void picograd_mma(int kind, float* c, const uint32_t* a, const uint32_t* b, int line)
    {
        whole_warp("mma", line);
        MmaArguments mine = {kind, c, a, b};
        meet(Mma, ~0u, &mine, line, "mma", multiply);
    }
}
