using System.Reflection.Emit;
using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// Writes one method: the kernel's entry, or the body of a parallel loop (a method of its own, which gets its outer
/// variables through a context). Statements without control flow gather in a region, so that values are shared across
/// unrolled copies.
/// </summary>
internal sealed partial class FunctionEmitter
{
    // Slots of a parallel context before the outer loop variables.
    private const int ContextHeader = 6;
    private const int ContextSlots = ContextHeader + 26;

    private readonly KernelBuilder _kernel;
    private readonly IlWriter _il;
    private readonly Addressing _addressing;
    private readonly Dictionary<Var, LocalBuilder> _parameters = [];
    private readonly Dictionary<Buffer, PromotedBuffer> _promoted = [];
    private readonly ValueBuilder _values;
    private readonly bool _isBody;
    private Region _region = new();
    private int _flushes;

    // Locals of the method's own inputs.
    private readonly LocalBuilder _arguments;
    private readonly LocalBuilder _parameterValues;
    private readonly LocalBuilder _workspace;
    private readonly LocalBuilder _sharedBytes;
    private readonly LocalBuilder _workerBytes;
    private LocalBuilder? _worker;
    private LocalBuilder? _context;

    private FunctionEmitter(KernelBuilder kernel, ILGenerator generator, bool isBody)
    {
        _kernel = kernel;
        _il = new IlWriter(generator);
        kernel.Writers.Add(_il);
        _addressing = new Addressing(_il, _parameters);
        _values = new ValueBuilder(() => _region, _addressing, _parameters, _promoted, () => kernel.InRange);
        _isBody = isBody;
        _arguments = _il.NewLocal(typeof(nint));
        _parameterValues = _il.NewLocal(typeof(nint));
        _workspace = _il.NewLocal(typeof(nint));
        _sharedBytes = _il.NewLocal(typeof(long));
        _workerBytes = _il.NewLocal(typeof(long));
    }

    public static DynamicMethod EmitEntry(KernelBuilder kernel, string name)
    {
        var method = new DynamicMethod(
            name,
            typeof(void),
            [typeof(nint*), typeof(long*), typeof(byte*), typeof(long), typeof(long)],
            typeof(FunctionEmitter).Module,
            skipVisibility: true
        )
        {
            InitLocals = false,
        };
        var emitter = new FunctionEmitter(kernel, method.GetILGenerator(), false);
        emitter.EntryProlog();
        emitter.Finish(kernel.Nest.Body);
        kernel.Methods.Add(method);
        return method;
    }

    private void Finish(Stmt body)
    {
        Emit(body);
        Flush();
        _il.Emit(OpCodes.Ret);
        _il.CheckLimits();
    }

    private void EntryProlog()
    {
        var targets = new[] { _arguments, _parameterValues, _workspace, _sharedBytes, _workerBytes };
        for (int i = 0; i < targets.Length; i++)
        {
            _il.Argument(i);
            _il.Store(targets[i]);
        }
        if (_kernel.Nest.Loops.Any(l => l.Kind == LoopKind.Parallel))
        {
            _context = _il.NewLocal(typeof(nint));
            _il.Int(ContextSlots * 8);
            _il.Emit(OpCodes.Conv_U);
            _il.Emit(OpCodes.Localloc);
            _il.Store(_context);
        }
        Bind();
    }

    // Parameters and the bases of arguments become locals, those that the method uses.
    private void Bind()
    {
        var algorithm = _kernel.Nest.Algorithm;
        for (int i = 0; i < algorithm.Parameters.Length; i++)
        {
            var local = _il.NewLocal(typeof(long));
            _il.Load(_parameterValues);
            _il.AddOffset(8L * i);
            _il.Emit(OpCodes.Ldind_I8);
            _il.Store(local);
            _parameters[algorithm.Parameters[i].Var] = local;
        }
        foreach (var (var, value) in _kernel.Derived)
        {
            var local = _il.NewLocal(typeof(long));
            _addressing.Value(value);
            _il.Store(local);
            _parameters[var] = local;
        }
        var arguments = algorithm.Arguments;
        for (int i = 0; i < arguments.Length; i++)
        {
            var local = _il.NewLocal(typeof(nint));
            _il.Load(_arguments);
            _il.AddOffset((long)nint.Size * i);
            _il.Emit(OpCodes.Ldind_I);
            _il.Store(local);
            _addressing.SetBase(arguments[i], local);
        }
    }

