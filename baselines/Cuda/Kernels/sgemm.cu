// C[m, n] = A[m, k] · B[k, n], float32, row-major, without tensor cores: the steps of a well-known ladder, each
// adding one idea to the one before. Threads lie along x; blocks count tiles of C along x (columns) and y (rows).

// One thread an element, neighbours along the rows of C: every access to A and C is a transaction of its own.
extern "C" __global__ void __launch_bounds__(1024)
sgemm_naive(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c, int m, int n, int k)
{
    const int row = blockIdx.y * 32 + threadIdx.x % 32;
    const int column = blockIdx.x * 32 + threadIdx.x / 32;
    if (row >= m || column >= n)
        return;
    float sum = 0.0f;
    for (int i = 0; i < k; ++i)
        sum += a[(long long)row * k + i] * b[(long long)i * n + column];
    c[(long long)row * n + column] = sum;
}

// Neighbouring threads take neighbouring columns: a warp reads one stretch of B and writes one of C.
extern "C" __global__ void __launch_bounds__(1024)
sgemm_coalesced(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c, int m, int n, int k)
{
    const int row = blockIdx.y * 32 + threadIdx.x / 32;
    const int column = blockIdx.x * 32 + threadIdx.x % 32;
    if (row >= m || column >= n)
        return;
    float sum = 0.0f;
    for (int i = 0; i < k; ++i)
        sum += a[(long long)row * k + i] * b[(long long)i * n + column];
    c[(long long)row * n + column] = sum;
}

// Tiles of 32×32 of both operands in shared memory: each element is read once a block instead of 32 times.
extern "C" __global__ void __launch_bounds__(1024)
sgemm_shared(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c, int m, int n, int k)
{
    __shared__ float as[32][32];
    __shared__ float bs[32][32];
    const int y = threadIdx.x / 32;
    const int x = threadIdx.x % 32;
    const int row = blockIdx.y * 32 + y;
    const int column = blockIdx.x * 32 + x;
    float sum = 0.0f;
    for (int start = 0; start < k; start += 32)
    {
        as[y][x] = row < m && start + x < k ? a[(long long)row * k + start + x] : 0.0f;
        bs[y][x] = start + y < k && column < n ? b[(long long)(start + y) * n + column] : 0.0f;
        __syncthreads();
        for (int i = 0; i < 32; ++i)
            sum += as[y][i] * bs[i][x];
        __syncthreads();
    }
    if (row < m && column < n)
        c[(long long)row * n + column] = sum;
}

// 8×8 elements a thread in registers: sixteen reads of shared memory for 64 multiply-adds.
extern "C" __global__ void __launch_bounds__(256)
sgemm_tile2d(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c, int m, int n, int k)
{
    __shared__ float as[8][128];
    __shared__ float bs[8][128];
    const int thread = threadIdx.x;
    const int top = blockIdx.y * 128;
    const int left = blockIdx.x * 128;
    const int y = thread / 16 * 8;
    const int x = thread % 16 * 8;
    float sum[8][8] = {};
    for (int start = 0; start < k; start += 8)
    {
        for (int i = thread; i < 1024; i += 256)
        {
            const int ar = i / 8, ak = i % 8, bk = i / 128, bc = i % 128;
            as[ak][ar] = top + ar < m && start + ak < k ? a[(long long)(top + ar) * k + start + ak] : 0.0f;
            bs[bk][bc] = start + bk < k && left + bc < n ? b[(long long)(start + bk) * n + left + bc] : 0.0f;
        }
        __syncthreads();
        for (int i = 0; i < 8; ++i)
        {
            float av[8], bv[8];
#pragma unroll
            for (int j = 0; j < 8; ++j)
            {
                av[j] = as[i][y + j];
                bv[j] = bs[i][x + j];
            }
#pragma unroll
            for (int r = 0; r < 8; ++r)
#pragma unroll
                for (int s = 0; s < 8; ++s)
                    sum[r][s] += av[r] * bv[s];
        }
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < 8; ++r)
#pragma unroll
        for (int s = 0; s < 8; ++s)
            if (top + y + r < m && left + x + s < n)
                c[(long long)(top + y + r) * n + left + x + s] = sum[r][s];
}

