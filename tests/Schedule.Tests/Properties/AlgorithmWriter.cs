using System.Globalization;
using Picograd.Algorithms;

namespace Picograd.Tests.Properties;

/// <summary>Builds the algorithm of a <see cref="Recipe"/>.</summary>
internal sealed class AlgorithmWriter
{
    private readonly Recipe _recipe;
    private readonly Random _random;
    private readonly AlgorithmBuilder _g;
    private readonly Expr[] _extents;
    private readonly List<Value> _values = [];
    private int _inputs;
    private int _axes;

    /// <summary>A buffer and which of the recipe's dimensions it has.</summary>
    private sealed record Value(Buffer Buffer, int[] Dims);

    public AlgorithmWriter(Recipe recipe)
    {
        _recipe = recipe;
        _random = new Random(recipe.Seed);
        _g = new AlgorithmBuilder("random");
        _extents = [.. recipe.Extents.Select(e => (Expr)e)];
        if (recipe.Symbolic)
            _extents[0] = _g.Parameter("P", recipe.Extents[0] + 3);
    }

    private DType Type => _recipe.Type;

    public Algorithm Build()
    {
        int rank = _random.Next(1, 4);
        var last = Input(Enumerable.Range(0, 4).OrderBy(_ => _random.Next()).Take(rank).ToArray());
        var stages = new List<Value>();
        for (int i = 0; i < _recipe.Forms.Length; i++)
        {
            last = Stage($"S{i}", _recipe.Forms[i], last);
            stages.Add(last);
            _values.Add(last);
        }
        var outputs = new List<Buffer> { last.Buffer };
        // Now and then an intermediate is an output too.
        if (_random.Next(4) == 0 && stages.Count > 1)
            outputs.Add(stages[0].Buffer);
        return _g.Build([.. outputs]);
    }

    /// <summary>Exclusive bound of the elements of an index input, which its name ends with: its dimension.</summary>
    public static long RangeOf(Buffer indices, IReadOnlyList<long> extents) =>
        extents[int.Parse(indices.Name[^1..], CultureInfo.InvariantCulture)];

    private Value Stage(string name, Form form, Value source)
    {
        // Every decision is drawn whether or not it is used, see Recipe.
        int at = source.Dims.Length == 0 ? 0 : _random.Next(source.Dims.Length);
        int other = _random.Next(4);
        int choice = _random.Next(1000);
        if (source.Dims.Length == 0 && form != Form.Map)
            form = Form.Broadcast;
        if (source.Dims.Length > 2 && form == Form.Broadcast)
            form = Form.Map;
        return form switch
        {
            Form.Map => Map(name, source, choice),
            Form.Broadcast => Broadcast(name, source, other, choice),
            Form.Transpose => Transpose(name, source, choice),
            Form.Stencil => Stencil(name, source, at, choice),
            Form.Strided => Strided(name, source, at, choice),
            Form.Flatten => Flatten(name, source, choice),
            Form.Reduce or Form.ReduceWhere => Reduce(name, source, at, choice, form == Form.ReduceWhere),
            Form.ArgMax => ArgMax(name, source, at, choice),
            Form.Contract => Contract(name, source, at, other, choice),
            Form.Window => Window(name, source, at, choice),
            Form.Gather => Gather(name, source, at, other),
            Form.Scatter => Scatter(name, source, at, other, choice),
            Form.Pad => Pad(name, source, at, choice),
            Form.Mixture when Type.IsFloat() => Mixture(name, source, at, choice),
            Form.Masked when Type.IsFloat() => Masked(name, source, at, choice),
            _ => Scan(name, source, at, choice),
        };
    }

    private Value Map(string name, Value source, int choice)
    {
        var axes = Axes(source.Dims);
        var x = At(source, axes);
        var second = Operand(source.Dims.Where((_, i) => (choice >> i) % 2 == 0).ToArray(), choice);
        var y = second.Buffer.At([.. second.Dims.Select(d => (Expr)axes[Array.IndexOf(source.Dims, d)].Var)]);
        return new(_g.Stage(name, axes, Mix(x, y, choice)), source.Dims);
    }

