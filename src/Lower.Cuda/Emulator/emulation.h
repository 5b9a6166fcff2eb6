// What CUDA C without headers may use, for a C++ compiler. It is put in front of every text that the emulator compiles, so it
// stays small, includes nothing and defines no name that NVRTC does not define (but for those that begin with picograd_).
#define PICOGRAD_EMULATOR 1
#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __managed__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
#define __builtin_assume(x) ((void)0)
#define PICOGRAD_IMPORT extern "C" __attribute__((visibility("default")))
#define PICOGRAD_LINE int line = __builtin_LINE()

typedef decltype(sizeof(0)) size_t;

#define PICOGRAD_VECTOR(type, name, a2, a4)                                                             \
    struct name##1 { type x; };                                                                         \
    struct __align__(a2) name##2 { type x, y; };                                                        \
    struct name##3 { type x, y, z; };                                                                   \
    struct __align__(a4) name##4 { type x, y, z, w; };                                                  \
    inline name##1 make_##name##1(type x) { return {x}; }                                               \
    inline name##2 make_##name##2(type x, type y) { return {x, y}; }                                    \
    inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }                         \
    inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
PICOGRAD_VECTOR(signed char, char, 2, 4)
PICOGRAD_VECTOR(unsigned char, uchar, 2, 4)
PICOGRAD_VECTOR(short, short, 4, 8)
PICOGRAD_VECTOR(unsigned short, ushort, 4, 8)
PICOGRAD_VECTOR(int, int, 8, 16)
PICOGRAD_VECTOR(unsigned, uint, 8, 16)
PICOGRAD_VECTOR(long long, longlong, 16, 16)
PICOGRAD_VECTOR(unsigned long long, ulonglong, 16, 16)
PICOGRAD_VECTOR(float, float, 8, 16)
PICOGRAD_VECTOR(double, double, 16, 16)

