// Functions along rows, float32, one block a row, one pass: each thread keeps its part of the row in registers, so rows
// have at most 256 · 4 · PARTS columns, a multiple of 4.

#define PARTS 16

// The sum (or maximum) over the 256 threads of a block, known to all of them.
template<bool Max> static __device__ __forceinline__ float over_block(float value, float* parts)
{
#pragma unroll
    for (int step = 16; step > 0; step /= 2)
    {
        const float other = __shfl_xor_sync(0xffffffffu, value, step);
        value = Max ? fmaxf(value, other) : value + other;
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        parts[threadIdx.x / 32] = value;
    __syncthreads();
    value = parts[0];
#pragma unroll
    for (int i = 1; i < 8; ++i)
        value = Max ? fmaxf(value, parts[i]) : value + parts[i];
    return value;
}

extern "C" __global__ void __launch_bounds__(256)
softmax_rows(const float* __restrict__ x, float* __restrict__ y, int rows, int columns)
{
    __shared__ float parts[8];
    const long long row = (long long)blockIdx.x * columns;
    float4 kept[PARTS];
    float most = -3.402823466e+38f;
#pragma unroll
    for (int i = 0; i < PARTS; ++i)
    {
        const int at = (i * 256 + threadIdx.x) * 4;
        if (at < columns)
        {
            kept[i] = *(const float4*)&x[row + at];
            most = fmaxf(most, fmaxf(fmaxf(kept[i].x, kept[i].y), fmaxf(kept[i].z, kept[i].w)));
        }
    }
    most = over_block<true>(most, parts);
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < PARTS; ++i)
    {
        if ((i * 256 + threadIdx.x) * 4 < columns)
        {
            kept[i].x = expf(kept[i].x - most);
            kept[i].y = expf(kept[i].y - most);
            kept[i].z = expf(kept[i].z - most);
            kept[i].w = expf(kept[i].w - most);
            sum += kept[i].x + kept[i].y + kept[i].z + kept[i].w;
        }
    }
    const float scale = 1.0f / over_block<false>(sum, parts);
#pragma unroll
    for (int i = 0; i < PARTS; ++i)
    {
        const int at = (i * 256 + threadIdx.x) * 4;
        if (at < columns)
            *(float4*)&y[row + at] =
                make_float4(kept[i].x * scale, kept[i].y * scale, kept[i].z * scale, kept[i].w * scale);
    }
}

// Without weights: (x − mean) / √(variance + 1e-5).
extern "C" __global__ void __launch_bounds__(256)
layernorm_rows(const float* __restrict__ x, float* __restrict__ y, int rows, int columns)
{
    __shared__ float parts[8];
    const long long row = (long long)blockIdx.x * columns;
    float4 kept[PARTS];
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < PARTS; ++i)
    {
        const int at = (i * 256 + threadIdx.x) * 4;
        if (at < columns)
        {
            kept[i] = *(const float4*)&x[row + at];
            sum += kept[i].x + kept[i].y + kept[i].z + kept[i].w;
        }
    }
    const float mean = over_block<false>(sum, parts) / columns;
    float squares = 0.0f;
#pragma unroll
    for (int i = 0; i < PARTS; ++i)
    {
        if ((i * 256 + threadIdx.x) * 4 < columns)
        {
            kept[i].x -= mean;
            kept[i].y -= mean;
            kept[i].z -= mean;
            kept[i].w -= mean;
            squares += kept[i].x * kept[i].x + kept[i].y * kept[i].y + kept[i].z * kept[i].z + kept[i].w * kept[i].w;
        }
    }
    const float scale = rsqrtf(over_block<false>(squares, parts) / columns + 1e-5f);
#pragma unroll
    for (int i = 0; i < PARTS; ++i)
    {
        const int at = (i * 256 + threadIdx.x) * 4;
        if (at < columns)
            *(float4*)&y[row + at] =
                make_float4(kept[i].x * scale, kept[i].y * scale, kept[i].z * scale, kept[i].w * scale);
    }
}

extern "C" __global__ void __launch_bounds__(256)
sum_rows(const float* __restrict__ x, float* __restrict__ y, int rows, int columns)
{
    __shared__ float parts[8];
    const long long row = (long long)blockIdx.x * columns;
    float sum = 0.0f;
    for (int at = threadIdx.x * 4; at < columns; at += 1024)
    {
        const float4 v = *(const float4*)&x[row + at];
        sum += (v.x + v.y) + (v.z + v.w);
    }
    sum = over_block<false>(sum, parts);
    if (threadIdx.x == 0)
        y[blockIdx.x] = sum;
}
