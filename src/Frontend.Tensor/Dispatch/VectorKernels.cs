using Picograd.Algorithms;

namespace Picograd.Dispatch;

/// <summary>Runs the library's operators on vectors: ranges, random numbers, steps of optimizers.</summary>
internal static unsafe class VectorKernels
{
    public static readonly Family Uniform = Family.OfVector("random_uniform");
    public static readonly Family Normal = Family.OfVector("random_normal");

    private static readonly Family ArangeFamily = Family.OfVector("arange");
    private static readonly Family IntegerFamily = new("random_integer", static (f, s) => $"{f.Name} n={s[1]}");
    private static readonly Family SgdFamily = Family.OfVector("sgd");
    private static readonly Family SgdMomentumFamily = Family.OfVector("sgd_momentum");
    private static readonly Family AdamFamily = Family.OfVector("adam");

    /// <summary>start + i · step into a dense tensor of int64, float32 or float64.</summary>
    public static void Arange(Tensor to, Scalar start, Scalar step)
    {
        if (to.NumElements == 0)
            return;
        long first;
        long each;
        start.Store(to.DType, &first);
        step.Store(to.DType, &each);
        var runtime = to.Runtime;
        nint* arguments = stackalloc nint[] { Cell(runtime, &first), Cell(runtime, &each), to.Address };
        Vector(ArangeFamily, to, arguments);
    }

    /// <summary>Random numbers of the blocks from an offset on.</summary>
    public static void Random(Family family, Tensor to, long seed, long offset)
    {
        if (to.NumElements == 0)
            return;
        var runtime = to.Runtime;
        nint* arguments = stackalloc nint[] { Cell(runtime, &seed), Cell(runtime, &offset), to.Address };
        Vector(family, to, arguments);
    }

    /// <summary>Random int64 numbers from 0 up to a limit, exclusive.</summary>
    public static void RandomIntegers(Tensor to, ulong limit, long seed, long offset)
    {
        if (to.NumElements == 0)
            return;
        var runtime = to.Runtime;
        nint* arguments = stackalloc nint[]
        {
            Cell(runtime, &seed),
            Cell(runtime, &offset),
            Cell(runtime, (long*)&limit),
            to.Address,
        };
        Vector(IntegerFamily, to, arguments);
    }

    /// <summary>p ← p − rate · grad.</summary>
    public static void Sgd(Tensor p, Tensor grad, double rate)
    {
        if (p.NumElements == 0)
            return;
        var input = p.Contiguous();
        var g = grad.Contiguous();
        var result = input.AllocateLike(p.DType);
        long cell;
        ((Scalar)rate).Store(p.DType.Compute(), &cell);
        var runtime = DeviceRuntime.Common("sgd", input, g);
        nint* arguments = stackalloc nint[] { input.Address, g.Address, Cell(runtime, &cell), result.Address };
        Vector(SgdFamily, input, arguments);
        GC.KeepAlive(input);
        GC.KeepAlive(g);
        Copying.Replace(p, result);
    }

    /// <summary>v ← momentum · v + (grad + decay · p), p ← p − rate · v.</summary>
    public static void SgdMomentum(Tensor p, Tensor grad, Tensor v, ReadOnlySpan<double> settings)
    {
        if (p.NumElements == 0)
            return;
        var input = p.Contiguous();
        var g = grad.Contiguous();
        var newP = input.AllocateLike(p.DType);
        var newV = input.AllocateLike(p.DType);
        long* cells = stackalloc long[settings.Length];
        Store(settings, p.DType.Compute(), cells);
        var runtime = DeviceRuntime.Common("optimizer", input, g, v);
        nint* arguments = stackalloc nint[]
        {
            input.Address,
            g.Address,
            v.Address,
            runtime.Cells((nint)cells, settings.Length * sizeof(long)),
            newP.Address,
            newV.Address,
        };
        Vector(SgdMomentumFamily, input, arguments);
        GC.KeepAlive(input);
        GC.KeepAlive(g);
        Copying.Replace(p, newP);
        Copying.Replace(v, newV);
    }

    /// <summary>One step of Adam; settings are the learning rate, β1, β2, ε, 1 − β1ᵗ, 1 − β2ᵗ and the decay.</summary>
    public static void Adam(Tensor p, Tensor grad, Tensor m, Tensor v, ReadOnlySpan<double> settings)
    {
        if (p.NumElements == 0)
            return;
        var input = p.Contiguous();
        var g = grad.Contiguous();
        var newP = input.AllocateLike(p.DType);
        var newM = input.AllocateLike(p.DType);
        var newV = input.AllocateLike(p.DType);
        long* cells = stackalloc long[settings.Length];
        Store(settings, p.DType.Compute(), cells);
        var runtime = DeviceRuntime.Common("optimizer", input, g, v);
        nint* arguments = stackalloc nint[]
        {
            input.Address,
            g.Address,
            m.Address,
            v.Address,
            runtime.Cells((nint)cells, settings.Length * sizeof(long)),
            newP.Address,
            newM.Address,
            newV.Address,
        };
        Vector(AdamFamily, input, arguments);
        GC.KeepAlive(input);
        GC.KeepAlive(g);
        Copying.Replace(p, newP);
        Copying.Replace(m, newM);
        Copying.Replace(v, newV);
    }

    private static void Vector(Family family, Tensor like, nint* arguments)
    {
        long* signature = stackalloc long[] { family.Head(like.DType), like.NumElements };
        Dispatcher.Run(like.Runtime, family, new(signature, 2), arguments);
        GC.KeepAlive(like);
    }

    private static nint Cell(DeviceRuntime runtime, long* cell) => runtime.Cells((nint)cell, sizeof(long));

    private static void Store(ReadOnlySpan<double> values, DType type, long* to)
    {
        for (int i = 0; i < values.Length; i++)
            ((Scalar)values[i]).Store(type, (byte*)to + i * type.Size());
    }
}
