using System.Globalization;
using System.Text;
using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// A tensor as text: a head line with shape, dtype and device, then rows of rounded values, cut in the middle when long.
/// <code>
/// Tensor[2, 3] f32 cpu
/// [[ 0.1234, -1.5000,  2.0000],
///  [ 1.0000,  0.0000,  0.2500]]
/// </code>
/// </summary>
internal static class TensorPrinter
{
    private const int Edge = 3;
    private const int ThresholdElements = 1000;
    private const string Gap = "...";

    public static string Print(Tensor tensor)
    {
        if (tensor.IsDisposed)
            return $"Tensor{tensor.Layout} {tensor.DType.Name()} disposed";
        var text = new StringBuilder($"Tensor{tensor.Layout} {tensor.DType.Name()} {tensor.Device}");
        text.Append(History(tensor));
        if (tensor.Device.IsMeta)
            return text.ToString();
        text.Append('\n');
        tensor = tensor.OnCpu();
        bool cut = tensor.NumElements > ThresholdElements;
        var words = new List<string>();
        Collect(tensor, 0, tensor.Layout.Offset, cut, words, Format(tensor, cut));
        int width = words.Count == 0 ? 0 : words.Max(w => w.Length);
        int next = 0;
        Write(tensor, 0, cut, words, ref next, width, text);
        return text.ToString();
    }

    /// <summary>Complex numbers of two parts of one shape, as <c>1.0000-2.0000j</c>.</summary>
    public static string Print(Tensor real, Tensor imag, string type)
    {
        if (real.IsDisposed || imag.IsDisposed)
            return $"Tensor {type} disposed";
        var text = new StringBuilder($"Tensor{real.Layout} {type} {real.Device}");
        text.Append(real.RequiresGrad ? History(real) : History(imag));
        if (real.Device.IsMeta)
            return text.ToString();
        text.Append('\n');
        bool cut = real.NumElements > ThresholdElements;
        var words = new List<List<string>>();
        foreach (var part in new[] { real, imag })
        {
            var here = part.OnCpu();
            words.Add([]);
            Collect(here, 0, here.Layout.Offset, cut, words[^1], Format(here, cut));
        }
        var both = words[0].Zip(words[1], (a, b) => a + (b[0] is '-' ? b : "+" + b) + "j").ToList();
        int next = 0;
        Write(real, 0, cut, both, ref next, both.Count == 0 ? 0 : both.Max(w => w.Length), text);
        return text.ToString();
    }

    // What cannot be asked for its history can be printed all the same, as in PyTorch.
    private static string History(Tensor tensor)
    {
        try
        {
            return !tensor.RequiresGrad ? ""
                : tensor.IsLeaf ? " requires_grad"
                : " grad_fn=" + tensor.NodeForGrad()!.Name;
        }
        catch (InvalidOperationException)
        {
            return " grad_fn=invalid";
        }
    }

    /// <summary>
    /// Four decimals, or scientific where values are far from 1 or would look like 0; integers and bools as they are. Of the
    /// element at a place of the storage.
    /// </summary>
    private static Func<long, string> Format(Tensor tensor, bool cut)
    {
        var culture = CultureInfo.InvariantCulture;
        if (tensor.DType == DType.Bool)
            return at => tensor.ReadElement(at) != 0 ? "true" : "false";
        // As float64 int64 has no more than 53 bits.
        if (!tensor.DType.IsFloat())
            return at => tensor.ReadInteger(at).ToString(culture);
        double largest = 0;
        double smallest = double.PositiveInfinity;
        var finite = new List<string>();
        Collect(
            tensor,
            0,
            tensor.Layout.Offset,
            cut,
            finite,
            at =>
            {
                double size = Math.Abs(tensor.ReadElement(at));
                if (size > 0 && double.IsFinite(size))
                    (largest, smallest) = (Math.Max(largest, size), Math.Min(smallest, size));
                return "";
            }
        );
        bool far = largest >= 1e5 || (largest > 0 && largest < 1e-3) || smallest < 1e-4;
        return at =>
            tensor.ReadElement(at) switch
            {
                double.NaN => "nan",
                double.PositiveInfinity => "inf",
                double.NegativeInfinity => "-inf",
                double value => value.ToString(far ? "0.0000e+00" : "0.0000", culture),
            };
    }

    private static void Collect(
        Tensor tensor,
        int dim,
        long place,
        bool cut,
        List<string> words,
        Func<long, string> format
    )
    {
        if (dim == tensor.Rank)
        {
            words.Add(format(place));
            return;
        }
        long size = tensor.Layout.Sizes[dim];
        for (long i = 0; i < size; i++)
        {
            if (cut && size > 2 * Edge && i == Edge)
                i = size - Edge;
            Collect(tensor, dim + 1, place + i * tensor.Layout.Strides[dim], cut, words, format);
        }
    }

    private static void Write(
        Tensor tensor,
        int dim,
        bool cut,
        List<string> words,
        ref int next,
        int width,
        StringBuilder text
    )
    {
        if (dim == tensor.Rank)
        {
            text.Append(words[next++].PadLeft(width));
            return;
        }
        bool last = dim == tensor.Rank - 1;
        string separator = last ? ", " : "," + new string('\n', tensor.Rank - 1 - dim) + new string(' ', dim + 1);
        long size = tensor.Layout.Sizes[dim];
        text.Append('[');
        for (long i = 0; i < size; i++)
        {
            if (i > 0)
                text.Append(separator);
            if (cut && size > 2 * Edge && i == Edge)
            {
                text.Append(Gap).Append(separator);
                i = size - Edge;
            }
            Write(tensor, dim + 1, cut, words, ref next, width, text);
        }
        text.Append(']');
    }
}
