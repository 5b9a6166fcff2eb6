using Picograd.Algorithms;

namespace Picograd.Dispatch;

/// <summary>Runs element-wise operators of the library, without recording.</summary>
internal static unsafe class Elementwise
{
    private static readonly Family FillFamily = Family.OfVector("fill");

    private static readonly Family CastFamily = new(
        "cast",
        static (_, s) => $"cast n={Family.Number(s[1])} from={Family.TypeOf(s).Name()} to={((DType)s[2]).Name()}"
    );

    private static readonly Family WhereFamily = Family.OfBroadcast("where", "cab");

    /// <summary>f(x), of x's type, in new memory.</summary>
    public static Tensor Unary(Family family, Tensor x)
    {
        var input = x.Contiguous();
        var result = input.AllocateLike(x.DType);
        Unary(family, input, result.Address);
        return result;
    }

    public static void Unary(Family family, Tensor contiguous, nint result)
    {
        if (contiguous.NumElements == 0)
            return;
        long* signature = stackalloc long[] { family.Head(contiguous.DType), contiguous.NumElements };
        nint* arguments = stackalloc nint[] { contiguous.Address, result };
        Dispatcher.Run(contiguous.Runtime, family, new(signature, 2), arguments);
        GC.KeepAlive(contiguous);
    }

    /// <summary>A fused derivative: of x (result or argument of a function) and the gradient g of x's shape.</summary>
    public static Tensor Gradient(Family family, Tensor x, Tensor g)
    {
        var a = x.Contiguous();
        var b = g.Contiguous();
        var runtime = DeviceRuntime.Common(family.Name, a, b);
        var result = a.AllocateLike(x.DType);
        if (result.NumElements > 0)
        {
            long* signature = stackalloc long[] { family.Head(x.DType), x.NumElements };
            nint* arguments = stackalloc nint[] { a.Address, b.Address, result.Address };
            Dispatcher.Run(runtime, family, new(signature, 2), arguments);
            GC.KeepAlive(a);
            GC.KeepAlive(b);
        }
        return result;
    }

    /// <summary>f(a, b) with broadcasting; both have the type that f is computed in.</summary>
    public static Tensor Binary(Family family, Tensor a, Tensor b, DType resultType)
    {
        var runtime = DeviceRuntime.Align(family.Name, ref a, ref b);
        var layoutA = a.Layout;
        var layoutB = b.Layout;
        long* signature = stackalloc long[1 + Broadcasting.MaxRank];
        signature[0] = family.Head(a.DType);
        int count = 1;
        Tensor result;
        if (layoutA.SameSizes(layoutB) && layoutA.IsContiguous && layoutB.IsContiguous)
        {
            result = a.AllocateLike(resultType);
            signature[1] = (layoutA.Count << 3) | 3;
        }
        else
        {
            long[] sizes =
                Broadcasting.Shape(layoutA, layoutB)
                ?? throw new ArgumentException(
                    $"{family.Name}: the shapes {layoutA} and {layoutB} do not broadcast; from the last dimension on, sizes "
                        + "must be equal or one of them 1."
                );
            if (sizes.Contains(0))
                return Tensor.Allocate(sizes, resultType, runtime);
            var lined = Broadcasting.Of(sizes, layoutA, layoutB, null, new(signature + 1, Broadcasting.MaxRank));
            count = lined.Count;
            if (lined.Ragged != 0 || count > Broadcasting.MaxDims)
                return Binary(
                    family,
                    Dense(a, (lined.Ragged & 1) != 0, count, sizes),
                    Dense(b, (lined.Ragged & 2) != 0, count, sizes),
                    resultType
                );
            result =
                ReferenceEquals(sizes, layoutA.Sizes) ? a.AllocateLike(resultType)
                : ReferenceEquals(sizes, layoutB.Sizes) ? b.AllocateLike(resultType)
                : Tensor.Allocate(sizes, resultType, runtime);
        }
        if (result.NumElements > 0)
        {
            nint* arguments = stackalloc nint[] { a.Address, b.Address, result.Address };
            Dispatcher.Run(runtime, family, new(signature, count + 1), arguments);
            GC.KeepAlive(a);
            GC.KeepAlive(b);
        }
        return result;
    }

    /// <summary>f(x, number) or, turned around, f(number, x).</summary>
    public static Tensor WithNumber(Family family, Tensor x, Scalar number, bool numberFirst, DType resultType)
    {
        var input = x.Contiguous();
        var result = input.AllocateLike(resultType);
        if (input.NumElements == 0)
            return result;
        long cell;
        number.Store(x.DType, &cell);
        long* signature = stackalloc long[]
        {
            family.Head(x.DType),
            (input.NumElements << 3)
                + (
                    input.NumElements == 1 ? 3
                    : numberFirst ? 2
                    : 1
                ),
        };
        var runtime = input.Runtime;
        nint at = runtime.Cells((nint)(&cell), sizeof(long));
        nint* arguments = stackalloc nint[]
        {
            numberFirst ? at : input.Address,
            numberFirst ? input.Address : at,
            result.Address,
        };
        Dispatcher.Run(runtime, family, new(signature, 2), arguments);
        GC.KeepAlive(input);
        return result;
    }

