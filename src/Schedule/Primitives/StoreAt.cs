using System.Collections.Immutable;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>store_at buffer loop</c>: an intermediate lives in one iteration of the loop, not in the innermost place possible,
/// and is cut down to what one iteration of that loop uses.
/// </summary>
public sealed class StoreAt : Primitive
{
    public override string Name => "store_at";

    public override string Usage => "store_at buffer loop";

    public override string Requirements =>
        """
            The buffer is an intermediate; the loop encloses all its uses, neither it nor a loop around it is a vector
            loop, and no block carries values in the buffer from one iteration of such a loop to the next.
            """;

    public override PrimitiveExample Example =>
        new(
            "maps",
            ["compute_at B C.j"],
            "store_at B C.i",
            """
            buffer B: f32[8, 12] heap at C.i
            for C.i in 0..8:
              for C.j in 0..12:
                block B(i = C.i, j = C.j):
                  B[i, j] = A[i, j] * 2.0
                block C(i = C.i, j = C.j):
                  C[i, j] = B[i, j] + 1.0
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        var buffer = nest.IntermediateNamed(Arg(nest, step, 0));
        var loop = nest.Loop(Arg(nest, step, 1));
        var places = new Places(nest, [buffer]);
        int depth = Enumerable
            .Range(0, places.Common.Length)
            .FirstOrDefault(i => ReferenceEquals(places.Common[i], loop), -1);
        var around = places
            .Common.Take(Math.Max(0, places.Common.Length - 1))
            .OfType<For>()
            .Select(l => l.Name)
            .ToList();
        string legal =
            around.Count == 0
                ? "no loop is around all its uses"
                : $"loops around all uses: {string.Join(", ", around)}";
        if (depth < 0 || depth == places.Common.Length - 1)
            throw Refuse(nest, loop, $"{buffer.Name} is also used outside loop {loop.Name}", legal);
        if (places.Blocker(depth + 1) is { } reason)
            throw Refuse(
                nest,
                loop,
                $"{buffer.Name} cannot live in one iteration of loop {loop.Name}: {reason}",
                legal
            );
        return (nest with { StoreAt = nest.StoreAt.SetItem(buffer.Name, loop.Name) }, []);
    }

    /// <summary>
    /// What every rewrite that moves blocks ends with: drops the entries of StoreAt that it has made impossible; those
    /// buffers are placed freely.
    /// </summary>
    internal static LoopNest Kept(LoopNest nest)
    {
        var result = nest.WithoutStaleStoreAt();
        foreach (var (name, loop) in result.StoreAt)
        {
            var places = new Places(result, [result.Buffer(name)]);
            int depth = Enumerable
                .Range(0, places.Common.Length)
                .FirstOrDefault(i => places.Common[i] is For f && f.Name == loop, -1);
            if (depth < 0 || depth == places.Common.Length - 1 || places.Blocker(depth + 1) is not null)
                result = result with { StoreAt = result.StoreAt.Remove(name) };
        }
        return result;
    }
}
