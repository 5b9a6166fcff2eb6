using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Compose;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Tests.Codegen;

namespace Picograd.Tests.Compose;

/// <summary>
/// Calls of any operators on parts of one another's results: at an offset, transposed, repeated, in other shapes, with gaps; some
/// write into a part of what there is. What they compute one after another is known.
/// </summary>
internal sealed class RandomGroup
{
    private const int MostElements = 1500;
    private const int MostSteps = 20000;

    private readonly Random _random;
    private readonly List<GroupValue> _values = [];
    private readonly List<double[]> _before = [];
    private readonly List<double[]> _memory = [];
    private readonly List<GroupCall> _calls = [];
    private readonly SortedSet<int> _written = [];
    private readonly HashSet<int> _given = [];

    public RandomGroup(int seed, int calls, Func<Random, OperatorSpec?> draw)
    {
        _random = new Random(seed);
        for (int attempt = 0; attempt < 20 * calls && _calls.Count < calls; attempt++)
        {
            if (draw(_random) is { } spec && IsSmall(spec.Build()))
                Add(spec);
        }
        // What is written last, and some of the rest.
        int[] results = [.. _written.Where(v => v == _written.Max || _random.Next(3) == 0)];
        _random.Shuffle(results);
        Group = new("random", [.. _values], [.. _calls], [.. results]);
    }

    public CallGroup Group { get; }

    /// <summary>Elements of a value before and after all calls; integers as doubles.</summary>
    public double[] Before(int value) => _before[value];

    public double[] After(int value) => _memory[value];

    /// <summary>An instance of some operator, of its derivative now and then.</summary>
    public static OperatorSpec? Draw(Random random)
    {
        var definition = OperatorLibrary.All[random.Next(OperatorLibrary.All.Length)];
        var specs = RandomSpecs.Of(definition, 2, random.Next()).ToList();
        return specs[random.Next(specs.Count)];
    }

    /// <summary>Elements mostly, some rows and products of the same sizes, as neighbours in a program: something to join.</summary>
    /// <param name="seed">Which sizes.</param>
    /// <param name="others">Whether to have any operator now and then.</param>
    public static Func<Random, OperatorSpec?> Near(int seed, bool others)
    {
        var (r, c) = (seed % 4) switch
        {
            0 => (10, 6),
            1 => (7, 33),
            2 => (1, 17),
            _ => (20, 48),
        };
        int n = r * c;
        string[] texts =
        [
            $"add a={n} b={n}",
            $"mul a={n} b={n}",
            $"mul a={r}x{c} b={c}",
            $"add a={r}x{c} b={r}x1",
            $"tanh n={n}",
            $"relu n={n}",
            $"gelu n={n}",
            $"neg n={n}",
            $"softmax rows={r} cols={c}",
            $"layernorm rows={r} cols={c}",
            $"sum shape={n} axes=0",
            $"sum shape={r}x{c} axes=1",
            $"sum shape={r}x{c} axes=0",
            $"mse_loss n={n}",
            $"matmul m={r} n={c} k={c}",
            $"matmul m={r} n={c} k={r} tb=1",
            $"copy shape={c}x{r} strides=1,{c}",
        ];
        string type = (seed % 7) switch
        {
            4 => " dtype=bf16",
            5 => " dtype=f16",
            6 => " dtype=f64",
            _ => "",
        };
        return random =>
            others && random.Next(8) == 0 ? Draw(random) : OperatorSpec.Parse(texts[random.Next(texts.Length)] + type);
    }

    private static bool IsSmall(Algorithm algorithm) =>
        algorithm.Parameters.IsEmpty
        && algorithm.Arguments.All(b => b.ConstantSize() <= MostElements)
        && algorithm.Stages.All(s =>
            s.Axes.Aggregate(1.0, (n, a) => n * ((IntImm)a.Extent).Value) <= MostSteps
            && s.Values.Sum(v => v.Nodes().Count) < 600
        );

    private void Add(OperatorSpec spec)
    {
        var problem = Problem.Of(spec);
        var algorithm = problem.Algorithm;
        var samples = problem.MakeInputs(_random.Next());
        var operands = new Dictionary<Buffer, GroupOperand>();
        foreach (var input in algorithm.Inputs)
        {
            bool any = problem.DomainOf(input).Kind == DomainKind.Any;
            operands[input] = (any && _random.Next(5) > 0 ? Existing(input) : null) ?? Fresh(input, samples[input]);
        }
        var arrays = algorithm.Inputs.ToDictionary(b => b, b => Gather(b, operands[b]));
        IReadOnlyDictionary<Buffer, NDArray> made;
        try
        {
            made = Evaluator.Run(algorithm, arrays);
        }
        catch (EvaluationException)
        {
            // Divided by zero, or what comes from elsewhere is no index.
            return;
        }
        foreach (var output in algorithm.Outputs)
        {
            operands[output] = algorithm.ReplacedBy(output) is { } replaced
                ? operands[replaced] with
                { }
                : (_random.Next(6) == 0 ? Existing(output, written: true) : null) ?? New(output);
            Scatter(made[output], output, operands[output]);
            _written.Add(operands[output].Value);
        }
        _calls.Add(new(problem, [.. algorithm.Arguments.Select(b => operands[b])]));
    }

