using Picograd.Algorithms;
using Picograd.Schedules;

namespace Picograd.Lower.Cuda;

/// <summary>Which buffers the statements of a kernel read and write.</summary>
internal sealed class KernelBuffers
{
    private readonly List<Store> _stores = [];

    // Read by something else than a store's value.
    private readonly HashSet<Buffer> _copied = new(ReferenceEqualityComparer.Instance);

    public KernelBuffers(Stmt body)
    {
        foreach (var stmt in body.Nodes())
        {
            switch (stmt)
            {
                case Store s:
                    Add(s);
                    break;
                case StoreAll all:
                    foreach (var s in all.Stores)
                        Add(s);
                    break;
                case LaneReduce r:
                    Written.UnionWith(r.Outputs);
                    Read.UnionWith(r.Outputs);
                    break;
                case DeviceOp d:
                    Add(d);
                    break;
                case Call c:
                    _copied.UnionWith(c.Buffers);
                    Written.Add(c.Buffers[0]);
                    Read.UnionWith(c.Buffers);
                    break;
                case If i:
                    Loads(i.Cond);
                    break;
                case For f:
                    Loads(f.Extent);
                    break;
                case Prefetch p:
                    Read.Add(p.Buffer);
                    break;
                default:
                    break;
            }
        }
    }

    public HashSet<Buffer> Read { get; } = new(ReferenceEqualityComparer.Instance);

    public HashSet<Buffer> Written { get; } = new(ReferenceEqualityComparer.Instance);

    public IEnumerable<Buffer> All => Read.Union(Written);

    /// <summary>
    /// Whether an argument may be the same memory as another: an operator in place gives its input as its output. Only
    /// possible where each element of the one is read for the same element of the other and nothing else.
    /// </summary>
    public bool MayBeOneMemory(Buffer argument) =>
        argument.Scope == Scope.Global
        && (
            Written.Contains(argument)
                ? Read.Any(r => r.Scope == Scope.Global && !Written.Contains(r) && InPlace(r, argument))
                : Written.Any(w => w.Scope == Scope.Global && InPlace(argument, w))
        );

    private bool InPlace(Buffer read, Buffer written)
    {
        if (read.Type != written.Type || _copied.Contains(read))
            return false;
        int seen = 0;
        foreach (var store in _stores)
        {
            var loads = store
                .Value.Loads()
                .Concat(store.Indices.SelectMany(i => i.Loads()))
                .Where(l => l.Buffer == read);
            foreach (var load in loads)
            {
                seen++;
                if (
                    store.Buffer != written
                    || LinearForm.Of(Op.Sub(read.Offset(load.Indices), written.Offset(store.Indices)))
                        is not { IsConstant: true, Constant: 0 }
                )
                    return false;
            }
        }
        return seen > 0;
    }

    private void Add(Store s)
    {
        _stores.Add(s);
        Written.Add(s.Buffer);
        Loads(s.Value);
        foreach (var index in s.Indices)
            Loads(index);
    }

    private void Add(DeviceOp op)
    {
        foreach (var (operand, access) in op.Accesses)
        {
            switch (access)
            {
                // Comes as a tensor map.
                case OperandAccess.ReadBox:
                    break;
                case OperandAccess.Read:
                    Read.Add(operand.Buffer);
                    _copied.Add(operand.Buffer);
                    break;
                default:
                    Written.Add(operand.Buffer);
                    break;
            }
        }
        foreach (var e in op.Exprs)
            Loads(e);
    }

    private void Loads(Expr e) => Read.UnionWith(e.Loads().Select(l => l.Buffer));
}
