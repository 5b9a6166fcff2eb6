using System.Numerics;
using Xunit;

namespace Picograd.Tests;

/// <summary>Complex numbers and transforms against sums of .NET's complex numbers, and gradients against differences.</summary>
public sealed class FourierTests
{
    public FourierTests() => Setup.UseCpu();

    private static Tensor Values(string shape, int seed = 3, DType type = DType.Float64) =>
        Make.Values(Shape(shape), type, seed);

    private static long[] Shape(string text) => [.. text.Split('x').Select(long.Parse)];

    private static ComplexTensor Numbers(string shape, int seed = 3) =>
        Tensor.Complex(Values(shape, seed), Values(shape, seed + 100));

    private static void Near(Complex[] expected, Complex[] found, double tolerance = 1e-11)
    {
        Assert.Equal(expected.Length, found.Length);
        double size = Math.Max(1, expected.Length == 0 ? 1 : expected.Max(Complex.Abs));
        for (int i = 0; i < found.Length; i++)
            Assert.True(
                Complex.Abs(expected[i] - found[i]) <= tolerance * size,
                $"element {i} is {found[i]}, expected {expected[i]}"
            );
    }

    private static void Near(Tensor expected, Tensor found, double tolerance = 1e-11)
    {
        Assert.Equal(expected.Shape, found.Shape);
        Near(
            [.. expected.ToDoubles().Select(v => (Complex)v)],
            [.. found.ToDoubles().Select(v => (Complex)v)],
            tolerance
        );
    }

    private static Complex[] Sums(Complex[] x, int sign) =>
        [
            .. Enumerable
                .Range(0, x.Length)
                .Select(k =>
                    x.Select(
                            (v, j) =>
                                v
                                * Complex.FromPolarCoordinates(
                                    1,
                                    sign * 2 * Math.PI * ((long)j * k % x.Length) / x.Length
                                )
                        )
                        .Aggregate((a, b) => a + b)
                ),
        ];

    // Short, composite, prime, with a large prime factor, by the chirp, powers of 2.
    public static TheoryData<int> Lengths =>
        [1, 2, 3, 5, 8, 12, 31, 64, 67, 97, 100, 128, 131, 257, 263, 526, 1000, 1024, 2053];

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Transforms_are_sums(int n)
    {
        var x = Numbers($"2x{n}");
        var rows = new[] { x[0].ToArray(), x[1].ToArray() };
        Near([.. rows.SelectMany(r => Sums(r, -1))], FFT.Fft(x).ToArray());
        Near([.. rows.SelectMany(r => Sums(r, 1).Select(v => v / n))], FFT.IFft(x).ToArray());
        Near(x.ToArray(), FFT.IFft(FFT.Fft(x)).ToArray());
        // Real ones, down a dimension that is not the last.
        var real = x.Real.T;
        Complex[] half = [.. rows.SelectMany(r => Sums([.. r.Select(v => (Complex)v.Real)], -1)[..(n / 2 + 1)])];
        Near(half, FFT.RFft(real, dim: 0).T.ToArray());
        Near(real, FFT.IRFft(FFT.RFft(real, dim: 0), n, dim: 0));
        Near(real, FFT.HFft(FFT.IHFft(real, dim: 0), n, dim: 0));
        // The norms differ by factors.
        Near((FFT.Fft(x) * (1 / Math.Sqrt(n))).ToArray(), FFT.Fft(x, norm: "ortho").ToArray());
        Near((FFT.Fft(x) / n).ToArray(), FFT.Fft(x, norm: "forward").ToArray());
        Near((FFT.IFft(x) * n).ToArray(), FFT.IFft(x, norm: "forward").ToArray());
        // float32 has its digits.
        var single = FFT.Fft(x.To(DType.Float32));
        Assert.Equal("complex64", single.DTypeName);
        Near(FFT.Fft(x).ToArray(), single.ToArray(), 2e-6);
    }

    [Fact]
    public void Lengths_are_cut_and_filled_up()
    {
        var x = Numbers("3x7");
        Near(FFT.Fft(x.Narrow(1, 0, 5)).ToArray(), FFT.Fft(x, 5).ToArray());
        var longer = ComplexTensor.Cat([x, ComplexTensor.Zeros([3, 2], DType.Float64)], 1);
        Near(FFT.Fft(longer).ToArray(), FFT.Fft(x, 9).ToArray());
        Near(FFT.Fft(FFT.Fft(x, dim: 0), dim: 1).ToArray(), FFT.Fft2(x).ToArray());
        Near(x.ToArray(), FFT.IFftN(FFT.FftN(x)).ToArray());
        var real = Values("2x4x5x6");
        Near(real, FFT.IRFft2(FFT.RFft2(real), [5, 6]));
        Near(real, FFT.HFft2(FFT.IHFft2(real), [5, 6]));
        Near(FFT.Fft2(real, [3, 8]).Narrow(-1, 0, 5).ToArray(), FFT.RFft2(real, [3, 8]).ToArray());
        Assert.Equal(
            [0.0, 0.2, 0.4, -0.4, -0.2],
            FFT.FftFreq(5, dtype: DType.Float64).ToDoubles().Select(v => Math.Round(v, 12))
        );
        Assert.Equal([0.0, 1, 2], FFT.RFftFreq(4, 0.25).ToDoubles());
        Assert.Equal([3.0, 4, 0, 1, 2], FFT.FftShift(Tensor.Arange(5)).ToDoubles());
        Near(real, FFT.IFftShift(FFT.FftShift(real)));
        Assert.Equal([0, 5], FFT.Fft(Tensor.Zeros(0, 5)).Shape.ToArray());
    }