    private void Flush()
    {
        _flushes++;
        if (_region.IsEmpty)
        {
            _region = new Region();
            return;
        }
        new RegionEmitter(_il, _kernel.Isa).Emit(_region);
        _region = new Region();
    }

    private void Emit(Stmt stmt)
    {
        // As soon as the method is too large, since the rest may be many times larger.
        _il.CheckLimits();
        if (_region.Effects.Count > IlWriter.MaxInstructions)
            throw new LoweringException("il-too-long", $"more than {IlWriter.MaxInstructions} stores in a row");
        switch (stmt)
        {
            case Seq q:
                foreach (var item in q.Items)
                    Emit(item);
                break;
            case For { Kind: LoopKind.Vector } f:
                EmitVector(f);
                break;
            case For { Kind: LoopKind.Parallel } f when !_isBody && Threads(f) > 1:
                EmitParallel(f);
                break;
            case For { Kind: var kind } f when kind.IsGpu():
                throw new LoweringException("gpu-loop", $"loop {f.Name} is {kind.Text()}, which the CPU does not have");
            case For f:
                EmitLoop(f, null, null);
                break;
            case If i:
                EmitIf(i);
                break;
            case Allocate a:
                EmitAllocate(a);
                break;
            case Store s:
                EmitStore(s);
                break;
            case StoreAll all:
                EmitStoreAll(all);
                break;
            // What is in registers is as near as it can be.
            case Prefetch p when _promoted.ContainsKey(p.Buffer):
                break;
            case Prefetch p:
                if (System.Runtime.Intrinsics.X86.Sse.IsSupported)
                    _region.Add(EffectKind.Prefetch, null, _values.Address(p, p.Buffer, p.Indices));
                break;
            default:
                throw new LoweringException("unsupported", $"{stmt.GetType().Name} on the CPU");
        }
    }

    private int Threads(For f) =>
        f.Annotations.TryGetValue("threads", out var text)
            ? Math.Min(int.Parse(text, System.Globalization.CultureInfo.InvariantCulture), _kernel.Threads)
            : _kernel.Threads;

    // ---- control flow

    private void EmitLoop(For f, LocalBuilder? begin, LocalBuilder? end)
    {
        Flush();
        if (f.ConstantExtent == 0)
            return;
        var saved = _addressing.Save();
        var variable = _il.NewLocal(typeof(long));
        bool constant = end is null && f.Extent is IntImm;
        if (!constant && end is null)
        {
            end = _il.NewLocal(typeof(long));
            new RegionEmitter(_il, _kernel.Isa).EmitValue(_values.Scalar(f.Extent));
            _il.Store(end);
            _region = new Region();
        }
        var advancing = _addressing.EnterLoop(f.Var, variable, begin, Accesses(f.Body));
        if (begin is null)
            _il.Long(0);
        else
            _il.Load(begin);
        _il.Store(variable);
        var top = _il.NewLabel();
        var exit = _il.NewLabel();
        if (!constant)
        {
            _il.Load(variable);
            _il.Load(end!);
            _il.Emit(OpCodes.Bge, exit);
        }
        void Next()
        {
            foreach (var (pointer, step) in advancing)
                _addressing.Advance(pointer, step);
            _il.Load(variable);
            _il.Long(1);
            _il.Emit(OpCodes.Add);
            _il.Store(variable);
            _il.Load(variable);
        }
        void End()
        {
            if (constant)
                _il.Long(f.ConstantExtent!.Value);
            else
                _il.Load(end!);
        }
        if (MayRepeatFar(f))
        {
            EmitNearAndFar(f, variable, top, Next, End);
        }
        else
        {
            _il.Mark(top);
            Emit(f.Body);
            Flush();
            Next();
            End();
            _il.Emit(OpCodes.Blt, top);
        }
        _il.Mark(exit);
        _addressing.LeaveLoop();
        _addressing.Restore(saved);
    }

