using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Lower.Cpu.Codegen;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>Vectors whose lanes lie some elements apart, of which a condition leaves some on: windows at a stride over padded images.</summary>
public class StridedConditionTests
{
    [SkippableTheory]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void Lanes_that_are_on_are_read(int bits)
    {
        var backend = Widths.Backend(bits);
        foreach (var type in (DType[])[DType.Float32, DType.Int32, DType.Float64])
        {
            int lanes = backend.Target.Lanes(type);
            foreach (int n in (int[])[2, lanes - 1, lanes, 2 * lanes + 1])
            {
                foreach (int apart in (int[])[2, 3, 7, -1, -2])
                {
                    for (int before = 0; before <= 2; before += 2)
                    {
                        for (int behind = 0; behind <= 1; behind++)
                            Check(n, apart, before, behind, type);
                    }
                }
            }
        }

        // Elements that only lanes which are off would read are not there.
        void Check(int n, int apart, int before, int behind, DType type)
        {
            if (before + behind >= n)
                return;
            var i = new Axis("i", n);
            var g = new AlgorithmBuilder("strided");
            int reach = Math.Abs(apart);
            var x = g.Input("X", type, (n - before - behind - 1) * reach + 1);
            var inside = Op.And(Op.Le(before, i.Var), Op.Lt(i.Var, n - behind));
            Expr place = apart > 0 ? (i.Var - before) * reach : (n - behind - 1 - i.Var) * reach;
            var two = Op.Const(2, type);
            var algorithm = g.Build(g.Stage("Y", [i], Op.Select(inside, x[place], two)));
            var inputs = GuardedMemory.AsStored(Problem.Of(algorithm).MakeInputs(n));
            var s = new Picograd.Schedules.Schedule(algorithm);
            s.Vectorize("Y.i");
            using var kernel = backend.Compile(s.Nest);
            var actual = Execution.Run(kernel, algorithm, inputs);
            var wrong = Execution.Wrong(algorithm, actual, Evaluator.RunWithBounds(algorithm, inputs));
            Assert.True(
                wrong is null,
                $"{bits} bits, {type}, {n} lanes {apart} apart, {before} before and {behind} behind: {wrong}"
            );
        }
    }

    // A touch of address 0 would end the process.
    [SkippableFact]
    public void Lanes_that_are_off_touch_nothing()
    {
        Skip.IfNot(Avx2.IsSupported, "no AVX2");
        for (int apart = -3; apart <= 5; apart++)
        {
            Assert.Equal(default, StridedVectors.MaskLoad128x4(0, Vector128<int>.Zero, apart));
            Assert.Equal(default, StridedVectors.MaskLoad256x4(0, Vector256<int>.Zero, apart));
            if (Vector512.IsHardwareAccelerated)
                Assert.Equal(default, StridedVectors.MaskLoad512x4(0, Vector512<int>.Zero, apart));
        }
    }
}
