using System.Globalization;
using System.Text;
using Picograd.Algorithms;

namespace Picograd;

/// <summary>How tensors are printed; see <see cref="Tensor.SetPrintOptions"/>.</summary>
/// <param name="Precision">Digits behind the point.</param>
/// <param name="Threshold">With more elements the middle is left out.</param>
/// <param name="EdgeItems">What is shown of each dimension at both ends then.</param>
/// <param name="LineWidth">Characters a line.</param>
/// <param name="SciMode">Whether with exponents; null: as the values are.</param>
public sealed record PrintOptions(
    int Precision = 4,
    long Threshold = 1000,
    int EdgeItems = 3,
    int LineWidth = 80,
    bool? SciMode = null
);

/// <summary>
/// A tensor as PyTorch prints it.
/// <code>
/// tensor([[ 0.1234, -1.5000,  2.0000],
///         [ 1.0000,  0.0000,  0.2500]], grad_fn=&lt;MulBackward0&gt;)
/// </code>
/// </summary>
internal static class TensorPrinter
{
    private const string Prefix = "tensor(";
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    public static PrintOptions Options { get; set; } = new();

    public static string Print(Tensor tensor)
    {
        if (tensor.IsDisposed)
            return $"Tensor{tensor.Layout} {tensor.DType.Name()} disposed";
        var suffixes = new List<string>();
        if (!tensor.Device.IsCpu)
            suffixes.Add($"device='{tensor.Device}'");
        bool isPlain = tensor.DType is DType.Float32 or DType.Int64 or DType.Bool;
        string type = $"dtype=torch.{TypeName(tensor.DType)}";
        string elements;
        if (tensor.Device.IsMeta)
        {
            suffixes.Add($"size={Size(tensor)}");
            elements = "...";
            if (tensor.DType != DType.Float32)
                suffixes.Add(type);
        }
        else if (tensor.NumElements == 0)
        {
            if (tensor.Rank != 1)
                suffixes.Add($"size={Size(tensor)}");
            if (tensor.DType != DType.Float32)
                suffixes.Add(type);
            elements = "[]";
        }
        else
        {
            if (!isPlain)
                suffixes.Add(type);
            Calls.Executor.Listening?.HostReads(tensor);
            elements = Elements(tensor.OnCpu());
        }
        if (History(tensor) is { Length: > 0 } history)
            suffixes.Add(history);
        return WithSuffixes(Prefix + elements, suffixes);
    }

    /// <summary>Complex numbers of two parts of one shape, as <c>1.0000-2.0000j</c>.</summary>
    public static string Print(Tensor real, Tensor imag, string type)
    {
        if (real.IsDisposed || imag.IsDisposed)
            return $"Tensor {type} disposed";
        var suffixes = new List<string>();
        if (!real.Device.IsCpu)
            suffixes.Add($"device='{real.Device}'");
        if (real.Device.IsMeta || (real.NumElements == 0 && real.Rank != 1))
            suffixes.Add($"size={Size(real)}");
        if (type != "complex64" || real.NumElements == 0)
            suffixes.Add($"dtype=torch.{type}");
        if (History(real.RequiresGrad ? real : imag) is { Length: > 0 } history)
            suffixes.Add(history);
        string elements =
            real.Device.IsMeta ? "..."
            : real.NumElements == 0 ? "[]"
            : Elements(Dense(real), Dense(imag));
        return WithSuffixes(Prefix + elements, suffixes);
    }

    private static Tensor Dense(Tensor part) => Calls.Copying.DenseOf(part.Detach().OnCpu());

    // PyTorch's names of dtypes.
    private static string TypeName(DType type) =>
        type switch
        {
            DType.BFloat16 => "bfloat16",
            DType.Bool => "bool",
            _ when type.IsFloat() => $"float{8 * type.Size()}",
            DType.UInt8 => "uint8",
            _ => $"int{8 * type.Size()}",
        };

    private static string Size(Tensor tensor) =>
        tensor.Rank == 1 ? $"({tensor.Layout.Sizes[0]},)" : $"({string.Join(", ", tensor.Layout.Sizes)})";

    // What cannot be asked for its history can be printed all the same, as in PyTorch.
    private static string History(Tensor tensor)
    {
        try
        {
            return !tensor.RequiresGrad ? ""
                : tensor.GradFn is { } made ? $"grad_fn={made}"
                : "requires_grad=True";
        }
        catch (InvalidOperationException)
        {
            return "grad_fn=<Invalid>";
        }
    }

    private static string WithSuffixes(string text, List<string> suffixes)
    {
        var all = new StringBuilder(text);
        int length = text.Length - text.LastIndexOf('\n') + 1;
        foreach (string suffix in suffixes)
        {
            if (length + suffix.Length + 2 > Options.LineWidth)
            {
                all.Append(",\n").Append(' ', Prefix.Length).Append(suffix);
                length = Prefix.Length + suffix.Length;
            }
            else
            {
                all.Append(", ").Append(suffix);
                length += suffix.Length + 2;
            }
        }
        return all.Append(')').ToString();
    }

