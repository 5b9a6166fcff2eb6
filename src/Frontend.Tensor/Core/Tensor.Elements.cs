using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Dispatch;

namespace Picograd;

public sealed unsafe partial class Tensor
{
    /// <summary>A tensor of one dimension with a copy of the values.</summary>
    /// <typeparam name="TValue">float, double, Half, BFloat16, int, long, short, sbyte, byte or bool.</typeparam>
    public static Tensor From<TValue>(ReadOnlySpan<TValue> values)
        where TValue : unmanaged => From(values, [values.Length]);

    /// <inheritdoc cref="From{TValue}(ReadOnlySpan{TValue})"/>
    public static Tensor From<TValue>(TValue[] values)
        where TValue : unmanaged => From((ReadOnlySpan<TValue>)values, [values.Length]);

    /// <summary>A tensor with a copy of the values in row-major order.</summary>
    /// <exception cref="ArgumentException">Their number is not that of the shape, or tensors have no such element type.</exception>
    public static Tensor From<TValue>(ReadOnlySpan<TValue> values, ReadOnlySpan<long> shape)
        where TValue : unmanaged => Held(values, shape).ToDevice(DeviceScope.Current);

    /// <summary>
    /// A number as a 0-d tensor in main memory, of the dtype that it has beside tensors (bool, int64, float32): <c>t[mask] = 0</c>.
    /// </summary>
    public static implicit operator Tensor(Scalar value) => Number(value, value.Type, Device.Cpu);

    /// <inheritdoc cref="op_Implicit(Scalar)"/>
    public static implicit operator Tensor(bool value) => (Scalar)value;

    /// <inheritdoc cref="op_Implicit(Scalar)"/>
    public static implicit operator Tensor(int value) => (Scalar)value;

    /// <inheritdoc cref="op_Implicit(Scalar)"/>
    public static implicit operator Tensor(long value) => (Scalar)value;

    /// <inheritdoc cref="op_Implicit(Scalar)"/>
    public static implicit operator Tensor(float value) => (Scalar)value;

    /// <inheritdoc cref="op_Implicit(Scalar)"/>
    public static implicit operator Tensor(double value)
    {
        Tensor number = (Scalar)value;
        if ((float)value != value)
            ExactNumbers.Add(number, value);
        return number;
    }

    // Numbers that float32 rounds, as they were written: assigned to a float64 tensor they are exact.
    private static readonly ConditionalWeakTable<Tensor, object> ExactNumbers = [];

    private static Tensor Exactly(Tensor value, DType type) =>
        type == DType.Float64
        && value is { Rank: 0, DType: DType.Float32 }
        && ExactNumbers.TryGetValue(value, out var exact)
            ? Number((double)exact, type, Device.Cpu)
            : value;

    // In main memory.
    private static Tensor Held<TValue>(ReadOnlySpan<TValue> values, ReadOnlySpan<long> shape)
        where TValue : unmanaged
    {
        var type = TypeOf<TValue>();
        var layout = CheckedShape(shape, "From");
        if (layout.Count != values.Length)
            throw new ArgumentException(
                $"From: {values.Length} values were given for the shape {layout}, which has {layout.Count} elements."
            );
        var tensor = Allocate(layout, type, CpuRuntime.Instance);
        Executor.Listening?.HostWrites(tensor);
        fixed (TValue* first = values)
            tensor.Runtime.Write(tensor.Address, (nint)first, (long)values.Length * sizeof(TValue));
        return tensor;
    }

    /// <inheritdoc cref="From{TValue}(ReadOnlySpan{TValue}, ReadOnlySpan{long})"/>
    public static Tensor From<TValue>(TValue[] values, ReadOnlySpan<long> shape)
        where TValue : unmanaged => From((ReadOnlySpan<TValue>)values, shape);

    /// <summary>A tensor of the values of a rectangular array.</summary>
    public static Tensor From<TValue>(TValue[,] values)
        where TValue : unmanaged =>
        From(
            MemoryMarshal.CreateReadOnlySpan(
                ref System.Runtime.CompilerServices.Unsafe.As<byte, TValue>(
                    ref MemoryMarshal.GetArrayDataReference((Array)values)
                ),
                values.Length
            ),
            [values.GetLength(0), values.GetLength(1)]
        );

    /// <summary>A 0-d tensor.</summary>
    public static Tensor From<TValue>(TValue value)
        where TValue : unmanaged => From(new ReadOnlySpan<TValue>(in value), []);

    /// <summary>The elements in row-major order.</summary>
    /// <exception cref="ArgumentException">TValue is not the element type of the tensor.</exception>
    public TValue[] ToArray<TValue>()
        where TValue : unmanaged
    {
        if (TypeOf<TValue>() != DType)
            throw new ArgumentException(
                $"ToArray: the tensor's dtype is {DType.Name()}, but {typeof(TValue).Name} was asked for; convert it with To()."
            );
        var values = new TValue[ArrayLength("ToArray")];
        if (!Device.IsCpu && !IsContiguous)
            return Copying.DenseOf(this).ToArray<TValue>();
        Executor.Listening?.HostReads(this);
        if (IsContiguous)
        {
            fixed (TValue* first = values)
                Runtime.Read(Address, (nint)first, (long)values.Length * sizeof(TValue));
            GC.KeepAlive(this);
            return values;
        }
        int i = 0;
        foreach (long at in Places())
            values[i++] = ((TValue*)Storage.Address)[at];
        return values;
    }

