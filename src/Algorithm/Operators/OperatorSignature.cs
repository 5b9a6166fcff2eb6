using System.Collections.Immutable;
using System.Globalization;

namespace Picograd.Algorithms.Operators;

/// <summary>How the sizes of an operator's operands say what its keys are.</summary>
public enum OperandForm
{
    /// <summary>One dimension a key: <c>[rows, cols]</c>.</summary>
    Named,

    /// <summary>Shapes that broadcast, under a key each, or the key n where all are equal: <c>[*]</c>.</summary>
    Broadcast,

    /// <summary>A shape of which some axes are reduced, or rows, columns and the axis: <c>[shape]</c>.</summary>
    Reduced,

    /// <summary>A shape with strides, perhaps with an index in the place of some dimensions: <c>[shape:strides]</c>.</summary>
    Strided,
}

/// <summary>A dimension of an operand.</summary>
/// <param name="Key">Its key; empty for a constant size.</param>
/// <param name="Constant">The size where there is no key.</param>
/// <param name="Many">Several neighbouring dimensions of a tensor together: <c>rows..</c>.</param>
/// <param name="Optional">Not there where the key is 1, or where all products share the operand: <c>batch?</c>.</param>
/// <param name="Default">The key whose value it has where its own is left out: <c>hk=h</c>.</param>
public sealed record OperandDim(string Key, long Constant, bool Many, bool Optional, string? Default)
{
    /// <summary>The constant of a size that follows from other keys (<c>_</c>), which callers give.</summary>
    public const long Follows = -1;
}

/// <summary>An input or output of an operator.</summary>
/// <param name="Name">As the algorithm calls it.</param>
/// <param name="Type">A dtype, or the key that names it.</param>
/// <param name="Dims">Its dimensions, of <see cref="OperandForm.Named"/> operands.</param>
/// <param name="Shape">What stands in the brackets.</param>
/// <param name="When">The flag with which it is there; null for always.</param>
/// <param name="Transposable">Whether the last two may be stored the other way round, which a flag <c>t</c> and its name tells.</param>
public sealed record OperandShape(
    string Name,
    string Type,
    ImmutableArray<OperandDim> Dims,
    string Shape,
    string? When,
    bool Transposable
)
{
    /// <summary>How keys call it: tb, bcast=b, the shape a. What is named after it, as its gradient is, has its key.</summary>
    public string Key { get; init; } = Name.ToLowerInvariant();
}

/// <summary>
/// Shapes and dtypes of an operator's operands in terms of its keys: <c>W[vocab, dim], I:i64[rows..] -&gt; Y[rows.., dim]</c>. From it
/// follow, for any call, the values of the keys from the sizes of the tensors, and the results' shapes and dtypes.
/// <code>
/// signature ::= operands -&gt; operands
/// operand   ::= name[:dtype-or-key] [dims] [~] [?flag]    ~ perhaps transposed (flags ta, tb); ? only with a flag, by default its name
/// dims      ::= dim, …  |  *  |  shape[-axes|:strides|:to|-dims+rows]
/// dim       ::= number  |  _  |  key[..][?][=key]         _ follows from other keys; .. several dimensions; ? may be missing; = the default
/// </code>
/// Without a dtype an operand is of the type that the key dtype names; compute is the type in which that is computed.
/// </summary>
public sealed class OperatorSignature
{
    /// <summary>The dtype in which the operator computes, which numbers beside tensors of half types have.</summary>
    public const string Computed = "compute";

    private OperatorSignature(
        ImmutableArray<OperandShape> inputs,
        ImmutableArray<OperandShape> outputs,
        OperandForm form
    )
    {
        Inputs = inputs;
        Outputs = outputs;
        Form = form;
    }

    public ImmutableArray<OperandShape> Inputs { get; }

    public ImmutableArray<OperandShape> Outputs { get; }

    public OperandForm Form { get; }

    /// <summary>Of operands that are known.</summary>
    /// <param name="unread">The form where nothing is read, as by a slope that is 0 everywhere.</param>
    public static OperatorSignature Of(
        IEnumerable<OperandShape> inputs,
        IEnumerable<OperandShape> outputs,
        OperandForm unread = OperandForm.Named
    )
    {
        ImmutableArray<OperandShape> read = [.. inputs];
        var form =
            read.IsEmpty ? unread
            : read.Any(i => i.Shape == "*") ? OperandForm.Broadcast
            : read.Any(i => i.Shape is "shape" or "shape-axes") ? OperandForm.Reduced
            : read.Any(i => i.Shape.StartsWith("shape:", StringComparison.Ordinal)) ? OperandForm.Strided
            : OperandForm.Named;
        return new(read, [.. outputs], form);
    }

    /// <exception cref="FormatException">No signature; says what is wrong with it.</exception>
    public static OperatorSignature Parse(string text)
    {
        string[] sides = text.Split("->");
        if (sides.Length != 2)
            throw new FormatException($"'{text}' is no signature: it must have one arrow.");
        return Of(Operands(sides[0]), Operands(sides[1]));
    }

    /// <summary>Shape and dtype of each operand of an instance, inputs first; those that it does not have are left out.</summary>
    public ImmutableArray<(string Name, ImmutableArray<long> Shape, DType Type)> Of(OperatorSpec spec)
    {
        var result = ImmutableArray.CreateBuilder<(string, ImmutableArray<long>, DType)>();
        foreach (var operand in Inputs.Concat(Outputs))
        {
            if (operand.When is { } flag && !spec.Flag(flag))
                continue;
            result.Add((operand.Name, ShapeOf(operand, spec), TypeOf(operand, spec)));
        }
        return result.ToImmutable();
    }