    private Value Broadcast(string name, Value source, int dim, int choice)
    {
        int[] dims = [.. source.Dims, dim];
        var axes = Axes(dims);
        var y = Operand([dim], choice);
        return new(_g.Stage(name, axes, Mix(At(source, axes[..^1]), y.Buffer[axes[^1]], choice)), dims);
    }

    private Value Transpose(string name, Value source, int choice)
    {
        var axes = Axes(source.Dims);
        var order = Enumerable.Range(0, axes.Length).OrderBy(i => (i * 7919 + choice) % 13).ToArray();
        Axis[] permuted = [.. order.Select(i => axes[i])];
        return new(_g.Stage(name, permuted, At(source, axes) + One), [.. order.Select(i => source.Dims[i])]);
    }

    private Value Stencil(string name, Value source, int at, int choice)
    {
        var axes = Axes(source.Dims);
        Expr i = axes[at];
        int reach = 1 + choice % 2;
        var before = Op.Select(Op.Le(reach, i), Shifted(source, axes, at, i - reach), Zero);
        var after = Op.Select(Op.Lt(i + 1, axes[at].Extent), Shifted(source, axes, at, i + 1), Zero);
        var sum = before + At(source, axes);
        return new(_g.Stage(name, axes, choice % 3 == 0 ? sum : sum + after), source.Dims);
    }

    // Moved by one, with the border filled in.
    private Value Pad(string name, Value source, int at, int choice)
    {
        var axes = Axes(source.Dims);
        Expr i = axes[at];
        Expr inside = Op.Le(1, i);
        if (choice % 2 == 0)
            inside = Op.And(inside, Op.Lt(i, axes[at].Extent - 1));
        return new(
            _g.Stage(name, axes, Op.Select(inside, Shifted(source, axes, at, i - 1), Op.Const(choice % 3, Type))),
            source.Dims
        );
    }

    private Value Strided(string name, Value source, int at, int choice)
    {
        var axes = Axes(source.Dims);
        Expr i = axes[at];
        Expr value;
        if (choice % 3 == 0)
            value = Shifted(source, axes, at, axes[at].Extent - 1 - i);
        else if (choice % 3 == 1)
            value = Op.Select(Op.Lt(i * 2, axes[at].Extent), Shifted(source, axes, at, i * 2), Zero);
        else
            value = Shifted(source, axes, at, Op.FloorDiv(i, 2)) - Shifted(source, axes, at, Op.Mod(i, 1 + choice % 4));
        // A modulus beyond the extent would leave the buffer.
        if (choice % 3 == 2)
            value = Op.Select(Op.Lt(choice % 4, axes[at].Extent), value, At(source, axes));
        return new(_g.Stage(name, axes, value), source.Dims);
    }

    // One axis over the first two dimensions.
    private Value Flatten(string name, Value source, int choice)
    {
        if (source.Dims.Length < 2 || source.Dims.Contains(0))
            return Map(name, source, choice);
        var (outer, inner) = (_extents[source.Dims[0]], _extents[source.Dims[1]]);
        var flat = NewAxis(outer * inner);
        var rest = Axes(source.Dims[2..]);
        Expr[] index = [Op.FloorDiv(flat, inner), Op.Mod(flat, inner), .. rest.Select(a => (Expr)a.Var)];
        // Its shape is not made of the dimensions, so the stage after it sees the sum over it.
        var made = _g.Stage(name + "f", [flat, .. rest], source.Buffer[index] * Two);
        var along = NewAxis(outer * inner);
        Expr[] back = [along, .. rest.Select(a => (Expr)a.Var)];
        return new(_g.Stage(name, rest, AlgorithmBuilder.Sum(along, made[back])), source.Dims[2..]);
    }

    private Value Reduce(string name, Value source, int at, int choice, bool guarded)
    {
        var axes = Axes(source.Dims);
        // One axis, or two, or all of them.
        var reduced = axes.Where(
                (_, i) => i == at || (choice % 3 == 1 && i == (at + 1) % axes.Length) || choice % 3 == 2
            )
            .ToArray();
        Axis[] kept = [.. axes.Except(reduced)];
        var value = At(source, axes);
        Expr? where = guarded
            ? Op.And(Op.Lt(0, (Expr)reduced[0] + choice % 2), Op.Lt((Expr)reduced[0] + 1, reduced[0].Extent + 1))
            : null;
        var reduction = (choice / 3 % 5) switch
        {
            0 => AlgorithmBuilder.Max(reduced, value, where),
            1 => AlgorithmBuilder.Min(reduced, value, where),
            _ => AlgorithmBuilder.Sum(reduced, value, where),
        };
        return new(_g.Stage(name, kept, reduction), DimsOf(source, axes, kept));
    }

