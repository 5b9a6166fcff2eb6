using System.Collections.Immutable;

namespace Picograd.Algorithms.Adjoints;

/// <summary>What an input of a derived algorithm is.</summary>
public enum DerivedRole
{
    /// <summary>The input <see cref="DerivedInput.Of"/> of the original algorithm.</summary>
    Input,

    /// <summary>Its output <see cref="DerivedInput.Of"/>, saved.</summary>
    Output,

    /// <summary>The gradient of its output <see cref="DerivedInput.Of"/>.</summary>
    Gradient,

    /// <summary>The tangent of its input <see cref="DerivedInput.Of"/>.</summary>
    Tangent,
}

/// <summary>An input of a derived algorithm, and which buffer of the original one it belongs to.</summary>
public sealed record DerivedInput(Buffer Buffer, DerivedRole Role, Buffer Of);

/// <summary>An algorithm that was derived from another.</summary>
/// <param name="Algorithm">Inputs are those of <paramref name="Inputs"/>, outputs belong to <paramref name="Outputs"/>, in order.</param>
/// <param name="Inputs">Inputs of the original that are needed, then outputs, then gradients or tangents; each in its order.</param>
/// <param name="Outputs">Buffers of the original: of which the gradients (tangents) are computed.</param>
public sealed record DerivedAlgorithm(
    Algorithm Algorithm,
    ImmutableArray<DerivedInput> Inputs,
    ImmutableArray<Buffer> Outputs
);

/// <summary>
/// Gradients of algorithms: Σ dYᵢ · ∂Yᵢ/∂X for all wanted inputs X, as an algorithm itself. Gradients of tied extremes, at bounds and
/// at NaN are PyTorch's; where a slope is 0 because nothing depends on an element, an infinite gradient stays out.
/// </summary>
/// <remarks>
/// Reads whose indices can be solved for the place that is read (plain axes, strides, windows, padding, quotients and remainders)
/// become reads of the gradient at that place, others scatters. Of the original's intermediate results cheap ones are computed
/// again where they are used, others as stages; its outputs are read.
/// </remarks>
public static class Adjoint
{
    /// <summary>The gradients of some inputs.</summary>
    /// <param name="algorithm">What to differentiate.</param>
    /// <param name="wanted">Its float inputs whose gradients are computed; null for all of them.</param>
    /// <param name="given">Its outputs whose gradients are given; null for all float outputs.</param>
    /// <param name="orZeros">Give zeros where no output depends on an input, instead of an error.</param>
    /// <returns>Outputs have the shapes and types of the wanted inputs.</returns>
    /// <exception cref="AdjointException">There is no gradient, or none that is known.</exception>
    public static DerivedAlgorithm Of(
        Algorithm algorithm,
        IReadOnlyList<Buffer>? wanted = null,
        IReadOnlyList<Buffer>? given = null,
        bool orZeros = false
    )
    {
        ArgumentNullException.ThrowIfNull(algorithm);
        ImmutableArray<Buffer> inputs = Chosen(algorithm, wanted, algorithm.Inputs, "input");
        ImmutableArray<Buffer> outputs = Chosen(algorithm, given, algorithm.Outputs, "output");
        var names = new StageNames(algorithm, "d");
        var sweep = new ReverseSweep(algorithm, names, inputs);
        if (!orZeros && !outputs.Any(sweep.IsActive))
            throw new IndependentException(
                $"{algorithm.Name} has no gradient by {List(inputs)}: {List(outputs)} {IndependentException.Reason}"
            );
        var gradients = outputs.ToDictionary(o => o, o => new Buffer(names.Gradient(o), o.Type, o.Shape));
        foreach (var (output, gradient) in gradients)
            sweep.Give(output, gradient);
        sweep.Run();
        ImmutableArray<Buffer> results = [.. inputs.Select(i => sweep.Result(i, names.Gradient(i)))];
        var stages = StageGraph.Shorten(algorithm, sweep.Stages, results, names);
        return Assembled(
            algorithm,
            algorithm.Name + ".adjoint",
            stages,
            results,
            [.. outputs.Select(o => new DerivedInput(gradients[o], DerivedRole.Gradient, o))],
            inputs
        );
    }

    internal static DerivedAlgorithm Assembled(
        Algorithm original,
        string name,
        ImmutableArray<Stage> stages,
        ImmutableArray<Buffer> results,
        ImmutableArray<DerivedInput> further,
        ImmutableArray<Buffer> of
    )
    {
        var read = stages.SelectMany(s => s.Reads).ToHashSet();
        ImmutableArray<DerivedInput> inputs =
        [
            .. original
                .Inputs.Select(b => new DerivedInput(b, DerivedRole.Input, b))
                .Concat(original.Outputs.Select(b => new DerivedInput(b, DerivedRole.Output, b)))
                .Concat(further)
                .Where(i => read.Contains(i.Buffer)),
        ];
        return new(
            new Algorithm(name, original.Parameters, [.. inputs.Select(i => i.Buffer)], results, stages),
            inputs,
            of
        );
    }

    internal static ImmutableArray<Buffer> Chosen(
        Algorithm algorithm,
        IReadOnlyList<Buffer>? some,
        ImmutableArray<Buffer> all,
        string what
    )
    {
        ImmutableArray<Buffer> floats = [.. all.Where(b => b.Type.IsFloat())];
        if (some is null)
            return floats.IsEmpty
                ? throw new AdjointException(
                    $"{algorithm.Name} has no gradient: none of its {what}s is a float ({List(all)})"
                )
                : floats;
        foreach (var buffer in some)
        {
            if (!all.Contains(buffer))
                throw new AdjointException($"{buffer.Name} is no {what} of {algorithm.Name}; those are {List(all)}");
            if (!buffer.Type.IsFloat())
                throw new AdjointException(
                    $"{algorithm.Name}: {buffer.Name} is {buffer.Type.Name()} and has no gradient; {what}s that have are {List(floats)}"
                );
        }
        return some.Count == 0
            ? throw new AdjointException($"{algorithm.Name}: no {what} is named; those that may be are {List(floats)}")
            : [.. some.Distinct()];
    }

    private static string List(IEnumerable<Buffer> buffers) => string.Join(", ", buffers.Select(b => b.ToString()));
}
