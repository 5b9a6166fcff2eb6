// C[m, n] = A[m, k] · B[k, n], bfloat16 in memory, float32 sums, row-major: tensor cores by mma.sync. A block makes
// 128×128 of C with eight warps of 64×32; stretches of 32 along k come through a ring of three by cp.async. Chunks of 16 bytes are
// exchanged within rows so that ldmatrix reads without bank conflicts. k and n are multiples of 8.
// prelude: cp_async_16_zfill cp_async_commit cp_async_wait ldmatrix_x4 ldmatrix_x4_trans mma_m16n8k16_bf16 pack_bf16x2

// Place in a stage of A: rows of 32 elements are four chunks; two rows fill the 32 banks.
static __device__ __forceinline__ int place_a(int row, int chunk)
{
    return row * 32 + ((chunk ^ (row / 2 % 4)) * 8);
}

// Place in a stage of B: rows of 128 elements are sixteen chunks.
static __device__ __forceinline__ int place_b(int row, int chunk)
{
    return row * 128 + ((chunk ^ (row % 8)) * 8);
}

extern "C" __global__ void __launch_bounds__(256)
gemm_bf16(const unsigned short* __restrict__ a, const unsigned short* __restrict__ b, unsigned short* __restrict__ c,
    int m, int n, int k)
{
    __shared__ __align__(128) unsigned short as[3][128 * 32];
    __shared__ __align__(128) unsigned short bs[3][32 * 128];
    const int thread = threadIdx.x;
    const int warp = thread / 32, lane = thread % 32;
    const int top = blockIdx.y * 128, left = blockIdx.x * 128;
    const int y = warp / 4 * 64, x = warp % 4 * 32;
    const int stretches = (k + 31) / 32;
    float sum[4][4][4] = {};

    auto fetch = [&](int stretch)
    {
        if (stretch < stretches)
        {
            const int stage = stretch % 3, start = stretch * 32;
#pragma unroll
            for (int i = 0; i < 2; ++i)
            {
                const int at = thread + 256 * i;
                const int ar = at / 4, ac = at % 4, br = at / 16, bc = at % 16;
                const bool ina = top + ar < m && start + ac * 8 < k;
                const bool inb = start + br < k && left + bc * 8 < n;
                cp_async_16_zfill(&as[stage][place_a(ar, ac)],
                    ina ? &a[(long long)(top + ar) * k + start + ac * 8] : a, ina ? 16 : 0);
                cp_async_16_zfill(&bs[stage][place_b(br, bc)],
                    inb ? &b[(long long)(start + br) * n + left + bc * 8] : b, inb ? 16 : 0);
            }
        }
        cp_async_commit();
    };

    fetch(0);
    fetch(1);
    for (int stretch = 0; stretch < stretches; ++stretch)
    {
        cp_async_wait<1>();
        __syncthreads();
        fetch(stretch + 2);
        const unsigned short* sa = as[stretch % 3];
        const unsigned short* sb = bs[stretch % 3];
#pragma unroll
        for (int step = 0; step < 2; ++step)
        {
            unsigned ra[4][4], rb[4][2];
#pragma unroll
            for (int i = 0; i < 4; ++i)
                ldmatrix_x4(ra[i], &sa[place_a(y + 16 * i + lane % 16, step * 2 + lane / 16)]);
#pragma unroll
            for (int j = 0; j < 2; ++j)
            {
                unsigned both[4];
                ldmatrix_x4_trans(both, &sb[place_b(step * 16 + lane % 16, (x + 16 * j) / 8 + lane / 16)]);
                rb[2 * j][0] = both[0];
                rb[2 * j][1] = both[1];
                rb[2 * j + 1][0] = both[2];
                rb[2 * j + 1][1] = both[3];
            }
#pragma unroll
            for (int i = 0; i < 4; ++i)
#pragma unroll
                for (int j = 0; j < 4; ++j)
                    mma_m16n8k16_bf16(sum[i][j], ra[i], rb[j]);
        }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j)
#pragma unroll
            for (int h = 0; h < 2; ++h)
            {
                const int row = top + y + 16 * i + lane / 4 + 8 * h;
                const int column = left + x + 8 * j + lane % 4 * 2;
                if (row < m && column < n)
                    *(unsigned*)&c[(long long)row * n + column] = pack_bf16x2(sum[i][j][2 * h], sum[i][j][2 * h + 1]);
            }
}
