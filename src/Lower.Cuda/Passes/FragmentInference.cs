using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// Finds the shape of every fragment: from the instructions that use it, and for those that no instruction uses from the
/// loops in which they meet others. Also says along which direction each loop over elements runs.
/// </summary>
internal sealed class FragmentInference
{
    private readonly LoopNest _nest;
    private readonly Dictionary<Buffer, FragmentShape> _shapes = [];
    private readonly Dictionary<Var, FragmentDirection> _loops = [];
    private readonly ImmutableArray<BufferAccess> _accesses;

    private FragmentInference(LoopNest nest)
    {
        _nest = nest;
        _accesses =
        [
            .. BufferAccess.Below(nest.Body).Where(a => a.Buffer.Scope == Scope.Fragment && a.Kind != AccessKind.Hint),
        ];
    }

    public IReadOnlyDictionary<Buffer, FragmentShape> Shapes => _shapes;

    /// <summary>Loops over elements of fragments.</summary>
    public IReadOnlyDictionary<Var, FragmentDirection> Loops => _loops;

    /// <exception cref="LoweringException">fragment-layout, fragment-loop.</exception>
    public static FragmentInference Of(LoopNest nest)
    {
        var inference = new FragmentInference(nest);
        inference.FromCalls();
        while (inference.FromLoops()) { }
        foreach (var access in inference._accesses)
        {
            if (!inference._shapes.ContainsKey(access.Buffer))
                throw new LoweringException(
                    "fragment-layout",
                    $"{access.Buffer} is a fragment, but no instruction uses it, and no loop over its elements also goes over those of a fragment that one uses"
                );
        }
        inference.CheckLoops();
        return inference;
    }

    private void FromCalls()
    {
        var found = new Dictionary<Buffer, (FragmentLayout Layout, int Rows, int Columns, string By)>();
        foreach (var call in _nest.Body.Nodes().OfType<Call>())
        {
            for (int i = 0; i < call.Buffers.Length; i++)
            {
                var buffer = call.Buffers[i];
                if (buffer.Scope != Scope.Fragment || call.Intrinsic.LayoutOf(i) is not { } layout)
                    continue;
                var (rows, columns) = (call.Dims[i][0], call.Dims[i][1]);
                string by = call.Intrinsic.Name;
                if (found.TryGetValue(buffer, out var other))
                {
                    if ((other.Rows, other.Columns) != (rows, columns))
                        throw Refuse($"{by} takes it with rows and columns the other way round than {other.By}");
                    if (other.Layout.Extends(layout))
                        (layout, by) = (other.Layout, other.By);
                    else if (!layout.Extends(other.Layout))
                        throw Refuse($"{by} wants it as {layout}, {other.By} as {other.Layout}");
                }
                found[buffer] = (layout, rows, columns, by);

                LoweringException Refuse(string why) =>
                    new(
                        "fragment-layout",
                        $"{buffer} is a fragment of two layouts: {why}; copy it to one more fragment"
                    );
            }
        }
        foreach (var (buffer, (layout, rows, columns, _)) in found)
            _shapes[buffer] = FragmentShape.Of(buffer, layout, rows, columns);
    }

    // Loops get directions from buffers, then buffers from loops.
    private bool FromLoops()
    {
        bool changed = false;
        foreach (var access in Elementwise())
        {
            if (_shapes.TryGetValue(access.Buffer, out var shape))
            {
                foreach (var (dim, direction) in shape.Directions)
                {
                    if (ElementLoop(access, dim) is not { } loop)
                        continue;
                    var joined = direction;
                    if (_loops.TryGetValue(loop, out var known))
                        joined =
                            known.Join(direction)
                            ?? throw new LoweringException(
                                "fragment-layout",
                                $"loop {loop.Name} goes over elements of {access.Buffer.Name} and of another fragment that are not in the same lanes; copy one of them through shared memory"
                            );
                    // Periods only grow, so this comes to an end.
                    changed |= known is null || known.Period < joined.Period;
                    if (known is null || known.Period < joined.Period)
                        _loops[loop] = joined;
                }
                continue;
            }
            var dims = new List<(int, FragmentDirection)>();
            for (int d = 0; d < access.Indices.Length; d++)
            {
                if (ElementLoop(access, d) is { } loop && _loops.TryGetValue(loop, out var direction))
                    dims.Add((d, direction));
            }
            bool whole = Enumerable
                .Range(0, access.Indices.Length)
                .All(d => dims.Any(x => x.Item1 == d) || access.Buffer.Shape[d].IsConst(1));
            if (dims.Count == 0 || !whole)
                continue;
            _shapes[access.Buffer] = FragmentShape.Of(access.Buffer, dims, LanesOf(access));
            changed = true;
        }
        return changed;
    }

    private int LanesOf(BufferAccess access) =>
        access.Loops.Any(l => l.Kind == LoopKind.Warpgroup) && _shapes.Values.Any(s => s.Lanes == 128) ? 128 : 32;

    private IEnumerable<BufferAccess> Elementwise() => _accesses.Where(a => a.Statement is not Call);

    // The innermost loop that moves the index by one.
    private Var? ElementLoop(BufferAccess access, int dim)
    {
        var form = Form(access, dim);
        return form
            .Terms.Where(t => t is { Atom: Var, Coefficient: 1 })
            .Select(t => (Var)t.Atom)
            .LastOrDefault(v => access.Loops.Any(l => l.Var == v && IsPlain(l)));
    }

    private LinearForm Form(BufferAccess access, int dim)
    {
        // A loop of one iteration counts: it says which element, and must not be simplified away.
        var ranges = _nest.Ranges(access.Loops);
        foreach (var loop in access.Loops.Where(l => l.ConstantExtent == 1))
            ranges[loop.Var] = new Interval(0, 1);
        return LinearForm.Of(Simplifier.Simplify(access.Indices[dim], ranges));
    }

    private static bool IsPlain(For loop) => loop.Kind is LoopKind.Serial or LoopKind.Unrolled or LoopKind.Vector;

    // Each index is the element's loop plus whole tiles, and the loop's direction is the buffer's.
    private void CheckLoops()
    {
        foreach (var access in Elementwise())
        {
            foreach (var (dim, direction) in _shapes[access.Buffer].Directions)
            {
                var form = Form(access, dim);
                var element = ElementLoop(access, dim);
                long period = element is null ? direction.Period : _loops[element].Period;
                bool tiles = form.Terms.Where(t => t.Atom != element).All(t => t.Coefficient % direction.Period == 0);
                if (element is null || !tiles || form.Constant % direction.Period != 0)
                    throw new LoweringException(
                        "fragment-loop",
                        $"{access.Buffer.Name}[{string.Join(", ", access.Indices)}] is not one element after the other along dimension {dim} from a multiple of {direction.Period} on; split its loops by {direction.Period} (or multiples), without fusing them with others"
                    );
                if (period != direction.Period && form.Terms.Any(t => t.Atom != element && t.Coefficient % period != 0))
                    throw new LoweringException(
                        "fragment-loop",
                        $"{access.Buffer.Name}[{string.Join(", ", access.Indices)}] begins within a tile of {period}, as another fragment in loop {element.Name} has them; split that loop by {period}"
                    );
            }
        }
    }
}