    // A part of a value of the type that is large enough.
    private GroupOperand? Existing(Buffer buffer, bool written = false)
    {
        // What an operator has in the memory of its input must not overlap.
        var strides = Strides(buffer, repeated: !written);
        long span = Span(buffer, strides);
        var fitting = Enumerable
            .Range(0, _values.Count)
            .Where(v => _values[v].Type == buffer.Type && _values[v].Count >= span)
            .ToList();
        if (fitting.Count == 0)
        {
            strides = Own(buffer);
            span = Span(buffer, strides);
            fitting =
            [
                .. Enumerable
                    .Range(0, _values.Count)
                    .Where(v => _values[v].Type == buffer.Type && _values[v].Count >= span),
            ];
        }
        // Indices and such hold what they must.
        if (written)
            fitting.RemoveAll(_given.Contains);
        if (fitting.Count == 0)
            return null;
        // Rather what was written last.
        int value = fitting[Math.Max(_random.Next(fitting.Count), _random.Next(fitting.Count))];
        long offset = _random.Next(2) == 0 ? 0 : _random.NextInt64(_values[value].Count - span + 1);
        return new(value, offset, strides.SequenceEqual(Own(buffer)) && _random.Next(2) == 0 ? default : strides);
    }

    private GroupOperand Fresh(Buffer buffer, NDArray sample)
    {
        var strides = Own(buffer);
        _values.Add(new(buffer.Type, Factors(Span(buffer, strides))));
        int value = _values.Count - 1;
        _memory.Add(new double[_values[value].Count]);
        Scatter(sample, buffer, new(value, 0, strides));
        _before.Add([.. _memory[value]]);
        _given.Add(value);
        return new(value);
    }

    // Memory for a result: all of it, or with something in front and behind.
    private GroupOperand New(Buffer buffer)
    {
        bool whole = _random.Next(4) > 0;
        var strides = whole ? Own(buffer) : Strides(buffer, repeated: false);
        long offset = whole ? 0 : _random.Next(4);
        long span = Math.Max(Span(buffer, strides), buffer.Strides.IsDefault ? 0 : 1);
        long count = offset + span + (whole ? 0 : _random.Next(4));
        _values.Add(new(buffer.Type, Factors(count)) { IsNew = true });
        _memory.Add(new double[count]);
        _before.Add(new double[count]);
        return new(_values.Count - 1, offset, strides);
    }

    private static long[] Dims(Buffer buffer) => [.. buffer.Shape.Select(e => ((IntImm)e).Value)];

    private static ImmutableArray<long> Own(Buffer buffer)
    {
        if (!buffer.Strides.IsDefault)
            return buffer.Strides;
        long[] dims = Dims(buffer);
        long[] strides = new long[dims.Length];
        long step = 1;
        for (int d = dims.Length - 1; d >= 0; d--)
        {
            strides[d] = step;
            step *= dims[d];
        }
        return [.. strides];
    }

    // Dimensions in another order, with gaps, or repeated.
    private ImmutableArray<long> Strides(Buffer buffer, bool repeated)
    {
        if (_random.Next(3) == 0)
            return Own(buffer);
        long[] dims = Dims(buffer);
        int[] order = [.. Enumerable.Range(0, dims.Length).Reverse()];
        if (_random.Next(2) == 0)
            _random.Shuffle(order);
        long[] strides = new long[dims.Length];
        long step = _random.Next(4) == 0 ? 2 : 1;
        foreach (int d in order)
        {
            if (repeated && _random.Next(6) == 0)
                continue;
            strides[d] = step;
            step *= Math.Max(1, dims[d]) + (_random.Next(5) == 0 ? 1 : 0);
        }
        return [.. strides];
    }

    private static long Span(Buffer buffer, ImmutableArray<long> strides)
    {
        long[] dims = Dims(buffer);
        return dims.Contains(0) ? 0 : 1 + dims.Zip(strides).Sum(p => (p.First - 1) * p.Second);
    }

    private ImmutableArray<long> Factors(long count)
    {
        var dims = new List<long>();
        for (long rest = count; rest > 1 && dims.Count < 4; )
        {
            long[] divisors = [.. Enumerable.Range(2, (int)rest - 1).Select(d => (long)d).Where(d => rest % d == 0)];
            long next = _random.Next(2) == 0 ? rest : divisors[_random.Next(divisors.Length)];
            dims.Add(next);
            rest /= next;
            if (dims.Count == 4 && rest > 1)
                dims[3] *= rest;
        }
        if (count == 0)
            return [_random.Next(3), 0];
        return dims.Count == 0 && _random.Next(2) == 0 ? [1] : [.. dims];
    }

    private NDArray Gather(Buffer buffer, GroupOperand operand)
    {
        long[] dims = Dims(buffer);
        double[] memory = _memory[operand.Value];
        double[] elements = [.. Places(buffer, operand).Select(p => memory[p])];
        return buffer.Type.IsFloat()
            ? NDArray.Of(buffer.Type, dims, elements)
            : NDArray.Of(buffer.Type, dims, [.. elements.Select(e => (long)e)]);
    }

    private void Scatter(NDArray array, Buffer buffer, GroupOperand operand)
    {
        int i = 0;
        foreach (long place in Places(buffer, operand))
            _memory[operand.Value][place] = array.At(i++);
    }

    private static IEnumerable<long> Places(Buffer buffer, GroupOperand operand)
    {
        long[] dims = Dims(buffer);
        var strides = operand.Strides.IsDefault ? Own(buffer) : operand.Strides;
        long count = dims.Aggregate(1L, (n, d) => n * d);
        for (long i = 0; i < count; i++)
        {
            long place = operand.Offset;
            long rest = i;
            for (int d = dims.Length - 1; d >= 0; d--)
            {
                place += rest % dims[d] * strides[d];
                rest /= dims[d];
            }
            yield return place;
        }
    }
}
