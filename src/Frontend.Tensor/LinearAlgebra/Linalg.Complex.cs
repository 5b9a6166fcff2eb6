using System.Numerics;
using Picograd.Algorithms;
using Picograd.LinearAlgebra;

namespace Picograd;

// Complex matrices. Gradients are PyTorch's formulas; they are those of the real part plus i times those of the imaginary part.
public static unsafe partial class Linalg
{
    /// <summary>The determinant of each complex matrix.</summary>
    public static ComplexTensor Det(ComplexTensor a)
    {
        Tensor[] parts = new ComplexDet("linalg.det", logarithms: false).Apply(Parts("linalg.det", a, square: true));
        return new(parts[0], parts[1]);
    }

    /// <summary>The phase of the determinant, of magnitude 1 or 0, and the logarithm of its magnitude.</summary>
    public static (ComplexTensor Sign, Tensor LogAbsDet) SlogDet(ComplexTensor a)
    {
        Tensor[] parts = new ComplexDet("linalg.slogdet", logarithms: true).Apply(
            Parts("linalg.slogdet", a, square: true)
        );
        return (new(parts[0], parts[1]), parts[2]);
    }

    /// <summary>Eigenvalues of Hermitian matrices, in ascending order, and vectors in columns of length 1.</summary>
    /// <param name="a">[…, n, n], of which one triangle is read.</param>
    /// <param name="uplo">"L" or "U": which.</param>
    /// <exception cref="LinAlgException">Numbers that are not finite.</exception>
    public static (Tensor Eigenvalues, ComplexTensor Eigenvectors) Eigh(ComplexTensor a, string uplo = "L")
    {
        if (uplo is not ("L" or "U" or "l" or "u"))
            throw new ArgumentException($"linalg.eigh: uplo is \"{uplo}\", but must be \"L\" or \"U\".", nameof(uplo));
        Tensor[] parts = new ComplexEigh(uplo is "L" or "l").Apply(Parts("linalg.eigh", a, square: true));
        return (parts[0], new(parts[1], parts[2]));
    }

    /// <summary>The eigenvalues of <see cref="Eigh(ComplexTensor, string)"/>.</summary>
    public static Tensor EigvalsH(ComplexTensor a, string uplo = "L") => Eigh(a, uplo).Eigenvalues;

    /// <summary>A = U · diag S · Vᴴ of complex matrices, singular values in descending order.</summary>
    /// <param name="a">[…, m, n].</param>
    /// <param name="fullMatrices">U and Vᴴ square; else of min(m, n) columns and rows. Gradients are those of the latter.</param>
    /// <exception cref="LinAlgException">Numbers that are not finite.</exception>
    public static (ComplexTensor U, Tensor S, ComplexTensor Vh) SVD(ComplexTensor a, bool fullMatrices = true)
    {
        Tensor[] parts = new ComplexSvd(fullMatrices).Apply(Parts("linalg.svd", a, square: false));
        return (new(parts[0], parts[1]), parts[2], new(parts[3], parts[4]));
    }

    /// <summary>The singular values of <see cref="SVD(ComplexTensor, bool)"/>.</summary>
    public static Tensor SvdVals(ComplexTensor a) => SVD(a, false).S;

    /// <summary>L of A = L · Lᴴ, lower (or Lᴴ, upper), of Hermitian positive definite matrices.</summary>
    /// <exception cref="LinAlgException">A matrix is not positive definite.</exception>
    public static ComplexTensor Cholesky(ComplexTensor a, bool upper = false)
    {
        Tensor[] parts = new ComplexCholesky().Apply(Parts("linalg.cholesky", upper ? a.MH : a, square: true));
        var lower = new ComplexTensor(parts[0], parts[1]);
        return upper ? lower.MH : lower;
    }

    private static Tensor[] Parts(string what, ComplexTensor a, bool square)
    {
        ArgumentNullException.ThrowIfNull(a);
        if (square)
            RequireSquare(what, a.Real, nameof(a));
        else
            RequireMatrices(what, a.Real, nameof(a));
        return [a.Real, a.Imag];
    }

