using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// A window that moves over the last dimensions of a tensor, of which there are one to three: place y sees, with its element k,
/// position y · stride + k · dilation − padding. What lies outside is not there.
/// </summary>
/// <param name="Size">What it moves over.</param>
/// <param name="Kernel">Its elements.</param>
/// <param name="Stride">From a place to the next.</param>
/// <param name="Padding">Positions before the first element, and behind the last.</param>
/// <param name="Dilation">From an element to the next.</param>
/// <param name="CeilMode">Whether a last place that reaches beyond the padding counts, where it starts before.</param>
internal sealed record Window(
    ImmutableArray<long> Size,
    ImmutableArray<long> Kernel,
    ImmutableArray<long> Stride,
    ImmutableArray<long> Padding,
    ImmutableArray<long> Dilation,
    bool CeilMode = false
)
{
    /// <summary>Names of the last dimensions of tensors that have so many.</summary>
    public static readonly ImmutableArray<string>[] Names =
    [
        [],
        ["w"],
        ["h", "w"],
        ["d", "h", "w"],
    ];

    private static readonly string[] Axes = ["z", "y", "x"];

    public int Rank => Size.Length;

    /// <summary>The number of places, where it is not the most that fit.</summary>
    public ImmutableArray<long>? Given { get; init; }

    /// <summary>Number of places in each dimension; below 1 where the window does not fit.</summary>
    public ImmutableArray<long> Places =>
        Given
        ??
        [
            .. Size.Select(
                (size, d) =>
                {
                    long room = size + 2 * Padding[d] - Dilation[d] * (Kernel[d] - 1) - 1;
                    if (room < 0 && !CeilMode)
                        return 0;
                    long places = FloorDiv(room + (CeilMode ? Stride[d] - 1 : 0), Stride[d]) + 1;
                    return CeilMode && (places - 1) * Stride[d] >= size + Padding[d] ? places - 1 : places;
                }
            ),
        ];

    /// <summary>Axes over places, called z, y, x from the last.</summary>
    public Axis[] PlaceAxes() => [.. Places.Select((extent, d) => new Axis(Axes[^(Rank - d)], extent))];

    /// <summary>Axes over the elements of the window.</summary>
    public Axis[] ElementAxes() => [.. Kernel.Select((extent, d) => new Axis("k" + Axes[^(Rank - d)], extent))];

    /// <summary>Positions of an element at a place.</summary>
    public Expr[] At(IReadOnlyList<Axis> places, IReadOnlyList<Axis> elements) =>
        [.. Size.Select((_, d) => places[d].Var * Stride[d] + elements[d].Var * Dilation[d] - Padding[d])];

    /// <summary>Which positions are inside; null for all.</summary>
    public Expr? Inside(IReadOnlyList<Expr> at)
    {
        Expr? inside = null;
        for (int d = 0; d < Rank; d++)
        {
            long last = (Places[d] - 1) * Stride[d] + (Kernel[d] - 1) * Dilation[d] - Padding[d];
            if (Padding[d] == 0 && last < Size[d])
                continue;
            Expr here = Op.Lt(at[d], Size[d]);
            if (Padding[d] > 0)
                here = Op.And(Op.Le(0, at[d]), here);
            inside = inside is null ? here : Op.And(inside, here);
        }
        return inside;
    }

    /// <summary>What is wrong with the numbers of an instance; null for nothing.</summary>
    public string? Problem(string what) =>
        ListProblem() ?? (Places.Any(p => p < 1) ? $"{what}, spread by dil, is larger than what is padded" : null);

    /// <summary>What is wrong with strides, paddings and dilations alone; null for nothing.</summary>
    public string? ListProblem()
    {
        foreach (var (name, list, least) in new[] { ("stride", Stride, 1), ("pad", Padding, 0), ("dil", Dilation, 1) })
        {
            if (list.Length != Rank)
                return $"{name} has {list.Length} numbers; give one, or one for each of {Rank} dimensions";
            if (list.Any(n => n < least))
                return $"{name}={string.Join(',', list)} must be at least {least}";
            if (list.Any(n => n > 1 << 30))
                return $"{name}={string.Join(',', list)} is more than {1 << 30}";
        }
        return null;
    }

    private static long FloorDiv(long a, long b) => a >= 0 ? a / b : -((-a + b - 1) / b);
}
