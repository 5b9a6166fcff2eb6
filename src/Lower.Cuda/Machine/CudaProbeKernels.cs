using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Primitives;

namespace Picograd.Lower.Cuda.Machine;

/// <summary>Small kernels written by hand that find out what a GPU can do at most.</summary>
public sealed unsafe class CudaProbeKernels
{
    private const int Threads = 256;

    /// <summary>Independent chains of a thread: enough to hide the latency of a multiply-add (4 cycles).</summary>
    private const int Chains = 8;

    /// <summary>Multiply-adds in one turn of the loop of each chain.</summary>
    private const int Unroll = 16;

    /// <summary>Products of a warp that do not wait for one another.</summary>
    private const int Tiles = 8;

    internal const string Source = """
        extern "C" __global__ __launch_bounds__(256) void fma_peak(float* out, long long turns) {
            float a[8];
            float x = threadIdx.x * 0.001f, y = 0.999f;
            #pragma unroll
            for (int c = 0; c < 8; c++) a[c] = c + x;
            for (long long t = 0; t < turns; t++) {
                #pragma unroll
                for (int u = 0; u < 16; u++) {
                    #pragma unroll
                    for (int c = 0; c < 8; c++) a[c] = a[c] * y + x;
                }
            }
            float sum = 0.0f;
            #pragma unroll
            for (int c = 0; c < 8; c++) sum += a[c];
            out[blockIdx.x * 256ll + threadIdx.x] = sum;
        }

        extern "C" __global__ __launch_bounds__(256) void copy(const float4* from, float4* to, long long count) {
            long long step = gridDim.x * 256ll;
            for (long long i = blockIdx.x * 256ll + threadIdx.x; i < count; i += step) to[i] = from[i];
        }

        extern "C" __global__ __launch_bounds__(256) void read(const float4* from, float* out, long long count, long long turns) {
            long long step = gridDim.x * 256ll;
            float sum = 0.0f;
            for (long long t = 0; t < turns; t++) {
                for (long long i = blockIdx.x * 256ll + threadIdx.x; i < count; i += step) {
                    float4 v = from[i];
                    sum += v.x + v.y + v.z + v.w;
                }
            }
            out[blockIdx.x * 256ll + threadIdx.x] = sum;
        }
        """;

    // bf16 with sums in fp32: m16n8k16, 4096 operations a warp. On Hopper mma.sync reaches some 60 % of what wgmma does,
    // so wgmma is measured there: m64n256k16 with both operands in shared memory.
    internal const string TensorSource = """
        extern "C" __global__ __launch_bounds__(256) void mma_peak(float* out, long long turns) {
            unsigned a[4], b[2];
            float c[8][4];
            for (int i = 0; i < 4; i++) a[i] = 0x3f003e80u ^ (threadIdx.x * 0x01010101u & 0x003f003fu);
            for (int i = 0; i < 2; i++) b[i] = 0x3e803f00u ^ (threadIdx.x * 0x01010101u & 0x003f003fu);
            #pragma unroll
            for (int t = 0; t < 8; t++) for (int i = 0; i < 4; i++) c[t][i] = 0.0f;
            for (long long n = 0; n < turns; n++) {
                #pragma unroll
                for (int t = 0; t < 8; t++)
                    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                        : "+f"(c[t][0]), "+f"(c[t][1]), "+f"(c[t][2]), "+f"(c[t][3])
                        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
            }
            float sum = 0.0f;
            #pragma unroll
            for (int t = 0; t < 8; t++) for (int i = 0; i < 4; i++) sum += c[t][i];
            out[blockIdx.x * 256ll + threadIdx.x] = sum;
        }
        """;

    private static readonly Var Turns = new("turns");
    private static readonly Var Count = new("count");

    private readonly CudaDevice _device;
    private readonly CudaCompiler _compiler;
    private readonly int _blocks;
    private readonly CudaKernel _fma;
    private readonly CudaKernel _sentinel;
    private readonly CudaBuffer _out;

    /// <summary>One block with the caches left alone: eight warps on four schedulers, each turn 16 steps of 8 chains.</summary>
    private const int ClocksPerTurn = Unroll * Chains * 2;

    private const int SentinelMicroseconds = 60;

    public CudaProbeKernels(CudaDevice device)
    {
        _device = device;
        _compiler = new CudaCompiler(device.Nvrtc, device.Info.Architecture, new MemoryCubinCache());
        _blocks = device.IsEmulated ? 1 : device.Info.Multiprocessors * device.Info.ThreadsPerMultiprocessor / Threads;
        _fma = Kernel("fma_peak", Source, _blocks, 1, Turns);
        _sentinel = Kernel("fma_peak", Source, 1, 1, Turns);
        _out = device.Rent((long)_blocks * Threads * sizeof(float));
    }

    /// <summary>Milliseconds of a fixed piece of arithmetic in one block.</summary>
    public double Sentinel() => Time(_sentinel, [_out.Address], [TurnsOf(SentinelMicroseconds)], 1);

    /// <summary>Starts arithmetic in one block for about so many microseconds, without waiting for it.</summary>
    public void Hold(int microseconds)
    {
        nint address = _out.Address;
        long turns = TurnsOf(microseconds);
        _sentinel.Run(&address, &turns);
    }

