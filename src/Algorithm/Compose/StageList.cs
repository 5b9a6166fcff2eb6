using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Operators;

namespace Picograd.Algorithms.Compose;

/// <summary>The stages of a group in the making: short, each once, in an order and under names that follow from what is computed.</summary>
internal sealed partial class StageList
{
    // Stages never get longer than this by what is put into them.
    private const int MostNodes = 4096;

    private readonly List<Stage> _stages;
    private List<Given> _given;
    private readonly List<(int Value, Buffer Buffer)> _results;

    /// <summary>An input, the value of the group that it is, and what it holds.</summary>
    public sealed record Given(Buffer Buffer, int Value, InputDomain Domain);

    private StageList(List<Stage> stages, List<Given> given, List<(int Value, Buffer Buffer)> results) =>
        (_stages, _given, _results) = (stages, given, results);

    /// <summary>The problem of some stages.</summary>
    /// <param name="name">For people.</param>
    /// <param name="stages">Each after those that it reads.</param>
    /// <param name="given">Inputs.</param>
    /// <param name="results">Outputs: a value and the buffer of a stage that it is.</param>
    public static JoinedGroup Shorten(
        string name,
        List<Stage> stages,
        List<Given> given,
        List<(int Value, Buffer Buffer)> results
    )
    {
        var list = new StageList(stages, given, results);
        list.DropUnread();
        list.Simplify();
        list.ForwardCopies();
        list.MergeEqual();
        list.MatchShapes();
        list.Inline();
        list.MergeEqual();
        list.DropUnread();
        list.MatchShapes();
        list.KeepInPlace();
        list.NameKinds();
        return list.Named(name);
    }

    /// <summary>The stage with other expressions for what it reads of a buffer; they may read it, too.</summary>
    public static Stage Reread(Stage stage, Buffer buffer, Func<Load, Expr> element)
    {
        if (!stage.Reads.Contains(buffer))
            return stage;
        var ranges = RangesOf(stage);
        Expr Rewrite(Expr e) =>
            e.Map(n =>
                n is not Load l ? null
                : l.Buffer == buffer ? element(l with { Indices = [.. l.Indices.Select(Rewrite)] })
                : l with { Indices = [.. l.Indices.Select(Rewrite)] }
            );
        return stage with
        {
            Indices = [.. stage.Indices.Select(e => Place(Rewrite(e), ranges))],
            Values = [.. stage.Values.Select(e => Simplifier.Simplify(Rewrite(e), ranges))],
        };
    }

    private static LoopRanges RangesOf(Stage stage)
    {
        var ranges = new LoopRanges([]);
        foreach (var axis in stage.Axes)
            ranges.Enter(axis.Var, axis.Extent);
        return ranges;
    }

    // An axis is one dimension of the result, even if there is only one element along it.
    private static Expr Place(Expr index, LoopRanges ranges) =>
        index is Var ? index : Simplifier.Simplify(index, ranges);

    private bool IsResult(Buffer buffer) => _results.Exists(r => r.Buffer == buffer);

    private void Simplify()
    {
        for (int i = 0; i < _stages.Count; i++)
        {
            var stage = _stages[i];
            var ranges = RangesOf(stage);
            _stages[i] = stage with
            {
                Indices = [.. stage.Indices.Select(e => Place(e, ranges))],
                Values = [.. stage.Values.Select(e => Simplifier.Simplify(e, ranges))],
            };
        }
    }

    private void DropUnread()
    {
        var needed = new HashSet<Buffer>(_results.Select(r => r.Buffer));
        for (int i = _stages.Count - 1; i >= 0; i--)
        {
            if (_stages[i].Outputs.Any(needed.Contains))
                needed.UnionWith(_stages[i].Reads);
            else
                _stages.RemoveAt(i);
        }
        _given = _given.FindAll(g => needed.Contains(g.Buffer));
    }

    // Copies that only say where elements lie are read where they come from.
    private void ForwardCopies() => Inline(s => s.Values[0] is Load l && l.Type == s.Output.Type, (_, _) => true);

    // Maps that cost little go into their readers, and those that have one reader, as in derived gradients.
    private void Inline() =>
        Inline(_ => true, (stage, readers) => !IsRepeated(stage, readers) && StageGraph.IsInlined(stage, readers));

    // Arithmetic that a reader would do again for each of its other axes: factors of a product are made before (32 x 200 x 60, 1 thread:
    // 3.8 us, 4.2 on the way).
    private static bool IsRepeated(Stage stage, List<Stage> readers)
    {
        int own = stage.Axes.Count(a => !a.Extent.IsConst(1));
        return own > 0
            && readers.Exists(r => r.Axes.Count(a => !a.Extent.IsConst(1)) > own)
            && stage.Values[0].Any(n => n is Binary { Type: not DType.Int64 } or Unary or Fma or Select or Apply);
    }

    private void Inline(Func<Stage, bool> candidates, Func<Stage, List<Stage>, bool> isInlined)
    {
        for (int i = 0; i < _stages.Count; i++)
        {
            var stage = _stages[i];
            if (stage.Kind != StageKind.Map || IsResult(stage.Output) || !candidates(stage))
                continue;
            var readers = _stages.FindAll(s => s != stage && s.Reads.Contains(stage.Output));
            if (readers.Count == 0 || readers.Exists(r => r.Initial == stage.Output) || !isInlined(stage, readers))
                continue;
            // What is kept in fewer digits is rounded to them.
            var value = Op.Cast(stage.Output.Type, stage.Values[0]);
            if (readers.Exists(r => IsTooLong(r, stage.Output, value)))
                continue;
            _stages.RemoveAt(i--);
            for (int r = 0; r < _stages.Count; r++)
                _stages[r] = Reread(_stages[r], stage.Output, l => At(stage, value, l.Indices));
        }
    }

