using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Intrinsics;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Xunit;
using static Picograd.Tests.Storage.StorageFixtures;

namespace Picograd.Tests.Storage;

public class TensorizeTests
{
    /// <summary>
    /// S = A · B into registers, initialised first, loops m, n by 16, k, and C = S + bias after it.
    /// </summary>
    private static Schedule Ready(long m, long n, long k, Scope scope = Scope.Register)
    {
        var nest = InScope(InitFirst(new Schedule(MatmulBiasTanh(m, n, k)).Nest, "S"), "S", scope);
        var s = new Schedule(nest);
        s.Split("S.n", 16);
        return new Schedule(Interchange(s.Nest, "S.n.i"));
    }

    [Fact]
    public void RowUpdateBecomesACall()
    {
        var s = Ready(5, 32, 7);
        s.Tensorize("S.n.i", "cpu.fma.1x16");
        Shows(
            s.Nest,
            """
            buffer S: f32[5, 32] register
            for S.init.m in 0..5:
              for S.init.n in 0..32:
                block S.init(m = S.init.m, n = S.init.n):
                  S[m, n] = 0.0
            for S.m in 0..5:
              for S.n.o in 0..2:
                for S.k in 0..7:
                  cpu.fma.1x16(S[S.m, S.n.o * 16], A[S.m, S.k], B[S.k, S.n.o * 16])
            for C.m in 0..5:
              for C.n in 0..32:
                block C(m = C.m, n = C.n):
                  C[m, n] = tanh(S[m, n] + bias[n])
            """
        );
        var call = s.Nest.Body.Nodes().OfType<Call>().Single();
        Assert.Equal([1, 16], call.Extents(0).ToArray());
        Assert.Equal([1, 1], call.Extents(1).ToArray());
        Agrees(s.Nest);
    }

    [Fact]
    public void ExpansionIsThePlainNest()
    {
        var s = Ready(5, 32, 7);
        s.Tensorize("S.n.i", "cpu.fma.1x16");
        var call = s.Nest.Body.Nodes().OfType<Call>().Single();
        var plain = s.Nest.Replace(call, Intrinsic.Expand(call, "fma"));
        NestVerifier.Check(plain);
        Assert.Equal(
            """
            for fma.j in 0..16 vector:
              block fma(j = fma.j):
                S[S.m, S.n.o * 16 + j] sum= A[S.m, S.k] * B[S.k, S.n.o * 16 + j] (no init)
            """,
            plain.Loop("fma.j").ToString().ReplaceLineEndings("\n").TrimEnd()
        );
        Agrees(plain);
    }

    [Fact]
    public void TwoDimensionalTileOfAPackedOperand()
    {
        // A is packed in panels of 6 rows: within the tile, rows are neighbours.
        var g = new AlgorithmBuilder("packed");
        var a = g.Input("A", DType.Float32, 12, 7);
        var b = g.Input("B", DType.Float32, 7, 32);
        var (am, ak) = (new Axis("m", 12), new Axis("k", 7));
        var copy = g.Stage("A.c", [am, ak], a[am, ak]);
        var (sm, sn, sk) = (new Axis("m", 12), new Axis("n", 32), new Axis("k", 7));
        var acc = g.Stage("S", [sm, sn], AlgorithmBuilder.Sum(sk, b[sk, sn] * copy[sm, sk]));
        var (cm, cn) = (new Axis("m", 12), new Axis("n", 32));
        var algorithm = g.Build(g.Stage("C", [cm, cn], acc[cm, cn] * 1f));
        var s = new Schedule(InScope(InitFirst(new Schedule(algorithm).Nest, "S"), "S", Scope.Register));
        s.TransformLayout("A.c", "m,k->m/6,k,m%6");
        s.Split("S.m", 6);
        s.Split("S.n", 16);
        // m.o, m.i, n.o, n.i, k to m.o, n.o, k, n.i, m.i: the order within the tile does not matter.
        var nest = Interchange(Interchange(s.Nest, "S.n.i"), "S.m.i");
        nest = Interchange(Interchange(nest, "S.m.i"), "S.m.i");
        s = new Schedule(nest);
        s.Tensorize("S.n.i", "cpu.fma.6x16");
        var call = s.Nest.Body.Nodes().OfType<Call>().Single();
        Assert.Equal(
            "cpu.fma.6x16(S[S.m.o * 6, S.n.o * 16], A.c[S.m.o, S.k, 0], B[S.k, S.n.o * 16])",
            call.ToString().Trim()
        );
        Assert.Equal([2], call.Dims[1].ToArray());
        Agrees(s.Nest);
        Agrees(s.Nest.Replace(call, Intrinsic.Expand(call, "fma")));
    }

