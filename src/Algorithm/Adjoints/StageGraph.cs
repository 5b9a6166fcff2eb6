using System.Collections.Immutable;

namespace Picograd.Algorithms.Adjoints;

/// <summary>
/// Stages of an algorithm in the making, of which some come from another algorithm: makes them short. Results of that one are
/// inputs here (saved); what else of it is needed is computed again.
/// </summary>
internal sealed partial class StageGraph
{
    private readonly StageNames _names;
    private readonly HashSet<Buffer> _saved;
    private readonly ImmutableArray<Buffer> _outputs;
    private readonly IReadOnlyDictionary<Var, Interval> _parameters;
    private readonly Algorithm _original;
    private readonly List<Stage> _stages;
    private readonly HashSet<string> _made;

    private StageGraph(Algorithm original, List<Stage> made, ImmutableArray<Buffer> outputs, StageNames names)
    {
        _original = original;
        _names = names;
        _outputs = outputs;
        _saved = [.. original.Outputs];
        _parameters = original.ParameterRanges;
        _made = [.. made.Select(s => s.Name)];
        _stages = [.. original.Stages.Where(s => !s.Outputs.All(_saved.Contains)).Select(WithoutSaved), .. made];
    }

    /// <summary>
    /// The stages that compute the outputs, from the inputs and outputs of the original algorithm and from whatever other
    /// buffers they read.
    /// </summary>
    /// <param name="original">Computes what the others read; its stages come first.</param>
    /// <param name="made">Further stages, in order.</param>
    /// <param name="outputs">What is wanted: outputs of made stages.</param>
    /// <param name="names">For stages that come about.</param>
    public static ImmutableArray<Stage> Shorten(
        Algorithm original,
        List<Stage> made,
        ImmutableArray<Buffer> outputs,
        StageNames names
    )
    {
        var graph = new StageGraph(original, made, outputs, names);
        graph.DropUnread();
        graph.Inline(s => graph._made.Contains(s.Name));
        graph.Hoist();
        graph.Inline(s => graph._made.Contains(s.Name));
        graph.UseSaved();
        graph.Inline(_ => true);
        graph.Hoist();
        graph.Inline(_ => true);
        graph.MergeEqual();
        graph.DropCopies();
        graph.DropUnread();
        return graph.Named();
    }

    // A stage of which only some results are saved computes those again under another name.
    private Stage WithoutSaved(Stage stage) =>
        stage.Outputs.Any(_saved.Contains)
            ? stage with
            {
                Outputs =
                [
                    .. stage.Outputs.Select(o =>
                        _saved.Contains(o) ? o.With(name: _names.Fresh(o.Name + "_again")) : o
                    ),
                ],
                Initial = null,
            }
            : stage;

    private void DropUnread()
    {
        var needed = new HashSet<Buffer>(_outputs);
        for (int i = _stages.Count - 1; i >= 0; i--)
        {
            if (_stages[i].Outputs.Any(needed.Contains))
                needed.UnionWith(_stages[i].Reads);
            else
                _stages.RemoveAt(i);
        }
    }

    // Maps that cost little go into their readers, and those that have one reader.
    private void Inline(Func<Stage, bool> candidates)
    {
        for (int i = 0; i < _stages.Count; i++)
        {
            var stage = _stages[i];
            if (stage.Kind != StageKind.Map || !candidates(stage) || _outputs.Contains(stage.Output))
                continue;
            var readers = _stages.Where(s => s != stage && s.Reads.Contains(stage.Output)).ToList();
            if (readers.Count == 0 || readers.Exists(r => r.Initial == stage.Output) || !IsInlined(stage, readers))
                continue;
            _stages.RemoveAt(i--);
            for (int r = 0; r < _stages.Count; r++)
            {
                if (_stages[r].Reads.Contains(stage.Output))
                    _stages[r] = WithRead(_stages[r], stage.Output, l => At(stage, l.Indices));
            }
        }
    }

    private static Expr At(Stage map, ImmutableArray<Expr> indices) =>
        map.Values[0].Substitute(map.Axes.Zip(indices).ToDictionary(p => p.First.Var, p => p.Second));

    private Stage WithRead(Stage stage, Buffer buffer, Func<Load, Expr> value)
    {
        var ranges = new LoopRanges(_parameters);
        foreach (var axis in stage.Axes)
            ranges.Enter(axis.Var, axis.Extent);
        Expr Rewrite(Expr e) =>
            e.Map(n =>
                n is not Load l ? null
                : l.Buffer == buffer ? value(l with { Indices = [.. l.Indices.Select(Rewrite)] })
                : null
            );
        return stage with
        {
            Indices = [.. stage.Indices.Select(Rewrite)],
            Values = [.. stage.Values.Select(v => Short(Rewrite(v), ranges))],
        };
    }

    private static Expr Short(Expr value, LoopRanges ranges) => Products.Factored(Algebra.Tidy(value, ranges));

    // Decided by structure, not by extents, so that instances of an operator have the same stages whatever their sizes.
    internal static bool IsInlined(Stage stage, List<Stage> readers)
    {
        double cost = Cost(stage.Values[0]);
        if (cost <= 1)
            return true;
        int own = Dimensions(stage.Axes);
        if (own == 0 && cost <= 12)
            return true;
        if (readers.Exists(r => Dimensions(r.Axes) > own))
            return false;
        return readers.Count == 1 || cost <= 8;
    }

