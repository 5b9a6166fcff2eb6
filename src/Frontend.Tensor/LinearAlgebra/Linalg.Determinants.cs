using Picograd.Algorithms;
using Picograd.Gradients;
using Picograd.LinearAlgebra;

namespace Picograd;

public static unsafe partial class Linalg
{
    private static readonly Rule DetRule = new(
        "linalg_det",
        Saves.A | Saves.Output,
        static (n, g) =>
        {
            var (a, det) = (n.A, n.Output);
            bool isRegular;
            using (Tensor.NoGrad())
                isRegular = a.Device.IsMeta || det.Ne(0).All().Item() != 0;
            if (isRegular)
            {
                n.Send(0, (g * det).Unsqueeze(-1).Unsqueeze(-1) * Inverse("linalg.det", a, null).MT);
                return;
            }
            // Of singular ones the cofactors: products of all other singular values, between the bases.
            var (u, s, v) = SVD(a, false);
            long k = s.Layout.Sizes[^1];
            var others = Tensor.Where(
                Tensor.Eye(k, null, DType.Bool, a.Device),
                Tensor.Ones([], a.DType, a.Device),
                s.Unsqueeze(-2).Expand([.. BatchOf(a), k, k])
            );
            var sign = (Det(u.Detach()) * Det(v.Detach())).Round();
            n.Send(0, TimesColumns(u, (g * sign).Unsqueeze(-1) * others.Prod(-1)).MatMul(v));
        }
    );

    /// <summary>The determinant of each matrix.</summary>
    public static Tensor Det(Tensor a)
    {
        RequireSquare("linalg.det", a);
        var det = Determinants(a, logarithms: false)[0];
        if (Tensor.Records(a))
            det.Record(DetRule, a);
        return det;
    }

    // Determinants, or their signs and the logarithms of their magnitudes.
    private static Tensor[] Determinants(Tensor a, bool logarithms)
    {
        int side = checked((int)a.Layout.Sizes[^1]);
        return HostMatrices.Run(
            BatchOf(a),
            [a],
            logarithms ? [([], a.DType), ([], a.DType)] : [([], a.DType)],
            (_, from, to) =>
            {
                int[] pivots = new int[side + 1];
                fixed (int* places = pivots)
                    Triangular.Lu(from[0], side, side, side, places);
                double det = 1;
                double sign = 1;
                double sum = 0;
                for (int i = 0; i < side; i++)
                {
                    double pivot = from[0][(long)i * (side + 1)];
                    if (pivots[i] != i)
                        (det, sign) = (-det, -sign);
                    det *= pivot;
                    sign *= double.IsNaN(pivot) ? pivot : Math.Sign(pivot);
                    sum += Math.Log(Math.Abs(pivot));
                }
                to[0][0] = logarithms ? sign : det;
                if (logarithms)
                    to[1][0] = sum;
            }
        );
    }

    private static readonly Rule LogDetRule = new(
        "linalg_slogdet",
        Saves.A,
        static (n, g) => n.Send(0, g.Unsqueeze(-1).Unsqueeze(-1) * Inverse("linalg.slogdet", n.A, new Tensor?[1]).MT)
    );

    /// <summary>The sign of the determinant (which has no derivative) and the logarithm of its magnitude.</summary>
    public static (Tensor Sign, Tensor LogAbsDet) SlogDet(Tensor a)
    {
        RequireSquare("linalg.slogdet", a);
        var results = Determinants(a, logarithms: true);
        if (Tensor.Records(a))
            results[1].Record(LogDetRule, a);
        return (results[0], results[1]);
    }

    /// <summary>The logarithm of the determinant: −∞ of 0, NaN of a negative one.</summary>
    public static Tensor LogDet(Tensor a)
    {
        RequireSquare("logdet", a);
        var (sign, log) = SlogDet(a);
        return Tensor.Where(sign.Eq(-1), Tensor.Full([], double.NaN, a.DType, a.Device), log);
    }

    /// <summary>Aⁿ; of a negative n that of the inverse.</summary>
    public static Tensor MatrixPower(Tensor a, long n)
    {
        RequireSquare("linalg.matrix_power", a);
        if (n == 0)
            return a.Clone().Copy_(EyeLike(a));
        if (n < 0)
            (a, n) = (Inv(a), checked(-n));
        Tensor? result = null;
        for (var square = a; ; square = square.MatMul(square))
        {
            if ((n & 1) != 0)
                result = result is null ? square : result.MatMul(square);
            if ((n >>= 1) == 0)
                return result!;
        }
    }

    private static readonly Rule ExpRule = new(
        "linalg_matrix_exp",
        Saves.A,
        static (n, g) =>
        {
            // The corner of exp [[Aᵀ, G], [0, Aᵀ]] (Mathias, 1996).
            var a = n.A.MT;
            long side = a.Layout.Sizes[^1];
            var top = Tensor.Cat([a, g], -1);
            var bottom = Tensor.Cat([Tensor.ZerosLike(a), a], -1);
            n.Send(0, MatrixExp(Tensor.Cat([top, bottom], -2)).Narrow(-2, 0, side).Narrow(-1, side, side));
        }
    );

    /// <summary>e to the power A: Σ Aⁿ / n!.</summary>
    public static Tensor MatrixExp(Tensor a)
    {
        RequireSquare("linalg.matrix_exp", a);
        int side = checked((int)a.Layout.Sizes[^1]);
        var result = HostMatrices.Run(
            BatchOf(a),
            [a],
            [([side, side], a.DType)],
            (_, from, to) => MatrixExponential.Run(from[0], side, to[0])
        )[0];
        if (Tensor.Records(a))
            result.Record(ExpRule, a);
        return result;
    }
}
