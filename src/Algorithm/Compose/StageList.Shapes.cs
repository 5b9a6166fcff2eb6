using System.Collections.Immutable;

namespace Picograd.Algorithms.Compose;

/// <summary>
/// One set of dimensions for what stages pass on. Operators of elements go over what is contiguous as one dimension, products and norms
/// over rows and columns: an axis that is read by its quotient and remainder becomes two, and so does a dimension that all who read
/// it take apart.
/// </summary>
internal sealed partial class StageList
{
    private void MatchShapes()
    {
        for (int round = 0; round < 64 && (SplitAxis() || SplitDimension()); round++) { }
    }

    private bool SplitAxis()
    {
        for (int i = 0; i < _stages.Count; i++)
        {
            foreach (var axis in _stages[i].Axes)
            {
                if (!IsSplit(_stages[i], axis) || _stages.Exists(s => s.Initial == _stages[i].Output))
                    continue;
                long extent = ((IntImm)axis.Extent).Value;
                long parts = long.MaxValue;
                foreach (var e in _stages[i].Values.Concat(_stages[i].Indices))
                {
                    e.Any(n =>
                    {
                        if (
                            n
                                is Binary
                                {
                                    Kind: BinaryOp.FloorDiv or BinaryOp.Mod,
                                    B: IntImm { Value: > 1 and var c }
                                } b
                            && ReferenceEquals(b.A, axis.Var)
                            && c < extent
                            && extent % c == 0
                        )
                            parts = Math.Min(parts, c);
                        return false;
                    });
                }
                if (parts == long.MaxValue)
                    continue;
                Split(i, axis, parts);
                return true;
            }
        }
        return false;
    }

    // An axis that is one dimension of the results, or one that is added up over.
    private static bool IsSplit(Stage stage, Axis axis)
    {
        if (axis.Extent is not IntImm)
            return false;
        int named = stage.Indices.Count(e => ReferenceEquals(e, axis.Var));
        int used = stage.Indices.Count(e => e.Uses(axis.Var));
        return axis.Kind switch
        {
            AxisKind.Spatial => stage.Kind != StageKind.Scatter && named == 1 && used == 1,
            AxisKind.Reduce => used == 0 && stage.Kind == StageKind.Reduce && stage.Outputs.Length == 1,
            _ => false,
        };
    }

    private void Split(int at, Axis axis, long parts)
    {
        var stage = _stages[at];
        var outer = new Axis(axis.Name + "0", ((IntImm)axis.Extent).Value / parts, axis.Kind);
        var inner = new Axis(axis.Name + "1", parts, axis.Kind);
        int place = stage.Axes.IndexOf(axis);
        int d = stage.Indices.IndexOf(axis.Var);
        var split = stage with { Axes = [.. stage.Axes[..place], outer, inner, .. stage.Axes[(place + 1)..]] };
        var ranges = RangesOf(split);
        Expr Moved(Expr e) => Simplifier.Simplify(e.Substitute(axis.Var, outer * parts + inner), ranges);
        split = split with
        {
            Values = [.. stage.Values.Select(Moved)],
            Indices =
            [
                .. stage.Indices.SelectMany(
                    (e, i) => i == d ? (IEnumerable<Expr>)[outer.Var, inner.Var] : [e is Var ? e : Moved(e)]
                ),
            ],
        };
        _stages[at] = split;
        if (d < 0)
            return;
        foreach (var output in stage.Outputs)
        {
            var made = Reshape(output, d, parts);
            _stages[at] = _stages[at] with { Outputs = _stages[at].Outputs.Replace(output, made) };
        }
    }

    // A buffer with one dimension in two, wherever it is read.
    private Buffer Reshape(Buffer buffer, int d, long parts)
    {
        long extent = ((IntImm)buffer.Shape[d]).Value;
        var split = buffer.With(shape: [.. buffer.Shape[..d], extent / parts, parts, .. buffer.Shape[(d + 1)..]]);
        for (int i = 0; i < _stages.Count; i++)
        {
            _stages[i] = Reread(
                _stages[i],
                buffer,
                l =>
                    split.At([
                        .. l.Indices[..d],
                        Op.FloorDiv(l.Indices[d], parts),
                        Op.Mod(l.Indices[d], parts),
                        .. l.Indices[(d + 1)..],
                    ])
            );
        }
        for (int r = 0; r < _results.Count; r++)
        {
            if (_results[r].Buffer == buffer)
                _results[r] = (_results[r].Value, split);
        }
        return split;
    }

    private bool SplitDimension()
    {
        var buffers = _given.Select(g => g.Buffer).Concat(_stages.SelectMany(s => s.Outputs)).ToList();
        foreach (var buffer in buffers)
        {
            var stage = _stages.Find(s => s.Outputs.Contains(buffer));
            if (stage is not null && stage.Kind != StageKind.Map || _stages.Exists(s => s.Initial == buffer))
                continue;
            for (int d = 0; d < buffer.Rank; d++)
            {
                if (Parts(buffer, d) is not { } parts)
                    continue;
                if (stage is null)
                {
                    int given = _given.FindIndex(g => g.Buffer == buffer);
                    _given[given] = _given[given] with { Buffer = Reshape(buffer, d, parts) };
                }
                else
                {
                    Split(_stages.IndexOf(stage), stage.Axes[d], parts);
                }
                return true;
            }
        }
        return false;
    }

    // In how many neighbours all who read a dimension take it apart; null where they do not, or not alike.
    private long? Parts(Buffer buffer, int d)
    {
        long extent = ((IntImm)buffer.Shape[d]).Value;
        if (extent < 4)
            return null;
        long parts = 0;
        var reads = new List<(Stage Stage, LoopRanges Ranges, Expr Index)>();
        foreach (var stage in _stages)
        {
            if (!stage.Reads.Contains(buffer))
                continue;
            var ranges = RangesOf(stage);
            foreach (var load in stage.Indices.Concat(stage.Values).SelectMany(e => e.Loads()))
            {
                if (load.Buffer != buffer)
                    continue;
                var index = load.Indices[d];
                reads.Add((stage, ranges, index));
                foreach (var term in LinearForm.Of(index).Terms)
                {
                    long c = Math.Abs(term.Coefficient);
                    if (c > 1 && c < extent && extent % c == 0)
                        parts = Math.Max(parts, c);
                }
            }
        }
        if (parts == 0)
            return null;
        foreach (var (stage, ranges, index) in reads)
        {
            bool isOwnAxis =
                stage.Kind == StageKind.Map
                && stage.Axes.FirstOrDefault(a => ReferenceEquals(a.Var, index)) is { } axis
                && axis.Extent == buffer.Shape[d]
                && IsSplit(stage, axis);
            if (isOwnAxis)
                continue;
            var (quotient, rest) = (
                Simplifier.Simplify(Op.FloorDiv(index, parts), ranges),
                Simplifier.Simplify(Op.Mod(index, parts), ranges)
            );
            if (IsDivided(quotient) || IsDivided(rest))
                return null;
        }
        return parts;
    }

    private static bool IsDivided(Expr e) => e.Any(n => n is Binary { Kind: BinaryOp.FloorDiv or BinaryOp.Mod });
}
