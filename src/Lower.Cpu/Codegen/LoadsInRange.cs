using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// Loads of a nest that stay within their buffers whatever the conditions of the expressions around them are, since the loops and the
/// conditions of the statements around them keep them there. Vectors read such without a mask of their own: what is chosen by data needs
/// both sides mostly, and masks that data make are computed and moved for every load (backward of hardswish 4 times as fast so).
/// </summary>
internal sealed class LoadsInRange
{
    private readonly HashSet<Load> _within = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<Load> _beyond = new(ReferenceEqualityComparer.Instance);
    private readonly LoopRanges _ranges;
    private readonly List<LinearForm> _holds = [];

    private LoadsInRange(LoopNest nest)
    {
        _ranges = new LoopRanges(nest.ParameterRanges);
        Visit(nest.Body);
        _within.ExceptWith(_beyond);
    }

    public static LoadsInRange Of(LoopNest nest) => new(nest);

    public bool Contains(Load load) => _within.Contains(load);

    private void Visit(Stmt stmt)
    {
        foreach (var access in BufferAccess.Own(stmt))
        {
            if (access is { IsRead: true, Site: Load load })
                (IsWithin(load) ? _within : _beyond).Add(load);
        }
        switch (stmt)
        {
            case For f:
                _ranges.Enter(f.Var, f.Extent);
                Visit(f.Body);
                _ranges.Leave(f.Var);
                break;
            case If i:
                int before = _holds.Count;
                foreach (var part in i.Cond.Conjuncts())
                {
                    if (ValueBuilder.Negative(part) is { } form)
                        _holds.Add(form);
                }
                Visit(i.Then);
                _holds.RemoveRange(before, _holds.Count - before);
                if (i.Else is not null)
                    Visit(i.Else);
                break;
            default:
                foreach (var child in stmt.Children())
                    Visit(child);
                break;
        }
    }

    private bool IsWithin(Load load)
    {
        for (int d = 0; d < load.Indices.Length; d++)
        {
            var index = load.Indices[d];
            if (index.Loads().Any())
                return false;
            var form = LinearForm.Of(index);
            if (form.Range(_ranges).Min < 0 || !IsBelow(form, load.Buffer.Shape[d]))
                return false;
        }
        return true;
    }

    private bool IsBelow(LinearForm form, Expr extent)
    {
        var beyond = form - LinearForm.Of(extent);
        return beyond.Range(_ranges).Max < 0
            || (_ranges.Above(beyond) is { } above && above.Range(_ranges).Max < 0)
            || _holds.Any(h => beyond - h is { IsConstant: true, Constant: <= 0 });
    }
}