    private static int Dimensions(ImmutableArray<Axis> axes) => axes.Count(a => !a.Extent.IsConst(1));

    /// <summary>What evaluating a value costs, in additions.</summary>
    private static double Cost(Expr e)
    {
        double own = e switch
        {
            Unary { Kind: UnaryOp.Neg or UnaryOp.Not or UnaryOp.Abs } => 0.5,
            Apply { Meaning: { } meaning } => Cost(meaning),
            // Roots and quotients cost 8 in the table.
            Apply a => a.Function.Cost <= 8 ? 5
            : a.Function.Cost <= 40 ? 10
            : 20,
            Unary { Kind: UnaryOp.Sqrt } => 5,
            Unary { Type: DType.Bool } => 0.5,
            Unary => 10,
            Binary { Kind: BinaryOp.Div } => 4,
            Binary b when b.A.Type == DTypes.Index => 0.25,
            Binary or Select => 1,
            Fma => 1,
            Cast => 0.5,
            _ => 0,
        };
        if (e is Load or Apply { Meaning: not null })
            return own;
        foreach (var child in e.Children())
            own += Cost(child);
        return own;
    }

    // Stages that are the same but for names are one.
    private void MergeEqual()
    {
        for (int i = 0; i < _stages.Count; i++)
        {
            for (int j = i + 1; j < _stages.Count; j++)
            {
                if (_stages[j].Outputs.Any(_outputs.Contains) || !AreEqual(_stages[i], _stages[j]))
                    continue;
                var (kept, gone) = (_stages[i], _stages[j]);
                _stages.RemoveAt(j--);
                for (int r = 0; r < _stages.Count; r++)
                {
                    var reader = _stages[r];
                    for (int o = 0; o < gone.Outputs.Length; o++)
                    {
                        var by = kept.Outputs[o];
                        if (reader.Reads.Contains(gone.Outputs[o]))
                            reader = WithRead(reader, gone.Outputs[o], l => by.At(l.Indices));
                        if (reader.Initial == gone.Outputs[o])
                            reader = reader with { Initial = by };
                    }
                    _stages[r] = reader;
                }
            }
        }
    }

    internal static bool AreEqual(Stage a, Stage b)
    {
        if (
            a.Kind != b.Kind
            || a.Axes.Length != b.Axes.Length
            || a.Outputs.Length != b.Outputs.Length
            || a.Initial != b.Initial
            || !a.Outputs.Zip(b.Outputs).All(p => p.First.Type == p.Second.Type)
            || !a.Axes.Zip(b.Axes).All(p => p.First.Extent == p.Second.Extent && p.First.Kind == p.Second.Kind)
        )
            return false;
        if (a.Reducer is { } x && b.Reducer is { } y && !(Same(x.Result, y.Result) && Same(x.Identity, y.Identity)))
            return false;
        var renamed = b.Axes.Zip(a.Axes).ToDictionary(p => p.First.Var, p => (Expr)p.Second.Var);
        return Same(a.Indices, [.. b.Indices.Select(e => e.Substitute(renamed))])
            && Same(a.Values, [.. b.Values.Select(e => e.Substitute(renamed))]);

        static bool Same(ImmutableArray<Expr> a, ImmutableArray<Expr> b) => a.AsSpan().SequenceEqual(b.AsSpan());
    }

    // A result that is a copy of what another stage computed is that stage's.
    private void DropCopies()
    {
        for (int i = _stages.Count - 1; i >= 0; i--)
        {
            var copy = _stages[i];
            if (
                copy.Kind != StageKind.Map
                || copy.Values[0] is not Load load
                || load.Type != copy.Output.Type
                || !load.Indices.AsSpan().SequenceEqual(copy.Indices.AsSpan())
                || !load.Buffer.Shape.AsSpan().SequenceEqual(copy.Output.Shape.AsSpan())
                || _outputs.Contains(load.Buffer)
                || _stages.FindIndex(s => s.Outputs.Length == 1 && s.Output == load.Buffer) is not (>= 0 and var made)
                || _stages.Any(s => s.Initial == load.Buffer)
            )
                continue;
            _stages[made] = _stages[made] with { Name = copy.Name, Outputs = [copy.Output] };
            _stages.RemoveAt(i);
            for (int r = 0; r < _stages.Count; r++)
            {
                if (_stages[r].Reads.Contains(load.Buffer))
                    _stages[r] = WithRead(_stages[r], load.Buffer, l => copy.Output.At(l.Indices));
            }
        }
    }

    // Axes of their own for every stage, under names that differ within it.
    private ImmutableArray<Stage> Named()
    {
        var result = ImmutableArray.CreateBuilder<Stage>(_stages.Count);
        foreach (var stage in _stages)
        {
            var used = new HashSet<string>();
            var fresh = new Dictionary<Var, Expr>();
            var axes = ImmutableArray.CreateBuilder<Axis>(stage.Axes.Length);
            foreach (var axis in stage.Axes)
            {
                string name = axis.Name;
                while (!used.Add(name))
                    name += "_";
                var var = new Var(name);
                fresh[axis.Var] = var;
                axes.Add(axis with { Var = var });
            }
            result.Add(
                stage with
                {
                    Axes = axes.ToImmutable(),
                    Indices = [.. stage.Indices.Select(e => e.Substitute(fresh))],
                    Values = [.. stage.Values.Select(e => e.Substitute(fresh))],
                }
            );
        }
        return result.ToImmutable();
    }
}
