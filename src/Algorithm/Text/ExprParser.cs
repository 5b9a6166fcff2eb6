using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms.Text;

/// <summary>
/// Reads expressions from tokens. Nodes are made as they are written, without folding, so that what was printed comes back; the
/// types are those that <see cref="Op"/> asks for. A number without a type takes that of the other operand, as in C#.
/// </summary>
internal sealed class ExprParser(List<Token> tokens)
{
    private static readonly Dictionary<string, BinaryOp> Signs = Enum.GetValues<BinaryOp>()
        .Where(op => ExprPrinter.Symbol(op) is not null)
        .ToDictionary(op => ExprPrinter.Symbol(op)!.Value.Symbol);

    private static readonly Dictionary<string, BinaryOp> BinaryFunctions = Enum.GetValues<BinaryOp>()
        .Where(op => ExprPrinter.Symbol(op) is null)
        .ToDictionary(ExprPrinter.NameOf);

    private static readonly Dictionary<string, UnaryOp> UnaryFunctions = Enum.GetValues<UnaryOp>()
        .Where(op => op is not (UnaryOp.Neg or UnaryOp.Not))
        .ToDictionary(ExprPrinter.NameOf);

    private static readonly Dictionary<string, DType> Types = Enum.GetValues<DType>().ToDictionary(t => t.Name());

    private readonly Dictionary<Expr, (int Height, long Nodes)> _sizes = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Expr, string> _written = new(ReferenceEqualityComparer.Instance);
    private int _depth;

    /// <summary>The next token.</summary>
    public int At { get; set; }

    public Token Next => tokens[At];

    /// <summary>What words stand for: axes, parameters, parts.</summary>
    public Dictionary<string, Expr> Words { get; } = [];

    public Dictionary<string, Buffer> Buffers { get; } = [];

    /// <summary>The types of a reducer's components, while its result is read; null elsewhere.</summary>
    public ImmutableArray<DType>? Components { get; set; }

    public static bool IsType(string name) => Types.ContainsKey(name);

    public static AlgorithmTextException Wrong(Token at, string problem) => new(problem, at.Line, at.Column);

    public Token Take()
    {
        var token = tokens[At];
        if (token.Kind != TokenKind.End)
            At++;
        return token;
    }

    public bool IsSign(string sign) => Next.Kind == TokenKind.Sign && Next.Text == sign;

    public bool IsWord(string word) => Next is { Kind: TokenKind.Name, IsQuoted: false } && Next.Text == word;

    public bool TakeIf(string sign)
    {
        if (!IsSign(sign))
            return false;
        At++;
        return true;
    }

    public Token Expect(string sign)
    {
        if (!IsSign(sign))
            throw Wrong(Next, $"'{sign}' is expected here, not {Next}");
        return Take();
    }

    public Token ExpectName(string what)
    {
        if (Next.Kind != TokenKind.Name || (!Next.IsQuoted && !Lexer.IsPlain(Next.Text)))
            throw Wrong(Next, $"{what} is expected here, not {Next}");
        return Take();
    }

    public DType ExpectType()
    {
        if (Next is { Kind: TokenKind.Name, IsQuoted: false } && Types.TryGetValue(Next.Text, out var type))
        {
            At++;
            return type;
        }
        throw Wrong(Next, $"{Next} is no dtype; there are {string.Join(", ", Types.Keys)}");
    }

    /// <summary>A whole number, with its sign.</summary>
    public long ExpectInteger(string what)
    {
        var at = Next;
        string sign = TakeIf("-") ? "-" : "";
        if (
            Next.Kind != TokenKind.Number
            || !long.TryParse(
                sign + Next.Text,
                NumberStyles.AllowLeadingSign,
                CultureInfo.InvariantCulture,
                out long value
            )
        )
            throw Wrong(at, $"{what} is expected here, a whole number of 64 bits, not {Next}");
        At++;
        return value;
    }

    /// <summary>Expressions up to a closing bracket, which is taken too.</summary>
    public ImmutableArray<Expr> ListUntil(string close)
    {
        var list = ImmutableArray.CreateBuilder<Expr>();
        if (TakeIf(close))
            return [];
        do
        {
            list.Add(Expression());
        } while (TakeIf(","));
        Expect(close);
        return list.ToImmutable();
    }

    /// <summary>An expression whose operators bind at least so tightly.</summary>
    public Expr Expression(int least = 0)
    {
        Deepen();
        var left = Operand();
        while (
            Next.Kind == TokenKind.Sign
            && SignOf(Next.Text) is var (op, swapped)
            && ExprPrinter.Symbol(op)!.Value.Level is var level
            && level >= least
        )
        {
            var at = Take();
            var right = Expression(level + 1);
            left = swapped ? Combine(at, op, right, left) : Combine(at, op, left, right);
        }
        _depth--;
        return left;
    }