    [Fact]
    public void PredicateOfOuterLoopsGoesAroundTheCall()
    {
        var nest = InScope(InitFirst(new Schedule(MatmulBiasTanh(5, 32, 7)).Nest, "S"), "S", Scope.Register);
        var s = new Schedule(nest);
        s.Split("S.m", 3);
        s.Split("S.n", 16);
        s = new Schedule(Interchange(s.Nest, "S.n.i"));
        s.Tensorize("S.n.i", "cpu.fma.1x16");
        Assert.Equal("S.m.o * 3 + S.m.i < 5", s.Nest.Body.Nodes().OfType<If>().Single().Cond.ToString());
        Agrees(s.Nest);
    }

    [Fact]
    public void TensorCoreTileOnFragments()
    {
        var g = new AlgorithmBuilder("tf32");
        var a = g.Input("A", DType.Float32, 16, 16);
        var b = g.Input("B", DType.Float32, 16, 8);
        var (am, ak) = (new Axis("m", 16), new Axis("k", 16));
        var fa = g.Stage("fa", [am, ak], a[am, ak]);
        var (bk, bn) = (new Axis("k", 16), new Axis("n", 8));
        var fb = g.Stage("fb", [bk, bn], b[bk, bn]);
        var (m, n, k) = (new Axis("m", 16), new Axis("n", 8), new Axis("k", 16));
        var fc = g.Stage(
            "fc",
            [m, n],
            AlgorithmBuilder.Sum(k, TensorCores.Tf32(fa[m, k]) * TensorCores.Tf32(fb[k, n]))
        );
        var (cm, cn) = (new Axis("m", 16), new Axis("n", 8));
        var algorithm = g.Build(g.Stage("C", [cm, cn], fc[cm, cn] * 1f));
        var nest = InitFirst(new Schedule(algorithm).Nest, "fc");
        foreach (string name in new[] { "fa", "fb" })
            nest = InScope(nest, name, Scope.Fragment);
        var s = new Schedule(nest);
        s.Split("fc.k", 8);
        nest = Interchange(Interchange(s.Nest, "fc.n"), "fc.m");
        s = new Schedule(nest);
        Refused(s, "tensorize fc.m mma.m16n8k8.tf32", "operand c is fc in heap, mma.m16n8k8.tf32 wants it in fragment");
        s = new Schedule(InScope(s.Nest, "fc", Scope.Fragment));
        s.Tensorize("fc.m", "mma.m16n8k8.tf32");
        Assert.Equal(
            "mma.m16n8k8.tf32(fc[0, 0], fa[0, fc.k.o * 8], fb[fc.k.o * 8, 0])",
            s.Nest.Body.Nodes().OfType<Call>().Single().ToString().Trim()
        );
        Agrees(s.Nest);
    }

    [Fact]
    public void RefusalsNameWhatDiffers()
    {
        var s = Ready(5, 32, 7);
        Refused(s, "tensorize S.n.i cpu.fma.9x9", "unknown intrinsic 'cpu.fma.9x9'", "cpu.fma.1x16");
        Refused(
            s,
            "tensorize S.n.i cpu.fma.1x8",
            "the tile is S.n.i=16, cpu.fma.1x8 wants j=8",
            "c[j] sum= a[] * b[j]"
        );
        Refused(s, "tensorize S.n.i cpu.fma.6x16", "the tile has 1 loop (S.n.i), cpu.fma.6x16 has 2 axes (i, j)");
        Refused(s, "tensorize S.init.n cpu.fma.1x16", "block S.init is no cpu.fma.1x16: it only assigns");
        Refused(
            Ready(5, 32, 7, Scope.Heap),
            "tensorize S.n.i cpu.fma.1x16",
            "operand c is S in heap, cpu.fma.1x16 wants it in register"
        );
    }