    private static readonly Dictionary<string, (string Shapes, Func<Tensor[], Tensor> Run)> Differentiable = new()
    {
        ["fft"] = ("2x6 2x6", t => Both(FFT.Fft(Tensor.Complex(t[0], t[1]), norm: "ortho"))),
        ["fft in two steps"] = ("1x66", t => Both(FFT.Fft(t[0]))),
        ["fft by the chirp"] = ("1x263", t => Both(FFT.IFft(t[0]))),
        ["rfft"] = ("2x7", t => Both(FFT.RFft(t[0], 9))),
        ["irfft"] = ("2x5 2x5", t => FFT.IRFft(Tensor.Complex(t[0], t[1]), 9)),
        ["irfft even"] = ("2x5 2x5", t => FFT.IRFft(Tensor.Complex(t[0], t[1]))),
        ["stft"] = ("2x40", t => Both(t[0].Stft(8, window: Tensor.HannWindow(8, dtype: DType.Float64)))),
        ["abs"] = ("2x3 2x3", t => Tensor.Complex(t[0], t[1]).Abs()),
        ["angle"] = ("2x3 2x3", t => Tensor.Complex(t[0], t[1]).Angle()),
        ["mul"] = ("2x3 3", t => Both(Tensor.Complex(t[0], t[1]) * Tensor.Complex(t[1], t[0]))),
        ["div"] = ("2x3 3", t => Both(Tensor.Complex(t[0], t[1]) / Tensor.Complex(t[1], t[0]))),
        ["matmul"] = ("2x3 2x3", t => Both(Tensor.Complex(t[0], t[1]).MatMul(Tensor.Complex(t[1], t[0]).H))),
        ["exp log sqrt"] = (
            "3 3",
            t =>
            {
                var z = Tensor.Complex(t[0], t[1]);
                return Both(z.Exp() + z.Log() * z.Sqrt() + z.Pow(3) + z.Pow(1.5) + z.Tanh());
            }
        ),
        ["polar"] = ("3 3", t => Both(Tensor.Polar(t[0], t[1]))),
        ["view_as_complex"] = ("3x2", t => Both(t[0].ViewAsComplex().Square())),
    };

    public static TheoryData<string> Names => [.. Differentiable.Keys];

    private static Tensor Both(ComplexTensor z) => z.ViewAsReal();

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradients_are_those_of_differences(string name)
    {
        var (shapes, run) = Differentiable[name];
        var inputs = shapes.Split(' ').Select((s, i) => Values(s, 11 + i).Detach().RequiresGrad_()).ToArray();
        static Tensor Weighted(Tensor result) =>
            (
                result.Sin()
                * Tensor.From(
                    Enumerable.Range(0, (int)result.NumElements).Select(i => (i * 37 % 41 - 20.5) / 16).ToArray(),
                    result.Shape
                )
            ).Sum();
        Weighted(run(inputs)).Backward();
        using var off = Tensor.NoGrad();
        for (int i = 0; i < inputs.Length; i++)
        {
            double[] at = inputs[i].ToDoubles();
            for (int e = 0; e < at.Length; e += Math.Max(1, at.Length / 8))
            {
                double Moved(double by)
                {
                    double[] values = [.. at];
                    values[e] += by;
                    var changed = inputs.ToArray();
                    changed[i] = Tensor.From(values, inputs[i].Shape);
                    return Weighted(run(changed)).Item();
                }
                double slope = (Moved(1e-6) - Moved(-1e-6)) / 2e-6;
                double found = inputs[i].Grad!.ToDoubles()[e];
                Assert.True(
                    Math.Abs(slope - found) <= 1e-6 * Math.Max(1, Math.Abs(slope)),
                    $"{name}: slope {e} of input {i} is {found}, by differences {slope}"
                );
            }
        }
    }

