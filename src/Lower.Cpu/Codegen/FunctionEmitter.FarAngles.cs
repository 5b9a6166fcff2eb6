using System.Reflection.Emit;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// Loops with sin or cos of Float32 in vectors. A call in a loop, however seldom made, takes from it all constants in
/// registers, since a call keeps no vector register: sin cost 0.13 to 0.21 ns an element against 0.093 without it. So such a
/// loop has a second body, outside of it, for iterations with an angle that is far (0.104 ns; a second body takes the JIT 0.4 ms):
/// <code>
/// do {
///     limit = min(v + 64, end);
///     do { if (any angle is far) goto far; body without calls; v++; } while (v &lt; limit);
///     continue;
/// far: body with calls; v++;
/// } while (v &lt; end);
/// </code>
/// Without the limit both would be one loop to the JIT.
/// </summary>
internal sealed partial class FunctionEmitter
{
    private const long NearIterations = 64;

    // The body is written twice; with more stores than this a call costs little.
    private const int MaxFarEffects = 16;

    // Whether an iteration is one stretch of code whose angles can all be computed before anything is stored.
    private static bool MayRepeatFar(For f)
    {
        var nodes = f.Body.Nodes().ToList();
        if (!nodes.All(n => n is Seq or Store or Prefetch or For { Kind: LoopKind.Vector }))
            return false;
        var stores = nodes.OfType<Store>().ToList();
        if (stores.Count > MaxFarEffects)
            return false;
        var angles = Angles(stores);
        var written = stores.Select(s => s.Buffer).ToHashSet();
        return angles.Count > 0 && !angles.Any(a => a.Loads().Any(l => written.Contains(l.Buffer)));
    }

    // What values share is looked at once.
    private static List<Expr> Angles(List<Store> stores)
    {
        var angles = new List<Expr>();
        var seen = new HashSet<Expr>(ReferenceEqualityComparer.Instance);
        var open = new Stack<Expr>();
        foreach (var store in stores)
            open.Push(store.Value);
        while (open.TryPop(out var node))
        {
            if (!seen.Add(node))
                continue;
            if (node is Select s && ScalarFunctions.FarAngle(s) is var (_, angle))
                angles.Add(angle);
            foreach (var child in node.Children())
                open.Push(child);
        }
        return angles;
    }

    private void EmitNearAndFar(For f, LocalBuilder variable, Label top, Action next, Action end)
    {
        var limit = _il.NewLocal(typeof(long));
        var (outer, far, done) = (_il.NewLabel(), _il.NewLabel(), _il.NewLabel());
        _il.Mark(outer);
        _il.Load(variable);
        _il.Long(NearIterations);
        _il.Emit(OpCodes.Add);
        end();
        _il.Call(typeof(Math).GetMethod(nameof(Math.Min), [typeof(long), typeof(long)])!);
        _il.Store(limit);
        _il.Mark(top);
        var saved = _addressing.Save();
        int flushes = _flushes;
        Emit(f.Body);
        // A vector loop that became one of scalars has ended the stretch, and branches to what is far itself.
        bool whole = flushes == _flushes && _region.Angles.Count > 0;
        if (whole)
        {
            new RegionEmitter(_il, _kernel.Isa).EmitNear(_region, far);
            _region = new Region();
        }
        Flush();
        next();
        _il.Load(limit);
        _il.Emit(OpCodes.Blt, top);
        if (whole)
        {
            _il.Emit(OpCodes.Br, done);
            _il.Mark(far);
            _addressing.Restore(saved);
            Emit(f.Body);
            Flush();
            next();
            _il.Emit(OpCodes.Pop);
        }
        _il.Mark(done);
        _il.Load(variable);
        end();
        _il.Emit(OpCodes.Blt, outer);
    }
}