struct dim3
{
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

// The thread whose fiber runs. The scheduler changes it at every switch.
struct picograd_thread { uint3 thread, block; dim3 blocks, grid; };
PICOGRAD_IMPORT picograd_thread* picograd_current;
#define threadIdx (picograd_current->thread)
#define blockIdx (picograd_current->block)
#define blockDim (picograd_current->blocks)
#define gridDim (picograd_current->grid)
#define warpSize 32

// Primitives of the emulator's driver library.
PICOGRAD_IMPORT void* picograd_dynamic_shared(int alignment);
PICOGRAD_IMPORT void* picograd_static_shared(const void* key, size_t size, size_t alignment);
PICOGRAD_IMPORT size_t picograd_shared_offset(const void* pointer, int line);
PICOGRAD_IMPORT void picograd_barrier(int id, int threads, int line);
PICOGRAD_IMPORT void picograd_barrier_arrive(int id, int threads, int line);
PICOGRAD_IMPORT int picograd_barrier_vote(int kind, int predicate, int line);
PICOGRAD_IMPORT void picograd_syncwarp(unsigned mask, int line);
PICOGRAD_IMPORT void picograd_shuffle(int kind, unsigned mask, void* value, int size, int operand, int width, int line);
PICOGRAD_IMPORT unsigned picograd_ballot(unsigned mask, int predicate, int line);
PICOGRAD_IMPORT unsigned picograd_warp_reduce(int kind, unsigned mask, unsigned value, int line);
PICOGRAD_IMPORT void picograd_yield();
PICOGRAD_IMPORT void picograd_trap(int line);
PICOGRAD_IMPORT unsigned short picograd_f32_to_f16(float);
PICOGRAD_IMPORT float picograd_f16_to_f32(unsigned short);
PICOGRAD_IMPORT void picograd_cp_async(void* shared, const void* global, int size, int bytes, int line);
PICOGRAD_IMPORT void picograd_cp_async_commit();
PICOGRAD_IMPORT void picograd_cp_async_wait(int newest);
PICOGRAD_IMPORT void picograd_ldmatrix(unsigned* registers, const void* row, int matrices, int transposed, int line);
PICOGRAD_IMPORT void picograd_stmatrix(void* row, const unsigned* registers, int matrices, int transposed, int line);
PICOGRAD_IMPORT void picograd_mma(int kind, float* c, const unsigned* a, const unsigned* b, int line);
PICOGRAD_IMPORT void picograd_wgmma(
    int kind, int n, float* c, const unsigned* a_registers, unsigned long long a, unsigned long long b, int scale_d,
    int transpose_a, int transpose_b, int line);
PICOGRAD_IMPORT void picograd_wgmma_fence(int line);
PICOGRAD_IMPORT void picograd_wgmma_commit(int line);
PICOGRAD_IMPORT void picograd_wgmma_wait(int newest, int line);
PICOGRAD_IMPORT void picograd_mbarrier_init(unsigned long long* barrier, int count, int line);
PICOGRAD_IMPORT void picograd_mbarrier_fence_init();
PICOGRAD_IMPORT void picograd_mbarrier_arrive(unsigned long long* barrier, int rank, int expected_bytes, int line);
PICOGRAD_IMPORT void picograd_mbarrier_wait(unsigned long long* barrier, unsigned parity, int line);
PICOGRAD_IMPORT void picograd_fence_proxy_async();
PICOGRAD_IMPORT void picograd_bulk_load(
    void* shared, const void* map, unsigned long long* barrier, int rank, const int* at, unsigned multicast, int line);
PICOGRAD_IMPORT void picograd_bulk_store(const void* map, const void* shared, int rank, const int* at, int line);
PICOGRAD_IMPORT void picograd_bulk_commit();
PICOGRAD_IMPORT void picograd_bulk_wait(int newest);
PICOGRAD_IMPORT void picograd_setmaxnreg(int registers, int increase, int line);
PICOGRAD_IMPORT unsigned picograd_cluster_rank();
PICOGRAD_IMPORT void picograd_cluster_sync(int line);
PICOGRAD_IMPORT void* picograd_cluster_map(const void* shared, unsigned rank, int line);

// Memory, conversions, arithmetic and synchronisation as the CUDA C++ programming guide defines them.
extern "C" int printf(const char*, ...);
inline size_t __cvta_generic_to_shared(const void* p) { return picograd_shared_offset(p, 0); }
template <class T> inline T __ldg(const T* p) { return *p; }
template <class T> inline T __ldcg(const T* p) { return *p; }
template <class T> inline T __ldcs(const T* p) { return *p; }
template <class T> inline T __ldca(const T* p) { return *p; }
template <class T> inline void __stcg(T* p, T v) { *p = v; }
template <class T> inline void __stcs(T* p, T v) { *p = v; }
template <class To, class From> inline To picograd_bits(From v)
{
    static_assert(sizeof(To) == sizeof(From), "same size");
    To r;
    __builtin_memcpy(&r, &v, sizeof r);
    return r;
}
inline unsigned __float_as_uint(float v) { return picograd_bits<unsigned>(v); }
inline int __float_as_int(float v) { return picograd_bits<int>(v); }
inline float __uint_as_float(unsigned v) { return picograd_bits<float>(v); }
inline float __int_as_float(int v) { return picograd_bits<float>(v); }
inline long long __double_as_longlong(double v) { return picograd_bits<long long>(v); }
inline double __longlong_as_double(long long v) { return picograd_bits<double>(v); }

#define PICOGRAD_MATH1(name)                      \
    extern "C" double name(double) noexcept;      \
    extern "C" float name##f(float) noexcept;     \
    inline float name(float x) { return name##f(x); }
PICOGRAD_MATH1(exp) PICOGRAD_MATH1(exp2) PICOGRAD_MATH1(expm1) PICOGRAD_MATH1(log) PICOGRAD_MATH1(log2)
PICOGRAD_MATH1(log10) PICOGRAD_MATH1(log1p) PICOGRAD_MATH1(sqrt) PICOGRAD_MATH1(cbrt) PICOGRAD_MATH1(sin)
PICOGRAD_MATH1(cos) PICOGRAD_MATH1(tan) PICOGRAD_MATH1(asin) PICOGRAD_MATH1(acos) PICOGRAD_MATH1(atan)
PICOGRAD_MATH1(sinh) PICOGRAD_MATH1(cosh) PICOGRAD_MATH1(tanh) PICOGRAD_MATH1(asinh) PICOGRAD_MATH1(acosh)
PICOGRAD_MATH1(atanh) PICOGRAD_MATH1(erf) PICOGRAD_MATH1(erfc) PICOGRAD_MATH1(floor) PICOGRAD_MATH1(ceil)
PICOGRAD_MATH1(round) PICOGRAD_MATH1(trunc) PICOGRAD_MATH1(rint) PICOGRAD_MATH1(nearbyint) PICOGRAD_MATH1(fabs)
PICOGRAD_MATH1(lgamma) PICOGRAD_MATH1(tgamma)
#define PICOGRAD_MATH2(name)                             \
    extern "C" double name(double, double) noexcept;     \
    extern "C" float name##f(float, float) noexcept;     \
    inline float name(float x, float y) { return name##f(x, y); }
PICOGRAD_MATH2(pow) PICOGRAD_MATH2(fmod) PICOGRAD_MATH2(fmax) PICOGRAD_MATH2(fmin) PICOGRAD_MATH2(atan2)
PICOGRAD_MATH2(copysign) PICOGRAD_MATH2(hypot) PICOGRAD_MATH2(remainder)
extern "C" double fma(double, double, double) noexcept;
extern "C" float fmaf(float, float, float) noexcept;
extern "C" double ldexp(double, int) noexcept;
extern "C" float ldexpf(float, int) noexcept;
inline float fma(float x, float y, float z) { return fmaf(x, y, z); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float __expf(float x) { return expf(x); }
inline float __exp10f(float x) { return powf(10.0f, x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __log10f(float x) { return log10f(x); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __tanf(float x) { return tanf(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frsqrt_rn(float x) { return 1.0f / sqrtf(x); }
inline double __fma_rn(double x, double y, double z) { return fma(x, y, z); }
inline double __dadd_rn(double x, double y) { return x + y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline float __int2float_rn(int x) { return (float)x; }
inline int __float2int_rn(float x) { return (int)rintf(x); }
inline int __float2int_rd(float x) { return (int)floorf(x); }
inline int __float2int_rz(float x) { return (int)x; }
#ifndef isnan
#define isnan(x) __builtin_isnan(x)
#define isinf(x) __builtin_isinf(x)
#define isfinite(x) __builtin_isfinite(x)
#define signbit(x) __builtin_signbit(x)
#endif

#define PICOGRAD_MINMAX(type)                                            \
    inline constexpr type min(type a, type b) { return b < a ? b : a; }  \
    inline constexpr type max(type a, type b) { return a < b ? b : a; }
PICOGRAD_MINMAX(int) PICOGRAD_MINMAX(unsigned) PICOGRAD_MINMAX(long) PICOGRAD_MINMAX(unsigned long)
PICOGRAD_MINMAX(long long) PICOGRAD_MINMAX(unsigned long long)
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
inline int abs(int x) { return x < 0 ? -x : x; }
inline long long abs(long long x) { return x < 0 ? -x : x; }
inline float abs(float x) { return fabsf(x); }
inline double abs(double x) { return fabs(x); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __mul24(int a, int b) { return a * b; }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
inline int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned s)
{
    unsigned long long v = (unsigned long long)b << 32 | a;
    unsigned r = 0;
    for (int i = 0; i < 4; i++)
        r |= (unsigned)(v >> 8 * (s >> 4 * i & 7) & 255) << 8 * i;
    return r;
}

// One thread of the machine runs all fibers, and none is interrupted: a read and a write in one function are atomic.
#define PICOGRAD_ATOMIC(name, expression)                                     \
    template <class T> inline T name(T* p, decltype(T(0) + T(0)) value_)      \
    {                                                                         \
        T old = *p, value = (T)value_;                                        \
        *p = expression;                                                      \
        return old;                                                           \
    }
PICOGRAD_ATOMIC(atomicAdd, old + value)
PICOGRAD_ATOMIC(atomicSub, old - value)
PICOGRAD_ATOMIC(atomicMin, value < old ? value : old)
PICOGRAD_ATOMIC(atomicMax, old < value ? value : old)
PICOGRAD_ATOMIC(atomicExch, value)
PICOGRAD_ATOMIC(atomicAnd, old & value)
PICOGRAD_ATOMIC(atomicOr, old | value)
PICOGRAD_ATOMIC(atomicXor, old ^ value)
PICOGRAD_ATOMIC(atomicInc, old >= value ? 0 : old + 1)
template <class T> inline T atomicCAS(T* p, decltype(T(0) + T(0)) compare, decltype(T(0) + T(0)) value)
{
    T old = *p;
    if (old == (T)compare)
        *p = (T)value;
    return old;
}

inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline void __nanosleep(unsigned) { picograd_yield(); }
inline void __trap(PICOGRAD_LINE) { picograd_trap(line); }
inline void __syncthreads(PICOGRAD_LINE) { picograd_barrier(0, 0, line); }
inline int __syncthreads_count(int predicate, PICOGRAD_LINE) { return picograd_barrier_vote(0, predicate, line); }
inline int __syncthreads_and(int predicate, PICOGRAD_LINE) { return picograd_barrier_vote(1, predicate, line); }
inline int __syncthreads_or(int predicate, PICOGRAD_LINE) { return picograd_barrier_vote(2, predicate, line); }
inline void __syncwarp(unsigned mask = ~0u, PICOGRAD_LINE) { picograd_syncwarp(mask, line); }
inline unsigned __ballot_sync(unsigned mask, int predicate, PICOGRAD_LINE) { return picograd_ballot(mask, predicate, line); }
inline int __any_sync(unsigned mask, int predicate, PICOGRAD_LINE) { return picograd_ballot(mask, predicate, line) != 0; }
inline int __all_sync(unsigned mask, int predicate, PICOGRAD_LINE) { return picograd_ballot(mask, !predicate, line) == 0; }
#define PICOGRAD_SHUFFLE(name, kind)                                                                  \
    template <class T> inline T name(unsigned mask, T value, int operand, int width = 32, PICOGRAD_LINE) \
    {                                                                                                 \
        picograd_shuffle(kind, mask, &value, sizeof value, operand, width, line);                     \
        return value;                                                                                 \
    }
PICOGRAD_SHUFFLE(__shfl_sync, 0)
PICOGRAD_SHUFFLE(__shfl_up_sync, 1)
PICOGRAD_SHUFFLE(__shfl_down_sync, 2)
PICOGRAD_SHUFFLE(__shfl_xor_sync, 3)
inline unsigned __reduce_add_sync(unsigned mask, unsigned v, PICOGRAD_LINE) { return picograd_warp_reduce(0, mask, v, line); }
inline int __reduce_add_sync(unsigned mask, int v, PICOGRAD_LINE) { return (int)picograd_warp_reduce(0, mask, v, line); }
inline unsigned __reduce_min_sync(unsigned mask, unsigned v, PICOGRAD_LINE) { return picograd_warp_reduce(1, mask, v, line); }
inline unsigned __reduce_max_sync(unsigned mask, unsigned v, PICOGRAD_LINE) { return picograd_warp_reduce(2, mask, v, line); }
inline int __reduce_min_sync(unsigned mask, int v, PICOGRAD_LINE) { return (int)picograd_warp_reduce(3, mask, v, line); }
inline int __reduce_max_sync(unsigned mask, int v, PICOGRAD_LINE) { return (int)picograd_warp_reduce(4, mask, v, line); }

// A __shared__ variable of the text becomes one of these: see shared_variables in compiler.cpp.
template <class T, int Id> inline T& picograd_shared_variable(int alignment)
{
    static char key;
    return *(T*)picograd_static_shared(&key, sizeof(T), alignment > (int)alignof(T) ? alignment : (int)alignof(T));
}

// The table of kernels that the driver library looks functions up in; compiler.cpp writes its rows.
struct picograd_kernel
{
    const char* name;
    void (*run)(void** arguments);
    int parameters;
    const int* parameter_bytes;
    int max_threads, min_blocks, cluster_x, cluster_y, cluster_z;
};
template <int... I> struct picograd_integers {};
template <int N, int... I> struct picograd_sequence : picograd_sequence<N - 1, N - 1, I...> {};
template <int... I> struct picograd_sequence<0, I...> { typedef picograd_integers<I...> type; };
template <auto F> struct picograd_call;
template <class... A, void (*F)(A...)> struct picograd_call<F>
{
    static constexpr int count = sizeof...(A);
    static constexpr int bytes[] = {(int)sizeof(A)..., 0};
    template <int... I> static void spread(void** arguments, picograd_integers<I...>) { F(*(A*)arguments[I]...); }
    static void run(void** arguments) { spread(arguments, typename picograd_sequence<count>::type()); }
};
