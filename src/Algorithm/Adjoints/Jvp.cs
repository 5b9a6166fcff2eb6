using System.Collections.Immutable;

namespace Picograd.Algorithms.Adjoints;

/// <summary>
/// Derivatives along a direction: Σ ∂Y/∂Xᵢ · tXᵢ for all inputs Xᵢ that move, with tangents tXᵢ, as an algorithm itself.
/// </summary>
/// <remarks>
/// The gradient of an algorithm is linear in the gradients that it is given, so its own gradient with respect to those is the transpose
/// of a transpose: the derivative itself. Rules at ties, kinks and bounds are those of <see cref="Adjoint"/> therefore, and ⟨tY, w⟩ =
/// ⟨tX, dX⟩ everywhere. What nothing is known of (the maximum of something that is not a number) has the tangent 0.
/// </remarks>
public static class Jvp
{
    /// <summary>The tangents of some outputs.</summary>
    /// <param name="algorithm">What to differentiate.</param>
    /// <param name="moved">Its float inputs that have tangents; null for all of them.</param>
    /// <param name="wanted">Its outputs whose tangents are computed; null for all float outputs.</param>
    /// <returns>
    /// Outputs have the shapes and types of the wanted ones; inputs are those of the original that are read, its outputs that are read, and
    /// the tangents, of the shapes and types of what moves.
    /// </returns>
    /// <exception cref="AdjointException">There is no derivative, or none that is known.</exception>
    public static DerivedAlgorithm Of(
        Algorithm algorithm,
        IReadOnlyList<Buffer>? moved = null,
        IReadOnlyList<Buffer>? wanted = null
    )
    {
        ArgumentNullException.ThrowIfNull(algorithm);
        var outputs = Adjoint.Chosen(algorithm, wanted, algorithm.Outputs, "output");
        var reverse = Adjoint.Of(algorithm, moved, outputs);
        var gradients = reverse
            .Inputs.Where(i => i.Role == DerivedRole.Gradient)
            .ToDictionary(i => i.Of, i => i.Buffer);
        // No gradient is read of what depends on nothing, or by steps only.
        var twice = gradients.Count == 0 ? null : Adjoint.Of(reverse.Algorithm, [.. gradients.Values]);
        var stages = twice?.Algorithm.Stages.ToList() ?? [];
        var results = ImmutableArray.CreateBuilder<Buffer>();
        foreach (var output in outputs)
        {
            if (!gradients.TryGetValue(output, out var gradient))
                stages.Add(Zeros(output));
            results.Add(
                gradient is null ? stages[^1].Output : twice!.Algorithm.Outputs[twice.Outputs.IndexOf(gradient)]
            );
        }
        ImmutableArray<DerivedInput> inputs = [.. (twice?.Inputs ?? []).Select(i => InputOf(i, reverse))];
        var made = new Algorithm(
            algorithm.Name + ".jvp",
            algorithm.Parameters,
            [.. inputs.Select(i => i.Buffer)],
            results.ToImmutable(),
            [.. stages]
        );
        var renamed = WithNames(algorithm, made, inputs, outputs);
        return new(renamed, [.. inputs.Select((i, n) => i with { Buffer = renamed.Inputs[n] })], outputs);
    }

    private static DerivedInput InputOf(DerivedInput input, DerivedAlgorithm reverse)
    {
        if (input.Role == DerivedRole.Gradient)
            return new(input.Buffer, DerivedRole.Tangent, reverse.Outputs[reverse.Algorithm.Outputs.IndexOf(input.Of)]);
        var read = input.Role == DerivedRole.Input ? reverse.Inputs.First(i => i.Buffer == input.Of) : null;
        return read is { Role: DerivedRole.Input or DerivedRole.Output }
            ? new(input.Buffer, read.Role, read.Of)
            : throw new InvalidOperationException(
                $"{reverse.Algorithm.Name} is not linear in the gradients that it reads: its own gradient reads {input.Buffer}"
            );
    }

    private static Stage Zeros(Buffer like)
    {
        ImmutableArray<Axis> axes = [.. like.Shape.Select((e, d) => new Axis($"i{d}", e))];
        var zeros = new Buffer("d" + like.Name, like.Type, like.Shape);
        return new(
            zeros.Name,
            StageKind.Map,
            axes,
            [zeros],
            [.. axes.Select(a => (Expr)a.Var)],
            [Algebra.Zero(like.Type)],
            null
        );
    }

    // The tangent of X is tX, and what is in between is called after it.
    private static Algorithm WithNames(
        Algorithm original,
        Algorithm made,
        ImmutableArray<DerivedInput> inputs,
        ImmutableArray<Buffer> outputs
    )
    {
        var names = new StageNames(original, "t");
        var known = original.Stages.Select(s => s.Name).ToHashSet();
        string NameOf(Stage stage) =>
            made.Outputs.IndexOf(stage.Output) is var at and >= 0 ? names.Gradient(outputs[at])
            : known.Contains(stage.Name) ? stage.Name
            : names.Fresh("t" + stage.Name.TrimStart('d'));
        return AlgorithmRenamer.Rename(
            made,
            [.. made.Parameters.Select(p => p.Name)],
            [.. inputs.Select(i => i.Role == DerivedRole.Tangent ? names.Gradient(i.Of) : i.Buffer.Name)],
            [.. made.Stages.Select(s => (NameOf(s), s.Axes.Select(a => a.Name).ToImmutableArray()))]
        );
    }
}
