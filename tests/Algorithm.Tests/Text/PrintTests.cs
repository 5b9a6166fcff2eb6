using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests;

public class PrintTests
{
    [Theory]
    [InlineData(
        "matmul m=3 n=4 k=5 tb=1 bias=1 act=relu",
        """
            algorithm matmul
              input A: f32[3, 5]
              input B: f32[4, 5]
              input bias: f32[4]
              P[m, n] = reduce.sum(A[m, k] * B[n, k]) over m<3, n<4, k<5 reduce
              C[m, n] = relu(P[m, n] + bias[n]) over m<3, n<4
              output C
            """
    )]
    [InlineData(
        "softmax rows=2 cols=9",
        """
            algorithm softmax
              input X: f32[2, 9]
              M[r] = reduce.max(X[r, c]) over r<2, c<9 reduce
              E[r, c] = exp(X[r, c] - M[r]) over r<2, c<9
              S[r] = reduce.sum(E[r, c]) over r<2, c<9 reduce
              R[r] = reciprocal(S[r]) over r<2
              Y[r, c] = E[r, c] * R[r] over r<2, c<9
              output Y
            """
    )]
    [InlineData(
        "cross_entropy rows=2 classes=9",
        """
            algorithm cross_entropy
              input X: f32[2, 9]
              input T: i64[2]
              M[r] = reduce.max(X[r, c]) over r<2, c<9 reduce
              S[r] = reduce.sum(exp(X[r, c] - M[r])) over r<2, c<9 reduce
              L[] = reduce.sum((M[r] - X[r, T[r]] + log(S[r])) / 2.0) over r<2 reduce
              output L
            """
    )]
    [InlineData(
        "embedding.adjoint vocab=7 dim=3 rows=11",
        """
            algorithm embedding.adjoint
              input I: i64[11]
              input dY: f32[11, 3]
              dW[I[r], d] shape[7, 3] = scatter.sum(dY[r, d]) over r<11 reduce, d<3
              output dW
            """
    )]
    [InlineData(
        "argmax rows=4 cols=5 axis=1",
        """
            algorithm argmax
              input X: f32[4, 5]
              Y.0[i], Y.1[i] = reduce.argmax(X[i, j], j) over i<4, j<5 reduce
              output Y.0, Y.1
            """
    )]
    [InlineData(
        "copy shape=3x5 strides=1,3",
        """
            algorithm copy
              input X: f32[3, 5] strides[1, 3]
              Y[i, j] = X[i, j] over i<3, j<5
              output Y
            """
    )]
    [InlineData(
        "cumsum rows=4 cols=5",
        """
            algorithm cumsum
              input X: f32[4, 5]
              Y[i, j] = scan.sum(X[i, j]) over i<4, j<5 ordered
              output Y
            """
    )]
    public void Operators_print_as_text(string spec, string expected) =>
        Assert.Equal(Unified(expected), Unified(OperatorSpec.Parse(spec).Build().ToString()));

    [Fact]
    public void Symbolic_extents_print_with_their_bounds()
    {
        var g = new AlgorithmBuilder("triangle");
        var n = g.Parameter("N", 64);
        var x = g.Input("X", DType.Float32, n);
        var (i, j) = (new Axis("i", n), new Axis("j", n));
        var y = g.Stage("Y", [i], AlgorithmBuilder.Sum(j, x[j], j <= i));
        Assert.Equal(
            Unified(
                """
                algorithm triangle
                  parameter N in 1..64
                  input X: f32[N]
                  Y[i] = reduce.sum(select(j <= i, X[j], 0.0)) over i<N, j<N reduce
                  output Y
                """
            ),
            Unified(g.Build(y).ToString())
        );
    }

    [Theory]
    [InlineData("a - (b - c)")]
    [InlineData("a - b - c")]
    [InlineData("(a + b) * c")]
    [InlineData("a // (b // c)")]
    [InlineData("-(a + b)")]
    [InlineData("select(a < b && b < c || a == c, a % b, min(b, c))")]
    public void Expressions_print_with_the_fewest_parentheses(string expected)
    {
        Var a = new("a");
        Var b = new("b");
        Var c = new("c");
        Expr e = expected[0] switch
        {
            's' => Op.Select(Op.Or(Op.And(Op.Lt(a, b), Op.Lt(b, c)), Op.Eq(a, c)), Op.Mod(a, b), Op.Min(b, c)),
            '-' => Op.Neg(a + b),
            '(' => (a + b) * c,
            _ when expected.Contains("//", StringComparison.Ordinal) => Op.FloorDiv(a, Op.FloorDiv(b, c)),
            _ when expected.Contains('(', StringComparison.Ordinal) => a - (b - c),
            _ => a - b - c,
        };
        Assert.Equal(expected, e.ToString());
    }

    private static string Unified(string text) => text.ReplaceLineEndings("\n").Trim();
}