    /// <summary>An index: an int64.</summary>
    public Expr Index(Token at, Expr e) =>
        e.Type == DTypes.Index ? e : throw Wrong(at, $"an index is an i64, but this is a {e.Type.Name()}");

    /// <summary>How many nodes expressions have, written out.</summary>
    public long NodesOf(IEnumerable<Expr> exprs) =>
        exprs.Aggregate(0L, (sum, e) => Saturating.Add(sum, SizeOf(e).Nodes));

    // Of "a > b" the operands change places.
    private static (BinaryOp Op, bool Swapped)? SignOf(string sign) =>
        Signs.TryGetValue(sign, out var op) ? (op, false)
        : sign == ">" ? (BinaryOp.Lt, true)
        : sign == ">=" ? (BinaryOp.Le, true)
        : null;

    private void Deepen()
    {
        if (++_depth > 2 * TextLimits.Nesting)
            throw Wrong(Next, "the expression nests too deep; give parts of it names");
    }

    private Expr Operand()
    {
        var at = Take();
        if (at.Kind == TokenKind.Number)
            return Number(at, "");
        if (at is { Kind: TokenKind.Name, IsQuoted: false } && Special(at, "") is { } special)
            return special;
        if (at.Kind == TokenKind.Name)
            return IsSign("(") && !at.IsQuoted ? Call(at) : Named(at);
        if (at.Kind == TokenKind.Sign && at.Text == "(")
        {
            var inner = Expression();
            Expect(")");
            return inner;
        }
        if (at.Kind == TokenKind.Sign && at.Text is "-" or "!")
        {
            if (at.Text == "-" && Next.Kind == TokenKind.Number)
                return Number(Take(), "-");
            if (
                at.Text == "-"
                && Next is { Kind: TokenKind.Name, IsQuoted: false }
                && Special(Next, "-") is { } special2
            )
            {
                At++;
                return special2;
            }
            Deepen();
            var operand = Operand();
            _depth--;
            return at.Text == "!"
                ? Made(at, Need(operand.Type == DType.Bool, new Unary(UnaryOp.Not, operand)), "'!' needs a bool")
                : Made(at, Need(operand.Type != DType.Bool, new Unary(UnaryOp.Neg, operand)), "'-' needs a number");
        }
        throw Wrong(at, $"an expression is expected here, not {at}");
    }

    private static Expr? Need(bool condition, Expr made) => condition ? made : null;

    private Expr Made(Token at, Expr? made, string problem) =>
        made is null ? throw Wrong(at, problem) : Sized(at, made);

    private Expr Number(Token at, string sign)
    {
        int end = at.Text.Length;
        string? suffix = Types.Keys.Where(t => at.Text.EndsWith(t, StringComparison.Ordinal)).MaxBy(t => t.Length);
        if (suffix is not null)
            end -= suffix.Length;
        string digits = sign + at.Text[..end];
        bool isWhole = at.Text.AsSpan(0, end).IndexOfAny('.', 'e', 'E') < 0;
        var type = suffix is null ? (isWhole ? DTypes.Index : DType.Float32) : Types[suffix];
        if (type == DType.Bool)
            throw Wrong(at, "a bool is true or false");
        Expr? made = type.IsFloat() ? Float(digits, type) : Whole(digits, type);
        if (made is null)
        {
            throw Wrong(
                at,
                type.IsFloat() || !isWhole
                    ? $"{sign}{at.Text} is no number of type {type.Name()}"
                    : $"{sign}{at.Text} is no whole number that {type.Name()} holds"
            );
        }
        if (suffix is null)
            _written[made] = digits;
        return made;
    }

    private static FloatImm? Float(string digits, DType type)
    {
        const NumberStyles style =
            NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        if (type == DType.Float32)
        {
            return
                float.TryParse(digits, style, CultureInfo.InvariantCulture, out float single) && float.IsFinite(single)
                ? new FloatImm(single, type)
                : null;
        }
        return double.TryParse(digits, style, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value)
            ? new FloatImm(value, type)
            : null;
    }

