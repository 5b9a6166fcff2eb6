using TorchSharp;
using static TorchSharp.torch;

namespace Picograd.Compare.Cases;

/// <summary>Transforms, complex numbers as pairs, spectra of pieces, windows.</summary>
internal static class FourierCases
{
    public static IEnumerable<Subject> All => [.. Transforms(), .. Numbers(), .. Pieces()];

    private static readonly FFTNormType[] Norms = [FFTNormType.Backward, FFTNormType.Ortho, FFTNormType.Forward];

    private static Tensor[] Pair(ComplexTensor z) => [z.ViewAsReal()];

    private static TorchTensor[] Pair(TorchTensor z) => [torch.view_as_real(z.resolve_conj()).clone()];

    private static TorchTensor Paired(TorchTensor t) => torch.complex(t.select(-1, 0), t.select(-1, 1));

    private static IEnumerable<Subject> Transforms()
    {
        (
            string,
            bool Complex,
            Func<Tensor, long?, int, string, Tensor[]>,
            Func<TorchTensor, long, int, FFTNormType, TorchTensor[]>
        )[] all =
        [
            ("FFT.Fft", false, (t, n, d, f) => Pair(FFT.Fft(t, n, d, f)), (t, n, d, f) => Pair(fft.fft_(t, n, d, f))),
            (
                "FFT.Fft complex",
                true,
                (t, n, d, f) => Pair(FFT.Fft(t.ViewAsComplex(), n, d, f)),
                (t, n, d, f) => Pair(fft.fft_(Paired(t), n, d, f))
            ),
            (
                "FFT.IFft",
                true,
                (t, n, d, f) => Pair(FFT.IFft(t.ViewAsComplex(), n, d, f)),
                (t, n, d, f) => Pair(fft.ifft(Paired(t), n, d, f))
            ),
            ("FFT.RFft", false, (t, n, d, f) => Pair(FFT.RFft(t, n, d, f)), (t, n, d, f) => Pair(fft.rfft(t, n, d, f))),
            (
                "FFT.IHFft",
                false,
                (t, n, d, f) => Pair(FFT.IHFft(t, n, d, f)),
                (t, n, d, f) => Pair(fft.ihfft(t, n, d, f))
            ),
            (
                "FFT.IRFft",
                true,
                (t, n, d, f) => [FFT.IRFft(t.ViewAsComplex(), n, d, f)],
                (t, n, d, f) => [fft.irfft(Paired(t), n, d, f)]
            ),
            (
                "FFT.HFft",
                true,
                (t, n, d, f) => [FFT.HFft(t.ViewAsComplex(), n, d, f)],
                (t, n, d, f) => [fft.hfft(Paired(t), n, d, f)]
            ),
        ];
        foreach (var (name, complex, ours, theirs) in all)
            yield return new(
                name,
                d =>
                {
                    long[] shape = [.. d.Shape(1, 3).Select(s => d.Chance(0.1) ? 67 : Math.Max(s, 1))];
                    var x = d.Of(complex ? [.. shape, 2] : shape, d.Pick(DType.Float32, DType.Float64), tame: true);
                    int dim = d.Dim(shape.Length);
                    long? n = d.Chance(0.6) ? null : d.Between(0, 12);
                    int norm = d.Between(0, 2);
                    string[] names = ["backward", "ortho", "forward"];
                    return new Trial(
                        $"{name}({n}, {dim}, {names[norm]})",
                        [x],
                        t => ours(t[0], n, dim, names[norm]),
                        t => theirs(t[0], n ?? -1, dim, Norms[norm])
                    )
                    {
                        Terms = 64,
                    };
                }
            );
        yield return new(
            "FFT.Fft2",
            d =>
            {
                var x = d.Of([.. d.Shape(0, 1), d.Between(1, 7), d.Between(1, 7), 2], DType.Float64, tame: true);
                return new Trial(
                    "FFT.Fft2",
                    [x],
                    t => Pair(FFT.Fft2(t[0].ViewAsComplex())),
                    t => Pair(fft.fft2(Paired(t[0])))
                )
                {
                    Terms = 64,
                };
            }
        );
        yield return new(
            "FFT.RFftN",
            d =>
            {
                var x = d.Of([d.Between(1, 4), d.Between(1, 7), d.Between(1, 7)], DType.Float64, tame: true);
                return new Trial("FFT.RFftN", [x], t => Pair(FFT.RFftN(t[0])), t => Pair(fft.rfftn(t[0])))
                {
                    Terms = 64,
                };
            }
        );
        yield return new(
            "FFT.FftShift",
            d =>
            {
                var x = d.Any(d.Shape(0, 3));
                bool back = d.Chance(0.5);
                return Trial.One(
                    $"FFT.FftShift({back})",
                    x,
                    t => back ? FFT.IFftShift(t) : FFT.FftShift(t),
                    t => back ? fft.ifftshift(t) : fft.fftshift(t)
                );
            }
        );
    }

