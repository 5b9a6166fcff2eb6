using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Dispatch;

namespace Picograd;

public sealed partial class Tensor
{
    private static readonly Operator UniformOperator = new("random_uniform");
    private static readonly Operator NormalOperator = new("random_normal");
    private static readonly Operator IntegerOperator = new("random_integer");
    private static readonly Operator ArangeOperator = new("arange");

    /// <summary>Float32 zeros.</summary>
    public static Tensor Zeros(params ReadOnlySpan<long> shape) => Full(shape, 0, DType.Float32, null, "Zeros");

    /// <summary>Zeros of a dtype.</summary>
    public static Tensor Zeros(ReadOnlySpan<long> shape, DType dtype, Device? device = null) =>
        Full(shape, 0, dtype, device, "Zeros");

    /// <summary>Float32 ones.</summary>
    public static Tensor Ones(params ReadOnlySpan<long> shape) => Full(shape, 1, DType.Float32, null, "Ones");

    /// <summary>Ones of a dtype.</summary>
    public static Tensor Ones(ReadOnlySpan<long> shape, DType dtype, Device? device = null) =>
        Full(shape, 1, dtype, device, "Ones");

    /// <summary>One value everywhere; the dtype is the value's (a float makes float32) where none is given.</summary>
    public static Tensor Full(ReadOnlySpan<long> shape, Scalar value, DType? dtype = null, Device? device = null) =>
        Full(shape, value, dtype ?? value.Type, device, "Full");

    private static Tensor Full(ReadOnlySpan<long> shape, Scalar value, DType dtype, Device? device, string what)
    {
        var tensor = Empty(shape, dtype, device, what);
        value.Require(tensor.DType, "full");
        Operator.Fill(tensor, value);
        return tensor;
    }

    /// <summary>Float32 memory with whatever is in it.</summary>
    public static Tensor Empty(params ReadOnlySpan<long> shape) => Empty(shape, DType.Float32, null, "Empty");

    /// <summary>Memory of a dtype with whatever is in it.</summary>
    public static Tensor Empty(ReadOnlySpan<long> shape, DType dtype, Device? device = null) =>
        Empty(shape, dtype, device, "Empty");

    /// <summary>0, 1, … up to an end, exclusive; int64.</summary>
    public static Tensor Arange(long end, Device? device = null) => Arange(0, end, device: device);

    /// <summary>start, start + step, … up to an end, exclusive; int64 unless a dtype is given.</summary>
    /// <exception cref="ArgumentException">The step is 0, or leads away from the end; too many numbers.</exception>
    public static Tensor Arange(long start, long end, long step = 1, DType dtype = DType.Int64, Device? device = null)
    {
        if (step == 0)
            throw new ArgumentException("Arange: step is 0, but must not be.");
        if (step > 0 ? start > end : start < end)
            throw new ArgumentException($"Arange: a step of {step} does not lead from {start} to {end}.");
        var count = ((Int128)end - start + step - Math.Sign(step)) / step;
        if (count > long.MaxValue)
            throw new ArgumentException(
                $"Arange: from {start} to {end} by {step} are {count} numbers, which is too many."
            );
        return Range((long)count, start, step, dtype, device);
    }

    /// <summary>start, start + step, … up to an end, exclusive; float32 unless a dtype is given.</summary>
    public static Tensor Arange(
        double start,
        double end,
        double step = 1,
        DType dtype = DType.Float32,
        Device? device = null
    )
    {
        if (step == 0 || !double.IsFinite((end - start) / step))
            throw new ArgumentException($"Arange: from {start} to {end} by {step} is not a range.");
        if (step > 0 ? start > end : start < end)
            throw new ArgumentException($"Arange: a step of {step} does not lead from {start} to {end}.");
        double count = Math.Ceiling((end - start) / step);
        if (count >= long.MaxValue)
            throw new ArgumentException(
                $"Arange: from {start} to {end} by {step} are {count} numbers, which is too many."
            );
        return Range((long)count, start, step, dtype, device);
    }