    private static IntImm? Whole(string digits, DType type)
    {
        if (!long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value))
            return null;
        return type.IsInteger() && type.Info().Wrap(value) != value ? null : new IntImm(value, type);
    }

    // true, false, Infinity, NaN, and the last two with a type and bits.
    private static Expr? Special(Token at, string sign)
    {
        if (sign.Length == 0 && at.Text is "true" or "false")
            return at.Text == "true" ? Op.True : Op.False;
        string[] parts = at.Text.Split('.');
        if (parts[0] is not ("Infinity" or "NaN"))
            return null;
        var type = DType.Float32;
        if (parts.Length > 1 && (!Types.TryGetValue(parts[1], out type) || !type.IsFloat()))
            throw Wrong(at, $"'{parts[1]}' is no float type");
        if (parts is ["NaN", _, var hex] && sign.Length == 0)
        {
            if (
                long.TryParse(hex, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out long bits)
                && double.IsNaN(BitConverter.Int64BitsToDouble(bits))
            )
                return new FloatImm(BitConverter.Int64BitsToDouble(bits), type);
            throw Wrong(at, $"'{hex}' are not the bits of a NaN as a float64, in hexadecimal");
        }
        if (parts.Length > 2 || (sign.Length > 0 && parts[0] == "NaN"))
            throw Wrong(at, $"{at} is no number");
        double value =
            parts[0] == "NaN" ? double.NaN
            : sign.Length > 0 ? double.NegativeInfinity
            : double.PositiveInfinity;
        return new FloatImm(value, type);
    }

    private Expr Named(Token at)
    {
        if (TakeIf("["))
        {
            if (!Buffers.TryGetValue(at.Text, out var buffer))
                throw Wrong(at, $"there is no buffer {at} before this{Spelling.Hint(at.Text, Buffers.Keys)}");
            var first = Next;
            var indices = ListUntil("]");
            if (indices.Length != buffer.Rank)
                throw Wrong(at, $"{buffer.Name} has {buffer.Rank} dimensions and was indexed with {indices.Length}");
            foreach (var index in indices)
                Index(first, index);
            return Sized(at, new Load(buffer, indices));
        }
        if (Components is { } types && !Words.ContainsKey(at.Text))
            return Component(at, types);
        if (!at.IsQuoted && !Lexer.IsPlain(at.Text))
            throw Wrong(at, $"an expression is expected here, not {at}");
        if (Words.TryGetValue(at.Text, out var known))
            return known;
        string all = Words.Count == 0 ? "nothing" : string.Join(", ", Words.Keys.Take(20));
        string hint = Spelling.Hint(at.Text, Words.Keys);
        throw Wrong(at, $"{at} is not known here{(hint.Length > 0 ? hint : $"; known are {all}")}");
    }

    private static Expr Component(Token at, ImmutableArray<DType> types)
    {
        string[] parts = at.Text.Split('.');
        if (
            parts is [var which and ("acc" or "new"), var digits]
            && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int i)
            && i < types.Length
        )
            return new ReducerArg(which == "new", i, types[i]);
        throw Wrong(
            at,
            $"{at} is not known in a reducer; known are acc.0 to acc.{types.Length - 1}, what was combined so far, and new.0 to new.{types.Length - 1}"
        );
    }

    private Expr Call(Token at)
    {
        Expect("(");
        var first = Next;
        var operands = ListUntil(")");
        string name = at.Text;
        if (Types.TryGetValue(name, out var to))
        {
            Count(at, operands, 1);
            return Sized(at, new Cast(to, operands[0]));
        }
        if (name.StartsWith("bitcast.", StringComparison.Ordinal) && Types.TryGetValue(name[8..], out var of))
        {
            Count(at, operands, 1);
            var from = operands[0].Type;
            if (from == DType.Bool || of == DType.Bool || from.Size() != of.Size())
                throw Wrong(at, $"the bits of a {from.Name()} are no {of.Name()}");
            return Sized(at, new Bitcast(of, operands[0]));
        }
        if (UnaryFunctions.TryGetValue(name, out var unary))
        {
            Count(at, operands, 1);
            Checked(at, () => Op.Call(unary, operands[0]));
            return Sized(at, new Unary(unary, operands[0]));
        }
        if (BinaryFunctions.TryGetValue(name, out var binary))
        {
            Count(at, operands, 2);
            return Combine(at, binary, operands[0], operands[1]);
        }
        if (name == "select")
        {
            Count(at, operands, 3);
            if (operands[0].Type != DType.Bool)
                throw Wrong(first, $"select needs a bool, not a {operands[0].Type.Name()}");
            var (then, otherwise) = Matched(at, operands[1], operands[2], name);
            return Sized(at, new Select(operands[0], then, otherwise));
        }
        if (name == "fma")
        {
            Count(at, operands, 3);
            var (a, b) = Matched(at, operands[0], operands[1], name);
            (b, var c) = Matched(at, b, operands[2], name);
            if (!c.Type.IsFloat())
                throw Wrong(at, $"fma needs floats, not {c.Type.Name()}");
            return Sized(at, new Fma(a, b, c));
        }
        if (ScalarFunctions.FindOrOwn(name) is { UnaryNode: null, BinaryNode: null } function)
        {
            Count(at, operands, function.Arity);
            var (x, last) = (operands.ToArray(), operands.Length - 1);
            for (int i = 0; i < last; i++)
                (x[i], x[last]) = Matched(at, x[i], x[last], name);
            Expr? made = null;
            Checked(at, () => made = Op.Call(function, x));
            return Sized(at, made!);
        }
        var known = UnaryFunctions
            .Keys.Concat(BinaryFunctions.Keys)
            .Concat(ScalarFunctions.All.Where(f => f is { UnaryNode: null, BinaryNode: null }).Select(f => f.Name))
            .Concat(Types.Keys)
            .Concat(["select", "fma"]);
        string hint = Spelling.Hint(name, known);
        throw Wrong(
            at,
            $"there is no function {at}"
                + (
                    hint.Length > 0
                        ? hint
                        : "; one of a program's own is read by that program alone, unless it is composed or has an expansion for the dtype"
                )
        );
    }

    private static void Count(Token at, ImmutableArray<Expr> operands, int count)
    {
        if (operands.Length != count)
            throw Wrong(at, $"{at.Text} takes {count} operand{(count == 1 ? "" : "s")}, not {operands.Length}");
    }

    private Expr Combine(Token at, BinaryOp op, Expr a, Expr b)
    {
        string sign = ExprPrinter.Symbol(op)?.Symbol ?? ExprPrinter.NameOf(op);
        (a, b) = Matched(at, a, b, sign);
        bool isArithmetic =
            op is BinaryOp.Add or BinaryOp.Sub or BinaryOp.Mul or BinaryOp.Div or BinaryOp.FloorDiv or BinaryOp.Mod;
        if (isArithmetic && a.Type == DType.Bool)
            throw Wrong(at, $"'{sign}' needs numbers, not bools");
        if (op == BinaryOp.Div && !a.Type.IsFloat())
            throw Wrong(at, $"'/' divides floats, not {a.Type.Name()}; '//' divides whole numbers, rounding down");
        if (op is BinaryOp.FloorDiv or BinaryOp.Mod)
        {
            if (a.Type.IsFloat())
                throw Wrong(at, $"'{sign}' divides whole numbers, not {a.Type.Name()}");
            if (b is IntImm { Value: <= 0 } divisor)
                throw Wrong(at, $"the divisor is {divisor.Value}, but must be positive");
        }
        else
            Checked(at, () => ExprRewriter.Rebuild(op, a, b));
        return Sized(at, new Binary(op, a, b));
    }

    // What Op refuses; its result is folded, and not wanted.
    private static void Checked(Token at, Func<Expr> make)
    {
        try
        {
            make();
        }
        catch (ArgumentException e)
        {
            throw Wrong(at, e.Message.Split('\n')[0]);
        }
    }

    private (Expr, Expr) Matched(Token at, Expr a, Expr b, string what)
    {
        if (a.Type == b.Type)
            return (a, b);
        if (Adopted(b, a.Type) is { } right)
            return (a, right);
        if (Adopted(a, b.Type) is { } left)
            return (left, b);
        throw Wrong(
            at,
            $"'{what}' needs operands of one type, not {a.Type.Name()} and {b.Type.Name()}; {b.Type.Name()}(…) or {a.Type.Name()}(…) converts"
        );
    }

    // A number without a type as one of another type, read again from its digits.
    private Expr? Adopted(Expr e, DType type)
    {
        if (type == DType.Bool || !_written.TryGetValue(e, out string? digits))
            return null;
        return type.IsFloat() ? Float(digits, type)
            : e is IntImm ? Whole(digits, type)
            : null;
    }

    private (int Height, long Nodes) SizeOf(Expr e) => _sizes.GetValueOrDefault(e, (0, 1L));

    private Expr Sized(Token at, Expr e)
    {
        int height = 0;
        long nodes = 1;
        foreach (var child in e.Children())
        {
            var (below, count) = SizeOf(child);
            height = Math.Max(height, below + 1);
            nodes = Saturating.Add(nodes, count);
        }
        if (height > TextLimits.Height)
            throw Wrong(at, $"more than {TextLimits.Height} operations above one another");
        if (nodes > TextLimits.Nodes)
            throw Wrong(at, $"an expression of more than {TextLimits.Nodes} operations and operands, written out");
        _sizes[e] = (height, nodes);
        return e;
    }
}
