using System.Collections.Immutable;
using System.Globalization;
using System.Numerics;
using System.Text;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;

namespace Picograd.Dispatch;

/// <summary>
/// The attributes of an operator as words, by the keys of its definition: [head, one word a dimension or real number, then the numbers
/// of shapes and lists]. The head holds, from its lowest bit, the operator's number, flags, choices (dtypes among them; 0 is not given, n the
/// n-th) and how many numbers each shape and list has. Equal words are equal instances, and the text form is read off them.
/// </summary>
internal sealed class OperatorWords
{
    /// <summary>The largest number of an operator.</summary>
    public const int MostOperators = (1 << IdBits) - 1;

    private const int IdBits = 16;
    private const int CountBits = 3;

    private readonly OperatorDefinition _definition;
    private readonly Dictionary<string, Place> _places = [];
    private readonly Dictionary<string, string> _names = [];

    // Where a key's value stands: a word, or bits of the head. An object: .NET has code for collections of these.
    private sealed record Place(OperatorKey Key, int At, int Width);

    /// <param name="definition">The operator.</param>
    /// <param name="id">Its number.</param>
    /// <param name="attributes">What is the same in every call, as text: <c>reverse=1</c>.</param>
    /// <param name="signature">Its operands.</param>
    public OperatorWords(OperatorDefinition definition, int id, string attributes, OperatorSignature signature)
    {
        _definition = definition;
        Head = id;
        var lists = new List<int>();
        int at = IdBits;
        foreach (var key in definition.Keys)
        {
            if (key.Kind == KeyKind.Names)
                continue;
            if (key.Kind is KeyKind.Dimension or KeyKind.Real)
            {
                _places.Add(key.Name, new(key, Dims++, 0));
                continue;
            }
            int width = key.Kind switch
            {
                KeyKind.Flag => 1,
                KeyKind.Choice => BitOperations.Log2((uint)key.Choices.Length) + 1,
                _ => CountBits,
            };
            _places.Add(key.Name, new(key, at, width));
            if (key.Kind is KeyKind.Shape or KeyKind.List)
                lists.Add(at);
            at += width;
        }
        if (at >= 63)
            throw new InvalidOperationException($"{definition.Name}: its flags and choices take {at} bits of 63.");
        var given = new Dictionary<string, string>();
        foreach (string attribute in attributes.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] pair = attribute.Split('=');
            if (!_places.TryGetValue(pair[0], out var place))
                _names.Add(pair[0], pair[1]);
            else if (place.Key.Kind is KeyKind.Flag or KeyKind.Choice)
                Head |= Bits(pair[0], pair[1]);
            else
                given.Add(pair[0], pair[1]);
        }
        Lists = [.. lists];
        Initial = WordsOf(given);
        if (Has("axis"))
            AxisBits = [Bits("axis", "0"), Bits("axis", "1")];
        Form = signature.Form;
        Inputs = signature.Inputs.Length;
        Operands = [.. signature.Inputs.Concat(signature.Outputs).Select(Plan)];
        for (int i = Inputs; i < Operands.Length; i++)
            Operands[i].Source = Array.FindIndex(Operands, 0, Inputs, o => o.HasShapeOf(Operands[i]));
        Batch = Operands.Select(o => o.Batch).FirstOrDefault(b => b >= 0, -1);
        string[] typeKeys = [.. Operands.Select(o => o.TypeKey).OfType<string>().Distinct()];
        foreach (var operand in Operands)
        {
            operand.Type = Array.IndexOf(typeKeys, operand.TypeKey);
            if (operand.Type >= 0)
                operand.TypeBits =
                    Array.Find(Operands, o => o.Type == operand.Type && o.TypeBits.Length > 0)?.TypeBits
                    ?? TypeBits(operand.TypeKey!);
        }
    }

    /// <summary>The operator's number and the attributes that are the same in every call.</summary>
    public long Head { get; private set; }

    /// <summary>How many words of one value there are: dimensions and real numbers.</summary>
    public int Dims { get; }

    /// <summary>The words behind the head before operands are seen: what is the same in every call, else 0.</summary>
    public long[] Initial { get; }

    public OperandForm Form { get; }

    /// <summary>From which bit on the head says how many numbers each shape and list has, in the order of the keys.</summary>
    public int[] Lists { get; }

    /// <summary>The head's bits for a reduction along rows and along columns.</summary>
    public long[] AxisBits { get; } = [];

    /// <summary>The word of the dimension that operands may lack because they share it; -1 for none.</summary>
    public int Batch { get; } = -1;

    /// <summary>Number of inputs, those that may be missing included.</summary>
    public int Inputs { get; }

    /// <summary>Number of outputs.</summary>
    public int Outputs => Operands.Length - Inputs;

    /// <summary>Inputs, then outputs.</summary>
    public OperandPlan[] Operands { get; }

    /// <summary>Names of the dimensions among the keys.</summary>
    public IEnumerable<string> Dimensions =>
        _places.Values.Where(p => p.Key.Kind == KeyKind.Dimension).Select(p => p.Key.Name);

    /// <summary>The key of a dimension's word.</summary>
    public string DimensionAt(int slot) =>
        _places.Values.First(p => p.Key.Kind == KeyKind.Dimension && p.At == slot).Key.Name;

    /// <summary>The word of a dimension, counted from that behind the head.</summary>
    public int Slot(string key) => _places[key].At;

    /// <summary>The head's bits for a flag or choice.</summary>
    public long Bits(string key, string value)
    {
        var place = _places[key];
        int index = place.Key.Kind == KeyKind.Flag ? (value == "1" ? 1 : 0) : place.Key.Choices.IndexOf(value) + 1;
        return (long)index << place.At;
    }

    /// <summary>Whether the operator has such a key.</summary>
    public bool Has(string key) => _places.ContainsKey(key);

    /// <summary>For each word the key and which of its numbers it is; null for the head.</summary>
    public (OperatorKey Key, int Number)?[] Meanings(ReadOnlySpan<long> words)
    {
        var meanings = new (OperatorKey, int)?[words.Length];
        int next = 1 + Dims;
        foreach (var key in _definition.Keys)
        {
            if (!_places.TryGetValue(key.Name, out var place))
                continue;
            if (key.Kind is KeyKind.Dimension or KeyKind.Real)
                meanings[1 + place.At] = (key, 0);
            else if (key.Kind is KeyKind.Shape or KeyKind.List)
            {
                long numbers = words[0] >> place.At & ((1L << place.Width) - 1);
                for (int i = 0; i < numbers; i++)
                    meanings[next++] = (key, i);
            }
        }
        return meanings;
    }

    /// <summary>The text form of the instance that words stand for.</summary>
    public string Text(ReadOnlySpan<long> words)
    {
        var text = new StringBuilder(_definition.Name);
        int next = 1 + Dims;
        foreach (var key in _definition.Keys)
        {
            if (key.Kind == KeyKind.Names)
            {
                text.Append(_names.TryGetValue(key.Name, out string? names) ? $" {key.Name}={names}" : "");
                continue;
            }
            var (_, at, width) = _places[key.Name];
            long value = key.Kind is KeyKind.Dimension or KeyKind.Real
                ? words[1 + at]
                : words[0] >> at & ((1L << width) - 1);
            if (value == 0)
                continue;
            text.Append(' ').Append(key.Name).Append('=');
            if (key.Kind is KeyKind.Shape or KeyKind.List)
            {
                for (int i = 0; i < value; i++)
                    text.Append(
                            i == 0 ? ""
                            : key.Kind == KeyKind.Shape ? "x"
                            : ","
                        )
                        .Append(words[next++]);
            }
            else if (key.Kind == KeyKind.Real)
                text.Append((BitConverter.Int64BitsToDouble(value) + 0).ToString("R", CultureInfo.InvariantCulture));
            else if (key.Kind == KeyKind.Choice)
                text.Append(key.Choices[(int)value - 1]);
            else
                text.Append(value);
        }
        return text.ToString();
    }

    // Of lists the head says how many numbers there are.
    private long[] WordsOf(Dictionary<string, string> given)
    {
        var words = new List<long>(new long[Dims]);
        foreach (var key in _definition.Keys)
        {
            if (!given.TryGetValue(key.Name, out string? text))
                continue;
            var place = _places[key.Name];
            if (key.Kind == KeyKind.Dimension)
                words[place.At] = long.Parse(text, CultureInfo.InvariantCulture);
            else if (key.Kind == KeyKind.Real)
                // A word of 0 is not given; the other 0 is.
                words[place.At] = BitConverter.DoubleToInt64Bits(
                    double.Parse(text, CultureInfo.InvariantCulture) is not 0 and var real ? real : -0.0
                );
            else
            {
                long[] numbers = [.. text.Split(',').Select(n => long.Parse(n, CultureInfo.InvariantCulture))];
                Head |= (long)numbers.Length << place.At;
                words.AddRange(numbers);
            }
        }
        return [.. words];
    }

    private long[] TypeBits(string key)
    {
        var types = DTypes.All;
        var bits = new long[types.Length];
        foreach (var type in types)
            bits[(int)type] = _places[key].Key.Choices.Contains(type.Name()) ? Bits(key, type.Name()) : -1;
        return bits;
    }

    private OperandPlan Plan(OperandShape operand)
    {
        string name = operand.Key;
        bool broadcasts = Form == OperandForm.Broadcast && Has(name);
        return new OperandPlan
        {
            Shape = operand,
            Fixed = DTypes.Parse(operand.Type),
            Dims = Plan(operand.Dims),
            HasMany = operand.Dims.Any(d => d.Many),
            All = operand.Dims is [{ Many: true, Key: var key }] ? Slot(key) : -1,
            Key = broadcasts ? Array.IndexOf(Lists, _places[name].At) : -1,
            MayRepeat = broadcasts,
            Present = operand.When is { } flag ? Bits(flag, "1") : 0,
            Transposed = operand.Transposable ? Bits("t" + name, "1") : 0,
            Shared =
                operand.Dims.Any(d => d.Optional) && Has("bcast") && operand.Transposable ? Bits("bcast", name) : 0,
        };
    }

    private DimPlan[] Plan(ImmutableArray<OperandDim> dims)
    {
        var plans = new DimPlan[dims.Length];
        for (int d = 0; d < plans.Length; d++)
        {
            var dim = dims[d];
            plans[d] = new(
                dim.Key.Length == 0 ? -1 : Slot(dim.Key),
                checked((int)dim.Constant),
                dim.Many,
                dim.Optional,
                (short)(dim.Default is { } other ? Slot(other) : -1)
            );
        }
        return plans;
    }
}