    /// <summary>The identity matrix, or its first columns.</summary>
    public static Tensor Eye(long rows, long? columns = null, DType dtype = DType.Float32, Device? device = null)
    {
        CheckedShape([rows, columns ?? rows], "Eye");
        var down = Arange(rows, device).Unsqueeze(1);
        var across = Arange(columns ?? rows, device);
        return Operator.Cast(down.Eq(across), dtype);
    }

    /// <summary>Uniform in [0, 1), float32, from the default generator.</summary>
    public static Tensor Rand(params ReadOnlySpan<long> shape) => Rand(shape, generator: null);

    /// <summary>Uniform in [0, 1), from the default generator.</summary>
    [OverloadResolutionPriority(1)]
    public static Tensor Rand(ReadOnlySpan<long> shape, DType dtype, Device? device = null) =>
        Rand(shape, null, dtype, device);

    /// <summary>Uniform in [0, 1).</summary>
    public static Tensor Rand(
        ReadOnlySpan<long> shape,
        Generator? generator = null,
        DType dtype = DType.Float32,
        Device? device = null
    ) => Random(UniformOperator, shape, generator, dtype, device, "Rand");

    /// <summary>Normal with mean 0 and deviation 1, float32, from the default generator.</summary>
    public static Tensor Randn(params ReadOnlySpan<long> shape) => Randn(shape, generator: null);

    /// <summary>Normal with mean 0 and deviation 1, from the default generator.</summary>
    [OverloadResolutionPriority(1)]
    public static Tensor Randn(ReadOnlySpan<long> shape, DType dtype, Device? device = null) =>
        Randn(shape, null, dtype, device);

    /// <summary>Normal with mean 0 and deviation 1.</summary>
    public static Tensor Randn(
        ReadOnlySpan<long> shape,
        Generator? generator = null,
        DType dtype = DType.Float32,
        Device? device = null
    ) => Random(NormalOperator, shape, generator, dtype, device, "Randn");

    /// <summary>Integers from 0 up to high, exclusive; int64.</summary>
    /// <exception cref="ArgumentException">high is not above 0.</exception>
    public static Tensor RandInt(
        long high,
        ReadOnlySpan<long> shape,
        Generator? generator = null,
        Device? device = null
    ) => RandInt(0, high, shape, generator, device);

    /// <summary>Integers from low up to high, exclusive, each as likely as any other; int64.</summary>
    /// <exception cref="ArgumentException">high is not above low.</exception>
    public static Tensor RandInt(
        long low,
        long high,
        ReadOnlySpan<long> shape,
        Generator? generator = null,
        Device? device = null
    )
    {
        if (high <= low)
            throw new ArgumentException(
                $"RandInt: there are no numbers from {low} up to {high}; high must be above low."
            );
        var tensor = Empty(shape, DType.Int64, device, "RandInt");
        generator ??= Generator.Default;
        // Nothing is drawn for a tensor without elements.
        long at = tensor.Device.IsMeta ? 0 : generator.Take(tensor.NumElements);
        Executor.Listening?.Draws(generator, at);
        IntegerOperator.RunInto(tensor, sizeof(long), generator.Seed, at, unchecked(high - low));
        return low == 0 ? tensor : tensor + low;
    }

    /// <summary>Starts the default generator anew.</summary>
    public static void ManualSeed(long seed) => Generator.Default.ManualSeed(seed);

    /// <summary>The seed of the default generator.</summary>
    public static long InitialSeed() => Generator.Default.InitialSeed();

    /// <summary>Starts the default generator with a seed that nobody knows before, and returns it.</summary>
    public static long Seed() => Generator.Default.SeedAnew();

    /// <summary>State of the default generator.</summary>
    public static Tensor GetRngState() => Generator.Default.GetState();

