using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Search.Measurement;

namespace Picograd.Search;

/// <summary>The least time that a task can take on a machine, and what limits it.</summary>
/// <param name="Milliseconds">No kernel is faster.</param>
/// <param name="Limit"><c>arithmetic</c>, or the level of memory whose bandwidth limits: <c>l2</c>, <c>memory</c> …</param>
public sealed record Roofline(double Milliseconds, string Limit)
{
    /// <summary>Bytes that no machine reads from its nearest cache while it does one operation: here four.</summary>
    private const double AlwaysFasterThanMemory = 10;

    /// <summary>From the operator's arithmetic and least traffic, and the machine's measured ceilings.</summary>
    public static Roofline Of(TuneTask task, TargetCeilings ceilings)
    {
        var algorithm = task.Measured.Algorithm;
        double width = algorithm.Outputs.Any(o => o.Type == DType.Float64) ? 2 : 1;
        // Products of 16-bit floats may run on tensor cores, which other arithmetic never reaches.
        bool halves = algorithm.Inputs.Any(i => i.Type.IsStorage());
        double operations = task.Measured.Flops * width;
        double bytes = task.Measured.MinBytes;
        // What does almost nothing with its bytes needs no measurement of arithmetic.
        double arithmetic = operations * AlwaysFasterThanMemory < bytes ? 0 : operations / (Gflops() * 1e6);
        var level =
            task.Policy == TimingPolicy.Cold
                ? ceilings.Levels[^1]
                : ceilings.Levels.FirstOrDefault(l => l.Bytes >= bytes, ceilings.Levels[^1]);
        double written = algorithm.Outputs.Sum(TypedMemory.Bytes);
        double gbps = level == ceilings.Levels[^1] && written >= bytes / 3 ? ceilings.CopyGbps : level.ReadGbps;
        double moving = bytes / (gbps * 1e6);
        return arithmetic >= moving ? new Roofline(arithmetic, "arithmetic") : new Roofline(moving, level.Name);

        double Gflops() =>
            halves ? ceilings.TensorGflops ?? ceilings.Gflops
            // Tensor cores take half as many 32-bit operands.
            : RoundsToTf32(algorithm) ? Math.Max(ceilings.TensorGflops / 2 ?? 0, ceilings.Gflops)
            : ceilings.Gflops;
    }

    // Operands whose last 13 bits of mantissa are cut off, which is what tensor cores read.
    private static bool RoundsToTf32(Algorithm algorithm) =>
        algorithm.Stages.Any(s =>
            s.Values.Any(v =>
                v.Nodes().Any(n => n is Binary { Kind: BinaryOp.BitAnd, B: IntImm { Value: 0xFFFFE000 } })
            )
        );
}