    private IEnumerable<(Buffer, LinearForm)> Accesses(Stmt body)
    {
        foreach (var (buffer, access, indices) in _kernel.Accesses.Below(body))
        {
            if (buffer.Scope != Scope.Register)
                yield return (buffer, _addressing.FormOf(access, buffer, indices));
        }
    }

    private void EmitVector(For f)
    {
        int size = f.LaneBytes;
        int lanes = size == 0 ? 1 : _kernel.Isa.Bits / 8 / size;
        if (_values.Vector is not null || size == 0 || f.ConstantExtent is not { } extent || extent > lanes)
        {
            EmitLoop(f with { Kind = LoopKind.Serial }, null, null);
            return;
        }
        _values.Vector = new VectorContext(f.Var, lanes, (int)extent, size, null);
        Emit(f.Body);
        // A loop inside may have ended the region; what is gathered now still belongs to this context.
        _values.Vector = null;
    }

    private void EmitIf(If i)
    {
        if (_values.Vector is { } vector && i.Cond.Uses(vector.Lane))
        {
            // What is the same for all lanes is a branch, where no mask is open across it. What is read from memory stays
            // in its place, since the conditions before it may keep it from being read.
            bool IsBranch(Expr c) => !c.Uses(vector.Lane) && !c.Loads().Any();
            var uniform = i.Cond.Conjuncts().Where(IsBranch).Aggregate(Op.True, Op.And);
            if (!uniform.IsTrue() && vector.Mask is null && i.Else is null)
            {
                var varying = i.Cond.Conjuncts().Where(c => !IsBranch(c)).Aggregate(Op.True, Op.And);
                EmitIf(new If(uniform, new If(varying, i.Then)));
                return;
            }
            bool exists = i.Else is null && _values.IsExistence(i.Cond);
            var mask = _values.BuildLanes(i.Cond);
            _values.Vector = exists ? vector with { Exist = mask } : _values.Under(i.Cond, mask);
            EmitMasked(i.Then);
            if (i.Else is not null)
            {
                _values.Vector = vector;
                var not = _values.Not(mask);
                _values.Vector = _values.Under(Op.Not(i.Cond), not);
                EmitMasked(i.Else);
            }
            _values.Vector = vector;
            return;
        }
        Flush();
        var saved = _addressing.Save();
        var otherwise = _il.NewLabel();
        var end = i.Else is null ? otherwise : _il.NewLabel();
        new RegionEmitter(_il, _kernel.Isa).EmitValue(_values.Scalar(i.Cond));
        _region = new Region();
        _il.Emit(OpCodes.Brfalse, otherwise);
        int known = _values.Enter(i.Cond);
        Emit(i.Then);
        Flush();
        _values.Leave(known);
        _addressing.Restore(saved);
        if (i.Else is not null)
        {
            _il.Emit(OpCodes.Br, end);
            _il.Mark(otherwise);
            saved = _addressing.Save();
            Emit(i.Else);
            Flush();
            _addressing.Restore(saved);
        }
        _il.Mark(end);
    }

    // A mask is a value of the region it was made in, so what is under it must not end the region.
    private void EmitMasked(Stmt stmt)
    {
        if (stmt.Nodes().Any(n => n is For or If { } && n is not For { Kind: LoopKind.Vector } && IsBranch(n)))
            throw new LoweringException(
                "masked-control-flow",
                "a loop or branch below a condition that differs between lanes"
            );
        Emit(stmt);
    }

    private bool IsBranch(Stmt stmt) => stmt is not If i || !i.Cond.Uses(_values.Vector!.Lane);

    // ---- storage

    private void EmitAllocate(Allocate a)
    {
        Flush();
        var (lanes, noBlend) =
            a.Buffer.Scope == Scope.Register
                ? RegisterPromotion.Analyze(a.Buffer, a.Body, _kernel.Isa.Bits)
                : (0, new HashSet<long>());
        if (lanes > 0)
        {
            _promoted[a.Buffer] = new PromotedBuffer(
                a.Buffer,
                lanes,
                a.Buffer.Type == DType.Bool && lanes > 1 ? _kernel.Isa.Bits / 8 / lanes : 0,
                noBlend,
                type => _il.NewLocal(RegisterType(type))
            );
            Emit(a.Body);
            Flush();
            _promoted.Remove(a.Buffer);
            return;
        }
        BindWorkspace(a.Buffer, _isBody);
        Emit(a.Body);
        Flush();
    }

