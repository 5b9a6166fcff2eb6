using Picograd.Algorithms;
using Picograd.Gradients;
using Picograd.LinearAlgebra;

namespace Picograd;

public static unsafe partial class Linalg
{
    private static readonly Rule InverseRule = new(
        "linalg_inv",
        Saves.Output,
        static (n, g) =>
        {
            var transposed = n.Output.MT;
            n.Send(0, -transposed.MatMul(g).MatMul(transposed));
        }
    );

    /// <summary>A⁻¹.</summary>
    /// <exception cref="LinAlgException">A matrix is singular.</exception>
    public static Tensor Inv(Tensor a)
    {
        RequireSquare("linalg.inv", a);
        return Inverse("linalg.inv", a, null);
    }

    /// <inheritdoc cref="Inv"/>
    public static Tensor Inverse(Tensor a) => Inv(a);

    /// <summary>A⁻¹ and, by matrix (int32), 0 or the first place of the diagonal of U, from 1, that is 0 in a singular matrix.</summary>
    public static (Tensor Inverse, Tensor Info) InvEx(Tensor a, bool checkErrors = false)
    {
        RequireSquare("linalg.inv_ex", a);
        if (checkErrors)
            return (Inv(a), Tensor.Zeros(BatchOf(a), DType.Int32, a.Device));
        var info = new Tensor?[1];
        var inverse = Inverse("linalg.inv_ex", a, info);
        return (inverse, info[0]!);
    }

    // With a place for what was found singular matrices are infinite, without one they are refused.
    private static Tensor Inverse(string what, Tensor a, Tensor?[]? found)
    {
        int side = checked((int)a.Layout.Sizes[^1]);
        long[] batch = BatchOf(a);
        var results = HostMatrices.Run(
            batch,
            [a],
            [([side, side], a.DType), ([], DType.Int32)],
            (index, from, to) =>
            {
                double* matrix = from[0];
                double* inverse = to[0];
                int[] pivots = new int[side + 1];
                fixed (int* places = pivots)
                {
                    int singular = Triangular.Lu(matrix, side, side, side, places);
                    *(int*)to[1] = singular;
                    if (singular != 0 && found is null)
                        throw Singular(
                            what,
                            index,
                            batch,
                            singular,
                            "the inversion could not be completed because the input matrix is singular"
                        );
                    new Span<double>(inverse, side * side).Clear();
                    for (int i = 0; i < side; i++)
                        inverse[(long)i * side + i] = 1;
                    Triangular.Exchange(inverse, side, side, places, side);
                    Substitute(matrix, side, inverse, side);
                }
            }
        );
        if (found is not null)
            found[0] = results[1];
        if (Tensor.Records(a))
            results[0].Record(InverseRule, a);
        return results[0];
    }

    private static LinAlgException Singular(string what, long index, ReadOnlySpan<long> batch, int place, string so) =>
        new($"{what}: {Of(index, batch)}The diagonal element {place} is zero, {so}.", index);

    private static void Substitute(double* factors, int side, double* b, int columns)
    {
        MatrixUpdate.SolveLower(factors, side, 1, true, side, b, columns, columns);
        MatrixUpdate.SolveUpper(factors, side, 1, false, side, b, columns, columns);
    }

    private static readonly Rule SolveRule = new(
        "linalg_solve",
        Saves.A | Saves.Output,
        static (n, g) =>
        {
            var right = SolveOf("linalg_solve_ex_backward", n.A.MT, g, null);
            n.Send(1, right);
            if (n.Needs(0))
                n.Send(0, -right.MatMul(n.Output.MT));
        }
    );

    /// <summary>X of A · X = B, or of X · A = B where <paramref name="left"/> is false. B may be a vector, or as many as A has matrices.</summary>
    /// <exception cref="LinAlgException">A matrix is singular.</exception>
    public static Tensor Solve(Tensor a, Tensor b, bool left = true) => Solve("linalg.solve", a, b, left, null);

    /// <summary>As <see cref="Solve(Tensor, Tensor, bool)"/>, with 0 by matrix (int32), or where it is singular the place that shows it.</summary>
    public static (Tensor Result, Tensor Info) SolveEx(Tensor a, Tensor b, bool left = true, bool checkErrors = false)
    {
        var info = new Tensor?[1];
        var result = Solve("linalg.solve_ex", a, b, left, checkErrors ? null : info);
        return (result, info[0] ?? Tensor.Zeros(BatchOf(a), DType.Int32, a.Device));
    }

