using Picograd.Algorithms;

namespace Picograd.Tests;

/// <summary>
/// One step of a random program: an operator, the slots it reads (results go into new slots), whole numbers (shapes,
/// dimensions, places) and real ones (elements of leaves, bounds).
/// </summary>
internal sealed record Step(string Op, int[] Slots, long[] Whole, double[] Real, bool NoGrad = false)
{
    /// <summary>Whether PyTorch refuses it.</summary>
    public bool Refused { get; init; }

    public override string ToString() =>
        FormattableString.Invariant(
            $"{(NoGrad ? "nograd " : "")}{Op} s={string.Join(",", Slots)} n={string.Join(",", Whole)} x={string.Join(",", Real.Select(v => v.ToString("R", System.Globalization.CultureInfo.InvariantCulture)))}{(Refused ? " refused" : "")}"
        );
}

/// <summary>
/// Makes random programs of views, changes in place, operators and sections without record, and computes on an
/// <see cref="IndexTape"/> what they give.
/// </summary>
/// <param name="special">Zeros, ties, infinities and NaN among the numbers, functions with corners, steps without record and
/// steps that are refused; else smooth functions of ordinary numbers, whose derivatives differences can check.</param>
internal sealed class GradientProgram(int seed, bool special)
{
    private static readonly double[] Odd = [0, 0, -0.0, 1, 1, -1, 2, 0.5, double.PositiveInfinity, double.NaN];

    private static readonly string[] Smooth = ["tanh", "exp", "square", "sin", "sigmoid"];
    private static readonly string[] Cornered =
    [
        "abs",
        "relu",
        "floor",
        "round",
        "clamp",
        "pow0",
        "log",
        "sqrt",
        "reciprocal",
    ];
    private static readonly string[] Arithmetic = ["add", "sub", "mul", "div"];

    private readonly Random _random = new(seed);
    private readonly IndexTape _tape = new();

    public List<Step> Steps { get; } = [];

    public List<IndexTape.View> Slots { get; } = [];

    /// <summary>Slots of the leaves that want gradients.</summary>
    public List<int> Leaves { get; } = [];

    public GradientProgram Generate(int length)
    {
        for (int i = 0; i < 3; i++)
        {
            long[] shape = Pick<long[]>([4], [2, 2], [2, 3]);
            bool requires = i < 2;
            if (requires)
                Leaves.Add(Slots.Count);
            Run(
                new Step(
                    requires ? "leaf" : "data",
                    [],
                    shape,
                    [.. Enumerable.Range(0, (int)Count(shape)).Select(_ => Number())]
                )
            );
        }
        // Something that may be changed in place.
        Run(new Step("mul_number", [0], [], [2]));
        while (Steps.Count < length)
        {
            if (Candidate() is { } step)
                Run(step with { NoGrad = special && _random.Next(8) == 0 });
        }
        return this;
    }

    /// <summary>The slot to differentiate, weights on its elements; null where nothing is recorded.</summary>
    public (int Slot, double[] Weights)? Backward()
    {
        var roots = Enumerable
            .Range(0, Slots.Count)
            .Where(i =>
                !Slots[i].IsStale && Slots[i].Target is not null && Slots[i].Places.Length > 0 && !Leaves.Contains(i)
            )
            .ToArray();
        if (roots.Length == 0)
            return null;
        int root = roots[^(1 + _random.Next(Math.Min(3, roots.Length)))];
        double[] weights =
        [
            .. Slots[root].Places.Select(_ => special && _random.Next(5) == 0 ? Pick(Odd) : _random.NextDouble() + 0.5),
        ];
        _tape.Backward(Slots[root], weights);
        return (root, weights);
    }

    private T Pick<T>(params T[] from) => from[_random.Next(from.Length)];

    private double Number() =>
        special && _random.Next(3) == 0 ? Pick(Odd) : Math.Round(_random.NextDouble() * 3 - 1.5, 2) + 0.003;

    private static long Count(long[] shape) => shape.Aggregate(1L, (a, b) => a * b);

