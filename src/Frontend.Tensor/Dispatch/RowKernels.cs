using Picograd.Algorithms;

namespace Picograd.Dispatch;

/// <summary>Runs the operators of the library on rows and tables: softmax, cross-entropy, embedding, gather.</summary>
internal static unsafe class RowKernels
{
    public static readonly Family Softmax = OfRows("softmax", "cols");
    public static readonly Family LogSoftmax = OfRows("log_softmax", "cols");
    public static readonly Family SoftmaxGrad = OfRows("softmax_grad", "cols");
    public static readonly Family LogSoftmaxGrad = OfRows("log_softmax_grad", "cols");
    private static readonly Family CrossEntropyFamily = OfRows("cross_entropy", "classes");
    private static readonly Family CrossEntropyGradFamily = OfRows("cross_entropy_grad", "classes");
    private static readonly Family EmbeddingFamily = OfTable("embedding", "vocab", "dim", "rows");
    private static readonly Family EmbeddingGradFamily = OfTable("embedding_grad", "vocab", "dim", "rows");
    private static readonly Family GatherFamily = OfTable("gather", "rows", "cols", "n");
    private static readonly Family GatherGradFamily = OfTable("gather_grad", "rows", "cols", "n");
    private static readonly Family CumsumFamily = OfRows("cumsum", "cols");
    private static readonly Family ReverseCumsumFamily = new(
        "cumsum",
        static (_, s) => $"cumsum rows={s[1]} cols={s[2]} reverse=1 dtype={Family.TypeOf(s).Name()}"
    );

    /// <summary>f along the last dimension of x, and of y where there is one; a result of x's shape.</summary>
    public static Tensor Rows(Family family, Tensor x, Tensor? y = null)
    {
        var a = x.Contiguous();
        var b = y?.Contiguous();
        var runtime = DeviceRuntime.Common(family.Name, a, a, b);
        var result = a.AllocateLike(x.DType);
        if (result.NumElements == 0)
            return result;
        long columns = x.Rank == 0 ? 1 : x.Layout.Sizes[^1];
        long* signature = stackalloc long[] { family.Head(x.DType), x.NumElements / columns, columns };
        nint* arguments = stackalloc nint[3];
        int count = 0;
        arguments[count++] = a.Address;
        if (b is not null)
            arguments[count++] = b.Address;
        arguments[count] = result.Address;
        Dispatcher.Run(runtime, family, new(signature, 3), arguments);
        GC.KeepAlive(a);
        GC.KeepAlive(b);
        return result;
    }

    /// <summary>Inclusive running sums along the last dimension, from its start or from its end.</summary>
    public static Tensor Cumsum(Tensor x, bool reverse = false) =>
        Rows(reverse ? ReverseCumsumFamily : CumsumFamily, x);

    /// <summary>Mean negative log-likelihood, a 0-d tensor, of logits [rows, classes] and int64 targets [rows].</summary>
    public static Tensor CrossEntropy(Tensor logits, Tensor targets)
    {
        var runtime = DeviceRuntime.Common("cross_entropy", logits, targets);
        var result = Tensor.Allocate(Layout.Scalar, logits.DType, runtime);
        long* signature = stackalloc long[]
        {
            CrossEntropyFamily.Head(logits.DType),
            logits.Layout.Sizes[0],
            logits.Layout.Sizes[1],
        };
        nint* arguments = stackalloc nint[] { logits.Address, targets.Address, result.Address };
        Dispatcher.Run(runtime, CrossEntropyFamily, new(signature, 3), arguments);
        GC.KeepAlive(logits);
        GC.KeepAlive(targets);
        return result;
    }

    public static Tensor CrossEntropyGrad(Tensor logits, Tensor targets, Tensor upstream)
    {
        var runtime = DeviceRuntime.Common("cross_entropy", logits, targets, upstream);
        var result = logits.AllocateLike(logits.DType);
        long* signature = stackalloc long[]
        {
            CrossEntropyGradFamily.Head(logits.DType),
            logits.Layout.Sizes[0],
            logits.Layout.Sizes[1],
        };
        nint* arguments = stackalloc nint[] { logits.Address, targets.Address, upstream.Address, result.Address };
        Dispatcher.Run(runtime, CrossEntropyGradFamily, new(signature, 3), arguments);
        GC.KeepAlive(logits);
        GC.KeepAlive(targets);
        GC.KeepAlive(upstream);
        return result;
    }

