using System.Collections.Immutable;
using Picograd.Algorithms.Operators;

namespace Picograd.Algorithms.Text;

/// <summary>
/// Reads an algorithm. Whatever comes back satisfies what <see cref="AlgorithmBuilder"/> asks for; whatever is wrong is an
/// <see cref="AlgorithmTextException"/>.
/// </summary>
internal sealed partial class AlgorithmParser
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
