using System.Reflection.Emit;
using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>Parallel loops: the body becomes a method of its own, which gets what it needs through a context.</summary>
internal sealed partial class FunctionEmitter
{
    private void EmitParallel(For f)
    {
        Flush();
        int threads = Threads(f);
        // A loop runs on one thread an iteration at most, so no more of them need an area of the workspace.
        _kernel.UsesThreads((int)Math.Clamp(f.ConstantExtent ?? threads, 1, threads));
        var method = new DynamicMethod(
            $"{_kernel.Nest.Algorithm.Name}.{f.Name}",
            typeof(void),
            [typeof(long*), typeof(long), typeof(long), typeof(long)],
            typeof(FunctionEmitter).Module,
            skipVisibility: true
        )
        {
            InitLocals = false,
        };
        var outer = _addressing.LoopsInScope;
        if (outer.Count > ContextSlots - ContextHeader)
            throw new LoweringException("too-deep", $"{outer.Count} loops around parallel loop {f.Name}");
        var body = new FunctionEmitter(_kernel, method.GetILGenerator(), true);
        body.EmitBody(f, [.. outer.Select(o => o.Var)], _promoted.Keys);
        _kernel.Methods.Add(method);
        var handle = GCHandle.Alloc(method.CreateDelegate<ParallelBody>());
        _kernel.Bodies.Add(handle);

        void Slot(int index, Action value)
        {
            _il.Load(_context!);
            _il.AddOffset(8L * index);
            value();
            _il.Emit(OpCodes.Stind_I8);
        }
        Slot(0, () => _il.Address(GCHandle.ToIntPtr(handle)));
        Slot(1, () => LoadAsLong(_arguments));
        Slot(2, () => LoadAsLong(_parameterValues));
        Slot(3, () => LoadAsLong(_workspace));
        Slot(4, () => _il.Load(_sharedBytes));
        Slot(5, () => _il.Load(_workerBytes));
        for (int i = 0; i < outer.Count; i++)
        {
            var local = outer[i].Local;
            Slot(ContextHeader + i, () => _il.Load(local));
        }
        _il.Load(_context!);
        new RegionEmitter(_il, _kernel.Isa).EmitValue(_values.Scalar(f.Extent));
        _region = new Region();
        _il.Int(threads);
        _il.Int(f.Annotations.TryGetValue("partition", out var partition) && partition == "dynamic" ? 1 : 0);
        _il.Call(typeof(ParallelTrampoline).GetMethod(nameof(ParallelTrampoline.Run))!);
    }

    private void LoadAsLong(LocalBuilder local)
    {
        _il.Load(local);
        _il.Emit(OpCodes.Conv_I8);
    }

    private void EmitBody(For f, Var[] outer, IEnumerable<Buffer> outsideRegisters)
    {
        if (outsideRegisters.Any())
        {
            foreach (var (buffer, _, _) in _kernel.Accesses.Below(f.Body))
            {
                if (outsideRegisters.Contains(buffer))
                    throw new LoweringException(
                        "register-across-threads",
                        $"{buffer.Name} is in registers outside the parallel loop {f.Name}"
                    );
            }
        }
        void FromSlot(int index, LocalBuilder local)
        {
            _il.Argument(0);
            _il.AddOffset(8L * index);
            _il.Emit(OpCodes.Ldind_I8);
            if (local.LocalType == typeof(nint))
                _il.Emit(OpCodes.Conv_I);
            _il.Store(local);
        }
        FromSlot(1, _arguments);
        FromSlot(2, _parameterValues);
        FromSlot(3, _workspace);
        FromSlot(4, _sharedBytes);
        FromSlot(5, _workerBytes);
        var begin = _il.NewLocal(typeof(long));
        var end = _il.NewLocal(typeof(long));
        _worker = _il.NewLocal(typeof(long));
        foreach (var (index, local) in new[] { (1, begin), (2, end), (3, _worker) })
        {
            _il.Argument(index);
            _il.Store(local);
        }
        Bind();
        foreach (var buffer in _kernel.Accesses.Below(f.Body).Select(a => a.Buffer).Distinct())
        {
            if (!_addressing.HasBase(buffer) && !AllocatedIn(f.Body, buffer))
                BindWorkspace(buffer, false);
        }
        for (int i = 0; i < outer.Length; i++)
        {
            var local = _il.NewLocal(typeof(long));
            FromSlot(ContextHeader + i, local);
            _addressing.Enter(outer[i], local);
        }
        EmitLoop(f with { Kind = LoopKind.Serial }, begin, end);
        Flush();
        _il.Emit(OpCodes.Ret);
        _il.CheckLimits();
    }

    private static bool AllocatedIn(Stmt stmt, Buffer buffer) =>
        stmt.Nodes().Any(n => n is Allocate a && a.Buffer == buffer);
}
