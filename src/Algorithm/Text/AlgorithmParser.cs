using System.Collections.Immutable;
using Picograd.Algorithms.Operators;

namespace Picograd.Algorithms.Text;

/// <summary>
/// Reads an algorithm. Whatever comes back satisfies what <see cref="AlgorithmBuilder"/> asks for; whatever is wrong is an
/// <see cref="AlgorithmTextException"/>.
/// </summary>
internal sealed class AlgorithmParser
{
    private readonly ExprParser _in;
    private readonly List<Token> _tokens;
    private readonly List<Parameter> _parameters = [];
    private readonly List<Buffer> _inputs = [];
    private readonly List<InputDomain> _domains = [];
    private readonly List<Stage> _stages = [];
    private readonly List<Token> _places = [];
    private readonly Dictionary<string, Reducer> _reducers = [];
    private readonly Dictionary<string, Expr> _parameterWords = [];
    private readonly Dictionary<Var, Interval> _ranges = [];
    private readonly HashSet<string> _names = [];

    public AlgorithmParser(string text)
    {
        _tokens = Lexer.Read(text);
        _in = new ExprParser(_tokens);
    }

    public (Algorithm Algorithm, ImmutableArray<InputDomain> Domains) Parse()
    {
        if (!_in.IsWord("algorithm"))
            throw Wrong(_in.Next, $"a text of an algorithm begins with 'algorithm NAME', not with {_in.Next}");
        _in.Take();
        string name = _in.Next.Kind == TokenKind.LineEnd ? "algorithm" : _in.ExpectName("the algorithm's name").Text;
        EndOfLine();
        ImmutableArray<Buffer>? outputs = null;
        while (_in.Next.Kind != TokenKind.End)
        {
            var at = _in.Next;
            if (outputs is not null)
                throw Wrong(at, "nothing follows the line of outputs");
            if (_in.IsWord("parameter"))
                ReadParameter();
            else if (_in.IsWord("input"))
                ReadInput();
            else if (_in.IsWord("reducer"))
                ReadReducer();
            else if (_in.IsWord("output"))
                outputs = ReadOutputs();
            else
                ReadStage();
            if (Math.Max(_parameters.Count, Math.Max(_inputs.Count, _stages.Count)) > TextLimits.Declarations)
                throw Wrong(at, $"more than {TextLimits.Declarations} of one kind");
        }
        if (outputs is not { } wanted)
            throw Wrong(_in.Next, "the line 'output NAME' is missing");
        var algorithm = new Algorithm(name, [.. _parameters], [.. _inputs], wanted, [.. _stages]);
        CheckUse(algorithm);
        return (algorithm, [.. _domains]);
    }

    private void ReadParameter()
    {
        _in.Take();
        var name = Claim(_in.ExpectName("the parameter's name"));
        ExpectWord("in");
        var at = _in.Next;
        long min = _in.ExpectInteger("the smallest value");
        _in.Expect("..");
        long max = _in.ExpectInteger("the largest value");
        if (min < 0 || max < min)
            throw Wrong(at, FormattableString.Invariant($"bounds satisfy 0 <= smallest <= largest, not {min}..{max}"));
        EndOfLine();
        var parameter = new Parameter(new Var(name), min, max);
        _parameters.Add(parameter);
        _parameterWords[name] = parameter.Var;
        _ranges[parameter.Var] = new Interval(min, max);
    }

    private void ReadInput()
    {
        _in.Take();
        var place = _in.Next;
        string name = Claim(_in.ExpectName("the input's name"));
        _in.Expect(":");
        var type = _in.ExpectType();
        UseParameters();
        _in.Expect("[");
        var shape = Extents(place);
        var (strides, pitches) = Layout(shape.Length);
        var domain = ReadDomain(type);
        EndOfLine();
        var buffer = new Buffer(name, type, shape, strides: strides, pitches: pitches);
        CheckSize(place, buffer);
        _inputs.Add(buffer);
        _domains.Add(domain);
        _in.Buffers[name] = buffer;
    }

