using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// Copies of statements within one nest: loops, block axes and blocks get new variables and names, and buffers that only
/// the copied statement uses are copied with it.
/// </summary>
internal sealed class NestCopier(LoopNest before, string suffix, Step step, int firstResult)
{
    private readonly LoopNest _before = before;
    private readonly Dictionary<Var, Expr> _vars = [];
    private readonly Dictionary<Algorithms.Buffer, Algorithms.Buffer> _buffers = [];
    private readonly Dictionary<string, string> _loops = [];
    private readonly List<string> _made = [];

    /// <summary>Names of what was made, loops, blocks and buffers in program order, buffers last.</summary>
    public ImmutableArray<string> Made => [.. _made];

    /// <summary>The nest, with the copied buffers among its intermediates; not yet with the copy in its body.</summary>
    public LoopNest Nest { get; private set; } = before;

    /// <summary>
    /// The copy, with some outer variables replaced. Intermediates used only below <paramref name="owner"/> are copied
    /// where one is given; null leaves all shared.
    /// </summary>
    public Stmt Copy(Stmt stmt, IReadOnlyDictionary<Var, Expr> values, Stmt? owner)
    {
        foreach (var (v, value) in values)
            _vars[v] = value;
        var renamed = Rename(stmt);
        if (owner is not null)
            CopyBuffers(owner);
        foreach (var (old, copy) in _buffers)
            renamed = renamed.ReplaceBuffer(old, copy);
        return renamed;
    }

    private Stmt Rename(Stmt stmt)
    {
        switch (stmt)
        {
            case For f:
                var loop = new Var(Fresh(f.Name));
                _vars[f.Var] = loop;
                _loops[f.Name] = loop.Name;
                return f with { Var = loop, Extent = Map(f.Extent), Body = Rename(f.Body) };
            case Seq s:
                return Seq.Of(s.Items.Select(Rename));
            case If i:
                return new If(Map(i.Cond), Rename(i.Then), i.Else is null ? null : Rename(i.Else));
            case Allocate a:
                _buffers[a.Buffer] = a.Buffer.With(name: Fresh(a.Buffer.Name));
                return a with { Body = Rename(a.Body) };
            case Block b:
                var axes = b.Axes.Select(a => a with { Binding = Map(a.Binding), Extent = Map(a.Extent) }).ToArray();
                string name = Fresh(b.Name);
                for (int i = 0; i < axes.Length; i++)
                {
                    var own = new Var(axes[i].Name);
                    _vars[axes[i].Var] = own;
                    axes[i] = axes[i] with { Var = own };
                }
                return b with
                {
                    Name = name,
                    Axes = [.. axes],
                    Predicate = Map(b.Predicate),
                    Indices = [.. b.Indices.Select(Map)],
                    Values = [.. b.Values.Select(Map)],
                };
            default:
                return stmt.MapExprs(Map);
        }
    }

    private void CopyBuffers(Stmt owner)
    {
        foreach (var buffer in _before.Intermediates)
        {
            int below = Dependence.Accesses(owner).Count(a => a.Buffer == buffer);
            if (below == 0 || Dependence.Accesses(_before.Body).Count(a => a.Buffer == buffer) != below)
                continue;
            var copy = buffer.With(name: Fresh(buffer.Name));
            _buffers[buffer] = copy;
            Nest = Nest with { Intermediates = Nest.Intermediates.Add(copy) };
            if (_before.StoreAt.TryGetValue(buffer.Name, out var at))
                Nest = Nest with { StoreAt = Nest.StoreAt.Add(copy.Name, _loops.GetValueOrDefault(at, at)) };
        }
    }

    private Expr Map(Expr e) => e.Substitute(_vars);

    private string Fresh(string old)
    {
        string wish = old + suffix;
        string name;
        int at = firstResult + _made.Count;
        if (at < step.Results.Length)
        {
            name = step.Results[at];
            if (_before.FreshName(name) != name)
                throw new ScheduleException(_before, null, $"the result name '{name}' is taken");
        }
        else
        {
            name = _before.FreshName(wish);
            for (int i = 1; _made.Contains(name); i++)
                name = _before.FreshName($"{wish}.{i}");
        }
        _made.Add(name);
        return name;
    }
}
