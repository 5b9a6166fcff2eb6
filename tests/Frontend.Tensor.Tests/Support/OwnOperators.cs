using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;

namespace Picograd.Tests;

/// <summary>Operators as programs define them.</summary>
internal static class OwnOperators
{
    public static readonly CustomOperator Gated = CustomOperator.Elementwise("gated", (a, b) => a * Op.Sigmoid(b));

    public static readonly CustomOperator Huber = CustomOperator.Elementwise(
        "huber",
        (x, t) =>
        {
            var d = Op.Abs(x - t);
            return Op.Select(d < 0.75f, d * d * 0.5f, d * 0.75f - 0.28125f);
        }
    );

    public static readonly CustomOperator Distances = CustomOperator.Define(
        "distances",
        "X[n, d], Y[m, d] -> D[n, m]",
        (g, x, y) =>
        {
            var (i, j, k) = (new Axis("i", x.Shape[0]), new Axis("j", y.Shape[0]), new Axis("k", x.Shape[1]));
            var difference = x[i, k] - y[j, k];
            return g.Stage("D", [i, j], AlgorithmBuilder.Sum(k, difference * difference));
        }
    );

    public static readonly CustomOperator LogSumExp = CustomOperator.Define(
        "my_logsumexp",
        "X[rows.., cols] -> Y[rows..]",
        (g, x) =>
        {
            var (r, c) = (new Axis("r", x.Shape[0]), new Axis("c", x.Shape[1]));
            var max = g.Stage("M", [r], AlgorithmBuilder.Max([c], x[r, c]));
            var sum = g.Stage("S", [r], AlgorithmBuilder.Sum(c, Op.Exp(x[r, c] - max[r])));
            return g.Stage("Y", [r], max[r] + Op.Log(sum[r]));
        }
    );

    public static readonly CustomOperator Moments = CustomOperator.Define(
        "moments",
        "X[rows, cols] -> Sum[rows], Square[rows]",
        (AlgorithmBuilder g, ImmutableArray<Algorithms.Buffer> inputs) =>
        {
            var x = inputs[0];
            var (r, c) = (new Axis("r", x.Shape[0]), new Axis("c", x.Shape[1]));
            return
            [
                g.Stage("Sum", [r], AlgorithmBuilder.Sum(c, x[r, c])),
                g.Stage("Square", [r], AlgorithmBuilder.Sum(c, x[r, c] * x[r, c])),
            ];
        }
    );

    // Its gradient reads the argument, and can be differentiated in its turn.
    public static readonly CustomOperator CubedGradient = CustomOperator.Define(
        "cubed_grad",
        "A[n..], dY[n..] -> dA[n..]",
        (g, a, dy) =>
        {
            var i = new Axis("i", a.Shape[0]);
            return g.Stage("dA", [i], dy[i] * 3 * a[i] * a[i]);
        }
    );

    public static readonly CustomOperator Cubed = CustomOperator.Elementwise("cubed", a => a * a * a, CubedGradient);

    public static readonly CustomOperator Picked = CustomOperator.Define(
        "picked",
        "W[v, d], I:i64[m] -> Y[m, d]",
        (g, w, index) =>
        {
            var (i, k) = (new Axis("i", index.Shape[0]), new Axis("k", w.Shape[1]));
            return g.Stage("Y", [i, k], w[index[i], k] * 2);
        },
        new Dictionary<string, InputDomain> { ["I"] = InputDomain.Index(5) }
    );
}
