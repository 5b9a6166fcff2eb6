using System.Collections.Immutable;
using Picograd.Algorithms.Operators;

namespace Picograd.Algorithms.Compose;

/// <summary>
/// Makes one algorithm of calls that run one after another: what they pass on becomes stages, views become index expressions, and
/// writing into a part of a value makes the value anew. The algorithm is the same, but for names, for every order of independent calls.
/// </summary>
public static class Joiner
{
    /// <summary>Joins the calls of a group.</summary>
    /// <exception cref="JoinException">They are no algorithm: what is said why.</exception>
    public static JoinedGroup Join(CallGroup group)
    {
        ArgumentNullException.ThrowIfNull(group);
        return new Joining(group).Run();
    }

    private sealed class Joining(CallGroup group)
    {
        private readonly Content?[] _contents = new Content?[group.Values.Length];
        private readonly Buffer?[] _inputs = new Buffer?[group.Values.Length];
        private readonly InputDomain[] _domains = [.. Enumerable.Repeat(InputDomain.Any, group.Values.Length)];
        private readonly List<Stage> _stages = [];

        public JoinedGroup Run()
        {
            foreach (var (call, i) in group.Calls.Select((c, i) => (c, i)))
            {
                try
                {
                    Add(call);
                }
                catch (JoinException e)
                {
                    throw new JoinException($"call {i}, {call.Problem}: {e.Message}", e);
                }
            }
            var results = new List<(int Value, Buffer Buffer)>();
            foreach (int value in group.Results.Distinct())
                results.Add((value, Result(value)));
            if (results.Count == 0)
                throw new JoinException("nothing is read afterwards, so there is nothing to compute");
            var given = _inputs
                .Select((b, value) => (Value: value, Buffer: b))
                .Where(i => i.Buffer is not null)
                .Select(i => new StageList.Given(i.Buffer!, i.Value, _domains[i.Value]))
                .ToList();
            return StageList.Shorten(group.Name, _stages, given, results);
        }

        private void Add(GroupCall call)
        {
            var algorithm = call.Problem.Algorithm;
            if (!algorithm.Parameters.IsEmpty)
                throw new JoinException("groups are of constant extents");
            var arguments = algorithm.Arguments;
            if (call.Operands.Length != arguments.Length)
                throw new JoinException(
                    $"it has {arguments.Length} arguments, and {call.Operands.Length} operands are given"
                );
            var places = new Dictionary<Buffer, View>();
            for (int i = 0; i < arguments.Length; i++)
            {
                var view = Checked(arguments[i], call.Operands[i]);
                if (i >= algorithm.Inputs.Length)
                    continue;
                places[arguments[i]] = view with { Content = Held(view.Value) };
                _domains[view.Value] = Narrower(_domains[view.Value], call.Problem.Domains[i], _inputs[view.Value]);
            }
            var made = new Dictionary<Buffer, Content>();
            foreach (var stage in algorithm.Stages)
                Add(stage, places, made);
            for (int i = algorithm.Inputs.Length; i < arguments.Length; i++)
                Assign(Checked(arguments[i], call.Operands[i]), made[arguments[i]]);
        }

        // What a call may take from a value; its content is that of now.
        private sealed record View(int Value, long Offset, ImmutableArray<long> Dims, ImmutableArray<long> Strides)
        {
            public Content? Content { get; init; }
        }

        private View Checked(Buffer argument, GroupOperand operand)
        {
            if (operand.Value < 0 || operand.Value >= group.Values.Length)
                throw new JoinException($"{argument.Name} is value {operand.Value} of {group.Values.Length}");
            var value = group.Values[operand.Value];
            if (value.Type != argument.Type)
                throw new JoinException(
                    $"{argument.Name} is of {argument.Type.Name()}, and value {operand.Value} of {value.Type.Name()}"
                );
            var dims = ViewIndex.Dims(argument);
            var strides =
                !operand.Strides.IsDefault ? operand.Strides
                : !argument.Strides.IsDefault ? argument.Strides
                : ViewIndex.DenseStrides(dims);
            if (strides.Length != dims.Length)
                throw new JoinException(
                    $"{argument.Name} has {dims.Length} dimensions, and {strides.Length} strides are given"
                );
            if (strides.Any(s => s < 0))
                throw new JoinException($"{argument.Name} is read backwards (strides {string.Join(", ", strides)})");
            if (!dims.Contains(0))
            {
                long last = operand.Offset + dims.Zip(strides).Sum(p => (p.First - 1) * p.Second);
                if (operand.Offset < 0 || last >= value.Count)
                    throw new JoinException(
                        $"{argument.Name} reaches from element {operand.Offset} to {last} of value {operand.Value}, which has {value.Count}"
                    );
            }
            return new(operand.Value, operand.Offset, dims, strides);
        }

