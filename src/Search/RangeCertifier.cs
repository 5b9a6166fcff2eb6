using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Search.Measurement;
using Picograd.TuneDb;

namespace Picograd.Search;

/// <summary>
/// The check of a kernel over symbolic extents before it is stored: that of <see cref="Certifier"/> at the ends of the bounds and at
/// points within. One kernel runs at all of them, as it will where it serves.
/// </summary>
/// <param name="range">The problem, with symbolic extents.</param>
/// <param name="on">Where; a target that shares kernels.</param>
/// <param name="seed">Of inputs.</param>
public sealed class RangeCertifier(Problem range, ITuningTarget on, int seed)
{
    /// <summary>The points at which kernels are certified: the ends of all bounds, the point of measuring, and odd ones within.</summary>
    public IReadOnlyList<IReadOnlyList<long>> Points
    {
        get
        {
            var bounds = range.Algorithm.Parameters;
            var points = new List<long[]>
            {
                bounds.Select(p => p.Min).ToArray(),
                bounds.Select(p => p.Max).ToArray(),
                range.Point.ToArray(),
                // Odd, so that no factor divides them: a third of the way, and right behind the smallest.
                bounds.Select(p => Math.Min(p.Max, (p.Min + (p.Max - p.Min) / 3) | 1)).ToArray(),
                bounds.Select(p => Math.Min(p.Max, (p.Min + 1) | 1)).ToArray(),
            };
            // Of several, each at its smallest where the others are where it is measured.
            for (int i = 0; i < bounds.Length && bounds.Length > 1; i++)
            {
                long[] one = [.. range.Point];
                one[i] = bounds[i].Min;
                points.Add(one);
            }
            return [.. points.DistinctBy(p => string.Join(',', p))];
        }
    }

    /// <summary>What all the points together move, beside what the point of measuring does: about what their checks take beside its.</summary>
    internal double Share =>
        Points.Sum(p => (double)range.At(p).MinBytes) / Math.Max(1, (double)range.AtPoint.MinBytes);

    /// <summary>Compiles and checks a schedule over the symbolic extents. Never throws for what it does wrong.</summary>
    public Certification Certify(LoopNest nest)
    {
        double worst = 0;
        var compiled = new Dictionary<IBackend, ICompiledKernel>();
        try
        {
            foreach (var extents in Points)
            {
                var problem = range.At(extents);
                var certifier = new Certifier(problem, on, seed)
                {
                    Compile = (backend, over) => new KernelAtExtents(Compiled(backend, over), extents, owned: false),
                };
                var result = certifier.Certify(nest);
                worst = Math.Max(worst, result.ErrorRatio);
                if (!result.Ok)
                    return result with { ErrorRatio = worst, Detail = $"at {problem}: {result.Detail}" };
            }
        }
        finally
        {
            foreach (var kernel in compiled.Values)
                kernel.Dispose();
        }
        string at = string.Join("; ", Points.Select(p => string.Join(',', p)));
        return new Certification(
            worst,
            Ok: true,
            BitStable: true,
            $"{string.Join(", ", range.CertificationKinds)} inputs, aligned and not, at {at}"
        );

        // One of each number of threads, for all points.
        ICompiledKernel Compiled(IBackend backend, LoopNest over) =>
            compiled.TryGetValue(backend, out var kernel) ? kernel : compiled[backend] = backend.Compile(over);
    }
}
