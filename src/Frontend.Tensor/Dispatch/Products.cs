using Picograd.Algorithms;

namespace Picograd.Dispatch;

/// <summary>Runs the matrix products of the library, without recording.</summary>
internal static unsafe class Products
{
    private const long TransposedA = 1;
    private const long TransposedB = 2;
    private const long SharedA = 4;
    private const long SharedB = 8;
    private const long Bias = 16;
    private const long Tf32 = 32;

    // Signature [head, m, n, k, batch, flags].
    private static readonly Family MatmulFamily = new(
        "matmul",
        static (_, s) =>
        {
            long flags = s[5];
            string Flag(string name, long bit) => (flags & bit) != 0 ? $" {name}=1" : "";
            string shared =
                (flags & SharedA) != 0 ? " bcast=a"
                : (flags & SharedB) != 0 ? " bcast=b"
                : "";
            return $"matmul m={s[1]} n={s[2]} k={s[3]}{Flag("ta", TransposedA)}{Flag("tb", TransposedB)}"
                + (s[4] > 1 ? $" batch={s[4]}{shared}" : "")
                + $"{Flag("bias", Bias)}{Flag("tf32", Tf32)} dtype={Family.TypeOf(s).Name()}";
        }
    );

    /// <summary>
    /// a[m, k] · b[k, n] (+ bias[n]), of matrices: either may be the transpose of a dense matrix.
    /// </summary>
    public static Tensor Matrices(Tensor a, Tensor b, Tensor? bias = null)
    {
        var (left, ta) = Operand(a);
        var (right, tb) = Operand(b);
        long m = a.Layout.Sizes[0];
        long k = a.Layout.Sizes[1];
        long n = b.Layout.Sizes[1];
        var result = Tensor.Allocate([m, n], a.DType, DeviceRuntime.Common("matmul", a, b, bias));
        long flags = (ta ? TransposedA : 0) | (tb ? TransposedB : 0);
        Run(left, right, bias?.Contiguous(), result, m, n, k, 1, flags);
        return result;
    }

    /// <summary>x[m, k] · weightᵀ (+ bias[n]), with the weight [n, k] as it is stored.</summary>
    public static Tensor TimesTransposed(Tensor x, Tensor weight, Tensor? bias)
    {
        var (left, ta) = Operand(x);
        var (right, stored) = Operand(weight);
        long m = x.Layout.Sizes[0];
        long n = weight.Layout.Sizes[0];
        var result = Tensor.Allocate([m, n], x.DType, DeviceRuntime.Common("linear", x, weight, bias));
        long flags = (ta ? TransposedA : 0) | (stored ? 0 : TransposedB);
        Run(left, right, bias?.Contiguous(), result, m, n, x.Layout.Sizes[1], 1, flags);
        return result;
    }

    /// <summary>
    /// A batch of products, a[batch, m, k] · b[batch, k, n], either operand perhaps a matrix that all of them share.
    /// </summary>
    public static Tensor Batch(Tensor a, Tensor b)
    {
        var (left, ta) = Operand(a);
        var (right, tb) = Operand(b);
        long m = a.Layout.Sizes[^2];
        long k = a.Layout.Sizes[^1];
        long n = b.Layout.Sizes[^1];
        long batch = a.Rank == 3 ? a.Layout.Sizes[0] : b.Layout.Sizes[0];
        var result = Tensor.Allocate([batch, m, n], a.DType, DeviceRuntime.Common("matmul", a, b));
        long flags =
            (ta ? TransposedA : 0)
            | (tb ? TransposedB : 0)
            | (batch > 1 && a.Rank == 2 ? SharedA : 0)
            | (batch > 1 && b.Rank == 2 ? SharedB : 0);
        Run(left, right, null, result, m, n, k, batch, flags);
        return result;
    }

    private static void Run(
        Tensor a,
        Tensor b,
        Tensor? bias,
        Tensor result,
        long m,
        long n,
        long k,
        long batch,
        long flags
    )
    {
        if (result.NumElements == 0)
            return;
        if (k == 0)
        {
            // An empty sum.
            Elementwise.Fill(result, 0);
            if (bias is not null)
                Copying.Copy(bias.Expand(m, n), result);
            return;
        }
        long* signature = stackalloc long[]
        {
            MatmulFamily.Head(a.DType),
            m,
            n,
            k,
            batch,
            flags
                | (bias is null ? 0 : Bias)
                | (CudaMatmul.AllowTf32 && result.Device.IsCuda && a.DType == DType.Float32 ? Tf32 : 0),
        };
        nint* arguments = stackalloc nint[4];
        int count = 0;
        arguments[count++] = a.Address;
        arguments[count++] = b.Address;
        if (bias is not null)
            arguments[count++] = bias.Address;
        arguments[count] = result.Address;
        Dispatcher.Run(result.Runtime, MatmulFamily, new(signature, 6), arguments);
        GC.KeepAlive(a);
        GC.KeepAlive(b);
        GC.KeepAlive(bias);
    }

    // A dense operand as it is, the transpose of a dense one with the flag, anything else copied.
    private static (Tensor Operand, bool Transposed) Operand(Tensor t)
    {
        if (t.IsContiguous)
            return (t, false);
        var layout = t.Layout;
        long rows = layout.Sizes[^2];
        long columns = layout.Sizes[^1];
        bool matrix =
            layout.Strides[^2] == 1
            && layout.Strides[^1] == rows
            && (t.Rank == 2 || layout.Sizes[0] == 1 || layout.Strides[0] == rows * columns);
        return matrix ? (t, true) : (t.Clone(), false);
    }
}
