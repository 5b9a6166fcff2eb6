using System.Collections.Immutable;
using System.Globalization;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary><c>annotate loop key=value</c>: gives a parallel or block loop a hint, or changes one.</summary>
public sealed class Annotate : Primitive
{
    /// <summary>Of the outermost block loop of a kernel: the blocks that must fit on a multiprocessor at once.</summary>
    public const string MinBlocks = "min_blocks";

    public override string Name => "annotate";

    public override string Usage => "annotate loop key=value";

    public override string Requirements =>
        """
            The loop is parallel, with the keys threads (a whole number from 1 to 1024: use no more than so many workers)
            and partition (static or dynamic); or it is a block loop that no other GPU loop is around, with the key
            min_blocks (1 to 32: so many blocks must fit on a multiprocessor at once, which limits registers).
            """;

    public override PrimitiveExample Example =>
        new(
            "maps",
            ["parallel C.i"],
            "annotate C.i threads=2",
            """
            buffer B: f32[8, 12] heap
            for B.i in 0..8:
              for B.j in 0..12:
                block B(i = B.i, j = B.j):
                  B[i, j] = A[i, j] * 2.0
            for C.i in 0..8 parallel threads=2:
              for C.j in 0..12:
                block C(i = C.i, j = C.j):
                  C[i, j] = B[i, j] + 1.0
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        ArgCount(nest, step, 1, 1);
        var loop = nest.Loop(Arg(nest, step, 0));
        if (step.Options.IsEmpty)
            throw Refuse(nest, loop, "no key=value given", "threads=N, partition=static|dynamic");
        bool blocks =
            loop.Kind is LoopKind.BlockX or LoopKind.BlockY or LoopKind.BlockZ
            && !nest.LoopsAround(loop).Any(l => l.Kind.IsGpu());
        if (blocks)
            CheckBlocks(nest, step.Options);
        else if (loop.Kind == LoopKind.Parallel)
            CheckAll(nest, step.Options);
        else
            throw Refuse(
                nest,
                loop,
                $"loop {loop.Name} is {loop.Kind.Text()}, and its hints are for parallel loops and the outermost block loops",
                $"parallel loops: {string.Join(", ", nest.Loops.Where(l => l.Kind == LoopKind.Parallel).Select(l => l.Name))}"
            );
        return (nest.Replace(loop, loop with { Annotations = loop.Annotations.SetItems(step.Options) }), []);
    }

    /// <summary>Refuses unknown keys and values.</summary>
    internal static void CheckAll(LoopNest nest, IEnumerable<KeyValuePair<string, string>> hints)
    {
        foreach (var (key, value) in hints)
        {
            bool good = key switch
            {
                "threads" => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int n)
                    && n is >= 1 and <= 1024,
                "partition" => value is "static" or "dynamic",
                _ => throw new ScheduleException(nest, null, $"unknown key '{key}'", "threads, partition"),
            };
            if (!good)
                throw new ScheduleException(
                    nest,
                    null,
                    $"{key} cannot be '{value}'",
                    key == "threads" ? "1 to 1024" : "static, dynamic"
                );
        }
    }

    private static void CheckBlocks(LoopNest nest, IEnumerable<KeyValuePair<string, string>> hints)
    {
        foreach (var (key, value) in hints)
        {
            if (key != MinBlocks)
                throw new ScheduleException(nest, null, $"unknown key '{key}' of a block loop", MinBlocks);
            if (
                !int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int blocks)
                || blocks is < 1 or > 32
            )
                throw new ScheduleException(nest, null, $"{key} cannot be '{value}'", "1 to 32");
        }
    }
}