    /// <summary>The elements in row-major order as float64, whatever the dtype.</summary>
    public double[] ToDoubles()
    {
        if (!Device.IsCpu)
            return OnCpu().ToDoubles();
        Executor.Listening?.HostReads(this);
        double[] values = new double[ArrayLength("ToDoubles")];
        int i = 0;
        foreach (long at in Places())
            values[i++] = ReadElement(at);
        return values;
    }

    /// <summary>The only element, as a float64.</summary>
    /// <exception cref="InvalidOperationException">There is not exactly one.</exception>
    public double Item()
    {
        if (NumElements != 1)
            throw new InvalidOperationException(
                $"Item: the tensor must have one element, but its shape is {Layout}; index it first."
            );
        var here = OnCpu();
        Executor.Listening?.HostReads(here);
        return here.ReadElement(here.Layout.Offset);
    }

    /// <summary>The only element as a number of any type of C#, or a bool; Half and <see cref="BFloat16"/> round.</summary>
    /// <exception cref="InvalidOperationException">There is not exactly one.</exception>
    /// <exception cref="OverflowException">The type cannot hold it.</exception>
    /// <exception cref="ArgumentException">The type is no number.</exception>
    public TValue Item<TValue>()
        where TValue : unmanaged
    {
        bool isLong = DType == DType.Int64 && NumElements == 1;
        long whole = isLong ? ToArray<long>()[0] : 0;
        double number = isLong ? whole : Item();
        object value = default(TValue) switch
        {
            double => number,
            float => (float)number,
            System.Half => (System.Half)number,
            Picograd.BFloat16 => (Picograd.BFloat16)number,
            bool => number != 0,
            long => Checked<long>(),
            int => Checked<int>(),
            short => Checked<short>(),
            sbyte => Checked<sbyte>(),
            ulong => Checked<ulong>(),
            uint => Checked<uint>(),
            ushort => Checked<ushort>(),
            byte => Checked<byte>(),
            decimal => Checked<decimal>(),
            _ => throw new ArgumentException(
                $"Item: {typeof(TValue).Name} is no number; take float, double, long or another number of C#."
            ),
        };
        return (TValue)value;

        T Checked<T>()
            where T : System.Numerics.INumberBase<T> => isLong ? T.CreateChecked(whole) : T.CreateChecked(number);
    }

    internal static DType TypeOf<TValue>()
        where TValue : unmanaged =>
        typeof(TValue) == typeof(float) ? DType.Float32
        : typeof(TValue) == typeof(long) ? DType.Int64
        : DTypeInfo.Of(typeof(TValue))
            ?? throw new ArgumentException(
                $"Tensors have elements of {string.Join(", ", DTypes.OfTensors.Select(t => t.Info().Clr.Name))}, but "
                    + $"{typeof(TValue).Name} was given."
            );

    /// <summary>The element at a place of the storage, of a tensor of the CPU.</summary>
    internal double ReadElement(long place)
    {
        nint address = Storage.Address;
        double value = DType.Info().Read((void*)address, place);
        GC.KeepAlive(this);
        return value;
    }

    private long ArrayLength(string what) =>
        NumElements <= Array.MaxLength
            ? NumElements
            : throw new InvalidOperationException(
                $"{what}: the tensor of shape {Layout} has {NumElements} elements, but an array holds at most "
                    + $"{Array.MaxLength}; take it in pieces, for instance with Narrow."
            );

    /// <summary>The integer at a place of the storage, of a tensor of the CPU.</summary>
    internal long ReadInteger(long place)
    {
        nint address = Storage.Address;
        long value = DType.Info().ReadBits((void*)address, place);
        GC.KeepAlive(this);
        return value;
    }

    /// <summary>Places in the storage of the elements in row-major order.</summary>
    private IEnumerable<long> Places()
    {
        if (NumElements == 0)
            yield break;
        long[] at = new long[Rank];
        long place = Layout.Offset;
        while (true)
        {
            yield return place;
            int d = Rank - 1;
            for (; d >= 0; d--)
            {
                place += Layout.Strides[d];
                if (++at[d] < Layout.Sizes[d])
                    break;
                place -= at[d] * Layout.Strides[d];
                at[d] = 0;
            }
            if (d < 0)
                yield break;
        }
    }

    internal static Layout CheckedShape(ReadOnlySpan<long> shape, string what)
    {
        foreach (long size in shape)
        {
            if (size < 0)
                throw new ArgumentException(
                    $"{what}: the shape {Layout.Text(shape)} has a negative size; sizes must be at least 0."
                );
        }
        return Layout.Contiguous(shape);
    }
}
