using Picograd.Algorithms;
using Picograd.Schedules;

namespace Picograd.Search;

/// <summary>
/// Estimated time of one kernel on a GPU: the slowest of arithmetic, shared memory, second-level cache and device memory
/// over the share of the machine that the grid fills, at least the latency of what each thread does, and the launch.
/// </summary>
internal sealed record GpuCost(
    double Arithmetic,
    double Shared,
    double FromL2,
    double FromMemory,
    double Latency,
    double WaveEfficiency,
    double Occupancy,
    double Registers,
    double Threads
)
{
    // Round figures; the residual learns what they miss. Shared memory moves 128 bytes a cycle and multiprocessor, the
    // second-level cache 64, all together some 6.1 KB (H100).
    private const double L2BytesPerCycle = 64;
    private const double L2BytesInAll = 6_100;
    private const double LaunchMilliseconds = 0.0025;
    private const double MemoryLatency = 500;
    private const double SharedLatency = 30;
    private const double ArithmeticLatency = 4;
    private const double BaseRegisters = 28;
    private const double MostRegisters = 255;
    private const double FunctionOperations = 10;
    private const double SpillFactor = 4;

    /// <summary>Milliseconds, launch included.</summary>
    public double Milliseconds(GpuInfo gpu)
    {
        double busy = Math.Max(Math.Max(Arithmetic, Shared), Math.Max(FromL2, FromMemory));
        double cycles = Math.Max(busy / Math.Max(1e-3, WaveEfficiency), Latency);
        if (Registers > MostRegisters)
            cycles *= 1 + SpillFactor * (Registers - MostRegisters) / MostRegisters;
        return cycles / (gpu.ClockGhz * 1e6) + LaunchMilliseconds;
    }

    /// <summary>The costs of the kernels of a nest: its outermost GPU loops.</summary>
    /// <param name="nest">With its storage placed, which says what registers and shared memory there are.</param>
    /// <param name="gpu">Rates and limits.</param>
    public static IEnumerable<GpuCost> Kernels(LoopNest nest, GpuInfo gpu) =>
        nest
            .Loops.Where(l => l.Kind.IsGpu() && !nest.LoopsAround(l).Any(o => o.Kind.IsGpu()))
            .Select(root => Of(root, nest, gpu));

    private static GpuCost Of(For root, LoopNest nest, GpuInfo gpu)
    {
        double arithmetic = 0;
        double shared = 0;
        double l2 = 0;
        double latency = 0;
        double grid = 1;
        double threads = 1;
        var traffic = new Dictionary<Buffer, double>();
        double registers = 0;
        double sharedBytes = 0;
        foreach (var (buffer, spread) in Allocated(root))
        {
            double elements = buffer.Shape.Aggregate(1.0, (n, e) => n * ((e as IntImm)?.Value ?? 1));
            if (buffer.Scope == Scope.Shared)
                sharedBytes += elements * buffer.Type.Size();
            else if (buffer.Scope is Scope.Register or Scope.Fragment)
                registers += Math.Max(1, elements / spread) * Math.Max(1, buffer.Type.Size() / 4.0);
        }
        foreach (var (block, loops) in Blocks(root, []))
        {
            double Product(Func<For, bool> which) =>
                loops.Where(which).Aggregate(1.0, (n, l) => n * GpuAccess.Iterations(l, loops));
            grid = Math.Max(grid, Product(l => l.Kind.IsGpu() && !l.Kind.IsThread()));
            threads = Math.Max(threads, Product(l => l.Kind.IsThread()));
            double points = Product(_ => true);
            double alone = Product(l => !l.Kind.IsGpu());
            double unrolled = Product(l => l.Kind is LoopKind.Unrolled or LoopKind.Vector);
            double operations = block.Values.Sum(Operations) + (block.IsReduction ? 1 : 0);
            // A product that is added is one operation.
            if (block.IsReduction && block.Values is [Binary { Kind: BinaryOp.Mul }])
                operations = 1;
            double rate = block.Outputs.Any(o => o.Type == DType.Float64) ? 2 : 1;
            arithmetic += points * operations * rate;
            latency += alone * (operations * ArithmeticLatency / Math.Min(4, unrolled));
            var accesses = block
                .Loads.Distinct()
                .Select(l => (l.Buffer, l.Indices))
                .Concat(block.Outputs.Select(o => (Buffer: o, block.Indices)));
            foreach (var (buffer, indices) in accesses)
            {
                if (buffer.Scope is Scope.Register or Scope.Fragment)
                    continue;
                var access = GpuAccess.Of(buffer, indices, block, loops, nest.ParameterRanges);
                arithmetic += access.WarpAccesses * GpuInfo.WarpSize;
                double perThread = access.WarpAccesses * GpuInfo.WarpSize / Math.Max(1, grid * threads);
                if (buffer.Scope == Scope.Shared)
                {
                    shared += access.WarpAccesses * access.BankCycles;
                    latency += perThread * SharedLatency / Math.Min(8, unrolled);
                }
                else
                {
                    double bytes = access.WarpAccesses * access.Sectors * 32;
                    l2 += bytes;
                    traffic[buffer] = traffic.GetValueOrDefault(buffer) + bytes;
                    latency += perThread * MemoryLatency / Math.Min(8, Math.Max(1, unrolled));
                }
            }
        }
        double held = BaseRegisters + registers;
        double perSm = Math.Min(32, gpu.ThreadsPerMultiprocessor / threads);
        perSm = Math.Min(perSm, gpu.RegistersPerMultiprocessor / (Math.Min(held, MostRegisters) * threads));
        if (sharedBytes > 0)
            perSm = Math.Min(perSm, gpu.SharedBytesPerMultiprocessor / sharedBytes);
        perSm = Math.Max(1, Math.Floor(perSm));
        double slots = perSm * gpu.Multiprocessors;
        double waves = Math.Ceiling(grid / slots);
        // Of the last wave, multiprocessors with a block at least; within the others the slots share one machine.
        double efficiency = grid < slots ? Math.Min(1, grid / gpu.Multiprocessors) : grid / (waves * slots);
        double lanes = gpu.Major >= 9 ? 128 : 64;
        double memory = traffic.Sum(t => FromDevice(t.Key, t.Value, gpu));
        return new GpuCost(
            arithmetic / lanes / gpu.Multiprocessors,
            shared / gpu.Multiprocessors,
            l2 / Math.Min(L2BytesPerCycle * gpu.Multiprocessors, L2BytesInAll),
            memory / (gpu.MemoryGbps / gpu.ClockGhz),
            latency * waves,
            efficiency,
            perSm * threads / gpu.ThreadsPerMultiprocessor,
            held,
            threads
        );
    }

    // Once for all of it where the second-level cache holds it, up to four times where not.
    private static double FromDevice(Buffer buffer, double traffic, GpuInfo gpu)
    {
        double size = buffer.Shape.Aggregate(
            (double)buffer.Type.Size(),
            (n, e) => n * (e is IntImm i ? i.Value : 1024)
        );
        return Math.Min(traffic, size <= gpu.L2Bytes / 2.0 ? size : 4 * size);
    }

    // Buffers of a kernel, and over how many threads each is spread: those of the thread loops inside of its life.
    private static IEnumerable<(Buffer Buffer, double Spread)> Allocated(Stmt stmt) =>
        stmt.Nodes().OfType<Allocate>().Select(a => (a.Buffer, MostThreads(a.Body)));

    private static double MostThreads(Stmt stmt)
    {
        double below = stmt.Children().Select(MostThreads).DefaultIfEmpty(1).Max();
        return stmt is For f && f.Kind.IsThread() ? below * (f.ConstantExtent ?? 1) : below;
    }

    private static double Operations(Expr e) =>
        e.Nodes()
            .Sum(n =>
                n switch
                {
                    Unary { Kind: > UnaryOp.Abs } => FunctionOperations,
                    Unary or Select or Fma => 1,
                    Binary b when b.Type != DTypes.Index => 1,
                    _ => 0.0,
                }
            );

    private static IEnumerable<(Block Block, List<For> Loops)> Blocks(Stmt stmt, List<For> loops)
    {
        if (stmt is Block block)
            yield return (block, loops);
        var inner = stmt is For f ? [.. loops, f] : loops;
        foreach (var child in stmt.Children())
        foreach (var found in Blocks(child, inner))
            yield return found;
    }
}
