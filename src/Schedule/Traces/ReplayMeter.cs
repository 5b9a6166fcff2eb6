using System.Diagnostics;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Traces;

/// <summary>One replay under its limits: looks at the nest after every step.</summary>
internal sealed class ReplayMeter
{
    private readonly ReplayLimits _limits;
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly string _algorithm;
    private readonly int _statements;
    private readonly int _expressions;
    private readonly double _work;
    private readonly double _bytes;

    public ReplayMeter(ReplayLimits limits, LoopNest initial)
    {
        _limits = limits;
        _algorithm = initial.Algorithm.Name;
        var size = NestSize.Of(initial, int.MaxValue, int.MaxValue, int.MaxValue);
        _statements = limits.Statements + 4 * size.Statements;
        _expressions = limits.Expressions + 4 * size.Expressions;
        _work = Math.Max(limits.LeastWork, limits.WorkRatio * size.Work);
        double shapes = Math.Max(limits.ShapeRatio * NestSize.DataBytes(initial), sizeof(double) * size.Work);
        _bytes = Math.Max(limits.LeastBytes, shapes);
    }

    /// <summary>Refuses a nest that is beyond the limits, and any nest once the time is up.</summary>
    public void Check(LoopNest nest, int index, Step step)
    {
        var size = NestSize.Of(nest, _statements, _limits.Depth, _expressions);
        if (size.Statements > _statements)
            throw Beyond(index, step, "the program has more statements", _statements);
        if (size.Depth > _limits.Depth)
            throw Beyond(index, step, "statements lie deeper inside one another", _limits.Depth);
        if (size.Expressions > _expressions)
            throw Beyond(index, step, "the program's expressions have more nodes", _expressions);
        if (size.Work > _work)
            throw Beyond(index, step, $"a run executes {ReplayLimits.Text(size.Work)} statements", _work);
        double bytes = NestSize.Bytes(nest.Intermediates, nest);
        if (bytes > _bytes)
            throw Beyond(index, step, $"the intermediates have {ReplayLimits.Text(bytes)} bytes", _bytes);
        if (Stopwatch.GetElapsedTime(_start) > _limits.Time)
            throw new ReplayLimitException(
                $"the replay on {_algorithm} was given up after step {index + 1} '{Cut(step)}': it has taken more than {_limits.Time.TotalSeconds} s"
            );
    }

    private ReplayLimitException Beyond(int index, Step step, string what, double limit) =>
        new(
            $"the trace is out of proportion to {_algorithm}: after step {index + 1} '{Cut(step)}' {what} (the limit is {ReplayLimits.Text(limit)})"
        );

    private static string Cut(Step step) =>
        step.ToString() is { Length: > 80 } text ? text[..80] + "…" : step.ToString();
}