    private InputDomain ReadDomain(DType type)
    {
        if (_in.Next.Kind == TokenKind.LineEnd)
            return InputDomain.Any;
        var at = _in.Take();
        if (at is { Kind: TokenKind.Name, Text: DomainText.Below })
        {
            long limit = _in.ExpectInteger("how many values there are");
            if (limit < 1)
                throw Wrong(at, FormattableString.Invariant($"indices below {limit}: there are none"));
            if (!type.IsInteger())
                throw Wrong(at, $"indices are whole numbers, not {type.Name()}");
            return InputDomain.Index(limit);
        }
        if (at.Kind != TokenKind.Name || !DomainText.Words.TryGetValue(at.Text, out var domain))
        {
            throw Wrong(
                at,
                $"{at} says nothing of what an input holds{Spelling.Hint(at.Text, DomainText.Words.Keys)}; allowed are {string.Join(", ", DomainText.Words.Keys)} and {DomainText.Below} N"
            );
        }
        if (!type.IsFloat() && domain.Kind is not (DomainKind.Positive or DomainKind.NonZero))
            throw Wrong(at, $"'{at.Text}' is for floats, not {type.Name()}");
        return domain;
    }

    private void ReadReducer()
    {
        _in.Take();
        var place = _in.ExpectName("the reducer's name");
        if (Reducers.Known.Contains(place.Text))
            throw Wrong(place, $"'{place.Text}' is a reducer that every algorithm has; take another name");
        if (_reducers.ContainsKey(place.Text) || _reducers.Count >= TextLimits.Declarations)
            throw Wrong(place, $"there is a reducer {place} already, or there are too many");
        _in.Words.Clear();
        _in.Expect("(");
        var identity = _in.ListUntil(")");
        if (identity.IsEmpty || identity.Any(e => e is not (IntImm or FloatImm)))
            throw Wrong(place, "a reducer begins with constants, one a component");
        _in.Expect("=");
        int body = _in.At;
        SkipLine();
        _in.Components = [.. identity.Select(e => e.Type)];
        ReadParts();
        int next = _in.At;
        _in.At = body;
        var result = Values();
        EndOfLine();
        _in.At = next;
        _in.Components = null;
        if (result.SelectMany(e => e.Nodes()).Any(n => n is Load))
            throw Wrong(place, "a reducer reads no buffers");
        if (result.Length != identity.Length)
            throw Wrong(place, $"{identity.Length} constants to begin with, but {result.Length} results");
        for (int i = 0; i < result.Length; i++)
        {
            if (result[i].Type != identity[i].Type)
                throw Wrong(
                    place,
                    $"component {i} begins as {identity[i].Type.Name()} but combines to {result[i].Type.Name()}"
                );
        }
        RequireRoom(place, result);
        _reducers[place.Text] = Reducer.Of(place.Text, identity, result);
    }

    private ImmutableArray<Buffer> ReadOutputs()
    {
        _in.Take();
        var outputs = ImmutableArray.CreateBuilder<Buffer>();
        do
        {
            var name = _in.ExpectName("the name of an output");
            if (!_in.Buffers.TryGetValue(name.Text, out var buffer) || _inputs.Contains(buffer))
                throw Wrong(name, $"no stage computes {name}{Spelling.Hint(name.Text, _in.Buffers.Keys)}");
            if (outputs.Contains(buffer))
                throw Wrong(name, $"{name} is an output already");
            outputs.Add(buffer);
        } while (_in.TakeIf(","));
        EndOfLine();
        return outputs.ToImmutable();
    }

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

    // What is computed is used, and what is changed in place is read by nobody else.
    private void CheckUse(Algorithm algorithm)
    {
        var needed = new HashSet<Buffer>(algorithm.Outputs);
        for (int i = _stages.Count - 1; i >= 0; i--)
        {
            if (!_stages[i].Outputs.Any(needed.Contains))
                throw Wrong(_places[i], $"nothing needs {_stages[i].Name}");
            needed.UnionWith(_stages[i].Reads);
        }
        for (int i = 0; i < _stages.Count; i++)
        {
            if (!_stages[i].InPlace)
                continue;
            var place = _stages[i].Initial!;
            bool isRead = _stages
                .SelectMany(
                    (s, n) =>
                        s
                            .Indices.Concat(s.Values)
                            .SelectMany(e => e.Loads())
                            .Select(l => l.Buffer)
                            .Concat(n != i && s.Initial is { } initial ? [initial] : [])
                )
                .Contains(place);
            if (isRead)
                throw Wrong(_places[i], $"{place.Name} is changed in place, so nothing else may read it");
            if (!algorithm.Outputs.Contains(_stages[i].Output))
                throw Wrong(_places[i], $"what is changed in place is an output, which {_stages[i].Name} is not");
        }
    }

