using Picograd.Algorithms;
using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Evaluation;
using Xunit;

namespace Picograd.Tests.Adjoints;

/// <summary>
/// Derivatives of random algorithms against differences along a random direction, in float64. PICOGRAD_RANDOM_GRADIENTS=20000 takes so
/// many algorithms.
/// </summary>
public class RandomGradientTests
{
    private static readonly int Count = int.TryParse(
        Environment.GetEnvironmentVariable("PICOGRAD_RANDOM_GRADIENTS"),
        out int asked
    )
        ? asked
        : 500;

    [Fact]
    public void Gradients_are_the_limits_of_differences()
    {
        var tally = new Tally();
        for (int seed = 0; seed < Count; seed++)
        {
            var made = new RandomDifferentiable(seed);
            var random = new Random(seed);
            var direction = Direction(made.Inputs, random);
            tally.Add(seed, Check(made.Algorithm, h => Moved(made.Inputs, direction, h), made.Extents, random));
        }
        tally.Check(Count);
    }

    [Fact]
    public void So_are_gradients_of_gradients()
    {
        var tally = new Tally();
        for (int seed = 0; seed < Count / 4; seed++)
        {
            var made = new RandomDifferentiable(seed + 1_000_000);
            var random = new Random(seed);
            if (Derived(made.Algorithm) is not { } first)
            {
                tally.Add(seed, Outcome.None, "");
                continue;
            }
            // Saved results move with the inputs that they come from.
            var outputs = Evaluator.Run(made.Algorithm, made.Inputs, made.Extents);
            var gradients = made.Algorithm.Outputs.ToDictionary(o => o, o => Differences.Like(outputs[o], random));
            var (direction, along) = (Direction(made.Inputs, random), Direction(gradients, random));
            IReadOnlyDictionary<Buffer, NDArray> At(double h)
            {
                var inputs = Moved(made.Inputs, direction, h);
                var results = Evaluator.Run(made.Algorithm, inputs, made.Extents);
                return first.Read(inputs, results, Moved(gradients, along, h));
            }
            tally.Add(seed, Check(first.Algorithm, At, made.Extents, random));
        }
        tally.Check(Count / 4);
    }

    [Fact]
    public void Tangents_are_the_limits_of_differences_and_the_transpose_of_gradients()
    {
        var tally = new Tally();
        for (int seed = 0; seed < Count / 4; seed++)
        {
            var made = new RandomDifferentiable(seed + 2_000_000);
            tally.Add(seed, CheckTangents(made, new Random(seed)));
        }
        tally.Check(Count / 4);
    }

