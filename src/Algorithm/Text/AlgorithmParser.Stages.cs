using System.Collections.Immutable;
using Picograd.Algorithms.Operators;

namespace Picograd.Algorithms.Text;

// Stages: axes, targets, bodies.
internal sealed partial class AlgorithmParser
{
    private sealed record Target(Token Name, ImmutableArray<Expr> Indices, DType? Type, ImmutableArray<Expr> Shape)
    {
        public ImmutableArray<long> Strides { get; init; }

        public ImmutableArray<Expr> Pitches { get; init; }
    }

    private void ReadStage()
    {
        var place = _in.Next;
        int start = _in.At;
        // Axes and parts stand behind what is made of them.
        int over = EndOfBody();
        _in.At = over;
        UseParameters();
        var axes = ReadAxes();
        ReadParts();
        int next = _in.At;
        _in.At = start;
        var targets = ReadTargets();
        var (kind, reducer, values, initial, isInPlace) = ReadBody(place, targets);
        if (_in.At != over)
            throw Wrong(_in.Next, $"{_in.Next} is not expected here");
        _in.At = next;

        var indices = targets[0].Indices;
        if (targets.Any(t => !t.Indices.AsSpan().SequenceEqual(indices.AsSpan())))
            throw Wrong(place, "all outputs of a stage are written at the same place");
        CheckAxes(place, kind, reducer, axes, indices);
        RequireRoom(place, indices.Concat(values));
        var extents = axes.Where(a => a.Kind != AxisKind.Reduce).Select(a => a.Extent).ToImmutableArray();
        var outputs = ImmutableArray.CreateBuilder<Buffer>();
        for (int o = 0; o < targets.Length; o++)
            outputs.Add(MakeOutput(targets[o], kind, values[o], extents, initial, isInPlace));
        string name = StageName(targets);
        if (initial is not null && (initial.Type != outputs[0].Type || !initial.Shape.SequenceEqual(outputs[0].Shape)))
            throw Wrong(place, $"it starts from {initial}, which is not like {outputs[0]}");
        foreach (var output in outputs)
            _in.Buffers[output.Name] = output;
        _stages.Add(
            new Stage(name, kind, axes, outputs.ToImmutable(), indices, values, reducer)
            {
                Initial = initial,
                InPlace = isInPlace,
            }
        );
        _places.Add(place);
    }

    // Up to 'over', or the end of the line.
    private int EndOfBody()
    {
        int depth = 0;
        for (int i = _in.At; ; i++)
        {
            var token = _tokens[i];
            if (token.Kind is TokenKind.LineEnd or TokenKind.End)
                return i;
            if (token.Kind == TokenKind.Sign)
                depth +=
                    token.Text is "(" or "[" ? 1
                    : token.Text is ")" or "]" ? -1
                    : 0;
            if (depth == 0 && token is { Kind: TokenKind.Name, Text: "over", IsQuoted: false })
                return i;
        }
    }

    private void SkipLine()
    {
        while (_in.Next.Kind is not (TokenKind.LineEnd or TokenKind.End))
            _in.Take();
        EndOfLine();
    }

    private ImmutableArray<Axis> ReadAxes()
    {
        var axes = ImmutableArray.CreateBuilder<Axis>();
        if (_in.IsWord("over"))
        {
            _in.Take();
            do
            {
                var name = _in.ExpectName("the name of an axis");
                if (_parameterWords.ContainsKey(name.Text) || axes.Any(a => a.Name == name.Text))
                    throw Wrong(name, $"{name} is the name of something else");
                if (axes.Count >= TextLimits.Rank)
                    throw Wrong(name, $"more than {TextLimits.Rank} axes");
                var sign = _in.Expect("<");
                // Comparisons bind less tightly than what an extent is made of.
                var extent = Extent(sign, _in.Expression(5));
                var kind =
                    _in.IsWord("reduce") ? AxisKind.Reduce
                    : _in.IsWord("ordered") ? AxisKind.Ordered
                    : AxisKind.Spatial;
                if (kind != AxisKind.Spatial)
                    _in.Take();
                axes.Add(new Axis(name.Text, extent, kind));
            } while (_in.TakeIf(","));
        }
        EndOfLine();
        foreach (var axis in axes)
            _in.Words[axis.Name] = axis.Var;
        return axes.ToImmutable();
    }