    private static Tensor Solve(string what, Tensor a, Tensor b, bool left, Tensor?[]? found)
    {
        RequireSquare(what, a);
        ArgumentNullException.ThrowIfNull(b);
        RequireSame(what, a, b);
        // As PyTorch: one dimension, or the shape of A without its last one.
        bool isVector =
            b.Rank == 1
            || (b.Rank == a.Rank - 1 && b.Layout.Sizes.AsSpan().SequenceEqual(a.Layout.Sizes.AsSpan(0, a.Rank - 1)));
        if (isVector && !left)
            throw new ArgumentException(
                $"{what}: vectors such as B of shape {b.Layout} are solved for on the right of A; left must be true."
            );
        if (!isVector && b.Rank < 2)
            throw new ArgumentException($"{what}: B must have a dimension, but its shape is {b.Layout}.");
        if (isVector)
            b = b.Unsqueeze(-1);
        long side = a.Layout.Sizes[^1];
        long meets = b.Layout.Sizes[left ? ^2 : ^1];
        if (side != meets)
            throw new ArgumentException(
                $"{what}: the shapes {a.Layout} and {b.Layout} do not fit; {side} columns of A meet {meets} of B."
            );
        var (matrices, sides) = SameBatch(what, left ? a : a.MT, left ? b : b.MT);
        var x = SolveOf(what, matrices, sides, found);
        if (!left)
            x = x.MT;
        return isVector ? x.Squeeze(-1) : x;
    }

    // Of one batch.
    private static Tensor SolveOf(string what, Tensor a, Tensor b, Tensor?[]? found)
    {
        int side = checked((int)a.Layout.Sizes[^1]);
        int columns = checked((int)b.Layout.Sizes[^1]);
        long[] batch = BatchOf(b);
        var results = HostMatrices.Run(
            batch,
            [a, b],
            [([side, columns], a.DType), ([], DType.Int32)],
            (index, from, to) =>
            {
                int[] pivots = new int[side + 1];
                fixed (int* places = pivots)
                {
                    int singular = Triangular.Lu(from[0], side, side, side, places);
                    *(int*)to[1] = singular;
                    if (singular != 0 && found is null)
                        throw Singular(
                            what,
                            index,
                            batch,
                            singular,
                            "the solve could not be completed because the input matrix is singular"
                        );
                    var x = to[0];
                    new Span<double>(from[1], side * columns).CopyTo(new Span<double>(x, side * columns));
                    Triangular.Exchange(x, columns, columns, places, side);
                    Substitute(from[0], side, x, columns);
                }
            }
        );
        if (found is not null)
            found[0] = results[1];
        if (Tensor.Records(a, b))
            results[0].Record(SolveRule, a, b);
        return results[0];
    }

    // I: 1 where the triangle is the upper one, 2 more where its diagonal is 1.
    private static readonly Rule TriangularRule = new(
        "linalg_solve_triangular",
        Saves.A | Saves.Output,
        static (n, g) =>
        {
            bool upper = (n.I & 1) != 0;
            bool unit = (n.I & 2) != 0;
            var right = TriangularOf(n.A.MT, g, !upper, unit);
            n.Send(1, right);
            if (!n.Needs(0))
                return;
            var left = -right.MatMul(n.Output.MT);
            n.Send(0, upper ? left.Triu(unit ? 1 : 0) : left.Tril(unit ? -1 : 0));
        }
    );

    /// <summary>X of A · X = B, or X · A = B where <paramref name="left"/> is false, of a triangle of A; what lies beside it is not looked at.</summary>
    /// <param name="a">[…, n, n].</param>
    /// <param name="b">[…, n, k], or [..., k, n].</param>
    /// <param name="upper">The upper triangle, else the lower one.</param>
    /// <param name="left">On which side A stands.</param>
    /// <param name="unitriangular">Whether the diagonal counts as ones.</param>
    public static Tensor SolveTriangular(Tensor a, Tensor b, bool upper, bool left = true, bool unitriangular = false)
    {
        const string What = "linalg.solve_triangular";
        RequireSquare(What, a);
        RequireMatrices(What, b);
        RequireSame(What, a, b);
        long side = a.Layout.Sizes[^1];
        long meets = b.Layout.Sizes[left ? ^2 : ^1];
        if (side != meets)
            throw new ArgumentException(
                $"{What}: the shapes {a.Layout} and {b.Layout} do not fit; {side} columns of A meet {meets} of B."
            );
        var (matrices, sides) = SameBatch(What, left ? a : a.MT, left ? b : b.MT);
        var x = TriangularOf(matrices, sides, left ? upper : !upper, unitriangular);
        return left ? x : x.MT;
    }