    private long TurnsOf(int microseconds) =>
        _device.IsEmulated ? 1 : (long)(microseconds * _device.Info.ClockGhz * 1e3 / ClocksPerTurn) + 1;

    /// <summary>Measures what the device can do.</summary>
    public TargetCeilings Ceilings()
    {
        long memory = MemoryBytes(_device.IsEmulated ? 1L << 20 : 1L << 30);
        long l2 = _device.IsEmulated ? 1L << 18 : _device.Info.L2Bytes / 2;
        var found = new TargetCeilings(
            FmaGflops(),
            [("l2", _device.Info.L2Bytes, ReadGbps(l2)), ("memory", long.MaxValue, ReadGbps(memory))],
            CopyGbps(memory / 2)
        )
        {
            TensorGflops = TensorGflops(),
        };
        // Gigabytes that nothing else of this process asks for, and that workers may want.
        _device.Memory.Trim();
        return found;
    }

    private double FmaGflops()
    {
        long turns = _device.IsEmulated ? 4 : 4_000;
        double ms = Time(_fma, [_out.Address], [turns], Repeats);
        return 2.0 * _blocks * Threads * Chains * Unroll * turns / (ms * 1e6);
    }

    private double CopyGbps(long bytes)
    {
        using var kernel = Kernel("copy", Source, _blocks, 2, Count);
        using var from = _device.Rent(bytes);
        using var to = _device.Rent(bytes);
        _device.Fill(from.Address, 0x3d, bytes);
        double ms = Time(kernel, [from.Address, to.Address], [bytes / 16], Repeats);
        return 2.0 * bytes / (ms * 1e6);
    }

    private double ReadGbps(long bytes)
    {
        using var kernel = Kernel("read", Source, _blocks, 2, Count, Turns);
        using var from = _device.Rent(bytes);
        _device.Fill(from.Address, 0x3d, bytes);
        // Small sets are read again and again, so that starting the kernel does not count.
        long turns = Math.Max(1, (_device.IsEmulated ? 1L << 18 : 1L << 30) / bytes);
        double ms = Time(kernel, [from.Address, _out.Address], [bytes / 16, turns], Repeats);
        return (double)bytes * turns / (ms * 1e6);
    }

    /// <summary>Null where there are no tensor cores for bf16; the emulator has no inline PTX.</summary>
    private double? TensorGflops()
    {
        if (_device.IsEmulated || !_device.Info.HasAsyncCopy)
            return null;
        const long turns = 4_000;
        using var mma = Kernel("mma_peak", TensorSource, _blocks, 1, Turns);
        double ms = Time(mma, [_out.Address], [turns], Repeats);
        double gflops = 2.0 * 16 * 8 * 16 * Tiles * turns * _blocks * (Threads / GpuInfo.WarpSize) / (ms * 1e6);
        return _device.Info.HasWarpgroupMma ? Math.Max(gflops, WgmmaGflops()) : gflops;
    }

    private double WgmmaGflops()
    {
        const long turns = 4_000;
        // One block of two warpgroups fills the registers of a multiprocessor well enough for the peak.
        int blocks = _device.Info.Multiprocessors;
        using var kernel = Kernel("wgmma_peak", WgmmaProbe.Source, blocks, 1, Turns);
        double ms = Time(kernel, [_out.Address], [turns], Repeats);
        return 2.0 * 64 * 256 * 16 * WgmmaProbe.ProductsPerTurn * turns * blocks * (Threads / 128) / (ms * 1e6);
    }

    private int Repeats => _device.IsEmulated ? 1 : 5;

    /// <summary>As much as wanted, but no more than an eighth of what is there.</summary>
    private long MemoryBytes(long wanted) => Math.Min(wanted, _device.Properties.TotalBytes / 8 / 4096 * 4096);

    /// <summary>The least of several times, after one run that is not timed.</summary>
    private double Time(CudaKernel kernel, nint[] addresses, long[] parameters, int repeats)
    {
        using var start = new CudaEvent(_device);
        using var end = new CudaEvent(_device);
        double least = double.PositiveInfinity;
        fixed (nint* arguments = addresses)
        fixed (long* values = parameters)
        {
            kernel.Run(arguments, values);
            for (int i = 0; i < repeats; i++)
            {
                start.Record(_device.CurrentStream);
                kernel.Run(arguments, values);
                end.Record(_device.CurrentStream);
                end.Synchronize();
                least = Math.Min(least, end.MillisecondsSince(start));
            }
        }
        // The clock of events steps by half a microsecond.
        return Math.Max(least, 1e-4);
    }

    private CudaKernel Kernel(string name, string source, int blocks, int buffers, params Var[] parameters)
    {
        var arguments = Enumerable
            .Range(0, buffers)
            .Select(i => new Buffer(string.Create(CultureInfo.InvariantCulture, $"b{i}"), DType.Float32, [1]))
            .ToImmutableArray();
        var launch = new CudaLaunch(
            name,
            blocks,
            1,
            1,
            Threads,
            0,
            [
                .. arguments.Select(a => new BufferArgument(a)),
                .. parameters.Select(p => (CudaArgument)new ParameterArgument(p)),
            ]
        );
        var program = new CudaProgram(name, source, [launch], arguments, [.. parameters], []);
        return new CudaKernel(_device, program, _compiler.Compile(program), "(a probe written by hand)");
    }
}