    // Σ w·x / Σ w with w = exp(s − max s); now and then the scores are of another stage, or masked, the same in all rows or
    // up to further and further keys.
    private Value Mixture(string name, Value source, int at, int choice)
    {
        var axes = Axes(source.Dims);
        var key = axes[at];
        Axis[] kept = [.. axes.Except([key])];
        Expr[] row = [.. kept.Select(a => (Expr)a.Var)];
        Expr[] place = [.. axes.Select(a => (Expr)a.Var)];
        var lowest = Op.Const(double.NegativeInfinity, Type);
        var value = At(source, axes);
        Expr seen = choice % 4 == 1 && kept.Length > 0 ? kept[^1].Var + 1 + choice % 3 : 2 + choice % 5;
        var score = choice % 2 == 0 ? value : Op.Select(key.Var < seen, value, lowest);
        if (choice % 3 == 0)
            score = _g.Stage($"{name}.s", axes, score)[place];
        var max = _g.Stage($"{name}.m", kept, AlgorithmBuilder.Max([key], score))[row];
        var shift = Op.Select(Op.Eq(max, lowest), Op.Const(0, Type), max);
        if (choice % 5 < 3)
            shift = _g.Stage($"{name}.n", kept, shift)[row];
        var weight = Op.Exp(score - shift);
        if (choice % 7 < 4)
            weight = _g.Stage($"{name}.e", axes, weight)[place];
        var sum = _g.Stage($"{name}.l", kept, AlgorithmBuilder.Sum(key, weight))[row];
        var mixed = _g.Stage($"{name}.o", kept, AlgorithmBuilder.Sum(key, weight * value))[row];
        return new(_g.Stage(name, kept, mixed / sum), DimsOf(source, axes, kept));
    }

    // Σ of what lies up to a place, further and further from row to row, perhaps by way of a map.
    private Value Masked(string name, Value source, int at, int choice)
    {
        var axes = Axes(source.Dims);
        Axis[] kept = [.. axes.Where((_, i) => i != at)];
        Expr end = choice % 4 == 1 || kept.Length == 0 ? choice % 5 : kept[^1].Var + choice % 3;
        var value = Op.Select(axes[at].Var <= end, At(source, axes), Zero);
        if (choice % 3 == 0)
            value = _g.Stage($"{name}.t", axes, value)[[.. axes.Select(a => (Expr)a.Var)]];
        return new(
            _g.Stage(name, kept, AlgorithmBuilder.Sum(axes[at], value * Op.Const(1 + choice % 2, Type))),
            DimsOf(source, axes, kept)
        );
    }

    private Value ArgMax(string name, Value source, int at, int choice)
    {
        var axes = Axes(source.Dims);
        Axis[] kept = [.. axes.Where((_, i) => i != at)];
        var value = At(source, axes);
        var reduction =
            choice % 2 == 0 ? AlgorithmBuilder.ArgMax(axes[at], value) : AlgorithmBuilder.ArgMin(axes[at], value);
        var made = _g.TupleStage(name, kept, reduction);
        var dims = DimsOf(source, axes, kept);
        // Value and place together, so that neither is dropped.
        var both = Axes(dims);
        var combined = made[0].At(Vars(both)) + Op.Cast(Type, made[1].At(Vars(both)));
        return new(_g.Stage(name + "c", both, combined), dims);
    }

    private Value Contract(string name, Value source, int at, int other, int choice)
    {
        var axes = Axes(source.Dims);
        var k = axes[at];
        var n = NewAxis(_extents[other]);
        var weight = choice % 2 == 0 ? Input([source.Dims[at], other]) : Input([other, source.Dims[at]]);
        var w = choice % 2 == 0 ? weight.Buffer[k, n] : weight.Buffer[n, k];
        Axis[] kept = [.. axes.Where((_, i) => i != at)];
        Axis[] places = choice % 4 < 2 ? [.. kept, n] : [n, .. kept];
        int[] dims = DimsOf(source, axes, kept);
        return new(
            _g.Stage(name, places, AlgorithmBuilder.Sum(k, At(source, axes) * w)),
            choice % 4 < 2 ? [.. dims, other] : [other, .. dims]
        );
    }