    /// <summary>Sets the default generator to a state.</summary>
    public static void SetRngState(Tensor newState) => Generator.Default.SetState(Given(newState));

    /// <summary>Zeros of a tensor's shape, and dtype unless one is given.</summary>
    public static Tensor ZerosLike(Tensor like, DType? dtype = null) =>
        Full(Given(like).Shape, 0, dtype ?? like.DType, like.Device);

    /// <summary>Ones of a tensor's shape, and dtype unless one is given.</summary>
    public static Tensor OnesLike(Tensor like, DType? dtype = null) =>
        Full(Given(like).Shape, 1, dtype ?? like.DType, like.Device);

    /// <summary>One value in a tensor's shape, and dtype unless one is given.</summary>
    public static Tensor FullLike(Tensor like, Scalar value, DType? dtype = null) =>
        Full(Given(like).Shape, value, dtype ?? like.DType, like.Device);

    /// <summary>Memory of a tensor's shape, and dtype unless one is given, with whatever is in it.</summary>
    public static Tensor EmptyLike(Tensor like, DType? dtype = null) =>
        Empty(Given(like).Shape, dtype ?? like.DType, like.Device);

    /// <summary>Uniform random numbers of a tensor's shape and dtype.</summary>
    public static Tensor RandLike(Tensor like, Generator? generator = null) =>
        Rand(Given(like).Shape, generator, like.DType, like.Device);

    /// <summary>Normal random numbers of a tensor's shape and dtype.</summary>
    public static Tensor RandnLike(Tensor like, Generator? generator = null) =>
        Randn(Given(like).Shape, generator, like.DType, like.Device);

    private static Tensor Empty(ReadOnlySpan<long> shape, DType dtype, Device? device, string what)
    {
        RequireDType(dtype, what);
        return Allocate(CheckedShape(shape, what), dtype, DeviceRuntime.Of(device ?? DeviceScope.Current));
    }

    private static Tensor Range(long count, Scalar start, Scalar step, DType dtype, Device? device)
    {
        RequireDType(dtype, "Arange");
        if (count > 0)
        {
            start.Require(dtype, "Arange");
            Scalar last =
                start.Type.IsFloat() || step.Type.IsFloat()
                    ? (Scalar)(start.AsDouble + (count - 1) * step.AsDouble)
                    : (long)(start.AsLong + (Int128)(count - 1) * step.AsLong);
            last.Require(dtype, "Arange");
        }
        var native = dtype is DType.Float32 or DType.Float64 or DType.Int64
            ? dtype
            : Promotion.Of(start.Type, 0, step.Type, 0);
        var tensor = Allocate([count], native, DeviceRuntime.Of(device ?? DeviceScope.Current));
        ArangeOperator.RunInto(tensor, tensor.ElementSize, start.Bits(native), step.Bits(native));
        return Operator.Cast(tensor, dtype);
    }

    private static Tensor Random(
        Operator op,
        ReadOnlySpan<long> shape,
        Generator? generator,
        DType dtype,
        Device? device,
        string what
    )
    {
        if (!dtype.IsFloat())
            throw new ArgumentException($"{what}: random numbers are floats, but {dtype.Name()} was asked for.");
        var tensor = Empty(shape, dtype, device, what);
        generator ??= Generator.Default;
        // Nothing is drawn for a tensor without elements.
        long at = tensor.Device.IsMeta ? 0 : generator.Take(tensor.NumElements);
        Executor.Listening?.Draws(generator, at);
        op.RunInto(tensor, sizeof(long), generator.Seed, at);
        return tensor;
    }

    internal static void RequireDType(DType dtype, string what)
    {
        if (!dtype.Info().OfTensors)
            throw new ArgumentException(
                $"{what}: dtype is {dtype.Name()}, but tensors are {string.Join(", ", DTypes.OfTensors.Select(t => t.Name()))}."
            );
    }
}
