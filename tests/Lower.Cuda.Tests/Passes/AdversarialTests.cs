using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Tests.Codegen;
using Xunit;

namespace Picograd.Tests.Passes;

/// <summary>Schedules that strain what the passes assume: each is right in every form, or refused for a reason.</summary>
public class AdversarialTests
{
    /// <summary>A loop below the threads of a reduction drives a spatial and a reduce axis at once.</summary>
    [Fact]
    public void Elements_of_a_thread_reduction_are_not_mixed_with_its_axis() =>
        RightOrRefused(
            SimtSchedules.Matmul(3, 4, 16),
            """
            ko, ki = split C.k 8
            reorder C.m ko C.n ki
            f = fuse C.n ki
            bind C.m block.x
            bind ko thread.x
            """,
            "thread-reduction"
        );

    [Theory]
    [InlineData("bits=2 base=2 shift=3")]
    [InlineData("bits=2 base=3 shift=3")]
    [InlineData("bits=2 base=4 shift=3")]
    public void Asynchronous_copies_do_not_cross_swizzled_runs(string swizzle) =>
        RightOrRefused(
            SimtSchedules.Matmul(16, 32, 16),
            $"""
            no, ni = split C.n 32
            ko, ki = split C.k 8
            reorder no ko C.m ni ki
            Bs, copy = cache_read B C shared
            b1, b2 = compute_at copy ko
            swizzle Bs {swizzle}
            bo, bv = split b2 4
            vectorize bv
            bind no block.x
            bind bo thread.x
            init = decompose_reduction C ko
            bind ni thread.x
            pipeline ko stages=2 mode=cp.async
            """,
            "async-copy"
        );

    /// <summary>One thread along y, in blocks that are widened to whole warps.</summary>
    [Theory]
    [InlineData("thread.y")]
    [InlineData("thread.z")]
    public void Stores_outside_of_a_kind_of_one_thread_are_made_once(string kind) =>
        RightOrRefused(
            SimtSchedules.Softmax(3, 4),
            $"""
            sn = compute_at sum y.m
            en = compute_at e y.m
            xn = compute_at max y.m
            set_scope sum shared
            set_scope max shared
            set_scope e shared
            bind y.m block.x
            yo, yi = split y.n 4
            bind yo {kind}
            bind yi thread.x
            bind sn thread.x
            bind xn thread.x
            """,
            "thread-reduction"
        );

    /// <summary>Counts of threads, some widened to parts of warps or to warps, in two reductions one after the other.</summary>
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(33, 3, 33)]
    [InlineData(96, 96, 3)]
    [InlineData(37, 5, 64)]
    public void Reductions_over_different_counts_of_threads(long columns, int first, int second) =>
        RightOrRefused(
            SimtSchedules.Softmax(3, columns),
            $"""
            sn = compute_at sum y.m
            en = compute_at e y.m
            xn = compute_at max y.m
            set_scope sum register
            set_scope max register
            set_scope e shared
            so, sl = split sn {second}
            xo, xl = split xn {first}
            eo, el = split en 7
            yo, yl = split y.n {second}
            bind y.m block.x
            bind sl thread.x
            bind xl thread.x
            bind el thread.x
            bind yl thread.x
            """,
            "register-index"
        );

    /// <summary>Rings of copies whose loop has no, few, or a number of iterations that stages do not divide; restarted.</summary>
    [Theory]
    [InlineData(1, 2, "cp.async")]
    [InlineData(1, 4, "cp.async")]
    [InlineData(2, 4, "sync")]
    [InlineData(7, 3, "cp.async")]
    [InlineData(7, 3, "sync")]
    public void Rings_restart_in_an_outer_loop(int steps, int stages, string mode) =>
        RightOrRefused(
            SimtSchedules.Matmul(6, 24, 4 * steps - 1),
            $"""
            mo, mi = split C.m 2
            no, ni = split C.n 8
            ko, ki = split C.k 4
            reorder no mo ko mi ni ki
            Bs, copy = cache_read B C shared
            b1, b2 = compute_at copy ko
            bo, bv = split b2 4
            bf = fuse b1 bo
            bt, bu = split bf 5
            vectorize bv
            bind no block.x
            bind bu thread.x
            init = decompose_reduction C ko
            f = fuse mi ni
            bind f thread.x
            pipeline ko stages={stages} mode={mode}
            """
        );

    internal static void RightOrRefused(Algorithm algorithm, string steps, params string[] reasons)
    {
        var nest = SimtSchedules.Apply(algorithm, steps);
        LoopNest kernels;
        try
        {
            kernels = CudaLowering.Run(nest, GpuInfo.H100);
        }
        catch (LoweringException e)
        {
            Assert.Contains(e.Reason, reasons);
            return;
        }
        Proof.Right(nest);
        EmulatedProgram.Check(kernels, Inputs(algorithm, new Random(5)));
    }

    private static Dictionary<Algorithms.Buffer, NDArray> Inputs(Algorithm algorithm, Random random)
    {
        var inputs = new Dictionary<Algorithms.Buffer, NDArray>();
        foreach (var input in algorithm.Inputs)
        {
            long[] shape = [.. input.Shape.Select(e => ((IntImm)e).Value)];
            // Few different values, so that the best of them ties.
            inputs[input] = NDArray.Of(
                input.Type,
                shape,
                [
                    .. Enumerable
                        .Range(0, (int)shape.Aggregate(1L, (x, y) => x * y))
                        .Select(_ => random.Next(9) / 4.0 - 1),
                ]
            );
        }
        return inputs;
    }
}
