using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Intrinsics;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>tensorize loop intrinsic</c>: the loop and all below it, one block in a tile of loops, become a use of a hardware
/// instruction whose meaning is that block.
/// </summary>
public sealed class Tensorize : Primitive
{
    public override string Name => "tensorize";

    public override string Usage => "tensorize loop intrinsic";

    public override string Requirements =>
        """
            Below the loop are only loops and one block. Their extents are constants, those of the intrinsic's axes, in
            any order, spatial for spatial and reduce for reduce. The block's value is the intrinsic's with a load for
            each operand; along each axis of the tile an operand's index advances by one in one dimension. Types and
            scopes of the buffers are those of the operands. A predicate must not depend on the tile's loops. An
            intrinsic that only accumulates wants decompose_reduction first. One that a warp executes together (mma,
            ldmatrix) is not below loops over lanes or threads.
            """;

    public override PrimitiveExample Example =>
        new(
            "scatter",
            "tensorize C.j cpu.add.1x4",
            """
            for C.init.d0 in 0..6:
              for C.init.d1 in 0..4:
                block C.init(d0 = C.init.d0, d1 = C.init.d1):
                  C[d0, d1] = 0.0
            for C.r in 0..9:
              cpu.add.1x4(C[i64(I[C.r]), 0], A[C.r, 0])
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        ArgCount(nest, step, 2, 2);
        var top = nest.Loop(Arg(nest, step, 0));
        string name = Arg(nest, step, 1);
        if (!IntrinsicLibrary.All.TryGetValue(name, out var intrinsic))
            throw Refuse(nest, top, $"unknown intrinsic '{name}'", IntrinsicLibrary.Names);
        var tile = ImmutableArray.CreateBuilder<For>();
        Stmt body = top;
        for (; body is For loop; body = loop.Body)
            tile.Add(loop);
        if (body is not Block block)
            throw Refuse(
                nest,
                top,
                $"the loops from {top.Name} on contain more than one block",
                "a loop around one block and nothing else"
            );
        var predicate = Simplifier.Simplify(block.Predicate, nest.Ranges(nest.LoopsAround(block)));
        if (tile.FirstOrDefault(l => predicate.Uses(l.Var)) is { } tested)
            throw Refuse(
                nest,
                block,
                $"the predicate {predicate} of block {block.Name} depends on {tested.Name}, so the tile is not always whole",
                "a factor that divides the extent, or pad_einsum first"
            );
        var (call, difference) = new IntrinsicMatcher(nest, block, tile.ToImmutable(), intrinsic).Match();
        if (call is null)
            throw Refuse(nest, block, $"block {block.Name} is no {name}: {difference}", Legal(intrinsic, block));
        if (intrinsic.Lanes > 1 && nest.LoopsAround(top).FirstOrDefault(IsOfOneLane) is { } lanes)
            throw Refuse(
                nest,
                lanes,
                $"{name} is executed by {intrinsic.Lanes} lanes together, and loop {lanes.Name} around it is {lanes.Kind.Text()}",
                "loops over blocks, warps and warpgroups around it, and none over lanes or threads"
            );
        Stmt replacement = predicate.IsTrue() ? call : new If(predicate, call);
        return (nest.Replace(top, replacement).WithoutStaleStoreAt(), []);
    }

    /// <summary>Whether an iteration is a single thread, which cannot do what a warp does together.</summary>
    internal static bool IsOfOneLane(For loop) =>
        loop.Kind is LoopKind.Lane or LoopKind.ThreadX or LoopKind.ThreadY or LoopKind.ThreadZ;

    private static string Legal(Intrinsic intrinsic, Block block) =>
        block.Init && !intrinsic.Meaning.Init
            ? "decompose_reduction first, then tensorize the update"
            : "a tile that is:\n"
                + NestPrinter.Print(intrinsic.Meaning).TrimEnd()
                + "\n  over "
                + string.Join(", ", intrinsic.Operands.Select(o => $"{o} {o.Scope.ToString().ToLowerInvariant()}"));
}
