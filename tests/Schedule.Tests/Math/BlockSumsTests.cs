using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Picograd.Schedules.Primitives;
using Xunit;

namespace Picograd.Tests.MathFunctions;

/// <summary>The pass block-sums with short stretches, so that small nests have several levels of them.</summary>
public class BlockSumsTests
{
    /// <summary>Stretches of two of a prime extent: no divisor is near, and 1 is none.</summary>
    [Theory]
    [InlineData(5)]
    [InlineData(7)]
    [InlineData(31)]
    public void Prime_extents_come_to_an_end(long n)
    {
        var nest = LowerBlocks.Run(InitialNest.Of(OperatorSpec.Parse($"sum shape={n} axes=0").Build()));
        var after = new BlockSums(64, block: 2, tileBlock: 3).Run(nest);
        Assert.Contains("block", after.ToString());
        Assert.InRange(after.Loops.Count(), 2, 40);
    }

    /// <summary>The rest of a cut loop adds to the same totals, which its first part begins.</summary>
    [Theory]
    [InlineData(2, 4, 2)]
    [InlineData(5, 4, 3)]
    [InlineData(300, 7, 1)]
    public void The_rest_of_a_cut_loop_is_added_too(long rows, long cols, long kept)
    {
        var algorithm = OperatorSpec.Parse($"sum shape={rows}x{cols}x{kept} axes=0,1").Build();
        var s = new Schedule(algorithm);
        string stage = algorithm.Outputs[0].Name;
        string inner = s.Nest.LoopsAround(s.Nest.Block(stage)).First(l => l.ConstantExtent == cols).Name;
        s.Split(inner, 3, Tail.Peel);
        var nest = LoopPartition.Run(LowerBlocks.Run(StoragePlacement.Run(s.Nest)));
        var after = new BlockSums(64, block: 2, tileBlock: 3).Run(nest);
        Assert.NotSame(nest.Body, after.Body);
        var inputs = algorithm.Inputs.ToDictionary(
            b => b.Name,
            b =>
                HostArray.From(
                    OperatorSpec.Parse($"sum shape={rows}x{cols}x{kept} axes=0,1").MakeInputs(1).Values.First(),
                    b
                )
        );
        double[] expected = Interpreter.Run(nest, inputs)[0].ToDoubles();
        double[] actual = Interpreter.Run(after, inputs)[0].ToDoubles();
        for (int i = 0; i < kept; i++)
            Assert.Equal(expected[i], actual[i], 1e-5 * rows * cols);
    }
}