    private static Tensor TriangularOf(Tensor a, Tensor b, bool upper, bool unit)
    {
        int side = checked((int)a.Layout.Sizes[^1]);
        int columns = checked((int)b.Layout.Sizes[^1]);
        var x = HostMatrices.Run(
            BatchOf(b),
            [a, b],
            [([side, columns], a.DType)],
            (_, from, to) =>
            {
                new Span<double>(from[1], side * columns).CopyTo(new Span<double>(to[0], side * columns));
                if (upper)
                    MatrixUpdate.SolveUpper(from[0], side, 1, unit, side, to[0], columns, columns);
                else
                    MatrixUpdate.SolveLower(from[0], side, 1, unit, side, to[0], columns, columns);
            }
        )[0];
        if (Tensor.Records(a, b))
            x.Record(TriangularRule, a, b).I = (upper ? 1 : 0) + (unit ? 2 : 0);
        return x;
    }

    /// <summary>The X that makes ‖A · X − B‖ least, and of those the one of the least norm.</summary>
    /// <param name="a">[…, m, n].</param>
    /// <param name="b">[…, m, k], or […, m].</param>
    /// <param name="rcond">Singular values at most as large, in parts of the largest, count as 0; ε · max(m, n) unless given.</param>
    /// <param name="driver">gelsy (the default), gelsd, gelss or gels; all are computed from singular values. With gelsd and gelss these are given, too.</param>
    /// <returns>Σ of squares that are left, where m &gt; n, A has full rank and the driver is not gelsy (else empty); the rank (int64); singular values.</returns>
    public static (Tensor Solution, Tensor Residuals, Tensor Rank, Tensor SingularValues) LstSq(
        Tensor a,
        Tensor b,
        double? rcond = null,
        string? driver = null
    )
    {
        const string What = "linalg.lstsq";
        RequireMatrices(What, a);
        ArgumentNullException.ThrowIfNull(b);
        RequireSame(What, a, b);
        if (driver is not (null or "gels" or "gelsy" or "gelsd" or "gelss"))
            throw new ArgumentException($"{What}: driver is \"{driver}\", but must be gels, gelsy, gelsd or gelss.");
        bool isVector =
            b.Rank == 1
            || (b.Rank == a.Rank - 1 && b.Layout.Sizes.AsSpan().SequenceEqual(a.Layout.Sizes.AsSpan(0, a.Rank - 1)));
        if (b.Rank == 0)
            throw new ArgumentException($"{What}: B must have a dimension, but its shape is {b.Layout}.");
        if (isVector)
            b = b.Unsqueeze(-1);
        var (m, n) = (a.Layout.Sizes[^2], a.Layout.Sizes[^1]);
        if (b.Layout.Sizes[^2] != m)
            throw new ArgumentException(
                $"{What}: the shapes {a.Layout} and {b.Layout} do not fit; {m} rows of A meet {b.Layout.Sizes[^2]} of B."
            );
        var (matrices, sides) = SameBatch(What, a, b);
        double least = rcond ?? Epsilon(a.DType) * Math.Max(m, n);
        var x = Pinv(matrices, rtol: least).MatMul(sides);
        Tensor values;
        using (Tensor.NoGrad())
            values = SvdVals(matrices);
        var rank =
            values.Layout.Sizes[^1] == 0
                ? Tensor.Zeros(BatchOf(matrices), DType.Int64, a.Device)
                : (values > values.Amax([-1], keepdim: true) * least).Sum([-1]);
        Tensor residuals = Tensor.Empty([0], a.DType, a.Device);
        bool isFull = driver == "gels" || (!a.Device.IsMeta && rank.Eq(n).All().Item() != 0);
        if (m > n && driver is not (null or "gelsy") && isFull)
            residuals = (matrices.MatMul(x) - sides).Square().Sum([-2]);
        return (
            isVector ? x.Squeeze(-1) : x,
            residuals,
            driver == "gels" ? Tensor.Empty([0], DType.Int64, a.Device) : rank,
            driver is "gelsd" or "gelss" ? values : Tensor.Empty([0], a.DType, a.Device)
        );
    }
}