    // The lines 'where NAME = …', which may use those before.
    private void ReadParts()
    {
        while (_in.IsWord("where"))
        {
            _in.Take();
            var name = _in.ExpectName("the name of a part");
            if (_in.Words.ContainsKey(name.Text))
                throw Wrong(name, $"{name} is the name of something else");
            _in.Expect("=");
            var part = _in.Expression();
            EndOfLine();
            _in.Words[name.Text] = part;
        }
    }

    private ImmutableArray<Target> ReadTargets()
    {
        var targets = ImmutableArray.CreateBuilder<Target>();
        do
        {
            var name = _in.ExpectName(
                "a statement: parameter, input, reducer, output, or the name of what is computed"
            );
            _in.Expect("[");
            var at = _in.Next;
            var indices = _in.ListUntil("]");
            foreach (var index in indices)
                _in.Index(at, index);
            if (indices.Length > TextLimits.Rank)
                throw Wrong(name, $"more than {TextLimits.Rank} dimensions");
            DType? type = _in.TakeIf(":") ? _in.ExpectType() : null;
            ImmutableArray<Expr> shape = default;
            if (_in.IsWord("shape"))
            {
                _in.Take();
                _in.Expect("[");
                shape = Extents(name);
                if (shape.Length != indices.Length)
                    throw Wrong(name, $"{shape.Length} dimensions but {indices.Length} indices");
            }
            var (strides, pitches) = Layout(indices.Length);
            Claim(name);
            targets.Add(new Target(name, indices, type, shape) { Strides = strides, Pitches = pitches });
        } while (_in.TakeIf(","));
        _in.Expect("=");
        return targets.ToImmutable();
    }

    private (StageKind, Reducer?, ImmutableArray<Expr>, Buffer? Initial, bool InPlace) ReadBody(
        Token place,
        ImmutableArray<Target> targets
    )
    {
        var at = _in.Next;
        string[] words = at is { Kind: TokenKind.Name, IsQuoted: false } ? at.Text.Split('.', 2) : [];
        StageKind kind = words is [var first, _]
            ? first switch
            {
                "reduce" => StageKind.Reduce,
                "scan" => StageKind.Scan,
                "scatter" => StageKind.Scatter,
                _ => StageKind.Map,
            }
            : StageKind.Map;
        if (kind == StageKind.Map)
        {
            var mapped = Values();
            RequireValues(place, mapped, targets.Length);
            return (kind, null, mapped, null, false);
        }
        _in.Take();
        _in.Expect("(");
        var values = _in.ListUntil(")");
        RequireValues(place, values, targets.Length);
        var type = values[0].Type;
        var reducer =
            _reducers.GetValueOrDefault(words[1])
            ?? Reducers.Find(words[1], type)
            ?? throw Wrong(
                at,
                Reducers.Known.Contains(words[1])
                    ? $"there is no {words[1]} of {type.Name()}"
                    : $"there is no reducer '{words[1]}' before this{Spelling.Hint(words[1], Reducers.Known.Concat(_reducers.Keys))}"
            );
        if (reducer.Arity != values.Length)
            throw Wrong(at, $"{words[1]} takes {reducer.Arity} values, not {values.Length}");
        for (int i = 0; i < values.Length; i++)
        {
            if (reducer.Identity[i].Type != values[i].Type)
                throw Wrong(
                    at,
                    $"component {i} of {words[1]} is a {reducer.Identity[i].Type.Name()}, its value a {values[i].Type.Name()}"
                );
        }
        if (kind != StageKind.Reduce && values.Length != 1)
            throw Wrong(at, $"a {words[0]} combines one value, not {values.Length}");
        if (kind != StageKind.Scatter)
            return (kind, reducer, values, null, false);
        Buffer? initial = null;
        bool isInPlace = false;
        if (_in.IsWord("from"))
        {
            _in.Take();
            var name = _in.ExpectName("the name of a buffer");
            if (!_in.Buffers.TryGetValue(name.Text, out initial))
                throw Wrong(name, $"there is no buffer {name} before this{Spelling.Hint(name.Text, _in.Buffers.Keys)}");
            if (_in.IsWord("in"))
            {
                _in.Take();
                ExpectWord("place");
                isInPlace = true;
                if (!_inputs.Contains(initial))
                    throw Wrong(name, "only an input can be changed in place");
            }
        }
        return (kind, reducer, values, initial, isInPlace);
    }

