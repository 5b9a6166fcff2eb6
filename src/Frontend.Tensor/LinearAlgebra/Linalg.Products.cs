using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

public static partial class Linalg
{
    /// <summary>See <see cref="Tensor.MatMul"/>.</summary>
    public static Tensor MatMul(Tensor a, Tensor b) => Tensor.Given(a).MatMul(b);

    /// <summary>Σ x · y along a dimension; shapes broadcast.</summary>
    public static Tensor VecDot(Tensor x, Tensor y, int dim = -1)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(y);
        return (x * y).Sum([dim]);
    }

    /// <summary>The cross product of vectors of three elements along a dimension; shapes broadcast.</summary>
    public static Tensor Cross(Tensor a, Tensor b, int dim = -1)
    {
        const string What = "linalg.cross";
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        if (a.Rank != b.Rank)
            throw new ArgumentException(
                $"{What}: inputs must have as many dimensions, but the shapes are {a.Layout} and {b.Layout}."
            );
        int d = a.Layout.Dim(dim, What);
        if (a.Rank == 0 || a.Layout.Sizes[d] != 3 || b.Layout.Sizes[d] != 3)
            throw new ArgumentException(
                $"{What}: dimension {dim} must have size 3, but the shapes are {a.Layout} and {b.Layout}."
            );
        if (Broadcasting.Shape(a.Layout, b.Layout) is null)
            throw new ArgumentException($"{What}: the shapes {a.Layout} and {b.Layout} do not broadcast.");
        Tensor Part(Tensor t, int i) => t.Narrow(d, i, 1);
        Tensor Of(int i, int j) => Part(a, i) * Part(b, j) - Part(a, j) * Part(b, i);
        return Tensor.Cat([Of(1, 2), Of(2, 0), Of(0, 1)], d);
    }

    /// <summary>The product of several matrices, in the order that multiplies least. The first and the last may be vectors.</summary>
    public static Tensor MultiDot(params ReadOnlySpan<Tensor> tensors)
    {
        const string What = "linalg.multi_dot";
        int n = tensors.Length;
        if (n < 2)
            throw new ArgumentException($"{What}: needs at least 2 tensors, but {n} were given.");
        var all = tensors.ToArray();
        bool isRow = Tensor.Given(all[0]).Rank == 1;
        bool isColumn = Tensor.Given(all[^1]).Rank == 1;
        if (isRow)
            all[0] = all[0].Unsqueeze(0);
        if (isColumn)
            all[^1] = all[^1].Unsqueeze(1);
        for (int i = 0; i < n; i++)
        {
            if (Tensor.Given(all[i]).Rank != 2)
                throw new ArgumentException(
                    $"{What}: tensor {i} must be a matrix"
                        + (i == 0 || i == n - 1 ? " or a vector" : "")
                        + $", but its shape is {tensors[i].Layout}."
                );
            if (i > 0 && all[i - 1].Layout.Sizes[1] != all[i].Layout.Sizes[0])
                throw new ArgumentException(
                    $"{What}: tensors {i - 1} and {i} with shapes {tensors[i - 1].Layout} and {tensors[i].Layout} cannot be multiplied."
                );
        }
        // Least costs of all spans, and where each is divided (Cormen and others, 15.2).
        double[,] cost = new double[n, n];
        int[,] at = new int[n, n];
        for (int span = 1; span < n; span++)
        {
            for (int i = 0; i + span < n; i++)
            {
                int j = i + span;
                cost[i, j] = double.PositiveInfinity;
                for (int k = i; k < j; k++)
                {
                    double own = (double)all[i].Layout.Sizes[0] * all[k].Layout.Sizes[1] * all[j].Layout.Sizes[1];
                    double whole = cost[i, k] + cost[k + 1, j] + own;
                    if (whole < cost[i, j])
                        (cost[i, j], at[i, j]) = (whole, k);
                }
            }
        }
        Tensor Product(int i, int j) => i == j ? all[i] : Product(i, at[i, j]).MatMul(Product(at[i, j] + 1, j));
        var result = Product(0, n - 1);
        if (isColumn)
            result = result.Squeeze(1);
        return isRow ? result.Squeeze(0) : result;
    }

    /// <summary>Powers 0 to n − 1 of the elements, in columns (Vandermonde); n is their number unless given.</summary>
    public static Tensor Vander(Tensor x, long? n = null)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (x.Rank == 0)
            x = x.Unsqueeze(0);
        long columns = n ?? x.Layout.Sizes[^1];
        if (columns <= 1)
            throw new ArgumentException($"linalg.vander: N is {columns}, but must be greater than 1.");
        var type = x.DType == DType.Bool ? DType.Int64 : x.DType;
        var ones = Tensor.Ones([.. x.Layout.Sizes, 1], type, x.Device);
        var powers = x.To(type).Unsqueeze(-1).Expand([.. x.Layout.Sizes, columns - 1]).CumProd(-1);
        return Tensor.Cat([ones, powers.To(type)], -1);
    }

    /// <summary>The diagonals of matrices: see <see cref="Tensor.Diagonal"/>, whose dimensions are the first two by default, here the last.</summary>
    public static Tensor Diagonal(Tensor a, long offset = 0, int dim1 = -2, int dim2 = -1) =>
        Tensor.Given(a).Diagonal(offset, dim1, dim2);

    /// <summary>X of TensorDot(A, X, X.Rank) = B: A is a square matrix once its first B.Rank dimensions, and the others, are one.</summary>
    /// <param name="a">Its product of the first dimensions is that of the others.</param>
    /// <param name="b">Of the first dimensions of A.</param>
    /// <param name="dims">Dimensions of A that are moved to the back first.</param>
    public static Tensor TensorSolve(Tensor a, Tensor b, ReadOnlySpan<int> dims = default)
    {
        const string What = "linalg.tensorsolve";
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        if (dims.Length > 0)
        {
            int[] back = dims.ToArray();
            var layout = a.Layout;
            back = [.. back.Select(d => layout.Dim(d, What))];
            a = a.Permute([.. Enumerable.Range(0, a.Rank).Except(back), .. back]);
        }
        long[] result = [.. a.Layout.Sizes.Skip(b.Rank)];
        long side = Layout.CountOf(result);
        if (b.Rank > a.Rank || side * side != a.NumElements || b.NumElements != side)
            throw new ArgumentException(
                $"{What}: the shapes {a.Layout} and {b.Layout} do not fit; the first {b.Rank} sizes of A must have the product of the others."
            );
        return Solve(a.Reshape(side, side), b.Reshape(side)).Reshape(result);
    }

    /// <summary>The inverse of <see cref="Tensor.TensorDot(Tensor, int)"/> with A over its last dimensions.</summary>
    /// <param name="a">The product of its first <paramref name="ind"/> sizes is that of the others.</param>
    /// <param name="ind">At least 1.</param>
    public static Tensor TensorInv(Tensor a, int ind = 2)
    {
        const string What = "linalg.tensorinv";
        ArgumentNullException.ThrowIfNull(a);
        if (ind < 1)
            throw new ArgumentException($"{What}: ind is {ind}, but must be above 0.");
        long[] first = [.. a.Layout.Sizes.Take(ind)];
        long[] last = [.. a.Layout.Sizes.Skip(ind)];
        long side = Layout.CountOf(first);
        if (side != Layout.CountOf(last))
            throw new ArgumentException(
                $"{What}: the first {ind} sizes of the shape {a.Layout} must have the product of the others."
            );
        return Inv(a.Reshape(side, side)).Reshape([.. last, .. first]);
    }
}
