using System.Globalization;
using Picograd.Algorithms;

namespace Picograd.Baselines;

/// <summary>
/// One operator on given memory: what a baseline is asked to run. All tensors are row-major, contiguous, and float32 except
/// for integer indices.
/// </summary>
/// <remarks>
/// <list type="table">
/// <item><term><c>matmul</c></term><description>m, n, k; ta, tb, batch optional. Inputs A (batch·m·k, stored k × m when ta=1)
/// and B (batch·k·n, stored n × k when tb=1); output C (batch·m·n).</description></item>
/// <item><term><c>softmax</c>, <c>log_softmax</c></term><description>rows, cols; along the columns. Input and output
/// rows·cols.</description></item>
/// <item><term><c>sum</c></term><description>rows, cols, axis (0: output cols; 1: output rows).</description></item>
/// <item><term><c>tanh</c>, <c>exp</c></term><description>n. Input and output n.</description></item>
/// <item><term><c>add</c></term><description>n. Two inputs and an output of n.</description></item>
/// <item><term><c>cross_entropy</c></term><description>rows, classes; index_bits 32 or 64 (default 64). Inputs logits
/// (rows·classes) and targets (rows integers); outputs the mean loss (1) and, where a second is given, its gradient by the
/// logits (rows·classes).</description></item>
/// <item><term><c>embedding</c></term><description>vocab, dim, rows; index_bits as above. Inputs table (vocab·dim) and indices
/// (rows integers); output rows·dim.</description></item>
/// <item><term><c>transpose</c></term><description>rows, cols. Input rows·cols, output cols·rows.</description></item>
/// </list>
/// </remarks>
/// <param name="Operator">The operator's name.</param>
/// <param name="Attributes">Its dimensions and flags by key.</param>
/// <param name="Inputs">Addresses of the inputs, in the order above.</param>
/// <param name="Outputs">Addresses of the outputs.</param>
/// <param name="Threads">Threads that the kernel may use, at least 1.</param>
public sealed record OperatorCase(
    string Operator,
    IReadOnlyDictionary<string, long> Attributes,
    IReadOnlyList<nint> Inputs,
    IReadOnlyList<nint> Outputs,
    int Threads
)
{
    /// <summary>Of all tensors but indices.</summary>
    public DType Type { get; init; } = DType.Float32;

    /// <summary>Whether float32 products may be computed in tf32.</summary>
    public bool Tf32 { get; init; }

    /// <summary>The attribute's value.</summary>
    /// <exception cref="ArgumentException">There is no such attribute.</exception>
    public long Required(string key) =>
        Attributes.TryGetValue(key, out long value)
            ? value
            : throw new ArgumentException(
                $"The operator '{Operator}' needs {key}=…, but only {Given()} was given.",
                nameof(key)
            );

    /// <summary>The attribute's value, or <paramref name="fallback"/> where it is not given.</summary>
    public long Optional(string key, long fallback) => Attributes.GetValueOrDefault(key, fallback);

    /// <summary>A dimension: a required attribute that is at least 1.</summary>
    /// <exception cref="ArgumentException">Missing, zero or negative.</exception>
    public long Dimension(string key)
    {
        long value = Required(key);
        return value >= 1
            ? value
            : throw new ArgumentException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The operator '{Operator}' has {key}={value}, but a dimension is at least 1."
                ),
                nameof(key)
            );
    }

    /// <summary>The address of an input.</summary>
    /// <exception cref="ArgumentException">Fewer inputs were given.</exception>
    public nint Input(int index) => At(Inputs, index, "input");

    /// <summary>The address of an output.</summary>
    /// <exception cref="ArgumentException">Fewer outputs were given.</exception>
    public nint Output(int index) => At(Outputs, index, "output");

    private nint At(IReadOnlyList<nint> addresses, int index, string what) =>
        index < addresses.Count
            ? addresses[index]
            : throw new ArgumentException(
                $"The operator '{Operator}' needs {what} {index}, but {addresses.Count} of them were given."
            );

    private string Given() =>
        Attributes.Count == 0
            ? "nothing"
            : string.Join(
                ' ',
                Attributes.Select(a => string.Create(CultureInfo.InvariantCulture, $"{a.Key}={a.Value}"))
            );
}