    private static IEnumerable<Subject> Numbers()
    {
        (string, Func<ComplexTensor, Tensor[]>, Func<TorchTensor, TorchTensor[]>)[] one =
        [
            ("Complex Abs", z => [z.Abs()], z => [z.abs()]),
            ("Complex Angle", z => [z.Angle()], z => [z.angle()]),
            ("Complex Exp", z => Pair(z.Exp()), z => Pair(z.exp())),
            ("Complex Sqrt", z => Pair(z.Sqrt()), z => Pair(z.sqrt())),
            ("Complex Log", z => Pair(z.Log()), z => Pair(z.log())),
            ("Complex Conj", z => Pair(z.Conj()), z => Pair(z.conj().resolve_conj())),
            ("Complex Square", z => Pair(z.Square()), z => Pair(z.square())),
            ("Complex Sgn", z => Pair(z.Sgn()), z => Pair(z.sgn())),
            ("Complex Sum", z => Pair(z.Sum()), z => Pair(z.sum())),
            ("Complex Mean", z => Pair(z.Mean()), z => Pair(z.mean())),
        ];
        foreach (var (name, ours, theirs) in one)
            yield return new(
                name,
                d => new Trial(
                    name,
                    [d.Of([.. d.Shape(0, 3), 2], d.Pick(DType.Float32, DType.Float64), tame: true)],
                    t => ours(t[0].ViewAsComplex()),
                    t => theirs(Paired(t[0]))
                )
                {
                    Terms = 16,
                }
            );
        (
            string,
            Func<ComplexTensor, ComplexTensor, ComplexTensor>,
            Func<TorchTensor, TorchTensor, TorchTensor>
        )[] two =
        [
            ("Complex +", (a, b) => a + b, (a, b) => a + b),
            ("Complex -", (a, b) => a - b, (a, b) => a - b),
            ("Complex *", (a, b) => a * b, (a, b) => a * b),
            ("Complex /", (a, b) => a / b, (a, b) => a / b),
        ];
        foreach (var (name, ours, theirs) in two)
            yield return new(
                name,
                d =>
                {
                    var shape = d.Shape(0, 3);
                    var type = d.Pick(DType.Float32, DType.Float64);
                    return new Trial(
                        name,
                        [d.Of([.. shape, 2], type, tame: true), d.Of([.. d.Beside(shape), 2], type, tame: true)],
                        t => Pair(ours(t[0].ViewAsComplex(), t[1].ViewAsComplex())),
                        t => Pair(theirs(Paired(t[0]), Paired(t[1])))
                    )
                    {
                        Terms = 32,
                        Degree = 2,
                    };
                }
            );
    }

    private static IEnumerable<Subject> Pieces()
    {
        yield return new(
            "Stft",
            d =>
            {
                long n = d.Between(2, 12);
                long hop = d.Between(1, 6);
                bool center = d.Chance(0.7);
                bool normalized = d.Chance(0.3);
                bool half = d.Chance(0.7);
                var x = d.Of(
                    [.. d.Pick<long[]>([], [1], [3]), d.Between(8, 40)],
                    d.Pick(DType.Float32, DType.Float64),
                    tame: true
                );
                return new Trial(
                    $"Stft({n}, {hop}, {center}, {normalized}, {half})",
                    [x],
                    t =>
                        Pair(
                            t[0]
                                .Stft(
                                    n,
                                    hop,
                                    window: Tensor.HannWindow(n, dtype: t[0].DType),
                                    center: center,
                                    normalized: normalized,
                                    onesided: half
                                )
                        ),
                    t =>
                        Pair(
                            t[0]
                                .stft(
                                    n,
                                    hop,
                                    n,
                                    torch.hann_window(n, dtype: t[0].dtype),
                                    center,
                                    PaddingModes.Reflect,
                                    normalized,
                                    half,
                                    true
                                )
                        )
                )
                {
                    Terms = 64,
                };
            }
        );
        (string, Func<long, bool, Tensor>, Func<long, bool, TorchTensor>)[] windows =
        [
            ("HannWindow", (n, p) => Tensor.HannWindow(n, p), (n, p) => torch.hann_window(n, p)),
            ("HammingWindow", (n, p) => Tensor.HammingWindow(n, p), (n, p) => torch.hamming_window(n, p)),
            ("BlackmanWindow", (n, p) => Tensor.BlackmanWindow(n, p), (n, p) => torch.blackman_window(n, p)),
            ("BartlettWindow", (n, p) => Tensor.BartlettWindow(n, p), (n, p) => torch.bartlett_window(n, p)),
            ("KaiserWindow", (n, p) => Tensor.KaiserWindow(n, p), (n, p) => torch.kaiser_window(n, p)),
        ];
        foreach (var (name, ours, theirs) in windows)
            yield return new(
                name,
                d =>
                {
                    long n = d.Between(0, 20);
                    bool periodic = d.Chance(0.5);
                    return new Trial(
                        $"{name}({n}, {periodic})",
                        [],
                        _ => [ours(n, periodic)],
                        _ => [theirs(n, periodic)]
                    )
                    {
                        Terms = 64,
                    };
                }
            );
    }
}
