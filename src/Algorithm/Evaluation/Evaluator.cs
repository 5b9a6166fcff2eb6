using System.Collections.Immutable;

namespace Picograd.Algorithms.Evaluation;

/// <summary>
/// A result with its a-priori error bound: any computation of the algorithm in its own float types, sums in any order,
/// lies within Bound[i] of Value (elements in row-major order). Float inputs count as exact. Integers that depend on a
/// comparison which rounding could turn have a bound greater than 0: an index that argmax might choose instead.
/// </summary>
public sealed record BoundedArray(NDArray Value, double[] Bound)
{
    /// <summary>Whether a computed element is right: within the bound, or overflowed or NaN where that is allowed.</summary>
    public bool Accepts(int position, double computed)
    {
        double value = Value.At(position);
        double bound = Bound[position];
        if (double.IsPositiveInfinity(bound) || double.IsNaN(bound))
            return true;
        if (double.IsNaN(value) || double.IsNaN(computed))
            return double.IsNaN(value) && double.IsNaN(computed);
        if (double.IsInfinity(computed))
            return value == computed
                || (
                    Value.Type.IsFloat()
                    && Math.Abs(value) + bound >= BoundRules.Largest(Value.Type)
                    && double.IsNegative(value) == double.IsNegative(computed)
                );
        return Math.Abs(computed - value) <= bound;
    }

    /// <summary>
    /// |computed − value| in units of the bound, so at most 1 when accepted: 0 where equal, infinite where wrong.
    /// </summary>
    public double ErrorInBounds(int position, double computed)
    {
        double value = Value.At(position);
        if (value.Equals(computed) || (value == computed))
            return 0;
        if (!Accepts(position, computed))
            return Bound[position] > 0 && double.IsFinite(computed)
                ? Math.Abs(computed - value) / Bound[position]
                : double.PositiveInfinity;
        return double.IsFinite(computed) && double.IsFinite(Bound[position])
            ? Math.Abs(computed - value) / Bound[position]
            : 0;
    }
}

/// <summary>
/// The oracle: evaluates an algorithm straight from its stages, floats of every width in double precision (never
/// rounded to their own), integers exactly with the wrap of their width.
/// </summary>
public static class Evaluator
{
    /// <summary>The outputs of an algorithm.</summary>
    /// <param name="algorithm">What to compute.</param>
    /// <param name="inputs">One array an input, of its type and shape.</param>
    /// <param name="parameters">A value for each symbolic extent, by name; may be null if there are none.</param>
    /// <exception cref="ArgumentException">An input or parameter is missing or does not fit.</exception>
    /// <exception cref="EvaluationException">A stage reads or writes outside a buffer, or divides by zero.</exception>
    public static IReadOnlyDictionary<Buffer, NDArray> Run(
        Algorithm algorithm,
        IReadOnlyDictionary<Buffer, NDArray> inputs,
        IReadOnlyDictionary<string, long>? parameters = null
    )
    {
        var (values, _) = Evaluate(algorithm, inputs, parameters, track: false);
        return algorithm.Outputs.ToDictionary(o => o, o => values[o]);
    }

    /// <summary>
    /// The outputs with error bounds for a computation in the algorithm's own types (<see cref="BoundRules"/> holds
    /// what each operation may add): k·u·Σ|a||b| for a dot product of length k, for instance. Sums and products of
    /// floats are bounded for every order of their terms; other reducers for any order too where, as for max, rounding
    /// does not depend on it, and for the order of evaluation otherwise.
    /// </summary>
    public static IReadOnlyDictionary<Buffer, BoundedArray> RunWithBounds(
        Algorithm algorithm,
        IReadOnlyDictionary<Buffer, NDArray> inputs,
        IReadOnlyDictionary<string, long>? parameters = null
    )
    {
        var (values, bounds) = Evaluate(algorithm, inputs, parameters, track: true);
        return algorithm.Outputs.ToDictionary(
            o => o,
            o => new BoundedArray(values[o], bounds[o] ?? new double[values[o].Length])
        );
    }

    private static (Dictionary<Buffer, NDArray>, Dictionary<Buffer, double[]?>) Evaluate(
        Algorithm algorithm,
        IReadOnlyDictionary<Buffer, NDArray> inputs,
        IReadOnlyDictionary<string, long>? parameters,
        bool track
    )
    {
        var extents = Bind(algorithm, parameters);
        var values = new Dictionary<Buffer, NDArray>();
        var bounds = new Dictionary<Buffer, double[]?>();
        foreach (var input in algorithm.Inputs)
        {
            if (!inputs.TryGetValue(input, out var given))
                throw new ArgumentException($"{algorithm.Name}: no array was given for input {input}");
            var shape = ShapeOf(input, extents);
            if (given.Type != input.Type || !given.Shape.AsSpan().SequenceEqual(shape))
                throw new ArgumentException(
                    $"{algorithm.Name}: input {input.Name} is {input.Type.Name()}[{string.Join(", ", shape)}], got {given}"
                );
            values[input] = given;
            bounds[input] = null;
        }
        foreach (var stage in algorithm.Stages)
        {
            foreach (var output in stage.Outputs)
                values[output] = new NDArray(output.Type, ShapeOf(output, extents));
            var made = StageCompiler.Run(stage, track, extents, b => values[b], b => bounds.GetValueOrDefault(b));
            for (int i = 0; i < stage.Outputs.Length; i++)
                bounds[stage.Outputs[i]] = made[i];
        }
        return (values, bounds);
    }

    private static Dictionary<Var, Expr> Bind(Algorithm algorithm, IReadOnlyDictionary<string, long>? parameters)
    {
        var extents = new Dictionary<Var, Expr>();
        foreach (var parameter in algorithm.Parameters)
        {
            if (parameters is null || !parameters.TryGetValue(parameter.Name, out long value))
                throw new ArgumentException($"{algorithm.Name}: no value was given for parameter {parameter.Name}");
            if (value < parameter.Min || value > parameter.Max)
                throw new ArgumentException(
                    $"{algorithm.Name}: parameter {parameter.Name} is {value}, allowed are {parameter.Min} to {parameter.Max}"
                );
            extents[parameter.Var] = value;
        }
        return extents;
    }

    private static long[] ShapeOf(Buffer buffer, IReadOnlyDictionary<Var, Expr> extents) =>
        [
            .. buffer.Shape.Select(e =>
                e.Substitute(extents) is IntImm extent
                    ? extent.Value
                    : throw new EvaluationException($"extent {e} of {buffer.Name} has no value")
            ),
        ];
}