        private static InputDomain Narrower(InputDomain a, InputDomain b, Buffer? input) =>
            input is null || b.Kind == DomainKind.Any ? a
            : a.Kind == DomainKind.Any ? b
            : a.Kind == DomainKind.Index && b.Kind == DomainKind.Index && b.Limit < a.Limit ? b
            : a;

        // What a value holds now: what a stage made, or what it held before.
        private Content Held(int value) => _contents[value] ??= Given(value);

        private Content Given(int value)
        {
            var (type, dims) = (group.Values[value].Type, group.Values[value].Dims);
            if (group.Values[value].IsNew)
            {
                // Anything may be in it: the same every time, so that groups are the same.
                var axes = Axes("d", dims);
                var nothing = new Buffer("nothing", type, Extents(dims));
                _stages.Add(
                    new Stage("nothing", StageKind.Map, axes, [nothing], Places(axes), [Op.Const(0, type)], null)
                );
                return Content.Dense(nothing);
            }
            _inputs[value] = new Buffer($"X{value}", type, Extents(dims));
            return Content.Dense(_inputs[value]!);
        }

        private void Add(Stage stage, Dictionary<Buffer, View> places, Dictionary<Buffer, Content> made)
        {
            var vars = stage.Axes.ToDictionary(a => a.Var, a => (Expr)new Var(a.Name));
            Expr Moved(Expr e) =>
                e.Map(n =>
                    n switch
                    {
                        Var v => vars.GetValueOrDefault(v),
                        Load l => Read(l.Buffer, [.. l.Indices.Select(Moved)]),
                        _ => null,
                    }
                );
            Load Read(Buffer buffer, ImmutableArray<Expr> indices)
            {
                if (made.TryGetValue(buffer, out var content))
                    return content.Buffer.At(indices);
                var view = places[buffer];
                return view.Content!.Buffer.At(
                    ViewIndex.Of(view.Content, view.Offset, view.Dims, view.Strides, indices)
                );
            }
            bool inPlace = stage.InPlace;
            var initial = stage.Initial;
            if (initial is not null && made.TryGetValue(initial, out var before))
            {
                initial = before.Buffer;
            }
            else if (initial is not null)
            {
                var view = places[initial];
                var held = view.Content!;
                bool isWhole =
                    view.Offset == 0
                    && view.Strides.AsSpan().SequenceEqual(ViewIndex.DenseStrides(view.Dims).AsSpan())
                    && held.Strides.AsSpan().SequenceEqual(view.Strides.AsSpan())
                    && ViewIndex.Dims(held.Buffer).AsSpan().SequenceEqual(view.Dims.AsSpan());
                inPlace &= isWhole && _inputs[view.Value] == held.Buffer;
                initial = isWhole ? held.Buffer : Copy(initial.Name, initial.Type, view.Dims, i => Read(initial, i));
            }
            foreach (var output in stage.Outputs)
                made[output] = Content.Dense(new Buffer(output.Name, output.Type, Extents(ViewIndex.Dims(output))));
            _stages.Add(
                stage with
                {
                    Axes = [.. stage.Axes.Select(a => a with { Var = (Var)vars[a.Var] })],
                    Outputs = [.. stage.Outputs.Select(o => made[o].Buffer)],
                    Indices = [.. stage.Indices.Select(Moved)],
                    Values = [.. stage.Values.Select(Moved)],
                    Initial = initial,
                    InPlace = inPlace,
                }
            );
        }

        private Buffer Copy(
            string name,
            DType type,
            ImmutableArray<long> dims,
            Func<ImmutableArray<Expr>, Expr> element
        )
        {
            var axes = Axes("d", dims);
            var copy = new Buffer(name, type, Extents(dims));
            _stages.Add(new Stage(name, StageKind.Map, axes, [copy], Places(axes), [element(Places(axes))], null));
            return copy;
        }

