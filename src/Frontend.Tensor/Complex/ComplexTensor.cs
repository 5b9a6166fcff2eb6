using System.Numerics;
using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

/// <summary>
/// An array of complex numbers: two tensors of one shape, dtype and device, the real and the imaginary parts (float32: PyTorch's complex64,
/// float64: complex128). Its operators are made of real ones, so it is differentiated as these are; a gradient is that of the real part
/// plus i times that of the imaginary part, which is PyTorch's convention. Real tensors and numbers stand wherever one is wanted.
/// </summary>
public sealed partial class ComplexTensor : IDisposable
{
    internal ComplexTensor(Tensor real, Tensor imag) => (Real, Imag) = (real, imag);

    /// <summary>The real parts; shares their memory.</summary>
    public Tensor Real { get; }

    /// <summary>The imaginary parts; shares their memory.</summary>
    public Tensor Imag { get; }

    /// <summary>Size of each dimension.</summary>
    public Dimensions Shape => Real.Shape;

    /// <summary>Number of dimensions.</summary>
    public int Rank => Real.Rank;

    /// <summary>Number of elements.</summary>
    public long NumElements => Real.NumElements;

    /// <summary>Dtype of the parts: Float32 or Float64.</summary>
    public DType RealDType => Real.DType;

    /// <summary>"complex64" or "complex128".</summary>
    public string DTypeName => NameOf(RealDType);

    /// <summary>Where the elements lie.</summary>
    public Device Device => Real.Device;

    /// <summary>Size of one dimension; negative ones count from the end.</summary>
    public long Size(int dim) => Real.Size(dim);

    /// <summary>Whether operators on it are recorded.</summary>
    public bool RequiresGrad => Real.RequiresGrad || Imag.RequiresGrad;

    /// <summary>The gradient of what <c>Backward</c> was called on; null where there is none.</summary>
    public ComplexTensor? Grad =>
        Real.Grad is null && Imag.Grad is null
            ? null
            : new ComplexTensor(
                Real.Grad ?? Tensor.ZerosLike(Real.Detach()),
                Imag.Grad ?? Tensor.ZerosLike(Imag.Detach())
            );

    private static string NameOf(DType part) => part == DType.Float64 ? "complex128" : "complex64";

    /// <summary>A real tensor with imaginary parts of 0; integers become float32.</summary>
    public static implicit operator ComplexTensor(Tensor real)
    {
        ArgumentNullException.ThrowIfNull(real);
        var parts = Part(real, "complex");
        return new ComplexTensor(parts, Tensor.ZerosLike(parts.Detach()));
    }

    // 16 bits have no complex numbers.
    private static Tensor Part(Tensor t, string what) =>
        t.DType switch
        {
            DType.Float32 or DType.Float64 => t,
            DType.Float16 or DType.BFloat16 => throw new ArgumentException(
                $"{what}: complex numbers have parts of float32 or float64, but the dtype is {t.DType.Name()}; convert it with To()."
            ),
            _ => t.To(DType.Float32),
        };

    internal static ComplexTensor Of(Tensor real, Tensor imag, string what)
    {
        ArgumentNullException.ThrowIfNull(real);
        ArgumentNullException.ThrowIfNull(imag);
        if (real.DType != imag.DType || real.DType is not (DType.Float32 or DType.Float64))
            throw new ArgumentException(
                $"{what}: both parts must be float32 or both float64, but they are {real.DType.Name()} and {imag.DType.Name()}."
            );
        if (real.Device != imag.Device)
            throw new ArgumentException($"{what}: one part is on {real.Device}, the other on {imag.Device}.");
        if (real.Layout.SameSizes(imag.Layout))
            return new ComplexTensor(real, imag);
        long[] shape =
            Broadcasting.Shape(real.Layout, imag.Layout)
            ?? throw new ArgumentException($"{what}: the shapes {real.Layout} and {imag.Layout} do not broadcast.");
        return new ComplexTensor(real.Expand(shape), imag.Expand(shape));
    }

    /// <summary>complex128 of numbers.</summary>
    public static ComplexTensor From(ReadOnlySpan<Complex> values, ReadOnlySpan<long> shape)
    {
        double[] real = new double[values.Length];
        double[] imag = new double[values.Length];
        for (int i = 0; i < real.Length; i++)
            (real[i], imag[i]) = (values[i].Real, values[i].Imaginary);
        return new ComplexTensor(Tensor.From(real, shape), Tensor.From(imag, shape));
    }

    /// <inheritdoc cref="From(ReadOnlySpan{Complex}, ReadOnlySpan{long})"/>
    public static ComplexTensor From(params Complex[] values) => From(values, [values.Length]);