    private Type RegisterType(ValueType type) =>
        type.IsVector ? VectorIsa.Of(type).Vector(VectorIsa.LaneOf(type)) : CpuType.Of(type.Element).Scalar;

    private void BindWorkspace(Buffer buffer, bool inBody)
    {
        var (offset, perWorker) = _kernel.Place(buffer, inBody);
        var local = _il.NewLocal(typeof(nint));
        _il.Load(_workspace);
        if (offset is IntImm known)
        {
            _il.AddOffset(known.Value);
        }
        else
        {
            _addressing.Value(offset);
            _il.Emit(OpCodes.Conv_I);
            _il.Emit(OpCodes.Add);
        }
        if (perWorker)
        {
            _il.Load(_sharedBytes);
            _il.Load(_workerBytes);
            _il.Load(_worker!);
            _il.Emit(OpCodes.Mul);
            _il.Emit(OpCodes.Add);
            _il.Emit(OpCodes.Conv_I);
            _il.Emit(OpCodes.Add);
        }
        _il.Store(local);
        _addressing.SetBase(buffer, local);
    }

    private void EmitStore(Store s)
    {
        var vector = _values.Vector;
        bool lanes = vector is not null && s.Indices.Any(i => i.Uses(vector.Lane));
        var value = lanes ? _values.BuildLanes(s.Value) : _values.Build(s.Value);
        Put(s, value, lanes);
    }

    private void EmitStoreAll(StoreAll all)
    {
        bool Lanes(Store s) => _values.Vector is { } vector && s.Indices.Any(i => i.Uses(vector.Lane));
        var values = all.Stores.Select(s => Lanes(s) ? _values.BuildLanes(s.Value) : _values.Build(s.Value)).ToArray();
        _region.Add(EffectKind.Materialize, null, values);
        for (int i = 0; i < values.Length; i++)
            Put(all.Stores[i], values[i], Lanes(all.Stores[i]));
    }

    private void Put(Store s, Node value, bool lanes)
    {
        var vector = _values.Vector;
        if (_promoted.TryGetValue(s.Buffer, out var registers))
        {
            var (element, lane) = registers.Element(s.Indices, lanes ? vector!.Lane : null);
            if (!lanes && element.Type.IsVector)
                _region.Add(EffectKind.RegisterWriteLane, (element, lane), value);
            else
            {
                if (element.Type is { IsVector: true, Element: DType.Bool } && lanes)
                    value = _values.Resized(value, element.Type.MaskBytes);
                if (lanes && element.Blends && _values.MemoryMask(s.Buffer.Type) is { } mask)
                {
                    var old = _region.Make(NodeOp.RegisterRead, element.Type, element, element.Epoch);
                    value = _values.Choice(mask, value, old);
                }
                _region.Add(EffectKind.RegisterWrite, element, value);
            }
            element.Epoch++;
            return;
        }
        var address = _values.Address(s, s.Buffer, s.Indices);
        if (!lanes)
        {
            _region.Add(EffectKind.Store, s.Buffer.Type, address, value);
        }
        else
        {
            long stride = _addressing.FormOf(s, s.Buffer, s.Indices).CoefficientOf(vector!.Lane);
            var mask = _values.MemoryMask(s.Buffer.Type);
            if (s.Buffer.Type == DType.Bool)
                value = _values.Resized(value, vector.ElementSize);
            if (stride != 1)
                _region.Add(
                    EffectKind.StridedStore,
                    new StridedStore(
                        stride * s.Buffer.Type.Size(),
                        vector.Count,
                        s.Buffer.Type,
                        !_region.WasRead(s.Buffer)
                    ),
                    address,
                    value
                );
            else if (mask is null)
                _region.Add(EffectKind.Store, s.Buffer.Type, address, value);
            else
                _region.Add(EffectKind.MaskedStore, s.Buffer.Type, address, value, mask);
        }
        _region.Written(s.Buffer);
    }
}
