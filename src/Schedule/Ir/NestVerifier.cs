using Picograd.Algorithms;

namespace Picograd.Schedules.Ir;

/// <summary>
/// The executable specification of a valid nest; runs after every primitive. A failure is a bug of the primitive, not
/// of its caller, so it is an InvalidOperationException.
/// </summary>
public static class NestVerifier
{
    public static void Check(LoopNest nest)
    {
        var names = new HashSet<string>();
        foreach (var loop in nest.Loops)
        {
            if (!names.Add(loop.Name))
                throw new InvalidOperationException($"two loops are called {loop.Name}:\n{nest}");
        }
        var blocks = new HashSet<string>();
        foreach (var block in nest.Blocks)
        {
            if (!blocks.Add(block.Name))
                throw new InvalidOperationException($"two blocks are called {block.Name}:\n{nest}");
        }
        CheckScopes(nest);
    }

    /// <summary>
    /// Only that variables are used inside their loops and buffers where they exist: what holds of a lowered nest too, in
    /// which parts of one loop share its name.
    /// </summary>
    public static void CheckScopes(LoopNest nest) =>
        Visit(
            nest.Body,
            new HashSet<Var>(nest.Algorithm.Parameters.Select(p => p.Var)),
            new HashSet<Buffer>(nest.Buffers),
            nest
        );

    private static void Visit(Stmt stmt, HashSet<Var> scope, HashSet<Buffer> buffers, LoopNest nest)
    {
        switch (stmt)
        {
            case For f:
                Closed(f.Extent, scope, buffers, nest, f);
                scope.Add(f.Var);
                Visit(f.Body, scope, buffers, nest);
                scope.Remove(f.Var);
                return;
            case If i:
                Closed(i.Cond, scope, buffers, nest, i);
                break;
            case Allocate a:
                buffers.Add(a.Buffer);
                break;
            case Store s:
                Written(s.Buffer, buffers, nest, s);
                foreach (var e in s.Indices.Append(s.Value))
                    Closed(e, scope, buffers, nest, s);
                break;
            case StoreAll all:
                foreach (var store in all.Stores)
                    Visit(store, scope, buffers, nest);
                break;
            case Block b:
                foreach (var output in b.Outputs)
                {
                    Written(output, buffers, nest, b);
                    if (output.Rank != b.Indices.Length)
                        throw new InvalidOperationException(
                            $"block {b.Name}: {b.Indices.Length} indices for {output}:\n{nest}"
                        );
                }
                foreach (var axis in b.Axes)
                    Closed(axis.Binding, scope, buffers, nest, b);
                Closed(b.Predicate, scope, buffers, nest, b);
                var inner = new HashSet<Var>(scope);
                inner.UnionWith(b.Axes.Select(a => a.Var));
                foreach (var e in b.Indices.Concat(b.Values))
                    Closed(e, inner, buffers, nest, b);
                break;
            case DeviceOp d:
                if (
                    d.Operands.Length != d.Instruction.Operands.Length
                    || d.Operands.Any(o => o.Place.Length != o.Buffer.Rank || o.Tile.Length != o.Buffer.Rank)
                    || d.Values.Length > d.Instruction.Values
                    || d.Numbers.Length != d.Instruction.Numbers
                )
                    throw new InvalidOperationException(
                        $"{d.Instruction} takes {d.Instruction.Operands.Length} operands, {d.Instruction.Values} values and {d.Instruction.Numbers} numbers; given are {d.Operands.Length}, {d.Values.Length} and {d.Numbers.Length}, with a place and a tile of the rank of each buffer"
                    );
                foreach (var (operand, access) in d.Accesses)
                {
                    if (access is not (OperandAccess.Read or OperandAccess.ReadBox))
                        Written(operand.Buffer, buffers, nest, d);
                    Closed(operand.Buffer.At(operand.Place), scope, buffers, nest, d);
                }
                foreach (var e in d.Values)
                    Closed(e, scope, buffers, nest, d);
                break;
            case LaneReduce r:
                foreach (var output in r.Outputs)
                    Written(output, buffers, nest, r);
                foreach (var e in r.Indices)
                    Closed(e, scope, buffers, nest, r);
                break;
            case Call c:
                Written(c.Buffers[0], buffers, nest, c);
                foreach (var (buffer, origin) in c.Buffers.Zip(c.Origins))
                    Closed(buffer.At(origin), scope, buffers, nest, c);
                break;
            default:
                break;
        }
        foreach (var child in stmt.Children())
            Visit(child, scope, buffers, nest);
    }

    private static void Written(Buffer buffer, HashSet<Buffer> buffers, LoopNest nest, Stmt at)
    {
        if (!buffers.Contains(buffer) || nest.Algorithm.Inputs.Contains(buffer))
            throw new InvalidOperationException(
                $"{buffer.Name} is written but is not an output or intermediate:\n{NestPrinter.Print(nest, at)}"
            );
    }

    private static void Closed(Expr e, HashSet<Var> scope, HashSet<Buffer> buffers, LoopNest nest, Stmt at)
    {
        foreach (var node in e.Nodes())
        {
            if (node is Var v && !scope.Contains(v))
                throw new InvalidOperationException(
                    $"{v.Name} is used outside its loop:\n{NestPrinter.Print(nest, at)}"
                );
            if (node is Load l && !buffers.Contains(l.Buffer))
                throw new InvalidOperationException(
                    $"{l.Buffer.Name} is not a buffer of the nest:\n{NestPrinter.Print(nest, at)}"
                );
        }
    }
}