    private static DType TypeOf(OperandShape operand, OperatorSpec spec)
    {
        bool isNumber = spec.Definition.Keys.Any(k => k.Name == "number") && spec.Choice("number") == operand.Key;
        return operand.Type == Computed || isNumber
            ? spec.Type().Compute()
            : DTypes.Parse(operand.Type) ?? spec.Type(operand.Type);
    }

    private ImmutableArray<long> ShapeOf(OperandShape operand, OperatorSpec spec)
    {
        switch (operand.Shape)
        {
            case "*" when spec.Has("n"):
                return [spec.Dim("n")];
            case "*" when Inputs.Contains(operand):
                return spec.Shape(operand.Key);
            case "*":
                return Elementwise.Broadcast([.. Inputs.Select(i => spec.Shape(i.Key))])!.Value;
            case "shape" when spec.Has("rows"):
                return [spec.Dim("rows"), spec.Dim("cols")];
            case "shape-axes" when spec.Has("rows"):
                return [spec.Dim(spec.Choice("axis") == "0" ? "cols" : "rows")];
            case "shape" or "shape:strides" or "shape:to":
                return spec.Shape("shape");
            case "shape-axes":
                var axes = spec.List("axes");
                return [.. spec.Shape("shape").Where((_, d) => !axes.Contains(d))];
            case "shape-dims+rows":
                var dims = spec.List("dims");
                var shape = spec.Shape("shape");
                return [.. shape[..(int)dims[0]], spec.Dim("rows"), .. shape[((int)dims[^1] + 1)..]];
        }
        var sizes = operand
            .Dims.Where(d => !d.Optional || (spec.Dim(d.Key) > 1 && !IsShared(operand, spec)))
            .Select(d =>
                d.Constant == OperandDim.Follows ? FollowingSize(operand, d, spec)
                : d.Key.Length == 0 ? d.Constant
                : spec.Dim(d.Default is { } other && !spec.Has(d.Key) ? other : d.Key)
            )
            .ToArray();
        if (operand.Transposable && spec.Flag("t" + operand.Key))
            (sizes[^1], sizes[^2]) = (sizes[^2], sizes[^1]);
        return [.. sizes];
    }

    // What callers give, the algorithm knows.
    private static long FollowingSize(OperandShape operand, OperandDim dim, OperatorSpec spec)
    {
        var shape = spec.Build().Arguments.First(b => b.Name == operand.Name).Shape;
        int place = operand.Dims.Select((d, i) => (d, i)).First(p => ReferenceEquals(p.d, dim)).i;
        return ((IntImm)shape[place]).Value;
    }

    private static bool IsShared(OperandShape operand, OperatorSpec spec) =>
        spec.Definition.Keys.Any(k => k.Name == "bcast") && spec.Choice("bcast") == operand.Key;

    private static ImmutableArray<OperandShape> Operands(string text)
    {
        var result = ImmutableArray.CreateBuilder<OperandShape>();
        for (int at = 0; ; )
        {
            int open = text.IndexOf('[', at);
            if (open < 0)
            {
                return text[at..].Trim(' ', ',').Length == 0
                    ? result.ToImmutable()
                    : throw new FormatException(
                        $"'{text.Trim()}' is no signature: '{text[at..].Trim(' ', ',')}' has no brackets with its dimensions."
                    );
            }
            int close = text.IndexOf(']', open);
            if (close < 0 || text.IndexOf('[', open + 1, close - open) >= 0)
                throw new FormatException(
                    $"'{text.Trim()}' is no signature: the bracket in '{text[at..(open + 1)].Trim(' ', ',')}' is not closed."
                );
            int end = text.IndexOf('[', close) is > 0 and var next ? text.LastIndexOf(',', next) : text.Length;
            if (end <= close)
                throw new FormatException(
                    $"'{text.Trim()}' is no signature: a comma is missing behind '{text[at..(close + 1)].Trim(' ', ',')}'."
                );
            string[] head = text[at..open].Trim(' ', ',').Split(':');
            string shape = text[(open + 1)..close];
            string more = text[(close + 1)..end].Trim();
            if (more.Contains(','))
                throw new FormatException(
                    $"'{text.Trim()}' is no signature: '{more[(more.LastIndexOf(',') + 1)..].Trim()}' has no brackets with its dimensions."
                );
            bool isOptional = more.Contains('?', StringComparison.Ordinal);
            string flag = isOptional ? more[(more.IndexOf('?') + 1)..] : "";
            bool isForm = shape == "*" || shape.StartsWith("shape", StringComparison.Ordinal);
            result.Add(
                new(
                    head[0],
                    head.Length > 1 ? head[1] : "dtype",
                    isForm || shape.Length == 0 ? [] : [.. shape.Split(',').Select(Dim)],
                    shape,
                    !isOptional ? null
                        : flag.Length > 0 ? flag
                        : head[0],
                    more.StartsWith('~')
                )
            );
            at = end;
        }
    }

    private static OperandDim Dim(string text)
    {
        string[] parts = text.Trim().Split('=');
        string key = parts[0].TrimEnd('?', '.');
        bool isConstant = long.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out long size);
        if (key == "_")
            return new("", OperandDim.Follows, false, false, null);
        return new(
            isConstant ? "" : key,
            size,
            parts[0].Contains("..", StringComparison.Ordinal),
            parts[0].EndsWith('?'),
            parts.Length > 1 ? parts[1] : null
        );
    }
}