        // What a call wrote is in the value, or in a part of it.
        private void Assign(View view, Content made)
        {
            var value = group.Values[view.Value];
            if (view.Dims.Contains(0))
                return;
            if (view.Offset == 0 && ViewIndex.Covers(view.Dims, view.Strides, value.Count))
            {
                _contents[view.Value] = made with { Strides = view.Strides };
                return;
            }
            if (!ViewIndex.IsInjective(view.Dims, view.Strides))
                throw new JoinException(
                    $"it writes some elements of value {view.Value} more than once (strides {string.Join(", ", view.Strides)})"
                );
            var old = Held(view.Value);
            var dims = value.Dims;
            var axes = Axes("d", dims);
            var inverse = ViewIndex.Inverse(dims, view.Offset, view.Dims, view.Strides, Places(axes));
            if (inverse is null)
            {
                // Dimensions of what is written go over several of the value: element by element.
                dims = [value.Count];
                axes = Axes("d", dims);
                inverse = ViewIndex.Inverse(dims, view.Offset, view.Dims, view.Strides, Places(axes));
            }
            var (within, indices) = inverse!.Value;
            var kept = old.Buffer.At(ViewIndex.Of(old, 0, dims, ViewIndex.DenseStrides(dims), Places(axes)));
            var whole = new Buffer(made.Buffer.Name, value.Type, Extents(dims));
            _stages.Add(
                new Stage(
                    whole.Name,
                    StageKind.Map,
                    axes,
                    [whole],
                    Places(axes),
                    [Op.Select(within, made.Buffer.At(indices), kept)],
                    null
                )
            );
            _contents[view.Value] = Content.Dense(whole);
        }

        // A stage's, row-major in the value.
        private Buffer Result(int value)
        {
            if (value < 0 || value >= group.Values.Length)
                throw new JoinException($"value {value} of {group.Values.Length} is to be read afterwards");
            if (_contents[value] is not { } content || content.Buffer == _inputs[value])
                throw new JoinException($"value {value} is to be read afterwards, and no call writes it");
            var dims = ViewIndex.Dims(content.Buffer);
            bool isDense = dims.Zip(content.Strides.Zip(ViewIndex.DenseStrides(dims)))
                .All(p => p.First == 1 || p.Second.First == p.Second.Second);
            if (isDense || dims.Contains(0))
                return content.Buffer;
            int at = _stages.FindIndex(s => s.Outputs.Contains(content.Buffer));
            if (_stages[at].Kind == StageKind.Map)
                return Permuted(content, at);
            var whole = group.Values[value].Dims;
            var strides = ViewIndex.DenseStrides(whole);
            return Copy(
                content.Buffer.Name,
                content.Buffer.Type,
                whole,
                i => content.Buffer.At(ViewIndex.Of(content, 0, whole, strides, i))
            );
        }

        // A map whose result lies otherwise in the value: with its dimensions in that order.
        private Buffer Permuted(Content content, int at)
        {
            int[] order = [.. Enumerable.Range(0, content.Strides.Length).OrderByDescending(d => content.Strides[d])];
            var stage = _stages[at];
            var old = stage.Output;
            var permuted = old.With(shape: [.. order.Select(d => old.Shape[d])]);
            _stages[at] = stage with
            {
                Axes = [.. order.Select(d => stage.Axes[d])],
                Outputs = [permuted],
                Indices = [.. order.Select(d => stage.Indices[d])],
            };
            for (int i = at + 1; i < _stages.Count; i++)
                _stages[i] = StageList.Reread(_stages[i], old, l => permuted.At([.. order.Select(d => l.Indices[d])]));
            for (int i = 0; i < _contents.Length; i++)
            {
                if (_contents[i]?.Buffer == old)
                    _contents[i] = new(permuted, [.. order.Select(d => _contents[i]!.Strides[d])]);
            }
            return permuted;
        }

        private static ImmutableArray<Axis> Axes(string name, ImmutableArray<long> dims) =>
            [.. dims.Select((n, d) => new Axis($"{name}{d}", n))];

        private static ImmutableArray<Expr> Places(ImmutableArray<Axis> axes) => [.. axes.Select(a => (Expr)a.Var)];

        private static ImmutableArray<Expr> Extents(ImmutableArray<long> dims) => [.. dims.Select(n => (Expr)n)];
    }
}