    // ⟨J v, w⟩ = ⟨v, Jᵀ w⟩ wherever it is, and J v = lim (f(x + h v) − f(x − h v)) / 2h where there is no kink.
    private static (Outcome, string) CheckTangents(RandomDifferentiable made, Random random)
    {
        var (algorithm, inputs, extents) = (made.Algorithm, made.Inputs, made.Extents);
        if (Derived(algorithm) is not { } reverse)
            return (Outcome.None, "");
        var forward = Jvp.Of(algorithm);
        var outputs = Evaluator.Run(algorithm, inputs, extents);
        if (outputs.Values.Any(o => o.Doubles.ToArray().Any(x => !(Math.Abs(x) < 1e6))))
            return (Outcome.Unclear, "");
        var v = Direction(inputs, random);
        var w = Direction(outputs, random);
        IReadOnlyDictionary<Buffer, NDArray> tangents;
        try
        {
            tangents = Evaluator.Run(forward.Algorithm, forward.Read(inputs, outputs, v), extents);
        }
        catch (EvaluationException e)
        {
            return (Outcome.Wrong, $"{e.Message}\n{algorithm}{forward.Algorithm}");
        }
        var gradients = Evaluator.Run(reverse.Algorithm, reverse.Read(inputs, outputs, w), extents);
        var (right, rightSize) = Inner(
            reverse.Algorithm.Outputs.Zip(reverse.Outputs).Select(p => (gradients[p.First], v[p.Second]))
        );
        var (left, leftSize) = Inner(
            forward.Algorithm.Outputs.Zip(forward.Outputs).Select(p => (tangents[p.First], w[p.Second]))
        );
        if (!(Math.Abs(left - right) <= 1e-9 * Math.Max(1, Math.Max(leftSize, rightSize))))
            return (
                Outcome.Wrong,
                $"⟨Jv, w⟩ is {left:R}, ⟨v, Jᵀw⟩ {right:R}\n{algorithm}{forward.Algorithm}{reverse.Algorithm}"
            );
        const double Step = 1e-5;
        IReadOnlyDictionary<Buffer, NDArray> At(double h) => Evaluator.Run(algorithm, Moved(inputs, v, h), extents);
        var (ahead, behind, far, farBehind) = (At(Step), At(-Step), At(2 * Step), At(-2 * Step));
        var outcome = Outcome.Right;
        foreach (var (output, tangent) in forward.Outputs.Zip(forward.Algorithm.Outputs))
        {
            for (int i = 0; i < outputs[output].Length; i++)
            {
                double y = outputs[output].At(i);
                var (up, down) = (ahead[output].At(i) - y, y - behind[output].At(i));
                double fine = (up + down) / (2 * Step);
                double coarse = (far[output].At(i) - farBehind[output].At(i)) / (4 * Step);
                double tiny = 1e-6 * Math.Max(1, Math.Max(Math.Abs(y), Math.Abs(fine)));
                double bend = Math.Abs(far[output].At(i) + farBehind[output].At(i) - (2 * y)) / (2 * Step);
                if (
                    !(Math.Abs(up - down) / Step <= Math.Max(tiny, 0.75 * bend))
                    || !(Math.Abs(fine - coarse) <= 1e3 * tiny)
                )
                {
                    outcome = Outcome.Unclear;
                    continue;
                }
                double difference = fine + ((fine - coarse) / 3);
                if (!(Math.Abs(difference - tangents[tangent].At(i)) <= Math.Abs(fine - coarse) + tiny))
                    return (
                        Outcome.Wrong,
                        $"{tangent.Name}[{i}] is {tangents[tangent].At(i):R}, by differences {difference:R}\n{algorithm}{forward.Algorithm}"
                    );
            }
        }
        return (outcome, "");
    }

    private static (double Sum, double Size) Inner(IEnumerable<(NDArray A, NDArray B)> pairs)
    {
        var (sum, size) = (0.0, 0.0);
        foreach (var (a, b) in pairs)
        {
            for (int i = 0; i < a.Length; i++)
            {
                sum += a.At(i) * b.At(i);
                size += Math.Abs(a.At(i) * b.At(i));
            }
        }
        return (sum, size);
    }

    private static DerivedAlgorithm? Derived(Algorithm algorithm)
    {
        try
        {
            return Adjoint.Of(algorithm);
        }
        catch (AdjointException e) when (e.Message.Contains("has no gradient", StringComparison.Ordinal))
        {
            return null;
        }
    }

    private enum Outcome
    {
        Right,

        // Nothing depends on the inputs.
        None,

        // A kink, or numbers too large for differences.
        Unclear,
        Wrong,
    }

    private sealed class Tally
    {
        private readonly Dictionary<Outcome, int> _counts = [];
        private readonly List<int> _wrong = [];
        private string? _first;

        public void Add(int seed, (Outcome, string) result) => Add(seed, result.Item1, result.Item2);

        public void Add(int seed, Outcome outcome, string text)
        {
            _counts[outcome] = _counts.GetValueOrDefault(outcome) + 1;
            if (outcome != Outcome.Wrong)
                return;
            _wrong.Add(seed);
            _first ??= text;
        }

        public void Check(int all)
        {
            Assert.True(_first is null, $"of {all} are wrong: seeds {string.Join(", ", _wrong)}; the first: {_first}");
            // Most say something.
            int right = _counts.GetValueOrDefault(Outcome.Right);
            Assert.True(right > all * 0.75, string.Join(", ", _counts));
        }
    }

    private static Dictionary<Buffer, NDArray> Direction(IReadOnlyDictionary<Buffer, NDArray> of, Random random) =>
        of.Where(p => p.Key.Type.IsFloat()).ToDictionary(p => p.Key, p => Differences.Like(p.Value, random));