    /// <summary>f(x, number) of a half type, the number in the type that f is computed in.</summary>
    public static Tensor WithPreciseNumber(Family family, Tensor x, Scalar number)
    {
        var input = x.Contiguous();
        var result = input.AllocateLike(x.DType);
        if (input.NumElements == 0)
            return result;
        long cell;
        number.Store(x.DType.Compute(), &cell);
        long* signature = stackalloc long[] { family.Head(x.DType), input.NumElements };
        nint* arguments = stackalloc nint[]
        {
            input.Address,
            input.Runtime.Cells((nint)(&cell), sizeof(long)),
            result.Address,
        };
        Dispatcher.Run(input.Runtime, family, new(signature, 2), arguments);
        GC.KeepAlive(input);
        return result;
    }

    /// <summary>condition ? a : b with broadcasting; a and b of one type.</summary>
    public static Tensor Where(Tensor condition, Tensor a, Tensor b)
    {
        if (a.DType == DType.UInt8)
            return Cast(Where(condition, Cast(a, DType.Int32), Cast(b, DType.Int32)), DType.UInt8);
        long[]? pair = Broadcasting.Shape(a.Layout, b.Layout);
        long[]? sizes = pair is null ? null : Broadcasting.Shape(condition.Layout, Layout.Contiguous(pair));
        if (sizes is null)
            throw new ArgumentException(
                $"where: the shapes {condition.Layout}, {a.Layout} and {b.Layout} do not broadcast; from the last dimension "
                    + "on, sizes must be equal or 1."
            );
        var runtime = DeviceRuntime.Align("where", ref condition, ref a, ref b);
        if (sizes.Contains(0))
            return Tensor.Allocate(sizes, a.DType, runtime);
        long* signature = stackalloc long[1 + Broadcasting.MaxRank];
        signature[0] = WhereFamily.Head(a.DType);
        var lined = Broadcasting.Of(
            sizes,
            condition.Layout,
            a.Layout,
            b.Layout,
            new(signature + 1, Broadcasting.MaxRank)
        );
        int count = lined.Count;
        if (lined.Ragged != 0 || count > Broadcasting.MaxDims)
            return Where(
                Dense(condition, (lined.Ragged & 1) != 0, count, sizes),
                Dense(a, (lined.Ragged & 2) != 0, count, sizes),
                Dense(b, (lined.Ragged & 4) != 0, count, sizes)
            );
        var result = Tensor.Allocate(sizes, a.DType, runtime);
        if (result.NumElements > 0)
        {
            nint* arguments = stackalloc nint[] { condition.Address, a.Address, b.Address, result.Address };
            Dispatcher.Run(runtime, WhereFamily, new(signature, count + 1), arguments);
            GC.KeepAlive(condition);
            GC.KeepAlive(a);
            GC.KeepAlive(b);
        }
        return result;
    }

    /// <summary>x in another type; x itself where it has that type.</summary>
    public static Tensor Cast(Tensor x, DType type)
    {
        if (x.DType == type)
            return x;
        var input = x.Contiguous();
        var result = input.AllocateLike(type);
        if (input.NumElements > 0)
        {
            long* signature = stackalloc long[] { CastFamily.Head(input.DType), input.NumElements, (long)type };
            nint* arguments = stackalloc nint[] { input.Address, result.Address };
            Dispatcher.Run(input.Runtime, CastFamily, new(signature, 3), arguments);
            GC.KeepAlive(input);
        }
        return result;
    }

    /// <summary>Writes one value into all of a dense tensor.</summary>
    public static void Fill(Tensor target, Scalar value)
    {
        if (target.NumElements == 0)
            return;
        long cell;
        value.Store(target.DType, &cell);
        var runtime = target.Runtime;
        long* signature = stackalloc long[] { FillFamily.Head(target.DType), target.NumElements };
        nint* arguments = stackalloc nint[] { runtime.Cells((nint)(&cell), sizeof(long)), target.Address };
        Dispatcher.Run(runtime, FillFamily, new(signature, 2), arguments);
        GC.KeepAlive(target);
    }

    // An operand that a kernel can read: copied where it does not lie densely, and written out in full where shapes
    // alternate so often that no kernel has the dimensions for it.
    private static Tensor Dense(Tensor operand, bool ragged, int dims, long[] sizes) =>
        dims > Broadcasting.MaxDims ? operand.Expand(sizes).Contiguous()
        : ragged ? operand.Clone()
        : operand;
}
