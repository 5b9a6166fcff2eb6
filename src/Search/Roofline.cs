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

    /// <summary>What is faster than the ceiling by no more than this is as fast: both are measured.</summary>
    internal const double Tolerance = 1.02;

    /// <summary>From the operator's arithmetic and least traffic, and the machine's measured ceilings.</summary>
    public static Roofline Of(TuneTask task, TargetCeilings ceilings) => Find(task, ceilings).Line;

    /// <summary>
    /// The ceiling after something beat it: then the figure was measured while the machine was busy, and is measured again, and replaced
    /// for all that follow where it is higher now. Where the new one is beaten, too, what was measured is the ceiling of this task.
    /// </summary>
    /// <param name="task">What was timed.</param>
    /// <param name="ceilings">Of the machine.</param>
    /// <param name="milliseconds">What it took.</param>
    /// <param name="tell">Told in one sentence where a figure was measured again; null for nobody.</param>
    public static Roofline Of(TuneTask task, TargetCeilings ceilings, double milliseconds, Action<string>? tell = null)
    {
        var (line, copies) = Find(task, ceilings);
        if (line.Milliseconds <= Tolerance * milliseconds)
            return line with { Milliseconds = Math.Min(line.Milliseconds, milliseconds) };
        var (old, value, unit, what) = Figure();
        tell?.Invoke(
            FormattableString.Invariant(
                $"the ceiling of {what} was beaten ({line.Milliseconds / milliseconds:P0}) and is measured again: {value:0.#} {unit} instead of {old:0.#}"
            )
        );
        line = Of(task, ceilings);
        return line with { Milliseconds = Math.Min(line.Milliseconds, milliseconds) };

        (double Old, double Value, string Unit, string What) Figure()
        {
            if (line.Limit == Arithmetic)
                return (ceilings.Gflops, ceilings.MeasureGflopsAgain(), "GFLOP/s", "arithmetic");
            if (copies)
                return (ceilings.CopyGbps, ceilings.MeasureCopyAgain(), "GB/s", "copying in memory");
            var level = ceilings.Levels.First(l => l.Name == line.Limit);
            return (level.ReadGbps, level.MeasureAgain(), "GB/s", $"reading {level.Name}");
        }
    }

    private const string Arithmetic = "arithmetic";

    /// <summary>And whether it is copying that limits.</summary>
    private static (Roofline Line, bool Copies) Find(TuneTask task, TargetCeilings ceilings)
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
        bool copies = level == ceilings.Levels[^1] && written >= bytes / 3;
        double gbps = copies ? ceilings.CopyGbps : level.ReadGbps;
        double moving = bytes / (gbps * 1e6);
        return arithmetic >= moving
            ? (new Roofline(arithmetic, Arithmetic), false)
            : (new Roofline(moving, level.Name), copies);

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