    private static void RequireValues(Token place, ImmutableArray<Expr> values, int count)
    {
        if (values.Length != count)
            throw Wrong(place, $"{count} outputs, but {values.Length} values");
    }

    private Buffer MakeOutput(
        Target target,
        StageKind kind,
        Expr value,
        ImmutableArray<Expr> extents,
        Buffer? initial,
        bool isInPlace
    )
    {
        var type = target.Type ?? value.Type;
        if (type != value.Type && (kind != StageKind.Map || !type.IsFloat() || !value.Type.IsFloat()))
            throw Wrong(
                target.Name,
                $"a value of type {value.Type.Name()} cannot be stored as {type.Name()}; {type.Name()}(…) converts it"
            );
        if (kind == StageKind.Scatter == target.Shape.IsDefault)
            throw Wrong(
                target.Name,
                kind == StageKind.Scatter
                    ? "the output of a scatter says its shape: NAME[…] shape[…] = …"
                    : "the shape follows from the axes"
            );
        if (isInPlace && !(target.Strides.IsDefault && target.Pitches.IsDefault))
            throw Wrong(target.Name, "what is changed in place lies as it did");
        var output = new Buffer(
            target.Name.Text,
            type,
            target.Shape.IsDefault ? extents : target.Shape,
            strides: isInPlace ? initial!.Strides : target.Strides,
            pitches: isInPlace ? initial!.Pitches : target.Pitches
        );
        CheckSize(target.Name, output);
        return output;
    }

    private static string StageName(ImmutableArray<Target> targets)
    {
        string first = targets[0].Name.Text;
        if (targets.Length == 1)
            return first;
        string name = first.EndsWith(".0", StringComparison.Ordinal) ? first[..^2] : "";
        for (int o = 0; o < targets.Length; o++)
        {
            if (name.Length == 0 || targets[o].Name.Text != FormattableString.Invariant($"{name}.{o}"))
                throw Wrong(targets[o].Name, "several outputs of a stage are called NAME.0, NAME.1, …");
        }
        return name;
    }

    private static void CheckAxes(
        Token place,
        StageKind kind,
        Reducer? reducer,
        ImmutableArray<Axis> axes,
        ImmutableArray<Expr> indices
    )
    {
        if (kind == StageKind.Scatter)
        {
            var repeats = reducer!.IsLast ? AxisKind.Ordered : AxisKind.Reduce;
            foreach (var axis in axes)
            {
                var expected = indices.Any(i => i == axis.Var) ? AxisKind.Spatial : repeats;
                if (axis.Kind != expected)
                    throw Wrong(
                        place,
                        $"axis {axis.Name} is {Word(axis.Kind)}, but of this scatter must be {Word(expected)}"
                    );
            }
            return;
        }
        var allowed = kind switch
        {
            StageKind.Reduce => AxisKind.Reduce,
            StageKind.Scan => AxisKind.Ordered,
            _ => AxisKind.Spatial,
        };
        if (axes.FirstOrDefault(a => a.Kind != AxisKind.Spatial && a.Kind != allowed) is { } other)
            throw Wrong(place, $"a {kind.ToString().ToLowerInvariant()} has no {Word(other.Kind)} axis {other.Name}");
        if (kind == StageKind.Scan && axes.Count(a => a.Kind == AxisKind.Ordered) != 1)
            throw Wrong(place, "a scan has one ordered axis");
        var own = axes.Where(a => a.Kind != AxisKind.Reduce).Select(a => (Expr)a.Var).ToArray();
        if (!indices.AsSpan().SequenceEqual(own))
            throw Wrong(
                place,
                $"the output is indexed by the axes, in order: [{string.Join(", ", own.Select(a => a.ToString()))}]"
            );
    }

    private static string Word(AxisKind kind) => kind.ToString().ToLowerInvariant();
}