    private Step? Candidate()
    {
        int a = _random.Next(Slots.Count);
        var x = Slots[a];
        int rank = x.Shape.Length;
        int b = Fitting(x.Shape);
        switch (_random.Next(12))
        {
            case 0:
            case 1:
                return View(a);
            case 2:
                string function = special && _random.Next(3) > 0 ? Pick(Cornered) : Pick(Smooth);
                return new Step(function + Copying(a), [a], [], [-1, 1]);
            case 3:
                return new Step(
                    (special && _random.Next(3) == 0 ? Pick("maximum", "minimum", "where") : Pick(Arithmetic))
                        + Copying(a, b),
                    [a, b],
                    [],
                    []
                );
            case 4 when rank > 0 && x.Places.Length > 0:
                string reduction = special
                    ? Pick("sum", "cumsum", "amax", "amin", "max", "min", "prod", "mean", "max_all")
                    : Pick("sum", "cumsum", "mean", "prod");
                return new Step(reduction + Copying(a), [a], [_random.Next(rank)], []);
            case 5:
                return Pick(new Step("clone", [a], [], []), new Step("detach", [a], [], []));
            case 6:
                return new Step(Pick("mul_number", "add_number"), [a], [], [Number()]);
            case 7 when Changeable(x):
                return new Step(Pick("fill_", "zero_", "neg_", "mul_number_", "tanh_"), [a], [], [Number()]);
            case 8 when Changeable(x):
                string change = Pick("add_", "sub_", "mul_", "div_", "copy_");
                if (change is "mul_" or "div_")
                    // What is saved must not be changed by the step itself.
                    change += Slots[b].Owner.Memory == x.Owner.Memory ? "~" : Copying(b);
                return new Step(change, [a, b], [], []);
            case 9 when Changeable(x) && rank > 0 && x.Shape[0] > 0:
                long start = _random.NextInt64(x.Shape[0]);
                long length = 1 + _random.NextInt64(x.Shape[0] - start);
                return new Step("set", [a, Fitting([length, .. x.Shape[1..]])], [start, length], []);
            case 10 when Changeable(x) && rank > 0 && x.Shape[0] > 0:
                long[] picks = [_random.NextInt64(x.Shape[0]), _random.NextInt64(x.Shape[0])];
                return new Step("put", [a, Fitting([2, .. x.Shape[1..]])], picks, []);
            default:
                return null;
        }
    }

    private Step? View(int a)
    {
        var x = Slots[a];
        int rank = x.Shape.Length;
        int d = rank == 0 ? 0 : _random.Next(rank);
        switch (_random.Next(6))
        {
            case 0:
                return new Step("reshape", [a], Pick([x.Places.Length], [1, x.Places.Length], x.Shape), []);
            case 1 when rank > 1:
                return new Step("transpose", [a], [0, rank - 1], []);
            case 2 when rank > 0 && x.Shape[d] > 0:
                long start = _random.NextInt64(x.Shape[d]);
                return new Step("narrow", [a], [d, start, 1 + _random.NextInt64(x.Shape[d] - start)], []);
            case 3 when rank > 0 && x.Shape[d] > 0:
                return new Step("select", [a], [d, _random.NextInt64(x.Shape[d])], []);
            case 4 when rank < 3:
                return new Step("unsqueeze", [a], [_random.Next(rank + 1)], []);
            case 5 when x.Places.Length < 5 && rank < 3:
                return new Step("expand", [a], [2, .. x.Shape], []);
            default:
                return null;
        }
    }

    private static bool Changeable(IndexTape.View x) => !x.Owner.Memory.Frozen && x.Places.Length > 0;

    // A slot of this shape, or one element.
    private int Fitting(long[] shape)
    {
        var fits = Enumerable
            .Range(0, Slots.Count)
            .Where(i =>
                Slots[i].Shape.AsSpan().SequenceEqual(shape)
                || (Slots[i].Places.Length == 1 && Slots[i].Shape.Length == 0)
            )
            .ToArray();
        if (fits.Length > 0)
            return fits[_random.Next(fits.Length)];
        Run(new Step("data", [], shape, [.. Enumerable.Range(0, (int)Count(shape)).Select(_ => Number())]));
        return Slots.Count - 1;
    }

    // Operators that save their operands are given copies ("~"), or the operands are not changed any more.
    private string Copying(params int[] slots)
    {
        if (_random.Next(3) > 0)
            return "~";
        foreach (int slot in slots)
            Slots[slot].Owner.Memory.Frozen = true;
        return "";
    }

    private void Run(Step step)
    {
        _tape.Recording = !step.NoGrad;
        step = step with { Refused = Refuses(step) };
        Steps.Add(step);
        if (!step.Refused && Meaning.Apply(_tape, step, [.. step.Slots.Select(s => Slots[s])]) is { } result)
        {
            // The result may be saved as well.
            bool saves =
                !step.Op.EndsWith('~') && step.Op is not ("leaf" or "data" or "clone" or "mul_number" or "add_number");
            if (saves && Meaning.IsNew(step.Op))
                result.Owner.Memory.Frozen = true;
            Slots.Add(result);
        }
        if (step.Op is "tanh_" && !step.NoGrad && !step.Refused)
            Slots[step.Slots[0]].Owner.Memory.Frozen = true;
    }

    // The rules of PyTorch.
    private bool Refuses(Step step)
    {
        var operands = step.Slots.Select(s => Slots[s]).ToArray();
        bool changes = Meaning.Changes(step.Op);
        if (
            changes
            && step.Op is not ("fill_" or "zero_")
            && (step.Op == "set" ? Meaning.Rows(operands[0], step.Whole) : operands[0]).Overlaps
        )
            return true;
        if (step.NoGrad || step.Op == "detach")
            return false;
        if (operands.Any(o => o.IsStale))
            return true;
        if (!changes)
            return false;
        var target = operands[0];
        if (target.Seen is not null && (target.Owner.State is not null || operands.Any(o => o.Target is not null)))
            return true;
        return target.Owner is { IsLeaf: true };
    }
}
