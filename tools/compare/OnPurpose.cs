using System.Text.RegularExpressions;

namespace Picograd.Compare;

/// <summary>Differences from PyTorch that are meant; docs/pytorch.md gives the reasons.</summary>
/// <param name="Reason">A line for the summary.</param>
/// <param name="Case">The case's text.</param>
/// <param name="Difference">What differs.</param>
internal sealed record OnPurpose(string Reason, Regex Case, Regex Difference)
{
    public static readonly OnPurpose[] All =
    [
        new(
            "the padding of results is checked for an empty batch, too",
            Of("ConvTranspose[123]d.*\\[0,"),
            new("refused here: conv_transpose[123]d: outputPadding is .*, but must be less than")
        ),
        new("pools of 16 bits are there", Of("AvgPool3d.*b?float16"), There("not implemented for '(Half|BFloat16)'")),
        new("Silu, Gelu and Round take integers", Refused("Silu|Gelu|Round"), There("not implemented for")),
        new(
            "Gelu of what is large is the number, in libtorch's vectors NaN",
            Of("Gelu"),
            Values("(-?Infinity|[-0-9.E+]+) here, NaN there")
        ),
        new(
            "activations of infinity have a slope, in libtorch's vectors or its chains NaN",
            Of("Mish|Softsign|Hardswish|Softshrink|Hardshrink|Selu"),
            new("^gradient 0: .*(NaN there|is -?0 here|NaN here)")
        ),
        new(
            "numbers in float64, where libtorch has them in float32",
            Of("Hardsigmoid\\(float64|Celu.*\\(float64"),
            new("^gradient 0:")
        ),
        new(
            "integers of floats beyond their range are the nearest",
            Of("To (Int32|Int64|UInt8)|Copy_|\\[.*= value"),
            Values("here, -?[0-9]+ there")
        ),
        new("a power of bools has a derivative", Of("Pow"), There("Subtraction, the `-` operator, with a bool tensor")),
        new(
            "a number that uint8 cannot hold is not compared",
            Of("(<|<=|>|>=|Eq|Ne) number|Clamp (min|max)|Clamp\\("),
            new("refused here: .*does not fit u8")
        ),
        new("Clamp to NaN is NaN", Of("Clamp (min|max) NaN|Clamp\\(.*NaN.*\\)"), Values("NaN here, .* there")),
        new(
            "Clamp broadcasts to its bounds",
            Of("Clamp"),
            There("output with shape .* doesn't match the broadcast shape")
        ),
        new("the dtype of a sum that wants a gradient may be whole", Of(".*"), There("Autograd not support dtype")),
        new(
            "Softmax of integers is refused, empty or not",
            Of("(Log)?Softmax"),
            new("refused here: (log_)?softmax: needs a float tensor")
        ),
        new(
            "places are checked also where nothing is picked",
            Of("Index(Put_|Add|Copy|Fill)|Embedding|\\[.*index"),
            new("refused here: (indexing|embedding): index .* is out of range")
        ),
        new(
            "slopes of an angle are computed in its dtype: squares of integers wrap around, bools have no negative",
            Of("Atan2\\(.*(int|bool)"),
            new("^(gradient [01]:|refused there: Negation)")
        ),
        new(
            "the slopes of a product that underflows",
            Of("Prod.*\\(b?float(16|32|64)\\["),
            new("^gradient 0: element [0-9]+ is (-?[1-9][-0-9.E+]*|-?0[.][0-9E+-]+) here, -?0 there$")
        ),
        new("Erf of a tiny bfloat16 is not 0", Of("Erf\\(bfloat16"), Values("1.12.*E-30 here, 0 there")),
        new(
            "the slope of a power takes 1 off the exponent in the dtype of the result",
            Of("Pow.*b?float16"),
            new("^gradient [01]: .* is NaN here")
        ),
        new(
            "the slopes of a change in place of 16 bits are computed in these",
            Of("(Mul|Div)_\\(b?float16"),
            new("^gradient [01]: .* is (NaN|-?Infinity) here")
        ),
        new(
            "a variance over no named dimension has a slope",
            Of("Var\\(\\[\\]"),
            new("^gradient 0: .* here, NaN there")
        ),
        new(
            "nothing has one dimension, also to join along",
            Of("Cat"),
            new("^refused here: cat: dim is .* a tensor of shape \\[0\\]")
        ),
        new(
            "equal elements do not spread, whatever the rounding of their mean",
            Of("Std"),
            new("^gradient 0: element .* is 0 here")
        ),
        new(
            "a number that is 0 whatever the element has no slope",
            Of("Pow number False|number / (0|False)"),
            new("^gradient 0: .* is 0 here, NaN there")
        ),
        new(
            "the slope of the spread of one element is NaN",
            Of("(Var|Std).*\\[[1,]*\\]"),
            new("^gradient 0: element .* is NaN here, -?Infinity there")
        ),
        new(
            "a number over a tensor is one division, not a product with the reciprocal",
            Of("number /"),
            Values(".* here, (NaN|-?Infinity) there")
        ),
        new("Var and Std of float32 square in float32", Of("Var|Std"), Values("Infinity here, .* there")),
        new(
            "the slopes of Atan2 beside whole numbers are not computed in these",
            Of("Atan2\\(.*(uint8|bool|int32|int64)"),
            new("^gradient [01]: |^refused there: Negation")
        ),
        new(
            "a long product of large and small numbers is one in the order of its factors",
            Of("Prod\\(float"),
            Values("[-0-9.E+]+ here, (NaN|-?Infinity) there")
        ),
        new(
            "what the slopes of a divisor that is repeated have in common is divided by after they are added up",
            Of("(/|Div_|Xlogy|Addcdiv\\(.*\\))\\("),
            new("^gradient [12]: element [0-9]+ is -?Infinity here, NaN there$")
        ),
        new(
            "slopes of logarithms of sums take bools as numbers",
            Of("LogAddExp.*bool"),
            There("Subtraction, the `-` operator, with a bool tensor")
        ),
        new("Kron takes what lies in any order", Of("Kron"), There("view size is not compatible")),
        new(
            "the slope of a trace is that of the diagonal alone",
            Of("Trace"),
            new("^gradient 0: element [0-9]+ is -?0 here")
        ),
        new(
            "the root of a pool of nothing has the slope 0",
            Of("LpPool"),
            new("^gradient 0: .* is -?0 here, NaN there")
        ),
        new(
            "running products that over- or underflow have the slopes of their factors",
            Of("CumProd"),
            new("^gradient 0: element .* here, NaN there$")
        ),
        new(
            "circles of what was cut off show no memory that nobody wrote",
            Of("Pad\\(circular.*-"),
            new("^refused here: pad: ")
        ),
        new(
            "nothing has gradients, too",
            Of("Linalg|Det|LogDet|Inverse|Cholesky|MatrixPower|Trapezoid"),
            new("^gradient [01]: there is one here, none there$")
        ),
        new(
            "matrices of other dtypes are refused, empty or not",
            Of("Linalg|MatrixPower|Det|LogDet|SlogDet|Inverse|Cholesky"),
            new("^refused here: linalg.*: matrices are of float32 or float64")
        ),
        new(
            "a condition number has a derivative",
            Of("Linalg.Cond"),
            There("one of the variables needed for gradient computation has been modified")
        ),
        new(
            "a dimension that keeps its size is not resampled: nothing infinite is multiplied by 0",
            Of("Interpolate\\((bi|tri)?linear"),
            Values("(-?Infinity here, NaN|NaN here, -?Infinity) there")
        ),
        new(
            "libtorch's code for images of one channel, and its gradients where sizes stay, forget the factor",
            Of("Interpolate\\((nearest|bicubic).*×1[.]25"),
            new("^(gradient 0: )?element ")
        ),
        new(
            "libtorch's trigamma has nine digits in float64",
            Of("Digamma.*float64|Polygamma 1\\(float64"),
            new("^(gradient 0: )?element [0-9]+ is (-?[0-9]+[.][0-9]{5})[0-9]* here, \\2[0-9]* there$")
        ),
        new(
            "the slope at NaN is 0; libtorch's is 1 where a vector is left over",
            Of("Relu6"),
            new("^gradient 0: element [0-9]+ is 0 here")
        ),
        new(
            "libtorch's incomplete gamma functions have nine digits near the diagonal",
            Of("Gammaincc?( of large)?\\(float64"),
            new("^element [0-9]+ is ([0-9][.][0-9]{8})[0-9]* here, \\1[0-9]* there$")
        ),
        new(
            "running products of large and small numbers are in the order of their factors",
            Of("CumProd\\([-0-9]+\\)\\(float32"),
            Values("-?Infinity here, [-0-9.E+]+ there")
        ),
        new(
            "Remainder is exact where libtorch's quotient overflows",
            Of("Remainder\\("),
            Values("[-0-9.E+]+ here, NaN there")
        ),
        new(
            "libtorch's trigamma of float32 is coarse beside a pole",
            Of("Digamma negative\\(float32"),
            new("^gradient 0: element [0-9]+ is ([0-9]{2})[0-9.]+ here, \\1[0-9.]+ there$")
        ),
        new(
            "libtorch gives what stands beside a vector of nothing the gradient of another row",
            Of("BlockDiag\\(.*float(32|64)\\[0\\]"),
            new("^gradient [0-9]: element")
        ),
        new(
            "the Bessel function of minus infinity is infinite",
            Of("Special of anything"),
            Values("Infinity here, NaN there")
        ),
        new(
            "what overlaps is changed in place as if from a copy, and what shows an element several times is filled",
            Of("Program "),
            There("(more than one element of the written-to|some elements of the input tensor and the written-to)")
        ),
        new(
            "what shows an element several times is not changed by a function, empty or not",
            Of("Program .*\\[[^]]*\\b0\\b"),
            new("^refused here: .*shows one element several times")
        ),
        new(
            "a change in place of nothing changes no version",
            Of("Program .*\\[[^]]*\\b0\\b"),
            There("one of the variables needed for gradient computation has been modified")
        ),
        new("Fourier transforms of nothing", Of("FFT"), There("MKL FFT error")),
        new("what has no dimensions is shifted to where it is", Of("FFT[.]I?FftShift"), There("`shifts` required")),
        new("elements are looked for wherever they lie", Of("IsIn"), There("view size is not compatible")),
        new("bools are looked for, too", Of("IsIn"), There("Unsupported input type .*Bool")),
        new(
            "the slope at NaN is NaN; libtorch's depends on whether a vector or a single element is computed",
            Of("Celu|Elu|Selu|Logit\\("),
            new("^gradient 0: element [0-9]+ is NaN here")
        ),
        new("which of several NaNs comes first", Of("Unique\\(\\)\\(b?float16"), new("^result 1: element ")),
        new("MseLoss takes floats of two widths", Of("MseLoss"), There("Found dtype .* but expected")),
    ];

    private static Regex Of(string trial) => new($"^({trial})");

    private static Regex Refused(string trial) => new($"^({trial})\\(");

    private static Regex There(string message) => new("^refused there: .*" + message);

    private static Regex Values(string ends) =>
        new("element [0-9]+ is " + (ends.StartsWith("here") ? ".* " : "") + ends + "$");

    /// <summary>The first that explains a difference; null if none does.</summary>
    public static OnPurpose? Of(string trial, string difference) =>
        All.FirstOrDefault(p => p.Case.IsMatch(trial) && p.Difference.IsMatch(difference));
}