    /// <summary>complex64 zeros.</summary>
    public static ComplexTensor Zeros(params ReadOnlySpan<long> shape) => Zeros(shape, DType.Float32);

    /// <summary>Zeros with parts of a dtype.</summary>
    public static ComplexTensor Zeros(ReadOnlySpan<long> shape, DType part, Device? device = null) =>
        Of(Tensor.Zeros(shape, part, device), Tensor.Zeros(shape, part, device), "zeros");

    /// <summary>complex64 ones.</summary>
    public static ComplexTensor Ones(params ReadOnlySpan<long> shape) => new(Tensor.Ones(shape), Tensor.Zeros(shape));

    /// <summary>Normal random numbers of variance 1: 1/2 for each part.</summary>
    public static ComplexTensor Randn(
        ReadOnlySpan<long> shape,
        Generator? generator = null,
        DType part = DType.Float32,
        Device? device = null
    ) =>
        Of(
            Tensor.Randn(shape, generator, part, device) * Math.Sqrt(0.5),
            Tensor.Randn(shape, generator, part, device) * Math.Sqrt(0.5),
            "randn"
        );

    /// <summary>The numbers in row-major order.</summary>
    public Complex[] ToArray()
    {
        double[] real = Real.ToDoubles();
        double[] imag = Imag.ToDoubles();
        return [.. real.Select((value, i) => new Complex(value, imag[i]))];
    }

    /// <summary>The only number.</summary>
    /// <exception cref="InvalidOperationException">There is not exactly one.</exception>
    public Complex Item() => new(Real.Item(), Imag.Item());

    /// <summary>A tensor with one more dimension, of size 2: real and imaginary parts. A copy, where PyTorch gives a view.</summary>
    public Tensor ViewAsReal() => Tensor.Stack([Real, Imag], -1);

    /// <summary>With parts of another dtype.</summary>
    public ComplexTensor To(DType part) =>
        part is DType.Float32 or DType.Float64
            ? new ComplexTensor(Real.To(part), Imag.To(part))
            : throw new ArgumentException(
                $"to: complex numbers have parts of float32 or float64, but {part.Name()} was asked for; take Real or Abs() first."
            );

    /// <summary>On another device.</summary>
    public ComplexTensor ToDevice(Device device) => new(Real.ToDevice(device), Imag.ToDevice(device));

    /// <summary>In main memory.</summary>
    public ComplexTensor Cpu() => ToDevice(Device.Cpu);

    /// <summary>On a GPU.</summary>
    public ComplexTensor Cuda(int index = 0) => ToDevice(Device.Cuda(index));

    /// <summary>The same memory without history.</summary>
    public ComplexTensor Detach() => new(Real.Detach(), Imag.Detach());

    /// <summary>A copy in new memory; gradients flow through it.</summary>
    public ComplexTensor Clone() => new(Real.Clone(), Imag.Clone());

    /// <summary>Wants a gradient from now on. Returns itself.</summary>
    public ComplexTensor RequiresGrad_(bool requiresGrad = true)
    {
        Real.RequiresGrad_(requiresGrad);
        Imag.RequiresGrad_(requiresGrad);
        return this;
    }

    /// <summary>Gradients of Σ Re(conj(gradient) · this), as PyTorch's backward takes it.</summary>
    /// <param name="gradient">Of this shape.</param>
    /// <param name="retainGraph">Whether it can be gone through again.</param>
    /// <param name="createGraph">Whether the gradients are recorded.</param>
    public void Backward(ComplexTensor gradient, bool retainGraph = false, bool createGraph = false)
    {
        ArgumentNullException.ThrowIfNull(gradient);
        if (!gradient.Real.Layout.SameSizes(Real.Layout))
            throw new ArgumentException(
                $"Backward: the gradient has shape {gradient.Real.Layout}, but the tensor {Real.Layout}."
            );
        (Real * gradient.Real + Imag * gradient.Imag).Sum().Backward(null, retainGraph, createGraph);
    }

    /// <summary>Keeps it beyond the end of the scope it was made in. Returns itself.</summary>
    public ComplexTensor Keep()
    {
        Real.Keep();
        Imag.Keep();
        return this;
    }

    /// <summary>Gives the memory of both parts back.</summary>
    public void Dispose()
    {
        Real.Dispose();
        Imag.Dispose();
    }

    /// <summary>Shape, dtype and device, then rows of rounded values.</summary>
    public override string ToString() => TensorPrinter.Print(Real, Imag, DTypeName);
}
