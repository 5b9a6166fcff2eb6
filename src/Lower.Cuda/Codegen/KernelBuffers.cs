using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Codegen;

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
                    _stores.Add(s);
                    break;
                case StoreAll all:
                    _stores.AddRange(all.Stores);
                    break;
                default:
                    break;
            }
            foreach (var access in BufferAccess.Own(stmt))
            {
                if (stmt is DeviceOp op && ComesAsTensorMap(op, access))
                    continue;
                (access.IsWrite ? Written : Read).Add(access.Buffer);
                if (stmt is Call or DeviceOp && !access.IsWrite)
                    _copied.Add(access.Buffer);
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

    private static bool ComesAsTensorMap(DeviceOp op, BufferAccess access) =>
        op.Accesses.Any(a => a.Access == OperandAccess.ReadBox && a.Operand.Buffer == access.Buffer);
}