/// <summary>
/// A dimension of an operand: the word of its key (-1: a constant), and the word whose value it has by default (-1: none). A value:
/// kernels drive what describes a call out of the first cache, so it is to lie in few lines of it.
/// </summary>
internal readonly record struct DimPlan(int Slot, int Constant, bool Many, bool Optional, short Default);

/// <summary>An operand as calls read it.</summary>
internal sealed class OperandPlan
{
    public required OperandShape Shape { get; init; }

    /// <summary>Its dtype where that does not depend on a key.</summary>
    public DType? Fixed { get; init; }

    /// <summary>Which of the operator's keys names its dtype; -1 for none.</summary>
    public int Type { get; set; } = -1;

    /// <summary>That key's bits by dtype; -1 where the operator has no such type.</summary>
    public long[] TypeBits { get; set; } = [];

    /// <summary>Whether several neighbouring dimensions stand under one key.</summary>
    public bool HasMany { get; init; }

    public required DimPlan[] Dims { get; init; }

    /// <summary>The word of the number of its elements, where nothing else of its shape matters; else -1.</summary>
    public int All { get; init; }

    /// <summary>Of operands that broadcast: which of the lists is its shape; -1 for what has the shape of all together.</summary>
    public int Key { get; init; } = -1;

    /// <summary>Whether it may show elements several times, as what is expanded does.</summary>
    public bool MayRepeat { get; init; }

    /// <summary>The head's bit that says that it is there.</summary>
    public long Present { get; init; }

    /// <summary>The head's bit that says that its matrices are stored transposed.</summary>
    public long Transposed { get; init; }

    /// <summary>The head's bits that say that the whole batch shares it.</summary>
    public long Shared { get; init; }

    /// <summary>Of an output: the input that has its shape; -1 for none.</summary>
    public int Source { get; set; } = -1;

    public string? TypeKey => Fixed is null && Shape.Type != OperatorSignature.Computed ? Shape.Type : null;

    /// <summary>The word of a dimension that it may lack; -1 for none.</summary>
    public int Batch => Array.FindIndex(Dims, d => d.Optional) is >= 0 and var at ? Dims[at].Slot : -1;

    public bool HasShapeOf(OperandPlan other) =>
        Dims.Length > 0 && Shape.When is null && !Shape.Transposable && Dims.AsSpan().SequenceEqual(other.Dims);
}
