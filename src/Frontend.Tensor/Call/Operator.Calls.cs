using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Dispatch;

namespace Picograd.Calls;

// Calls of operators whose operands have a dimension a key, without record. What a kernel would read or write a number of 0 times is
// not called: results are empty, or sums of nothing.
internal unsafe partial class Operator
{
    private static readonly Operator FillOperator = new("fill");
    private static readonly Operator CastOperator = new("cast");

    /// <summary>Its result, in new memory. Scalars of the CPU go along with tensors of a GPU where operands broadcast.</summary>
    [SkipLocalsInit]
    public Tensor Run(Tensor a, Tensor? b = null, Tensor? c = null)
    {
        Align(ref a, ref b, ref c);
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]);
        call.In(a);
        if (b is not null)
            call.In(b);
        if (c is not null)
            call.In(c);
        return call.Result();
    }

    /// <summary>All results of any inputs, in new memory, recorded.</summary>
    [SkipLocalsInit]
    public Tensor[] RunAll(ReadOnlySpan<Tensor> inputs)
    {
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]);
        foreach (var input in inputs)
            call.In(input);
        var results = call.Results();
        Record(inputs, results);
        return results;
    }

    /// <summary><see cref="Run"/>, recorded with its rule.</summary>
    public Tensor Recorded(Tensor a, Tensor? b = null, Tensor? c = null)
    {
        Align(ref a, ref b, ref c);
        var result = Run(a, b, c);
        if (Tensor.Records(a, b, c) && Rule is { } rule)
            result.Record(rule, a, b, c);
        return result;
    }

    /// <summary>A result of a shape that does not follow from those of its inputs alone, recorded.</summary>
    public Tensor RecordedAs(ReadOnlySpan<long> sizes, Tensor a, Tensor? b = null, Tensor? c = null) =>
        RecordedInto(Tensor.Allocate(sizes, a.DType, a.Runtime), a, b, c);

    /// <summary>A result of the first input's shape, recorded; other inputs may be missing.</summary>
    public Tensor RecordedLike(Tensor a, Tensor? b = null, Tensor? c = null) =>
        RecordedInto(a.AllocateLike(a.DType), a, b, c);

    [SkipLocalsInit]
    private Tensor RecordedInto(Tensor result, Tensor a, Tensor? b, Tensor? c)
    {
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]);
        call.In(a);
        for (int i = 1; i < Words.Inputs; i++)
        {
            if ((i == 1 ? b : c) is { } given)
                call.In(given);
            else
                call.Skip();
        }
        call.Place(result);
        call.RunInto();
        if (Tensor.Records(a, b, c) && Rule is { } rule)
            result.Record(rule, a, b, c);
        return result;
    }

    /// <summary>Its results in memory that is given, without record.</summary>
    [SkipLocalsInit]
    public void RunInto(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> results)
    {
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]);
        foreach (var input in inputs)
            call.In(input);
        foreach (var result in results)
            call.Place(result);
        call.RunInto();
    }

    // What goes along is recorded where it goes to.
    private void Align(ref Tensor a, ref Tensor? b, ref Tensor? c)
    {
        if (b is null || Words.Form != OperandForm.Broadcast)
            return;
        if (c is null)
            CommonDevice.Align(Title, ref a, ref b);
        else
            CommonDevice.Align(Title, ref a, ref b, ref c);
    }

    /// <summary>f(x, number) or, turned around, f(number, x).</summary>
    [SkipLocalsInit]
    public Tensor Run(Tensor x, Scalar number, bool numberFirst)
    {
        long cell;
        // Beside a half type a number is as precise as what is computed.
        bool precise = !numberFirst && x.DType.IsStorage() && Words.Has("number");
        var type = precise ? x.DType.Compute() : x.DType;
        number.Store(type, &cell);
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]) { Apart = precise };
        if (numberFirst)
            call.Cell(&cell, type.Size());
        call.In(x);
        if (!numberFirst)
            call.Cell(&cell, type.Size());
        call.Head |= precise ? Words.Bits("number", "b") : 0;
        return call.Result();
    }

    /// <summary>
    /// x ← f(x), or f(x, b) of a dtype, where x is; false where x is small, which new memory takes less time for, or not dense, or something
    /// else is in the way. What x may be is the caller's to see to.
    /// </summary>
    [SkipLocalsInit]
    public bool TryReplace(Tensor x, Tensor? b = null)
    {
        if (!IsLong(x))
            return false;
        if (b is not null)
        {
            if (!b.IsContiguous || b.DType != x.DType || !b.Layout.SameSizes(x.Layout))
                return false;
            // An element of b that x has elsewhere may be gone before it is read.
            if (ReferenceEquals(b.Storage, x.Storage) ? b.Layout.Offset != x.Layout.Offset : x.Storage.IsForeign)
                return false;
        }
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]);
        call.In(x);
        if (b is not null)
            call.In(b);
        return RunReplacing(ref call, x);
    }

    /// <summary>x ← f(x, number) in the same way.</summary>
    public bool TryReplace(Tensor x, Scalar number)
    {
        var calls = t_replacing ??= new InPlaceCalls();
        if (!IsLong(x) || !TryReplaceLater(calls, x, number))
            return false;
        calls.Run();
        return true;
    }

    /// <summary>x ← f(x, number) of a dense x of any length, when the calls that it is added to run.</summary>
    [SkipLocalsInit]
    public bool TryReplaceLater(InPlaceCalls calls, Tensor x, Scalar number)
    {
        long cell;
        bool precise = x.DType.IsStorage() && Words.Has("number");
        var type = precise ? x.DType.Compute() : x.DType;
        number.Store(type, &cell);
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]) { Apart = precise };
        call.In(x);
        call.Cell(&cell, type.Size());
        call.Head |= precise ? Words.Bits("number", "b") : 0;
        return call.TryAddTo(calls, x.NumElements, First);
    }

    private static readonly byte[] First = [0];

    [ThreadStatic]
    private static InPlaceCalls? t_replacing;

    private static bool RunReplacing(ref OpCall call, Tensor x)
    {
        var calls = t_replacing ??= new InPlaceCalls();
        if (!call.TryAddTo(calls, x.NumElements, First))
            return false;
        calls.Run();
        return true;
    }

    // Beyond the cache that a result in new memory would have to go through.
    private static bool IsLong(Tensor x) => x.IsContiguous && x.NumElements >= InPlaceCalls.Long && x.Device.IsCpu;

    /// <summary>Whether a second operand of one element may have the dtype that 16 bits are computed in.</summary>
    public bool TakesNumber => Words.Has("number");

    /// <summary>f(x, number) of a tensor of 16 bits and a tensor of one element of the dtype that these are computed in.</summary>
    [SkipLocalsInit]
    public Tensor RunPrecise(Tensor x, Tensor number)
    {
        CommonDevice.Align(Title, ref x, ref number);
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]) { Apart = true };
        call.In(x);
        call.In(number);
        call.Head |= Words.Bits("number", "b");
        return call.Result();
    }

    /// <summary><see cref="Product"/>, recorded.</summary>
    public Tensor RecordedProduct(Tensor a, Tensor b, Tensor? bias = null, bool transposed = false)
    {
        var result = Product(a, b, bias, transposed);
        if (Tensor.Records(a, b, bias))
            result.Record(Rule!, a, b, bias);
        return result;
    }

    /// <summary>
    /// The matrix product of two matrices or of batches of them, of which one may be a matrix that all share, plus a vector for
    /// each row.
    /// </summary>
    /// <param name="a">[m, k] or [batch, m, k].</param>
    /// <param name="b">[k, n] or [batch, k, n]; [n, k] where it is <paramref name="transposed"/>.</param>
    /// <param name="bias">[n].</param>
    /// <param name="transposed">Whether the transpose of b is meant.</param>
    [SkipLocalsInit]
    public Tensor Product(Tensor a, Tensor b, Tensor? bias = null, bool transposed = false)
    {
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]);
        call.In(a);
        call.In(b, transposed);
        if (bias is null)
            call.Skip();
        else
            call.In(bias);
        if (CudaMatmul.AllowTf32 && a.DType == DType.Float32 && call.Runtime.Device.IsCuda)
            call.Head |= Words.Bits("tf32", "1");
        var result = call.Result();
        // To an empty sum the bias is still added.
        if (bias is not null && b.NumElements == 0 && result.NumElements > 0)
            Copying.Into(result, bias.Expand(result.Shape));
        return result;
    }

    /// <summary>Its result for numbers of one operand each, in the memory of a dense tensor.</summary>
    [SkipLocalsInit]
    public Tensor RunInto(Tensor result, int bytes, params ReadOnlySpan<long> cells)
    {
        fixed (long* first = cells)
        {
            var call = new OpCall(this, stackalloc long[OpCall.MostWords]);
            for (int i = 0; i < cells.Length; i++)
                call.Cell(first + i, bytes);
            call.Place(result);
            call.RunInto();
        }
        return result;
    }

    /// <summary>Writes one value into all of a dense tensor.</summary>
    public static void Fill(Tensor target, Scalar value) =>
        FillOperator.RunInto(target, target.ElementSize, value.Bits(target.DType));

    /// <summary>x in another type; x itself where it has that type.</summary>
    [SkipLocalsInit]
    public static Tensor Cast(Tensor x, DType type)
    {
        if (x.DType == type)
            return x;
        var call = new OpCall(CastOperator, stackalloc long[OpCall.MostWords]);
        call.In(x);
        return call.Result(type);
    }
}