    [Fact]
    public void Functions_of_complex_numbers()
    {
        var z = Numbers("3x5");
        Complex[] each = z.ToArray();
        var w = Numbers("5", 8);
        void Of(Func<ComplexTensor, ComplexTensor> ours, Func<Complex, Complex> theirs) =>
            Near([.. each.Select(theirs)], ours(z).ToArray(), 1e-12);
        Of(t => t.Exp(), Complex.Exp);
        Of(t => t.Log(), Complex.Log);
        Of(t => t.Sqrt(), Complex.Sqrt);
        Of(t => t.Sin(), Complex.Sin);
        Of(t => t.Cos(), Complex.Cos);
        Of(t => t.Tanh(), Complex.Tanh);
        Of(t => t.Reciprocal(), v => 1 / v);
        Of(t => t.Pow(-3), v => Complex.Pow(v, -3));
        Of(t => t.Pow(0.3), v => Complex.Pow(v, 0.3));
        Of(t => t.Conj() * new Complex(1, 2) - 3 + 1 / t, v => Complex.Conjugate(v) * new Complex(1, 2) - 3 + 1 / v);
        Of(t => 2 - t / new Complex(0, 1), v => 2 - v / new Complex(0, 1));
        Of(t => t.Sgn() * t.Abs(), v => v);
        Near([.. each.Select((v, i) => v / w.ToArray()[i % 5])], (z / w).ToArray());
        Near([.. each.Select((v, i) => v * w.Real.ToDoubles()[i % 5])], (z * w.Real).ToArray());
        Near(each, Tensor.Polar(z.Abs(), z.Angle()).ToArray());
        Near([each.Aggregate((a, b) => a + b)], [z.Sum().Item()]);
        Near([each.Aggregate((a, b) => a + b) / 15], [z.Mean().Item()]);
        Assert.Equal(each, z.ViewAsReal().ViewAsComplex().ToArray());
        Assert.Equal(each[7], z[1, 2].Item());
        Assert.Equal(15, z.Eq(z).Sum().Item());
        Assert.True(z.T.MT.Equal(z));
        // No square overflows.
        var large = Tensor.Complex(Tensor.From(3e30f), Tensor.From(4e30f));
        Assert.Equal(5e30f, (float)large.Abs().Item());
        Near([new Complex(1, 0)], [(large / large).Item()], 1e-6);
        // Slopes at 0 are 0.
        var zero = ComplexTensor.Zeros(2).RequiresGrad_();
        zero.Abs().Sum().Backward();
        Assert.Equal([Complex.Zero, Complex.Zero], zero.Grad!.ToArray());
        Assert.Equal(
            "tensor([1.+2.0000j, 0.-1.5000j], dtype=torch.complex128)",
            ComplexTensor.From(new Complex(1, 2), new Complex(0, -1.5)).ToString()
        );
    }

    [Fact]
    public void Short_time_spectra_and_back()
    {
        var x = Values("2x61");
        foreach (bool half in new[] { true, false })
        {
            foreach (bool normalized in new[] { true, false })
            {
                var window = Tensor.HannWindow(12, dtype: DType.Float64);
                var z = x.Stft(16, 4, 12, window, normalized: normalized, onesided: half);
                Assert.Equal([2, half ? 9 : 16, 16], z.Shape.ToArray());
                Near(x, z.Istft(16, 4, 12, window, normalized: normalized, onesided: half, length: 61));
            }
        }
        var plain = x[0].Stft(16, 8, center: false);
        Near(FFT.RFft(x[0][8..24]).ToArray(), plain.Select(1, 1).ToArray());
        Assert.Contains(
            "windows add up to 0",
            Assert
                .Throws<ArgumentException>(() => plain.Istft(16, 8, window: Tensor.HannWindow(16), center: false))
                .Message
        );
    }

    [Fact]
    public void Windows()
    {
        Near(Tensor.From([0.0, 0.5, 1, 0.5]), Tensor.HannWindow(4, dtype: DType.Float64));
        Near(Tensor.From([0.08, 0.77, 0.77, 0.08]), Tensor.HammingWindow(4, periodic: false, dtype: DType.Float64));
        Near(Tensor.From([0.0, 0.63, 0.63, 0]), Tensor.BlackmanWindow(4, periodic: false, dtype: DType.Float64));
        Near(Tensor.From([0.0, 0.5, 1, 0.5]), Tensor.BartlettWindow(4, dtype: DType.Float64));
        // NumPy's kaiser(4, 5).
        Near(
            Tensor.From([0.036710892271286676, 0.7753221037019, 0.7753221037019, 0.036710892271286676]),
            Tensor.KaiserWindow(4, false, 5, DType.Float64),
            1e-4
        );
        Assert.Equal([1.0], Tensor.KaiserWindow(1).ToDoubles());
        Assert.Equal(0, Tensor.HannWindow(0).NumElements);
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        Assert.Contains("[3]", Assert.Throws<ArgumentException>(() => Values("3").ViewAsComplex()).Message);
        Assert.Contains(
            "f32",
            Assert.Throws<ArgumentException>(() => Tensor.Complex(Tensor.Ones(2), Values("2"))).Message
        );
        Assert.Contains(
            "f16",
            Assert.Throws<ArgumentException>(() => FFT.Fft(Tensor.Ones([2], DType.Float16))).Message
        );
        Assert.Contains("ortho", Assert.Throws<ArgumentException>(() => FFT.Fft(Values("2"), norm: "unit")).Message);
        Assert.Contains("at least 1", Assert.Throws<ArgumentException>(() => FFT.Fft(Tensor.Zeros(2, 0))).Message);
        Assert.Contains("n is 0", Assert.Throws<ArgumentException>(() => FFT.Fft(Values("2"), 0)).Message);
    }
}