    // Of complex numbers both parts, which are dense.
    private static string Elements(Tensor tensor, Tensor? imag = null)
    {
        bool cut = tensor.NumElements > Options.Threshold;
        var places = new List<long>();
        Collect(tensor, 0, tensor.Layout.Offset, cut, places);
        var format = FormatOf(tensor, places, out int width);
        if (imag is not null)
        {
            long apart = imag.Layout.Offset - tensor.Layout.Offset;
            var real = format;
            var other = FormatOf(imag, [.. places.Select(p => p + apart)], out int otherWidth);
            int realWidth = width;
            format = at =>
                real(at).PadLeft(realWidth) + (other(at + apart) is var i && i[0] == '-' ? i : "+" + i) + "j";
            width += otherWidth + 1;
        }
        var text = new StringBuilder();
        Write(
            tensor,
            0,
            tensor.Layout.Offset,
            cut,
            Prefix.Length,
            at => imag is null ? format(at).PadLeft(width) : format(at),
            width,
            text
        );
        return text.ToString();
    }

    // As many digits as all need together. The element is that at a place of the storage.
    private static Func<long, string> FormatOf(Tensor tensor, List<long> places, out int width)
    {
        width = 1;
        Func<long, string> format;
        if (tensor.DType == DType.Bool)
            format = at => tensor.ReadElement(at) != 0 ? "True" : "False";
        else if (!tensor.DType.IsFloat())
            format = at => tensor.ReadInteger(at).ToString(Culture);
        else
            return FormatOfFloats(tensor, places, out width);
        foreach (long place in places)
            width = Math.Max(width, format(place).Length);
        return format;
    }

    private static Func<long, string> FormatOfFloats(Tensor tensor, List<long> places, out int width)
    {
        var (largest, smallest) = (0.0, double.PositiveInfinity);
        bool whole = true;
        var values = places.Select(tensor.ReadElement).Where(v => v != 0 && double.IsFinite(v)).ToList();
        foreach (double value in values)
        {
            (largest, smallest) = (Math.Max(largest, Math.Abs(value)), Math.Min(smallest, Math.Abs(value)));
            whole &= value == Math.Ceiling(value);
        }
        bool far =
            Options.SciMode
            ?? (values.Count > 0 && (largest / smallest > 1000 || largest > 1e8 || (!whole && smallest < 1e-4)));
        string digits = new('0', Math.Max(0, Options.Precision));
        string point = Options.Precision > 0 ? "0." + digits : "0";
        string Text(double value) =>
            double.IsNaN(value) ? "nan"
            : double.IsInfinity(value) ? (value > 0 ? "inf" : "-inf")
            : far ? value.ToString(point + "e+00", Culture)
            : whole ? Signed(value, value.ToString("0", Culture)) + "."
            : Signed(value, value.ToString(point, Culture));
        width = values.Count == 0 ? 1 : Math.Max(1, values.Max(v => Text(v).Length));
        return at => Text(tensor.ReadElement(at));
    }

    // Zero has a sign, too.
    private static string Signed(double value, string text) =>
        double.IsNegative(value) && !text.StartsWith('-') ? "-" + text : text;

    private static void Collect(Tensor tensor, int dim, long place, bool cut, List<long> places)
    {
        if (dim == tensor.Rank)
        {
            places.Add(place);
            return;
        }
        long size = tensor.Layout.Sizes[dim];
        int edge = Options.EdgeItems;
        for (long i = 0; i < size; i++)
        {
            if (cut && size > 2 * edge && i == edge)
                i = size - edge;
            if (i < size)
                Collect(tensor, dim + 1, place + i * tensor.Layout.Strides[dim], cut, places);
        }
    }

    private static void Write(
        Tensor tensor,
        int dim,
        long place,
        bool cut,
        int indent,
        Func<long, string> format,
        int width,
        StringBuilder text
    )
    {
        if (dim == tensor.Rank)
        {
            text.Append(format(place));
            return;
        }
        bool last = dim == tensor.Rank - 1;
        long size = tensor.Layout.Sizes[dim];
        long stride = tensor.Layout.Strides[dim];
        int edge = Options.EdgeItems;
        bool short_ = cut && size > 2 * edge;
        string line = "," + new string('\n', Math.Max(1, tensor.Rank - 1 - dim)) + new string(' ', indent + 1);
        int perLine = last ? Math.Max(1, (Options.LineWidth - indent) / (width + 2)) : 1;
        int written = 0;
        text.Append('[');
        for (long i = 0; i < size; i++)
        {
            if (short_ && i == edge)
            {
                Separate();
                text.Append(last ? " ..." : "...");
                i = size - edge;
                if (i >= size)
                    break;
            }
            Separate();
            Write(tensor, dim + 1, place + i * stride, cut, indent + 1, format, width, text);
        }
        text.Append(']');

        void Separate()
        {
            if (written > 0)
                text.Append(written % perLine == 0 ? line : ", ");
            written++;
        }
    }
}