    private Value Window(string name, Value source, int at, int choice)
    {
        var axes = Axes(source.Dims);
        int width = 2 + choice % 2;
        var k = NewAxis(width);
        var w = _g.Input($"I{_inputs++}", Type, width);
        Expr i = axes[at].Var + k.Var;
        var inside = Op.Lt(i, axes[at].Extent);
        var tap = Op.Select(inside, Shifted(source, axes, at, i), Zero);
        return new(_g.Stage(name, axes, AlgorithmBuilder.Sum(k, tap * w[k])), source.Dims);
    }

    private Value Gather(string name, Value source, int at, int other)
    {
        var dims = source.Dims.ToArray();
        dims[at] = other;
        var axes = Axes(dims);
        var places = _g.Input($"At{_inputs++}d{source.Dims[at]}", DType.Int64, _extents[other]);
        return new(_g.Stage(name, axes, Shifted(source, axes, at, places[axes[at]])), dims);
    }

    private Value Scatter(string name, Value source, int at, int other, int choice)
    {
        var axes = Axes(source.Dims);
        var places = _g.Input($"At{_inputs++}d{other}", DType.Int64, _extents[source.Dims[at]]);
        var dims = source.Dims.ToArray();
        dims[at] = other;
        var initial = choice % 2 == 0 ? Input(dims).Buffer : null;
        Expr[] indices = [.. axes.Select((a, i) => i == at ? places[a] : (Expr)a.Var)];
        var reducer = choice % 3 == 0 ? Reducer.Max(Type) : Reducer.Sum(Type);
        // From the identity of max, untouched elements would be infinite.
        if (initial is null)
            reducer = Reducer.Sum(Type);
        var made = _g.Scatter(
            name,
            axes,
            [.. dims.Select(d => _extents[d])],
            indices,
            At(source, axes),
            reducer,
            initial
        );
        return new(made, dims);
    }

    private Value Scan(string name, Value source, int at, int choice)
    {
        var axes = Axes(source.Dims);
        var reducer = choice % 2 == 0 ? Reducer.Sum(Type) : Reducer.Max(Type);
        return new(_g.Scan(name, axes, axes[at], At(source, axes), reducer), source.Dims);
    }

    private Expr Mix(Expr x, Expr y, int choice) =>
        (choice / 8 % 6) switch
        {
            0 => x + y,
            1 => x * y,
            2 => Op.Max(x, y),
            3 => x - y * Two,
            4 => Type.IsFloat() ? Op.Tanh(x) + y : x ^ y,
            _ => Op.Select(Op.Lt(y, Zero), x, y),
        };

    // An earlier value of these dimensions, or a new input.
    private Value Operand(int[] dims, int choice)
    {
        var known = _values.Where(v => v.Dims.SequenceEqual(dims)).ToList();
        return known.Count > 0 && choice % 2 == 0 ? known[choice % known.Count] : Input(dims);
    }

    private Value Input(int[] dims) => new(_g.Input($"I{_inputs++}", Type, [.. dims.Select(d => _extents[d])]), dims);

    private Axis[] Axes(int[] dims) => [.. dims.Select(d => NewAxis(_extents[d]))];

    private Axis NewAxis(Expr extent) => new($"a{_axes++}", extent);

    private static int[] DimsOf(Value source, Axis[] axes, Axis[] kept) =>
        [.. kept.Select(a => source.Dims[Array.IndexOf(axes, a)])];

    private static System.Collections.Immutable.ImmutableArray<Expr> Vars(IEnumerable<Axis> axes) =>
        [.. axes.Select(a => (Expr)a.Var)];

    private static Expr At(Value value, Axis[] axes) => value.Buffer.At(Vars(axes));

    private static Expr Shifted(Value value, Axis[] axes, int at, Expr index) =>
        value.Buffer.At([.. axes.Select((a, i) => i == at ? index : (Expr)a.Var)]);

    private Expr Zero => Op.Const(0, Type);

    private Expr One => Op.Const(1, Type);

    private Expr Two => Op.Const(2, Type);
}
