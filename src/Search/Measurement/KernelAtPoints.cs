using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;

namespace Picograd.Search.Measurement;

/// <summary>
/// A kernel over symbolic extents, called like one of constant extents, for times that stand for its range: a run is one at the point
/// of measuring, after so many at a smaller one, half way down in logarithms, that both move about the same bytes. So each point counts
/// alike, whatever its size, and a time is a run's divided by <see cref="Points"/>.
/// </summary>
internal sealed unsafe class KernelAtPoints : ICompiledKernel
{
    // Of points so small that more runs would be as much, calls are what is timed.
    private const int MostRuns = 64;

    private readonly ICompiledKernel _kernel;
    private readonly long[] _point;
    private readonly long[] _smaller;
    private readonly int _runs;

    /// <param name="kernel">Over symbolic extents; disposed of with this one.</param>
    /// <param name="range">The problem that it computes.</param>
    public KernelAtPoints(ICompiledKernel kernel, Problem range)
    {
        _kernel = kernel;
        _point = [.. range.Point];
        _smaller = Smaller(range);
        _runs = _smaller.AsSpan().SequenceEqual(_point)
            ? 0
            : (int)
                Math.Clamp(
                    Math.Round((double)range.AtPoint.MinBytes / Math.Max(1, range.At(_smaller).MinBytes)),
                    1,
                    MostRuns
                );
    }

    /// <summary>How many points a run's time is the sum of.</summary>
    public int Points => _runs == 0 ? 1 : 2;

    public long WorkspaceBytes => _kernel.WorkspaceBytes;

    public long CodeBytes => _kernel.CodeBytes;

    /// <summary>Half way between the smallest extents and the point of measuring, at a prime if there is one.</summary>
    internal static long[] Smaller(Problem range) =>
        [
            .. range.Algorithm.Parameters.Zip(
                range.Point,
                (p, at) =>
                    OperatorRange.PointOf(p.Min, at, (long)Math.Round(Math.Sqrt((double)Math.Max(p.Min, 1) * at)))
            ),
        ];

    public void Run(nint* arguments, long* parameters)
    {
        // Of the outputs of smaller ones nothing is left after the last run.
        fixed (long* values = _smaller)
        {
            for (int i = 0; i < _runs; i++)
                _kernel.Run(arguments, values);
        }
        fixed (long* values = _point)
            _kernel.Run(arguments, values);
    }

    public void Dispose() => _kernel.Dispose();
}
