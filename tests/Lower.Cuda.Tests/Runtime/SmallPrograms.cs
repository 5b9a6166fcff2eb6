using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Runtime;

namespace Picograd.Tests;

/// <summary>Programs written by hand, to test what runs them.</summary>
internal static class SmallPrograms
{
    public static Var N { get; } = new("n");

    /// <summary>y[i] = (x[i] + 1) · 2 for i &lt; n, by two kernels with a buffer in device memory between them.</summary>
    public static CudaProgram AddThenDouble()
    {
        Buffer x = new("x", DType.Float32, [N]);
        Buffer y = new("y", DType.Float32, [N]);
        Buffer between = new("between", DType.Float32, [N], Scope.Heap);
        return new CudaProgram(
            "add_then_double",
            """
            extern "C" __global__ __launch_bounds__(64) void add_one(const float* x, float* t, long long n) {
                long long i = blockIdx.x * 64ll + threadIdx.x;
                if (i < n) t[i] = x[i] + 1.0f;
            }
            extern "C" __global__ __launch_bounds__(64) void twice(const float* t, float* y, long long n) {
                __shared__ float tile[64];
                long long i = blockIdx.x * 64ll + threadIdx.x;
                tile[threadIdx.x] = i < n ? t[i] : 0.0f;
                __syncthreads();
                if (i < n) y[i] = 2.0f * tile[threadIdx.x];
            }
            """,
            [
                Launch("add_one", [new BufferArgument(x), new BufferArgument(between), new ParameterArgument(N)]),
                Launch("twice", [new BufferArgument(between), new BufferArgument(y), new ParameterArgument(N)]),
            ],
            [x, y],
            [N],
            [between]
        );
    }

    /// <summary>x[0] += 1 by one thread.</summary>
    public static CudaProgram Count(string name = "count")
    {
        Buffer x = new("x", DType.Float32, [1]);
        return new CudaProgram(
            name,
            $"extern \"C\" __global__ void {name}(float* x) {{ if (threadIdx.x == 0) x[0] += 1.0f; }}",
            [new CudaLaunch(name, 1, 1, 1, 32, 0, [new BufferArgument(x)])],
            [x],
            [],
            []
        );
    }

    public static CudaKernel Load(CudaDevice device, CudaProgram program, string trace = "") =>
        new(device, program, Compiler(device).Compile(program), trace);

    public static CudaCompiler Compiler(CudaDevice device) =>
        new(device.Nvrtc, device.Info.Architecture, new MemoryCubinCache());

    private static CudaLaunch Launch(string kernel, ImmutableArray<CudaArgument> arguments) =>
        new(kernel, (N + 63) / 64, 1, 1, 64, 0, arguments);
}