    [Fact]
    public void InitRaggedTilesAndOtherValuesAreRefused()
    {
        var init = new Schedule(MatmulBiasTanh(5, 32, 7));
        init.Split("S.n", 16);
        init = new Schedule(Interchange(init.Nest, "S.n.i"));
        Refused(init, "tensorize S.n.i cpu.fma.1x16", "it also sets its output to the identity", "decompose_reduction");

        var ragged = Ready(5, 33, 7);
        Refused(
            ragged,
            "tensorize S.n.i cpu.fma.1x16",
            "the predicate S.n.o * 16 + S.n.i < 33 of block S depends on S.n.i",
            "pad_einsum"
        );

        Refused(Sum((a, b, n, k) => a[k, n] + b[k, n]), "tensorize S.n cpu.fma.1x16", "the value is A[k, n] + B[k, n]");
        Refused(
            Sum((a, b, n, k) => a[k, n] * b[k, n]),
            "tensorize S.n cpu.fma.1x16",
            "depends on S.n, that of cpu.fma.1x16 does not"
        );
        Refused(
            Sum((a, b, n, k) => a[k, 0] * b[k, n.Var * 2]),
            "tensorize S.n cpu.fma.1x16",
            "walks 2 elements with S.n, not 1"
        );
        Refused(Sum((a, b, n, k) => a[k, 0] * b[k, n.Var / 2]), "tensorize S.n cpu.fma.1x16", "is not affine in S.n");
        Refused(
            Sum((a, b, n, k) => a[k, 0] * b[n, k]),
            "tensorize S.n cpu.fma.1x16",
            "elements of B along S.n are not neighbours"
        );
        Refused(
            Sum((a, b, n, k) => a[k, 0] * b[n, n]),
            "tensorize S.n cpu.fma.1x16",
            "S.n walks along two dimensions of B"
        );
        Refused(
            Sum((a, b, n, k) => a[k, 0] * b[k, k]),
            "tensorize S.n cpu.fma.1x16",
            "does not depend on S.n, the j of cpu.fma.1x16"
        );

        // S[n] += value over 7 k, in registers, k outside.
        static Schedule Sum(Func<Buffer, Buffer, Axis, Axis, Expr> value)
        {
            var g = new AlgorithmBuilder("refused");
            var a = g.Input("A", DType.Float32, 40, 40);
            var b = g.Input("B", DType.Float32, 40, 40);
            var (n, k, c) = (new Axis("n", 16), new Axis("k", 7), new Axis("n", 16));
            var sum = g.Stage("S", [n], AlgorithmBuilder.Sum(k, value(a, b, n, k)));
            var nest = InitFirst(new Schedule(g.Build(g.Stage("C", [c], sum[c] * 2f))).Nest, "S");
            return new Schedule(Interchange(InScope(nest, "S", Scope.Register), "S.n"));
        }
    }

    [Theory]
    [InlineData("cpu.dot.8", "cpu.dot.8(C[C.m, C.n], A[C.m, C.k.o * 8], B[C.n, C.k.o * 8])")]
    [InlineData("cpu.dot.4", "the tile is C.k.i=8 (reduce), cpu.dot.4 wants k=4 (reduce)")]
    [InlineData("cpu.sum.8", "the value is A[m, k] * B[n, k], that of cpu.sum.8 is a[k]")]
    public void ReduceAxisOfADotProduct(string intrinsic, string expected)
    {
        var g = new AlgorithmBuilder("nt");
        var a = g.Input("A", DType.Float32, 3, 16);
        var b = g.Input("B", DType.Float32, 5, 16);
        var (m, n, k) = (new Axis("m", 3), new Axis("n", 5), new Axis("k", 16));
        var s = new Schedule(g.Build(g.Stage("C", [m, n], AlgorithmBuilder.Sum(k, a[m, k] * b[n, k]))));
        s.Split("C.k", 8);
        s.Apply(Step.Of("decompose_reduction", "C", "C.k.o"));
        if (expected.StartsWith("the", StringComparison.Ordinal))
        {
            Refused(s, $"tensorize C.k.i {intrinsic}", expected);
            return;
        }
        s.Tensorize("C.k.i", intrinsic);
        Assert.Equal(expected, s.Nest.Body.Nodes().OfType<Call>().Single().ToString().Trim());
        Agrees(s.Nest);
        Agrees(LowerBlocks.Run(ExpandCalls.Run(StoragePlacement.Run(s.Nest))));
    }

    [Fact]
    public void ExpansionPassLeavesNoCall()
    {
        var s = Ready(5, 32, 7);
        s.Split("S.init.n", 16);
        s.Tensorize("S.n.i", "cpu.fma.1x16");
        Assert.Same(s.Nest.Body, ExpandCalls.Run(s.Nest, i => i.Name == "cpu.fma.1x16").Body);
        var plain = ExpandCalls.Run(s.Nest);
        Assert.Empty(plain.Body.Nodes().OfType<Call>());
        Assert.Equal(LoopKind.Vector, plain.Loop("cpu.fma.1x16.0.j").Kind);
        Agrees(plain);
        Agrees(LowerBlocks.Run(plain));
    }

    [Theory]
    [MemberData(nameof(Intrinsics))]
    public void DeclarationsAreWhole(string name)
    {
        var intrinsic = IntrinsicLibrary.All[name];
        Assert.Equal(name, intrinsic.Name);
        Assert.Equal(intrinsic.Operands[0], Assert.Single(intrinsic.Meaning.Outputs));
        Assert.All(intrinsic.Operands, o => Assert.NotNull(o.ConstantSize()));
        Assert.Equal(
            intrinsic.Operands.Skip(1).ToHashSet(),
            intrinsic.Meaning.Values[0].Loads().Select(l => l.Buffer).ToHashSet()
        );
        Assert.All(intrinsic.Meaning.Axes, a => Assert.Equal(a.Var, a.Binding));
    }

    public static TheoryData<string> Intrinsics =>
        [.. IntrinsicLibrary.All.Keys.Where(k => !k.StartsWith("wgmma") || k.Contains("n64k"))];
}