    /// <summary>Rows of a dense table [vocab, dim] by dense int64 indices, to [count, dim] at an address.</summary>
    public static void Embedding(Tensor table, long vocab, long dim, Tensor indices, nint result)
    {
        if (dim == 0 || indices.NumElements == 0)
            return;
        nint* arguments = stackalloc nint[] { table.Address, indices.Address, result };
        Table(
            DeviceRuntime.Common("embedding", table, indices),
            EmbeddingFamily,
            table.DType,
            vocab,
            dim,
            indices.NumElements,
            arguments
        );
        GC.KeepAlive(table);
        GC.KeepAlive(indices);
    }

    /// <summary>Adds rows of a dense gradient [count, dim] up by index: a new tensor [vocab, dim].</summary>
    public static Tensor EmbeddingGrad(Tensor grad, long vocab, long dim, Tensor indices)
    {
        var runtime = DeviceRuntime.Common("embedding_grad", grad, indices);
        var result = Tensor.Allocate([vocab, dim], grad.DType, runtime);
        if (result.NumElements == 0)
            return result;
        if (indices.NumElements == 0)
        {
            Elementwise.Fill(result, 0);
            return result;
        }
        nint* arguments = stackalloc nint[] { indices.Address, grad.Address, result.Address };
        Table(runtime, EmbeddingGradFamily, grad.DType, vocab, dim, indices.NumElements, arguments);
        GC.KeepAlive(grad);
        GC.KeepAlive(indices);
        return result;
    }

    /// <summary>y[r, j] = x[r, index[r, j]], all dense matrices.</summary>
    public static Tensor Gather(Tensor x, Tensor index, Layout shape)
    {
        var runtime = DeviceRuntime.Common("gather", x, index);
        var result = Tensor.Allocate(shape, x.DType, runtime);
        if (result.NumElements == 0)
            return result;
        long columns = x.Layout.Sizes[^1];
        nint* arguments = stackalloc nint[] { x.Address, index.Address, result.Address };
        Table(runtime, GatherFamily, x.DType, x.NumElements / columns, columns, index.Layout.Sizes[^1], arguments);
        GC.KeepAlive(x);
        GC.KeepAlive(index);
        return result;
    }

    public static Tensor GatherGrad(Tensor grad, Tensor index, Layout shape)
    {
        var runtime = DeviceRuntime.Common("gather_grad", grad, index);
        var result = Tensor.Allocate(Layout.Contiguous(shape.Sizes), grad.DType, runtime);
        if (result.NumElements == 0)
            return result;
        if (grad.NumElements == 0)
        {
            Elementwise.Fill(result, 0);
            return result;
        }
        long columns = shape.Sizes[^1];
        nint* arguments = stackalloc nint[] { index.Address, grad.Address, result.Address };
        Table(runtime, GatherGradFamily, grad.DType, shape.Count / columns, columns, index.Layout.Sizes[^1], arguments);
        GC.KeepAlive(grad);
        GC.KeepAlive(index);
        return result;
    }

    private static void Table(DeviceRuntime runtime, Family family, DType type, long x, long y, long z, nint* arguments)
    {
        long* signature = stackalloc long[] { family.Head(type), x, y, z };
        Dispatcher.Run(runtime, family, new(signature, 4), arguments);
    }

    private static Family OfRows(string name, string second) =>
        new(name, (f, s) => $"{f.Name} rows={s[1]} {second}={s[2]} dtype={Family.TypeOf(s).Name()}");

    private static Family OfTable(string name, string x, string y, string z) =>
        new(name, (f, s) => $"{f.Name} {x}={s[1]} {y}={s[2]} {z}={s[3]} dtype={Family.TypeOf(s).Name()}");
}