    private static Expr At(Stage map, Expr value, ImmutableArray<Expr> indices) =>
        value.Substitute(map.Axes.Zip(indices).ToDictionary(p => p.First.Var, p => p.Second));

    private static bool IsTooLong(Stage reader, Buffer buffer, Expr value)
    {
        int loads = reader.Values.Concat(reader.Indices).Sum(e => e.Loads().Count(l => l.Buffer == buffer));
        int own = reader.Values.Sum(e => e.Nodes().Count);
        return own + (long)loads * value.Nodes().Count > MostNodes;
    }

    // Stages that are the same but for names are one.
    private void MergeEqual()
    {
        for (bool again = true; again; )
        {
            again = false;
            var hashes = new StageHashes(_stages, _given);
            var known = new Dictionary<ulong, Stage>();
            for (int i = 0; i < _stages.Count; i++)
            {
                var gone = _stages[i];
                ulong hash = hashes.Of(gone);
                if (!known.TryGetValue(hash, out var kept))
                {
                    known[hash] = gone;
                    continue;
                }
                if (gone.Outputs.Any(IsResult) || gone.InPlace || kept.InPlace || !StageGraph.AreEqual(kept, gone))
                    continue;
                _stages.RemoveAt(i);
                for (int r = 0; r < _stages.Count; r++)
                {
                    for (int o = 0; o < gone.Outputs.Length; o++)
                    {
                        var by = kept.Outputs[o];
                        _stages[r] = Reread(_stages[r], gone.Outputs[o], l => by.At(l.Indices));
                        if (_stages[r].Initial == gone.Outputs[o])
                            _stages[r] = _stages[r] with { Initial = by };
                    }
                }
                again = true;
                break;
            }
        }
    }

    // An axis of a scatter that is one of the indices, as one may have become, is spatial; others are not.
    private void NameKinds()
    {
        for (int i = 0; i < _stages.Count; i++)
        {
            var stage = _stages[i];
            if (stage.Kind != StageKind.Scatter)
                continue;
            var repeats = stage.Reducer!.IsLast ? AxisKind.Ordered : AxisKind.Reduce;
            _stages[i] = stage with
            {
                Axes =
                [
                    .. stage.Axes.Select(a =>
                        a with
                        {
                            Kind = stage.Indices.Contains(a.Var) ? AxisKind.Spatial : repeats,
                        }
                    ),
                ],
            };
        }
    }

    // In place is only what is an input, whose values before nothing else asks for.
    private void KeepInPlace()
    {
        for (int i = 0; i < _stages.Count; i++)
        {
            var stage = _stages[i];
            if (!stage.InPlace)
                continue;
            int before = _given.FindIndex(g => g.Buffer == stage.Initial);
            int after = _results.FindIndex(r => r.Buffer == stage.Output);
            bool isAlone =
                before >= 0
                && after >= 0
                && _given[before].Value == _results[after].Value
                && !_stages.Exists(s =>
                    s != stage && s.Reads.Contains(stage.Initial!)
                    || s.Indices.Concat(s.Values).Any(e => e.Loads().Any(l => l.Buffer == stage.Initial))
                );
            if (!isAlone)
                _stages[i] = stage with { InPlace = false };
        }
    }

    // In the order in which results need them, those of one result before those of the next; names by position among those of one name.
    private JoinedGroup Named(string name)
    {
        var hashes = new StageHashes(_stages, _given);
        hashes.Refine(_results.Select(r => r.Buffer));
        var made = _stages.SelectMany(s => s.Outputs.Select(o => (o, s))).ToDictionary(p => p.o, p => p.s);
        var results = _results.OrderBy(r => hashes.Of(r.Buffer)).ToList();
        var (order, inputs, seen) = (new List<Stage>(), new List<Given>(), new HashSet<object>());
        foreach (var (_, buffer) in results)
            Visit(buffer);

        void Visit(Buffer buffer)
        {
            if (!made.TryGetValue(buffer, out var stage))
            {
                if (seen.Add(buffer))
                    inputs.Add(_given.Find(g => g.Buffer == buffer)!);
                return;
            }
            if (!seen.Add(stage))
                return;
            foreach (var read in stage.Reads)
                Visit(read);
            order.Add(stage);
        }

        var algorithm = new Algorithm(
            name,
            [],
            [.. inputs.Select(g => g.Buffer)],
            [.. results.Select(r => r.Buffer)],
            [.. order]
        );
        var taken = new HashSet<string>();
        var renamed = AlgorithmRenamer.Rename(
            algorithm,
            [],
            [.. inputs.Select((_, i) => Free($"X{i}", taken))],
            [.. order.Select(s => (Free(Plain(s.Name), taken), (ImmutableArray<string>)[.. AxisNames(s)]))]
        );
        return new(
            Problem.Of(renamed, [.. inputs.Select(g => g.Domain)]),
            [.. inputs.Select(g => g.Value)],
            [.. results.Select(r => r.Value)]
        );
    }

    private static IEnumerable<string> AxisNames(Stage stage)
    {
        var taken = new HashSet<string>();
        return [.. stage.Axes.Select(a => Free(a.Name, taken))];
    }

    private static string Plain(string name)
    {
        string plain = new([.. name.Where(c => char.IsLetterOrDigit(c) || c == '_')]);
        return plain.Length > 0 && !char.IsDigit(plain[0]) ? plain : "S" + plain;
    }

    // Outputs of a tuple are NAME.0, NAME.1, …, which nothing else is called: no other name has a point.
    private static string Free(string wanted, HashSet<string> taken)
    {
        string free = wanted;
        for (int n = 2; !taken.Add(free); n++)
            free = string.Create(CultureInfo.InvariantCulture, $"{wanted}_{n}");
        return free;
    }
}
