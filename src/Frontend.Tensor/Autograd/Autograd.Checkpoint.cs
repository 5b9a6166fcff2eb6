using Picograd.Gradients;

namespace Picograd;

public static partial class Autograd
{
    /// <summary>
    /// Calls a function without keeping what its derivatives will read: that is computed again, by another call of the function, when
    /// a backward pass needs it. PyTorch's <c>checkpoint(use_reentrant=False)</c>: parameters that the function has of its own get
    /// gradients, too; it may be within another one, and be differentiated several times.
    /// </summary>
    /// <param name="function">Must do the same in both calls, but for random numbers of the default generator.</param>
    /// <param name="inputs">What it is called with.</param>
    /// <param name="preserveRngState">Whether the second call draws the same random numbers.</param>
    /// <exception cref="InvalidOperationException">In the backward pass: an input was changed in place, or the function did
    /// something else.</exception>
    public static Tensor[] Checkpoint(Func<Tensor[], Tensor[]> function, Tensor[] inputs, bool preserveRngState = true)
    {
        ArgumentNullException.ThrowIfNull(function);
        ArgumentNullException.ThrowIfNull(inputs);
        return CheckpointRegion.Run(function, [.. inputs], preserveRngState);
    }

    /// <inheritdoc cref="Checkpoint(Func{Tensor[], Tensor[]}, Tensor[], bool)"/>
    public static Tensor Checkpoint(Func<Tensor[], Tensor> function, Tensor[] inputs, bool preserveRngState = true) =>
        Checkpoint(i => [function(i)], inputs, preserveRngState)[0];

    /// <inheritdoc cref="Checkpoint(Func{Tensor[], Tensor[]}, Tensor[], bool)"/>
    public static Tensor Checkpoint(Func<Tensor, Tensor> function, Tensor input, bool preserveRngState = true) =>
        Checkpoint(i => [function(i[0])], [input], preserveRngState)[0];

    /// <inheritdoc cref="Checkpoint(Func{Tensor[], Tensor[]}, Tensor[], bool)"/>
    public static Tensor[] Checkpoint(Func<Tensor, Tensor[]> function, Tensor input, bool preserveRngState = true) =>
        Checkpoint(i => function(i[0]), [input], preserveRngState);

    /// <inheritdoc cref="Checkpoint(Func{Tensor[], Tensor[]}, Tensor[], bool)"/>
    public static Tensor Checkpoint(
        Func<Tensor, Tensor, Tensor> function,
        Tensor a,
        Tensor b,
        bool preserveRngState = true
    ) => Checkpoint(i => [function(i[0], i[1])], [a, b], preserveRngState)[0];

    /// <inheritdoc cref="Checkpoint(Func{Tensor[], Tensor[]}, Tensor[], bool)"/>
    public static Tensor Checkpoint(
        Func<Tensor, Tensor, Tensor, Tensor> function,
        Tensor a,
        Tensor b,
        Tensor c,
        bool preserveRngState = true
    ) => Checkpoint(i => [function(i[0], i[1], i[2])], [a, b, c], preserveRngState)[0];

    /// <summary>
    /// Functions one after another, in segments of equal numbers, each a <see cref="Checkpoint(Func{Tensor, Tensor}, Tensor, bool)"/>
    /// but the last.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than one segment, or more than functions.</exception>
    public static Tensor CheckpointSequential(
        IReadOnlyList<Func<Tensor, Tensor>> functions,
        int segments,
        Tensor input,
        bool preserveRngState = true
    )
    {
        ArgumentNullException.ThrowIfNull(functions);
        if (segments < 1 || segments > Math.Max(1, functions.Count))
            throw new ArgumentOutOfRangeException(
                nameof(segments),
                $"CheckpointSequential: segments is {segments}, but must be from 1 to {Math.Max(1, functions.Count)}, the number of functions."
            );
        int size = functions.Count / segments;
        int end = 0;
        for (int segment = 0; segment < segments - 1; segment++)
        {
            int start = end;
            end += size;
            int stop = end;
            input = Checkpoint(x => Through(x, start, stop), input, preserveRngState);
        }
        return Through(input, end, functions.Count);

        Tensor Through(Tensor x, int from, int to)
        {
            for (int i = from; i < to; i++)
                x = functions[i](x);
            return x;
        }
    }
}