    private static IReadOnlyDictionary<Buffer, NDArray> Moved(
        IReadOnlyDictionary<Buffer, NDArray> from,
        IReadOnlyDictionary<Buffer, NDArray> along,
        double by
    ) =>
        from.ToDictionary(
            p => p.Key,
            p =>
                along.TryGetValue(p.Key, out var step)
                    ? NDArray.Of(
                        DType.Float64,
                        step.Shape.AsSpan(),
                        [.. Enumerable.Range(0, step.Length).Select(i => p.Value.At(i) + (by * step.At(i)))]
                    )
                    : p.Value
        );

    // At is the line along which is moved: inputs at a distance from the point.
    private static (Outcome, string) Check(
        Algorithm algorithm,
        Func<double, IReadOnlyDictionary<Buffer, NDArray>> at,
        IReadOnlyDictionary<string, long> extents,
        Random random
    )
    {
        if (Derived(algorithm) is not { } derived)
            return (Outcome.None, "");
        const double Step = 1e-5;
        var (here, ahead, behind) = (at(0), at(Step), at(-Step));
        var outputs = Evaluator.Run(algorithm, here, extents);
        var seeds = algorithm
            .Outputs.Where(o => o.Type.IsFloat())
            .ToDictionary(o => o, o => Differences.Like(outputs[o], random));
        if (seeds.Keys.Any(o => outputs[o].Doubles.ToArray().Any(x => !(Math.Abs(x) < 1e6))))
            return (Outcome.Unclear, "");
        IReadOnlyDictionary<Buffer, NDArray> gradients;
        try
        {
            gradients = Evaluator.Run(derived.Algorithm, derived.Read(here, outputs, seeds), extents);
        }
        catch (EvaluationException e)
        {
            return (Outcome.Wrong, $"{e.Message}\n{algorithm}{derived.Algorithm}");
        }
        double expected = 0;
        double size = 0;
        for (int w = 0; w < derived.Outputs.Length; w++)
        {
            var input = derived.Outputs[w];
            var gradient = gradients[derived.Algorithm.Outputs[w]];
            for (int i = 0; i < gradient.Length; i++)
            {
                double term = gradient.At(i) * ((ahead[input].At(i) - behind[input].At(i)) / (2 * Step));
                expected += term;
                size += Math.Abs(term);
            }
        }
        double Slope(IReadOnlyDictionary<Buffer, NDArray> inputs, double h)
        {
            var results = Evaluator.Run(algorithm, inputs, extents);
            double change = 0;
            foreach (var (output, seed) in seeds)
            {
                for (int i = 0; i < seed.Length; i++)
                    change += seed.At(i) * (results[output].At(i) - outputs[output].At(i));
            }
            return change / h;
        }
        var (up, down) = (Slope(ahead, Step), Slope(behind, -Step));
        var (farUp, farDown) = (Slope(at(2 * Step), 2 * Step), Slope(at(-2 * Step), -2 * Step));
        var (fine, coarse) = ((up + down) / 2, (farUp + farDown) / 2);
        // At a kink the two sides differ however small the step is, at a jump the slopes themselves do.
        double tiny = 1e-6 * Math.Max(1, size);
        bool kink = !(Math.Abs(up - down) <= Math.Max(tiny, 0.75 * Math.Abs(farUp - farDown)));
        if (kink || !(Math.Abs(fine - coarse) <= 1e3 * tiny))
            return (Outcome.Unclear, "");
        // Two steps tell the error of the difference itself (Richardson).
        double difference = fine + ((fine - coarse) / 3);
        double doubt = Math.Abs(fine - coarse) + tiny;
        return Math.Abs(difference - expected) <= doubt
            ? (Outcome.Right, "")
            : (
                Outcome.Wrong,
                $"the slope is {expected:R}, by differences {difference:R} ± {doubt:E1}\n{Differences.Problem(algorithm, here, random, null, extents) ?? $"{algorithm}{derived.Algorithm}"}"
            );
    }
}