// As above with four floats a transaction, A transposed on its way into shared memory. k and n are multiples of 4.
extern "C" __global__ void __launch_bounds__(256)
sgemm_vectorised(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c, int m, int n, int k)
{
    __shared__ __align__(16) float as[8][128];
    __shared__ __align__(16) float bs[8][128];
    const int thread = threadIdx.x;
    const int top = blockIdx.y * 128;
    const int left = blockIdx.x * 128;
    const int y = thread / 16 * 4;
    const int x = thread % 16 * 4;
    const int ar = thread / 2, ak = thread % 2 * 4;
    const int bk = thread / 32, bc = thread % 32 * 4;
    const float4 zero = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    float sum[8][8] = {};
    for (int start = 0; start < k; start += 8)
    {
        const float4 av = top + ar < m && start + ak < k
            ? *(const float4*)&a[(long long)(top + ar) * k + start + ak] : zero;
        const float4 bv = start + bk < k && left + bc < n
            ? *(const float4*)&b[(long long)(start + bk) * n + left + bc] : zero;
        as[ak][ar] = av.x;
        as[ak + 1][ar] = av.y;
        as[ak + 2][ar] = av.z;
        as[ak + 3][ar] = av.w;
        *(float4*)&bs[bk][bc] = bv;
        __syncthreads();
#pragma unroll
        for (int i = 0; i < 8; ++i)
        {
            // Rows y … y+3 and y+64 … y+67, columns likewise: threads of a warp read neighbouring groups of four.
            const float4 a0 = *(const float4*)&as[i][y], a1 = *(const float4*)&as[i][y + 64];
            const float4 b0 = *(const float4*)&bs[i][x], b1 = *(const float4*)&bs[i][x + 64];
            const float ra[8] = {a0.x, a0.y, a0.z, a0.w, a1.x, a1.y, a1.z, a1.w};
            const float rb[8] = {b0.x, b0.y, b0.z, b0.w, b1.x, b1.y, b1.z, b1.w};
#pragma unroll
            for (int r = 0; r < 8; ++r)
#pragma unroll
                for (int s = 0; s < 8; ++s)
                    sum[r][s] += ra[r] * rb[s];
        }
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < 8; ++r)
    {
        const int row = top + y + (r < 4 ? r : 60 + r);
#pragma unroll
        for (int h = 0; h < 2; ++h)
        {
            const int column = left + x + 64 * h;
            if (row < m && column < n)
                *(float4*)&c[(long long)row * n + column] =
                    make_float4(sum[r][4 * h], sum[r][4 * h + 1], sum[r][4 * h + 2], sum[r][4 * h + 3]);
        }
    }
}

// Four warps of 64×64, each as two by one tiles of 32×64 with 8×8 a thread spread over them; k in stretches of 16, the
// next stretch read into registers while this one is computed. k and n are multiples of 4.
extern "C" __global__ void __launch_bounds__(128)
sgemm_warptile(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c, int m, int n, int k)
{
    __shared__ __align__(16) float as[2][16][128 + 4];
    __shared__ __align__(16) float bs[2][16][128];
    const int thread = threadIdx.x;
    const int warp = thread / 32, lane = thread % 32;
    const int top = blockIdx.y * 128;
    const int left = blockIdx.x * 128;
    const int y = warp / 2 * 64 + lane / 8 * 4;
    const int x = warp % 2 * 64 + lane % 8 * 4;
    const float4 zero = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    float sum[4][2][4][4] = {};
    float4 nextA[4], nextB[4];

    auto fetch = [&](int start)
    {
#pragma unroll
        for (int i = 0; i < 4; ++i)
        {
            const int at = thread + 128 * i;
            const int ar = at / 4, ak = at % 4 * 4, bk = at / 32, bc = at % 32 * 4;
            nextA[i] = top + ar < m && start + ak < k
                ? *(const float4*)&a[(long long)(top + ar) * k + start + ak] : zero;
            nextB[i] = start + bk < k && left + bc < n
                ? *(const float4*)&b[(long long)(start + bk) * n + left + bc] : zero;
        }
    };
    auto store = [&](int stage)
    {
#pragma unroll
        for (int i = 0; i < 4; ++i)
        {
            const int at = thread + 128 * i;
            const int ar = at / 4, ak = at % 4 * 4, bk = at / 32, bc = at % 32 * 4;
            as[stage][ak][ar] = nextA[i].x;
            as[stage][ak + 1][ar] = nextA[i].y;
            as[stage][ak + 2][ar] = nextA[i].z;
            as[stage][ak + 3][ar] = nextA[i].w;
            *(float4*)&bs[stage][bk][bc] = nextB[i];
        }
    };

    fetch(0);
    store(0);
    __syncthreads();
    int stage = 0;
    for (int start = 0; start < k; start += 16)
    {
        if (start + 16 < k)
            fetch(start + 16);
#pragma unroll
        for (int i = 0; i < 16; ++i)
        {
            float4 ra[4], rb[2];
#pragma unroll
            for (int r = 0; r < 4; ++r)
                ra[r] = *(const float4*)&as[stage][i][y + 16 * r];
#pragma unroll
            for (int s = 0; s < 2; ++s)
                rb[s] = *(const float4*)&bs[stage][i][x + 32 * s];
#pragma unroll
            for (int r = 0; r < 4; ++r)
#pragma unroll
                for (int s = 0; s < 2; ++s)
                {
                    const float av[4] = {ra[r].x, ra[r].y, ra[r].z, ra[r].w};
                    const float bv[4] = {rb[s].x, rb[s].y, rb[s].z, rb[s].w};
#pragma unroll
                    for (int p = 0; p < 4; ++p)
#pragma unroll
                        for (int q = 0; q < 4; ++q)
                            sum[r][s][p][q] += av[p] * bv[q];
                }
        }
        stage ^= 1;
        if (start + 16 < k)
            store(stage);
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < 4; ++r)
#pragma unroll
        for (int s = 0; s < 2; ++s)
#pragma unroll
            for (int p = 0; p < 4; ++p)
            {
                const int row = top + y + 16 * r + p;
                const int column = left + x + 32 * s;
                if (row < m && column < n)
                    *(float4*)&c[(long long)row * n + column] = make_float4(
                        sum[r][s][p][0], sum[r][s][p][1], sum[r][s][p][2], sum[r][s][p][3]);
            }
}