    private static Complex[,] Read(double*[] from, int rows, int columns, bool adjoint = false)
    {
        var matrix = adjoint ? new Complex[columns, rows] : new Complex[rows, columns];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                var x = new Complex(from[0][i * columns + j], from[1][i * columns + j]);
                if (adjoint)
                    matrix[j, i] = Complex.Conjugate(x);
                else
                    matrix[i, j] = x;
            }
        }
        return matrix;
    }

    private static void Write(Complex[,] matrix, double* real, double* imag, bool adjoint = false)
    {
        int rows = matrix.GetLength(0);
        int columns = matrix.GetLength(1);
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                int at = adjoint ? j * rows + i : i * columns + j;
                (real[at], imag[at]) = (matrix[i, j].Real, adjoint ? -matrix[i, j].Imaginary : matrix[i, j].Imaginary);
            }
        }
    }

    private static void RequireFinite(string what, double*[] from, int count, long index, long[] batch)
    {
        RequireFinite(what, from[0], count, index, batch);
        RequireFinite(what, from[1], count, index, batch);
    }

    private static ComplexTensor Saved(FunctionContext context, int first) =>
        new(context.SavedTensors[first], context.SavedTensors[first + 1]);

    // The gradient of a result; null where it was not used.
    private static ComplexTensor? Given(Tensor? real, Tensor? imag) =>
        real is null && imag is null ? null : new(real ?? Tensor.ZerosLike(imag!), imag ?? Tensor.ZerosLike(real!));

    // Of a diagonal, as a complex matrix.
    private static ComplexTensor Diagonal(ComplexTensor d) => new(d.Real.DiagEmbed(), d.Imag.DiagEmbed());

    private sealed class ComplexDet(string what, bool logarithms) : MultiOutputFunction
    {
        public override Tensor[] Forward(FunctionContext context, params Tensor[] inputs)
        {
            int n = checked((int)inputs[0].Layout.Sizes[^1]);
            var type = inputs[0].DType;
            var results = HostMatrices.Run(
                BatchOf(inputs[0]),
                inputs,
                logarithms ? [([], type), ([], type), ([], type)] : [([], type), ([], type)],
                (_, from, to) =>
                {
                    var (sign, log) = ComplexMatrices.Determinant(Read(from, n, n));
                    var det =
                        logarithms ? sign
                        : log == double.NegativeInfinity ? 0
                        : sign * Math.Exp(log);
                    (to[0][0], to[1][0]) = (det.Real, det.Imaginary);
                    if (logarithms)
                        to[2][0] = log;
                }
            );
            context.SetMaterializeGrads(false);
            context.SaveForBackward(inputs[0], inputs[1], results[0], results[1]);
            return results;
        }

        public override Tensor?[] Backward(FunctionContext context, Tensor?[] gradients)
        {
            var (a, value) = (Saved(context, 0), Saved(context, 2));
            var given = Given(gradients[0], gradients[1]);
            ComplexTensor factor;
            if (logarithms)
            {
                var turned = given is null ? Tensor.ZerosLike(value.Imag) : -(given.Conj() * value).Imag;
                factor = new(gradients[2] ?? Tensor.ZerosLike(turned), turned);
            }
            else
            {
                bool isRegular;
                using (Tensor.NoGrad())
                    isRegular = a.Device.IsMeta || value.Abs().Ne(0).All().Item() != 0;
                if (!isRegular)
                    return Singular(a, given!);
                factor = given! * value.Conj();
            }
            var found = Inv(a).MH * factor.Unsqueeze(-1).Unsqueeze(-1);
            return [found.Real, found.Imag];
        }

        // Of singular ones the cofactors: products of all other singular values, between the bases.
        private Tensor?[] Singular(ComplexTensor a, ComplexTensor given)
        {
            if (Tensor.IsGradEnabled)
                throw new InvalidOperationException($"{what}: of singular matrices there is no second derivative.");
            var (u, s, v) = SVD(a, false);
            long k = s.Layout.Sizes[^1];
            var others = Tensor.Where(
                Tensor.Eye(k, null, DType.Bool, s.Device),
                Tensor.Ones([], s.DType, s.Device),
                s.Unsqueeze(-2).Expand([.. s.Layout.Sizes[..^1], k, k])
            );
            var phase = (Det(u) * Det(v)).Conj() * given;
            var found = (u * others.Prod(-1).Unsqueeze(-2)).MatMul(v) * phase.Unsqueeze(-1).Unsqueeze(-1);
            return [found.Real, found.Imag];
        }
    }

    private sealed class ComplexEigh(bool lower) : MultiOutputFunction
    {
        public override Tensor[] Forward(FunctionContext context, params Tensor[] inputs)
        {
            const string What = "linalg.eigh";
            int n = checked((int)inputs[0].Layout.Sizes[^1]);
            var type = inputs[0].DType;
            long[] batch = BatchOf(inputs[0]);
            var results = HostMatrices.Run(
                batch,
                inputs,
                [([n], type), ([n, n], type), ([n, n], type)],
                (index, from, to) =>
                {
                    RequireFinite(What, from, n * n, index, batch);
                    var a = Read(from, n, n);
                    for (int i = 0; i < n; i++)
                    {
                        a[i, i] = a[i, i].Real;
                        for (int j = 0; j < i; j++)
                            (a[i, j], a[j, i]) = lower
                                ? (a[i, j], Complex.Conjugate(a[i, j]))
                                : (Complex.Conjugate(a[j, i]), a[j, i]);
                    }
                    var (values, vectors) = ComplexMatrices.Hermitian(a) ?? throw NoEnd(What, index, batch);
                    values.CopyTo(new Span<double>(to[0], n));
                    Write(vectors, to[1], to[2]);
                }
            );
            context.SetMaterializeGrads(false);
            context.SaveForBackward(results);
            return results;
        }

        // V · (diag gL + Vᴴ · gV / E) · Vᴴ, Eᵢⱼ = Lⱼ − Lᵢ.
        public override Tensor?[] Backward(FunctionContext context, Tensor?[] gradients)
        {
            var (l, v) = (context.SavedTensors[0], Saved(context, 1));
            ComplexTensor found;
            if (Given(gradients[1], gradients[2]) is { } ofV)
            {
                var eye = EyeLike(v.Real);
                var gaps = l.Unsqueeze(-2) - l.Unsqueeze(-1) + eye;
                var middle = v.MH.MatMul(ofV) / gaps * (1 - eye);
                if (gradients[0] is { } ofL)
                    middle = middle + ofL.DiagEmbed();
                found = v.MatMul(middle).MatMul(v.MH);
            }
            else
            {
                // Values have slopes where several are equal, too.
                found = (v * gradients[0]!.Unsqueeze(-2)).MatMul(v.MH);
            }
            return [found.Real, found.Imag];
        }
    }

    private sealed class ComplexSvd(bool full) : MultiOutputFunction
    {
        public override Tensor[] Forward(FunctionContext context, params Tensor[] inputs)
        {
            const string What = "linalg.svd";
            int m = checked((int)inputs[0].Layout.Sizes[^2]);
            int n = checked((int)inputs[0].Layout.Sizes[^1]);
            int k = Math.Min(m, n);
            bool wide = n > m;
            int rows = full ? m : k;
            int columns = full ? n : k;
            var type = inputs[0].DType;
            long[] batch = BatchOf(inputs[0]);
            var results = HostMatrices.Run(
                batch,
                inputs,
                [([m, rows], type), ([m, rows], type), ([k], type), ([columns, n], type), ([columns, n], type)],
                (index, from, to) =>
                {
                    RequireFinite(What, from, m * n, index, batch);
                    // Of a wide one its adjoint: Aᴴ = V · S · Uᴴ.
                    var (values, left, right) =
                        ComplexMatrices.Singular(Read(from, m, n, adjoint: wide), wide ? columns : rows)
                        ?? throw NoEnd(What, index, batch);
                    values.CopyTo(new Span<double>(to[2], k));
                    Write(wide ? right : left, to[0], to[1]);
                    Write(wide ? left : right, to[3], to[4], adjoint: true);
                }
            );
            context.SetMaterializeGrads(false);
            context.SaveForBackward(results);
            return results;
        }

        public override Tensor?[] Backward(FunctionContext context, Tensor?[] gradients)
        {
            var s = context.SavedTensors[2];
            long k = s.Layout.Sizes[^1];
            // Beyond the reduced vectors there is nothing that is unique.
            ComplexTensor Thin(ComplexTensor t, int dim) => t.Size(dim) == k ? t : t.Narrow(dim, 0, k);
            var (u, v) = (Thin(Saved(context, 0), -1), Thin(Saved(context, 3), -2));
            var (ofU, ofV) = (Given(gradients[0], gradients[1]), Given(gradients[3], gradients[4]));
            if (ofU is null && ofV is null)
            {
                // Values have slopes where several are equal, or 0, too.
                var direct = (u * gradients[2]!.Unsqueeze(-2)).MatMul(v);
                return [direct.Real, direct.Imag];
            }
            ofU = ofU is null ? null : Thin(ofU, -1);
            ofV = ofV is null ? null : Thin(ofV, -2);
            var eye = Tensor.Eye(k, null, s.DType, s.Device);
            var square = s.Square();
            var off = (1 - eye) / (square.Unsqueeze(-2) - square.Unsqueeze(-1) + eye);
            ComplexTensor? middle = gradients[2] is { } ofS
                ? new(ofS.DiagEmbed(), Tensor.ZerosLike(off).ExpandAs(ofS.DiagEmbed()))
                : null;
            void Add(ComplexTensor term) => middle = middle is null ? term : middle + term;
            if (ofU is not null)
            {
                var turned = u.MH.MatMul(ofU);
                var skew = turned - turned.MH;
                Add(skew * off * s.Unsqueeze(-2));
                // Phases of pairs of vectors turn together: what is left of them.
                if (ofV is not null)
                    Add(Diagonal(skew.Diagonal(0, -2, -1) / (s * 2)));
            }
            if (ofV is not null)
            {
                var turned = v.MatMul(ofV.MH);
                Add((turned - turned.MH) * off * s.Unsqueeze(-1));
            }
            var found = u.MatMul(middle!).MatMul(v);
            if (ofU is not null && u.Size(-2) > k)
            {
                var rest = ofU / s.Unsqueeze(-2);
                found = found + (rest - u.MatMul(u.MH.MatMul(rest))).MatMul(v);
            }
            if (ofV is not null && v.Size(-1) > k)
            {
                var rest = ofV / s.Unsqueeze(-1);
                found = found + u.MatMul(rest - rest.MatMul(v.MH).MatMul(v));
            }
            return [found.Real, found.Imag];
        }
    }

    private sealed class ComplexCholesky : MultiOutputFunction
    {
        public override Tensor[] Forward(FunctionContext context, params Tensor[] inputs)
        {
            const string What = "linalg.cholesky";
            int n = checked((int)inputs[0].Layout.Sizes[^1]);
            var type = inputs[0].DType;
            long[] batch = BatchOf(inputs[0]);
            var results = HostMatrices.Run(
                batch,
                inputs,
                [([n, n], type), ([n, n], type)],
                (index, from, to) =>
                {
                    var a = Read(from, n, n);
                    if (ComplexMatrices.Cholesky(a) is >= 0 and var row)
                        throw new LinAlgException(
                            $"{What}: {Of(index, batch)}The factorization could not be completed because the input is not positive-definite (the leading minor of order {row + 1} is not positive-definite).",
                            index
                        );
                    Write(a, to[0], to[1]);
                }
            );
            context.SaveForBackward(results);
            return results;
        }

        // L⁻ᴴ · Φ(Lᴴ · gL) · L⁻¹, Φ the lower triangle with half of the diagonal, and its Hermitian part.
        public override Tensor?[] Backward(FunctionContext context, Tensor?[] gradients)
        {
            var l = Saved(context, 0);
            var turned = l.MH.MatMul(new ComplexTensor(gradients[0]!, gradients[1]!));
            var eye = EyeLike(l.Real);
            var lower = new ComplexTensor(turned.Real.Tril() * (1 - eye * 0.5), turned.Imag.Tril(-1));
            var inverse = Inv(l);
            var found = inverse.MH.MatMul(lower).MatMul(inverse);
            found = (found + found.MH) * 0.5;
            return [found.Real, found.Imag];
        }
    }
}