    private ImmutableArray<Expr> Values()
    {
        var values = ImmutableArray.CreateBuilder<Expr>();
        do
        {
            values.Add(_in.Expression());
        } while (_in.TakeIf(","));
        return values.ToImmutable();
    }

    private ImmutableArray<Expr> Extents(Token place)
    {
        var at = _in.Next;
        var extents = _in.ListUntil("]");
        if (extents.Length > TextLimits.Rank)
            throw Wrong(place, $"more than {TextLimits.Rank} dimensions");
        return [.. extents.Select(e => Extent(at, e))];
    }

    private Expr Extent(Token at, Expr e)
    {
        _in.Index(at, e);
        if (e.Nodes().Any(n => n is Load) || !e.FreeVars().All(_ranges.ContainsKey))
            throw Wrong(at, $"an extent is made of numbers and parameters, not {e}");
        long least = Interval.Of(e, _ranges).Min;
        if (least < 0)
            throw Wrong(at, $"the extent {e} may be negative");
        return e;
    }

    private (ImmutableArray<long> Strides, ImmutableArray<Expr> Pitches) Layout(int rank)
    {
        var at = _in.Next;
        bool strided = _in.IsWord("strides");
        if (!strided && !_in.IsWord("pitches"))
            return (default, default);
        _in.Take();
        _in.Expect("[");
        var list = Extents(at);
        if (list.Length != rank)
            throw Wrong(at, $"{list.Length} {at.Text} for {rank} dimensions");
        if (!strided)
            return (default, list);
        if (list.Any(e => e is not IntImm))
            throw Wrong(at, "strides are numbers; those of parameters are pitches");
        return ([.. list.Select(e => ((IntImm)e).Value)], default);
    }

    private static void CheckSize(Token place, Buffer buffer)
    {
        if (!buffer.Shape.All(e => e is IntImm))
            return;
        long span = 1;
        long elements = 1;
        for (int d = 0; d < buffer.Rank; d++)
        {
            long extent = ((IntImm)buffer.Shape[d]).Value;
            elements = Saturating.Multiply(elements, extent);
            if (!buffer.Strides.IsDefault)
                span = Saturating.Add(span, Saturating.Multiply(Math.Max(0, extent - 1), buffer.Strides[d]));
        }
        if (Saturating.Multiply(Math.Max(span, elements), buffer.Type.Size()) > OperatorSpec.LargestTensor)
            throw Wrong(
                place,
                $"{buffer} would take more than {OperatorSpec.LargestTensor} bytes, which is the most that a tensor may have"
            );
    }

    private void RequireRoom(Token place, IEnumerable<Expr> exprs)
    {
        if (_in.NodesOf(exprs) > TextLimits.Nodes)
            throw Wrong(place, $"a stage of more than {TextLimits.Nodes} operations and operands, written out");
    }

    private void UseParameters()
    {
        _in.Words.Clear();
        foreach (var (name, parameter) in _parameterWords)
            _in.Words[name] = parameter;
    }

    private string Claim(Token name)
    {
        if (!_names.Add(name.Text))
            throw Wrong(name, $"the name {name} is taken");
        return name.Text;
    }

    private void ExpectWord(string word)
    {
        if (!_in.IsWord(word))
            throw Wrong(_in.Next, $"'{word}' is expected here, not {_in.Next}");
        _in.Take();
    }

    private void EndOfLine()
    {
        if (_in.Next.Kind is not (TokenKind.LineEnd or TokenKind.End))
            throw Wrong(_in.Next, $"{_in.Next} is not expected here");
        _in.Take();
    }

    private static AlgorithmTextException Wrong(Token at, string problem) => ExprParser.Wrong(at, problem);
}
