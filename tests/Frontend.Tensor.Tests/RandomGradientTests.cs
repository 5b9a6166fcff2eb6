using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// Random programs of views, changes in place, operators and sections without record, at zeros, ties, infinities and NaN: values,
/// gradients and refusals against a tape written a second time; and smooth ones against central differences.
/// </summary>
public class RandomGradientTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void EqualTheTape(int part)
    {
        const int Programs = 150;
        int differentiated = 0;
        int refused = 0;
        for (int seed = part * Programs; seed < (part + 1) * Programs; seed++)
        {
            var program = new GradientProgram(seed, special: true).Generate(14 + seed % 20);
            string text = $"seed {seed}:\n{string.Join("\n", program.Steps.Select((s, i) => $"{s}"))}\n";
            var tensors = Run(program.Steps, text);
            for (int i = 0; i < tensors.Count; i++)
                Same(program.Slots[i].Values, null, tensors[i].ToDoubles(), $"{text}values of slot {i}");
            refused += program.Steps.Count(s => s.Refused);
            if (program.Backward() is not { } root)
                continue;
            differentiated++;
            tensors[root.Slot].Backward(Tensor.From(root.Weights, tensors[root.Slot].Shape));
            foreach (int leaf in program.Leaves)
            {
                var state = program.Slots[leaf].Owner.State!;
                string what =
                    $"{text}gradient of slot {leaf}, backward from {root.Slot} with {string.Join(",", root.Weights)}";
                Assert.True(state.Reached == (tensors[leaf].Grad is not null), what + ": only one has any");
                if (state.Reached)
                    Same(state.Grad, state.Weight, tensors[leaf].Grad!.ToDoubles(), what);
            }
        }
        // Most programs must say something.
        Assert.True(differentiated > Programs * 3 / 4 && refused > Programs / 4, $"{differentiated}, {refused}");
    }

    [Fact]
    public void SumsOfWideRangesLoseNothing()
    {
        // What comes from above is positive, over 30 orders of magnitude and sometimes infinite: then every sum is known to
        // its last digits, unless it is made by taking one sum from another.
        var random = new Random(7);
        for (int round = 0; round < 60; round++)
        {
            long[] shape = [.. Enumerable.Range(0, 1 + round % 3).Select(_ => random.NextInt64(1, 6))];
            int d = random.Next(shape.Length);
            var x = Make.Values(shape, DType.Float64, round).RequiresGrad_();
            double[] up =
            [
                .. Enumerable
                    .Range(0, (int)x.NumElements)
                    .Select(_ =>
                        random.Next(12) == 0 ? double.PositiveInfinity : Math.Pow(10, random.NextDouble() * 30 - 15)
                    ),
            ];
            var weights = Tensor.From(up, shape);
            x.Cumsum(d).Backward(weights);
            var sums = Plain.Of(
                shape,
                i =>
                {
                    double sum = 0;
                    long[] at = [.. i];
                    for (at[d] = shape[d] - 1; at[d] >= i[d]; at[d]--)
                        sum += Plain.Of(weights).At(at);
                    return sum;
                }
            );
            Same(sums.Values, null, x.Grad!.ToDoubles(), $"{Layout.Text(shape)} along {d}");
        }
    }

    [Fact]
    public void SmoothOnesEqualCentralDifferences()
    {
        for (int seed = 1000; seed < 1060; seed++)
        {
            var program = new GradientProgram(seed, special: false).Generate(12 + seed % 10);
            if (program.Backward() is not { } root || program.Steps.Any(s => s.Op is "detach" || s.Refused))
                continue;
            string text = $"seed {seed}:\n{string.Join("\n", program.Steps)}\nroot {root.Slot}\n";
            double Loss(int leaf, int element, double change)
            {
                var steps = program.Steps.ToList();
                double[] values = [.. steps[leaf].Real];
                values[element] += change;
                steps[leaf] = steps[leaf] with { Real = values };
                return Run(steps, text)[root.Slot].ToDoubles().Zip(root.Weights, (a, b) => a * b).Sum();
            }
            var tensors = Run(program.Steps, text);
            tensors[root.Slot].Backward(Tensor.From(root.Weights, tensors[root.Slot].Shape));
            foreach (int leaf in program.Leaves)
            {
                double[] grad = tensors[leaf].Grad?.ToDoubles() ?? new double[program.Slots[leaf].Places.Length];
                int element = seed % grad.Length;
                double difference = (Loss(leaf, element, 1e-6) - Loss(leaf, element, -1e-6)) / 2e-6;
                double far = (Loss(leaf, element, 2e-6) - Loss(leaf, element, -2e-6)) / 4e-6;
                // Where differences do not agree among themselves they say nothing.
                if (Math.Abs(difference - far) > 1e-5 * Math.Max(1, Math.Abs(far)))
                    continue;
                Assert.True(
                    Math.Abs(difference - grad[element]) <= 1e-4 * Math.Max(1, Math.Abs(difference)),
                    $"{text}leaf {leaf}, element {element}: differences give {difference}, the derivative {grad[element]}"
                );
            }
        }
    }

    private static List<Tensor> Run(IEnumerable<Step> steps, string text)
    {
        var tensors = new List<Tensor>();
        foreach (var step in steps)
        {
            Tensor[] operands = [.. step.Slots.Select(s => tensors[s])];
            Tensor? result = null;
            bool refused = false;
            using (step.NoGrad ? Tensor.NoGrad() : Tensor.EnableGrad())
            {
                try
                {
                    result = Meaning.Apply(step, operands);
                }
                catch (InvalidOperationException)
                {
                    refused = true;
                }
            }
            Assert.True(refused == step.Refused, $"{text}{step}: {(refused ? "refused" : "not refused")}");
            if (result is not null)
                tensors.Add(result);
        }
        return tensors;
    }

    private static void Same(double[] expected, double[]? weights, double[] actual, string what)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            double tolerance = 1e-9 * Math.Max(weights?[i] ?? 0, Math.Max(Math.Abs(expected[i]), 1e-3));
            Assert.True(
                expected[i].Equals(actual[i]) || Math.Abs(expected[i] - actual[i]) <= tolerance,
                $"{what}: element {i} is {actual[i]}, right {expected[i]}"
            );
        }
    }
}
