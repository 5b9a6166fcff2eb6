using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Picograd.Algorithms;

namespace Picograd;

public sealed partial class Tensor
{
    /// <summary><see cref="To(DType)"/> float32.</summary>
    public Tensor Float() => To(DType.Float32);

    /// <summary><see cref="To(DType)"/> float64.</summary>
    public Tensor Double() => To(DType.Float64);

    /// <summary><see cref="To(DType)"/> float16.</summary>
    public Tensor Half() => To(DType.Float16);

    /// <summary><see cref="To(DType)"/> bfloat16.</summary>
    public Tensor BFloat16() => To(DType.BFloat16);

    /// <summary><see cref="To(DType)"/> int64.</summary>
    public Tensor Long() => To(DType.Int64);

    /// <summary><see cref="To(DType)"/> int32.</summary>
    public Tensor Int() => To(DType.Int32);

    /// <summary><see cref="To(DType)"/> uint8.</summary>
    public Tensor Byte() => To(DType.UInt8);

    /// <summary><see cref="To(DType)"/> bool.</summary>
    public Tensor Bool() => To(DType.Bool);

    /// <summary>On another device; <see cref="ToDevice"/>.</summary>
    public Tensor To(Device device) => ToDevice(device);

    /// <summary>In another dtype, on another device.</summary>
    public Tensor To(Device device, DType dtype) => To(dtype).ToDevice(device);

    /// <summary>In the dtype of another tensor, on its device.</summary>
    public Tensor To(Tensor other) => To(Given(other).DType).ToDevice(other.Device);

    /// <summary>In another dtype; <paramref name="copy"/> for a copy also where nothing changes.</summary>
    public Tensor To(DType dtype, bool copy) => copy && dtype == DType ? Clone() : To(dtype);

    /// <summary>
    /// The same elements (shared memory) without history. Set it to take over the memory, shape and dtype of another tensor, without
    /// record: views that were made before keep the old memory.
    /// </summary>
    /// <exception cref="ArgumentException">Set to a tensor of no floats where a gradient is required.</exception>
    public Tensor Data
    {
        get => Detach();
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            if (ReferenceEquals(value, this))
                return;
            if (!value.DType.IsFloat() && (_flags & Flags.RequiresGrad) != 0)
                throw new ArgumentException(
                    $"Data: a tensor that requires gradients must be of floats, but {value.DType.Name()} was given."
                );
            if (_storage is { } same && ReferenceEquals(same, value._storage))
            {
                (Layout, DType) = (value.Layout, value.DType);
                return;
            }
            var (old, next) = (Storage, value.Storage);
            next.AddOwner();
            (_storage, Layout, DType) = (next, value.Layout, value.DType);
            _base = null;
            _flags = _flags & ~(Flags.Follows | Flags.MadeInNoGrad) | Flags.IsView;
            old.Release();
        }
    }

    /// <summary>Bytes of an element; PyTorch's <c>element_size()</c>.</summary>
    public int ItemSize => ElementSize;

    /// <summary>Bytes of all elements.</summary>
    public long NBytes => NumElements * ElementSize;

    /// <summary>Number of dimensions.</summary>
    public int NDim => Rank;

    /// <summary>The size of each dimension.</summary>
    public Dimensions Size() => Shape;

    /// <summary>Elements between neighbours along each dimension.</summary>
    public Dimensions Stride() => Strides;

    /// <summary>Elements between neighbours along one dimension; negative ones count from the end.</summary>
    public long Stride(int dim) => Layout.Rank == 0 ? ThrowNoSize(dim) : Layout.Strides[Layout.Dim(dim, "Stride")];

    /// <summary>Whether it is in main memory.</summary>
    public bool IsCpu => Device.IsCpu;

    /// <summary>Whether it is on a GPU.</summary>
    public bool IsCuda => Device.IsCuda;

    /// <summary>Whether it has no elements anywhere.</summary>
    public bool IsMeta => Device.IsMeta;

    /// <summary>Whether another tensor has this shape.</summary>
    public bool IsSameSize(Tensor other) => Layout.SameSizes(Given(other).Layout);

    /// <summary>
    /// Forgets the gradient, or makes it zeros where <paramref name="setToNone"/> is false; see <see cref="ZeroGrad_"/>.
    /// </summary>
    public void ZeroGrad(bool setToNone = true)
    {
        if (setToNone)
        {
            ZeroGrad_();
            return;
        }
        using var off = NoGrad();
        if (_grad is not { } grad)
            return;
        if (grad.RequiresGrad)
            _grad = ZerosLike(grad).Keep();
        else
            grad.Zero_();
    }

    /// <summary>The elements in an array of as many dimensions, <c>float[,]</c> of a matrix; of one for a scalar.</summary>
    /// <exception cref="ArgumentException">TValue is not the element type.</exception>
    public Array ToMultiArray<TValue>()
        where TValue : unmanaged
    {
        var values = ToArray<TValue>();
        if (Rank <= 1)
            return values;
        var array = Array.CreateInstance(typeof(TValue), [.. Layout.Sizes]);
        values
            .AsSpan()
            .CopyTo(
                MemoryMarshal.CreateSpan(
                    ref Unsafe.As<byte, TValue>(ref MemoryMarshal.GetArrayDataReference(array)),
                    values.Length
                )
            );
        return array;
    }

    /// <summary>
    /// How tensors are printed from now on; what is null stays as it is, but for <paramref name="sciMode"/>. PyTorch's
    /// <c>set_printoptions</c>.
    /// </summary>
    /// <param name="precision">Digits behind the point; 4 at first.</param>
    /// <param name="threshold">With more elements the middle is left out; 1000 at first.</param>
    /// <param name="edgeItems">What is shown of each dimension at both ends then; 3 at first.</param>
    /// <param name="lineWidth">Characters a line; 80 at first.</param>
    /// <param name="profile">Settings to start from: <c>default</c>, <c>short</c> or <c>full</c>.</param>
    /// <param name="sciMode">Whether with exponents; null: as the values are.</param>
    /// <exception cref="ArgumentException">Another profile.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A negative number.</exception>
    public static void SetPrintOptions(
        int? precision = null,
        long? threshold = null,
        int? edgeItems = null,
        int? lineWidth = null,
        string? profile = null,
        bool? sciMode = null
    )
    {
        var options = profile switch
        {
            null => TensorPrinter.Options,
            "default" => new PrintOptions(),
            "short" => new PrintOptions(Precision: 2, EdgeItems: 2),
            "full" => new PrintOptions(Threshold: long.MaxValue),
            _ => throw new ArgumentException(
                $"SetPrintOptions: profile is '{profile}', but must be 'default', 'short' or 'full'.",
                nameof(profile)
            ),
        };
        ArgumentOutOfRangeException.ThrowIfNegative(precision ?? 0, nameof(precision));
        ArgumentOutOfRangeException.ThrowIfNegative(threshold ?? 0, nameof(threshold));
        ArgumentOutOfRangeException.ThrowIfNegative(edgeItems ?? 0, nameof(edgeItems));
        ArgumentOutOfRangeException.ThrowIfNegative(lineWidth ?? 0, nameof(lineWidth));
        TensorPrinter.Options = new(
            precision ?? options.Precision,
            threshold ?? options.Threshold,
            edgeItems ?? options.EdgeItems,
            lineWidth ?? options.LineWidth,
            sciMode
        );
    }

    /// <summary>How tensors are printed.</summary>
    public static PrintOptions GetPrintOptions() => TensorPrinter.Options;
}
