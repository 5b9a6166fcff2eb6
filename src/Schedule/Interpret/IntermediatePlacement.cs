using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Interpret;

/// <summary>
/// Puts each intermediate of a nest into an Allocate, at full shape, where LoopNest says that it lives: at the loop of
/// StoreAt, else at the innermost place that encloses all uses and all loops over which a block carries values in it.
/// Once blocks are lowered to stores nothing tells which loops those are, and it lives for the whole program.
/// </summary>
internal static class IntermediatePlacement
{
    public static LoopNest Place(LoopNest nest)
    {
        var body = nest.Body;
        foreach (var buffer in nest.Intermediates)
        {
            if (body.Nodes().OfType<Allocate>().Any(a => a.Buffer == buffer))
                continue;
            body = Wrap(nest, body, buffer);
        }
        return nest with { Body = body, Intermediates = [] };
    }

    private static Stmt Wrap(LoopNest nest, Stmt body, Buffer buffer)
    {
        if (nest.StoreAt.TryGetValue(buffer.Name, out string? name))
        {
            var loop = body.Nodes().OfType<For>().FirstOrDefault(l => l.Name == name);
            return loop is null
                ? new Allocate(buffer, body)
                : body.Replace(loop, loop with { Body = new Allocate(buffer, loop.Body) });
        }
        if (body.Nodes().Any(s => s is Store or StoreAll && UsesItself(s, buffer)))
            return new Allocate(buffer, body);
        var path = CommonPath(body, buffer);
        int outside = path.Count;
        var carried = Carried(body, buffer);
        for (int i = 0; i < path.Count; i++)
        {
            if (path[i] is For f && (carried.Contains(f.Var) || f.Kind.Shares(buffer.Scope)))
            {
                outside = i;
                break;
            }
        }
        var place =
            outside < path.Count ? path[outside]
            : path[^1] is Seq or If ? path[^1]
            : body;
        return body.Replace(place, new Allocate(buffer, place));
    }

    // From the root down to the innermost statement that has all uses below it.
    private static List<Stmt> CommonPath(Stmt body, Buffer buffer)
    {
        var path = new List<Stmt> { body };
        while (!UsesItself(path[^1], buffer))
        {
            var users = path[^1].Children().Where(c => c.Nodes().Any(s => UsesItself(s, buffer))).ToList();
            if (users.Count != 1)
                break;
            path.Add(users[0]);
        }
        return path;
    }

    private static bool UsesItself(Stmt s, Buffer buffer)
    {
        return BufferAccess.Own(s).Any(a => a.Buffer == buffer);
    }

    // Variables of the loops along which a block, or an intrinsic that accumulates, finds in the buffer what an earlier
    // iteration left there.
    private static HashSet<Var> Carried(Stmt body, Buffer buffer)
    {
        var carried = body.Nodes()
            .OfType<Block>()
            .Where(b => b.Outputs.Contains(buffer))
            .SelectMany(b => b.Axes)
            .Where(a => a.Kind != AxisKind.Spatial)
            .SelectMany(a => a.Binding.FreeVars())
            .ToHashSet();
        foreach (var loop in body.Nodes().OfType<For>())
        {
            bool accumulates = loop
                .Body.Nodes()
                .OfType<Call>()
                .Any(c =>
                    c.Buffers[0] == buffer
                    && c.Intrinsic.Meaning is { IsReduction: true, Init: false }
                    && !c.Origins[0].Any(o => o.Uses(loop.Var))
                );
            if (accumulates)
                carried.Add(loop.Var);
        }
        return carried;
    }
}
