using Picograd.Algorithms;
using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Evaluation;

namespace Picograd.Tests.Adjoints;

/// <summary>Gradients held against central differences, in float64.</summary>
internal static class Differences
{
    /// <summary>What is wrong with the gradients of an algorithm at a point, or null.</summary>
    /// <param name="algorithm">Over float64.</param>
    /// <param name="inputs">The point; at kinks of the algorithm differences mean nothing.</param>
    /// <param name="random">Draws gradients of the outputs, and elements where there are many.</param>
    /// <param name="wanted">Inputs; null for all floats.</param>
    /// <param name="extents">Values of symbolic extents.</param>
    public static string? Problem(
        Algorithm algorithm,
        IReadOnlyDictionary<Buffer, NDArray> inputs,
        Random random,
        IReadOnlyList<Buffer>? wanted = null,
        IReadOnlyDictionary<string, long>? extents = null
    )
    {
        var derived = Adjoint.Of(algorithm, wanted);
        var outputs = Evaluator.Run(algorithm, inputs, extents);
        var seeds = new Dictionary<Buffer, NDArray>();
        foreach (var output in algorithm.Outputs.Where(o => o.Type.IsFloat()))
            seeds[output] = Like(outputs[output], random);
        var gradients = Evaluator.Run(derived.Algorithm, derived.Read(inputs, outputs, seeds), extents);
        double Loss(IReadOnlyDictionary<Buffer, NDArray> at)
        {
            var results = Evaluator.Run(algorithm, at, extents);
            double loss = 0;
            foreach (var (output, seed) in seeds)
            {
                for (int i = 0; i < seed.Length; i++)
                    loss += seed.At(i) * (results[output].At(i) - outputs[output].At(i));
            }
            return loss;
        }
        for (int w = 0; w < derived.Outputs.Length; w++)
        {
            var input = derived.Outputs[w];
            var gradient = gradients[derived.Algorithm.Outputs[w]];
            if (!gradient.Shape.AsSpan().SequenceEqual(inputs[input].Shape.AsSpan()))
                return $"the gradient of {input} is {gradient}";
            var places = Enumerable.Range(0, gradient.Length).OrderBy(_ => random.Next()).Take(12);
            foreach (int place in places)
            {
                double x = inputs[input].At(place);
                double Slope(double h) => Loss(Moved(inputs, input, place, x + h)) / h;
                double h = 1e-5 * Math.Max(1, Math.Abs(x));
                var (up, down) = (Slope(h), Slope(-h));
                // At a kink the sides differ, and no difference says anything.
                if (Math.Abs(up - down) > 1e-2 * Math.Max(1, Math.Abs(up + down)))
                    continue;
                // Two steps tell the error of the difference itself (Richardson).
                double fine = (up + down) / 2;
                double coarse = (Slope(2 * h) + Slope(-2 * h)) / 2;
                double difference = fine + (fine - coarse) / 3;
                double doubt = Math.Abs(fine - coarse) + 1e-6 * Math.Max(1, Math.Abs(difference));
                if (!(Math.Abs(difference - gradient.At(place)) <= doubt))
                    return $"d{input.Name}[{place}] is {gradient.At(place):R}, by differences {difference:R} ± {doubt:E1}, at {x:R}\n{algorithm}{derived.Algorithm}";
            }
        }
        return null;
    }

    /// <summary>What the inputs of a derived algorithm are, from those of the original, its results and their gradients or its tangents.</summary>
    public static Dictionary<Buffer, NDArray> Read(
        this DerivedAlgorithm derived,
        IReadOnlyDictionary<Buffer, NDArray> inputs,
        IReadOnlyDictionary<Buffer, NDArray> outputs,
        IReadOnlyDictionary<Buffer, NDArray> given
    ) =>
        derived.Inputs.ToDictionary(
            i => i.Buffer,
            i =>
                i.Role switch
                {
                    DerivedRole.Input => inputs[i.Of],
                    DerivedRole.Output => outputs[i.Of],
                    _ => given[i.Of],
                }
        );

    /// <summary>An array of the same shape with random numbers.</summary>
    public static NDArray Like(NDArray array, Random random, DType type = DType.Float64)
    {
        var like = new NDArray(type, array.Shape.AsSpan());
        for (int i = 0; i < like.Length; i++)
            like.Doubles[i] = random.NextDouble() * 2 - 1;
        return like;
    }

    private static Dictionary<Buffer, NDArray> Moved(
        IReadOnlyDictionary<Buffer, NDArray> inputs,
        Buffer input,
        int place,
        double value
    )
    {
        double[] elements = [.. inputs[input].Doubles];
        elements[place] = value;
        return new(inputs) { [input] = NDArray.Of(DType.Float64, inputs[input].Shape.AsSpan(), elements) };
    }
}
