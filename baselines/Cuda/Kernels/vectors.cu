// Element-wise work and movement, float32. n is a multiple of 4.

extern "C" __global__ void __launch_bounds__(256)
add_vectors(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c, long long n)
{
    const long long at = ((long long)blockIdx.x * 256 + threadIdx.x) * 4;
    if (at < n)
    {
        const float4 x = *(const float4*)&a[at], y = *(const float4*)&b[at];
        *(float4*)&c[at] = make_float4(x.x + y.x, x.y + y.y, x.z + y.z, x.w + y.w);
    }
}

extern "C" __global__ void __launch_bounds__(256)
exp_vector(const float* __restrict__ a, float* __restrict__ b, long long n)
{
    const long long at = ((long long)blockIdx.x * 256 + threadIdx.x) * 4;
    if (at < n)
    {
        const float4 x = *(const float4*)&a[at];
        *(float4*)&b[at] = make_float4(expf(x.x), expf(x.y), expf(x.z), expf(x.w));
    }
}

extern "C" __global__ void __launch_bounds__(256)
tanh_vector(const float* __restrict__ a, float* __restrict__ b, long long n)
{
    const long long at = ((long long)blockIdx.x * 256 + threadIdx.x) * 4;
    if (at < n)
    {
        const float4 x = *(const float4*)&a[at];
        *(float4*)&b[at] = make_float4(tanhf(x.x), tanhf(x.y), tanhf(x.z), tanhf(x.w));
    }
}

// Tiles of 32×32 through shared memory, rows padded by one so that columns lie in different banks.
extern "C" __global__ void __launch_bounds__(256)
transpose_tiles(const float* __restrict__ x, float* __restrict__ y, int rows, int columns)
{
    __shared__ float tile[32][33];
    const int across = threadIdx.x % 32, down = threadIdx.x / 32;
    const int left = blockIdx.x * 32, top = blockIdx.y * 32;
#pragma unroll
    for (int i = down; i < 32; i += 8)
        if (top + i < rows && left + across < columns)
            tile[i][across] = x[(long long)(top + i) * columns + left + across];
    __syncthreads();
#pragma unroll
    for (int i = down; i < 32; i += 8)
        if (left + i < columns && top + across < rows)
            y[(long long)(left + i) * rows + top + across] = tile[across][i];
}
