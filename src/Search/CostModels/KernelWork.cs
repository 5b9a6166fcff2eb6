using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Intrinsics;
using Picograd.Schedules.Ir;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Search.CostModels;

/// <summary>
/// What the threads of one block of a kernel do, counted on its kernel form (docs/cuda.md): instructions, tensor-core arithmetic,
/// turns of shared memory, bytes from the second-level cache, registers, and how long a thread takes at least.
/// </summary>
internal sealed class KernelWork
{
    private const double MemoryLatency = 600;
    private const double BulkLatency = 900;
    private const double SharedLatency = 30;
    private const double ArithmeticLatency = 4;
    private const double ShuffleLatency = 25;
    private const double BarrierLatency = 25;
    private const double WarpgroupDrain = 80;
    private const double FunctionOperations = 10;

    private readonly GpuInfo _gpu;
    private readonly Var _thread;
    private readonly List<For> _around;
    private readonly List<For> _loops = [];
    private readonly List<double> _trips = [];
    private readonly IndexValues _values = new();
    private Active _active;
    private double _share = 1;

    private KernelWork(GpuInfo gpu, For threads, List<For> around)
    {
        _gpu = gpu;
        _thread = threads.Var;
        _around = around;
        Threads = (int)(threads.ConstantExtent ?? GpuInfo.MaxThreadsPerBlock);
        foreach (var loop in around)
            _values.Set(loop.Var, 0);
        _active = Active.All(Threads);
        Chain = Walk(threads.Body);
        Registers = MostLive(threads.Body);
    }

    public int Threads { get; }

    /// <summary>Warp instructions.</summary>
    public double Instructions { get; private set; }

    /// <summary>Cycles of a multiprocessor's tensor cores.</summary>
    public double TensorCycles { get; private set; }

    /// <summary>Cycles of a multiprocessor's shared memory.</summary>
    public double SharedCycles { get; private set; }

    /// <summary>Bytes by buffer between the multiprocessor and the second-level cache.</summary>
    public Dictionary<Buffer, double> Traffic { get; } = [];

    /// <summary>Registers of buffers that live at the same time, at most.</summary>
    public double Registers { get; }

    /// <summary>Whether warps hand registers on to others, so that a multiprocessor has one block.</summary>
    public bool MovesRegisters { get; private set; }

    public KernelChain Chain { get; }

    /// <param name="gpu">Rates.</param>
    /// <param name="threads">The loop over the threads of a kernel.</param>
    /// <param name="around">The loops around it.</param>
    public static KernelWork Of(GpuInfo gpu, For threads, List<For> around) => new(gpu, threads, around);

    private KernelChain Walk(Stmt stmt)
    {
        switch (stmt)
        {
            case Seq q:
                return q.Items.Aggregate(default(KernelChain), (sum, item) => sum + Walk(item));
            case For loop:
                return Walk(loop);
            case If test:
                return Walk(test);
            case Allocate a:
                return Walk(a.Body);
            case Store s:
                return Stores([s]);
            case StoreAll all:
                return Stores(all.Stores);
            case LaneReduce reduce:
                return Walk(reduce);
            case Call call:
                return Walk(call);
            case DeviceOp op:
                return Walk(op);
            case Barrier:
                return Issued(1) with { Arithmetic = BarrierLatency };
            default:
                return Issued(1);
        }
    }

    // Buffers take registers from the first statement that uses them to the last.
    private static double MostLive(Stmt stmt)
    {
        var buffers = new List<Buffer>();
        while (stmt is Allocate a)
        {
            if (a.Buffer.Scope is Scope.Register or Scope.Fragment)
                buffers.Add(a.Buffer);
            stmt = a.Body;
        }
        Stmt[] items = stmt is Seq q ? [.. q.Items] : [stmt];
        double[] live =
        [
            .. items.Select(i => i is Allocate ? MostLive(i) : i.Children().Select(MostLive).DefaultIfEmpty(0).Max()),
        ];
        if (buffers.Count > 0)
        {
            var uses = items.Select(i => BufferAccess.Below(i).Select(u => u.Buffer).ToHashSet()).ToList();
            foreach (var buffer in buffers)
            {
                double registers = Elements(buffer) * Math.Max(buffer.Type.Size(), 2) / 4.0;
                int last = uses.FindLastIndex(u => u.Contains(buffer));
                for (int i = Math.Max(0, uses.FindIndex(u => u.Contains(buffer))); i <= last; i++)
                    live[i] += registers;
            }
        }
        return live.Max();
    }

    private KernelChain Walk(For loop)
    {
        double trips = _values.Mean(loop.Extent, [.. _around, .. _loops]);
        _loops.Add(loop);
        _trips.Add(trips);
        _values.Set(loop.Var, 0);
        var body = Walk(loop.Body);
        _loops.RemoveAt(_loops.Count - 1);
        _trips.RemoveAt(_trips.Count - 1);
        bool carries = Carries(loop);
        if (loop.Kind is LoopKind.Unrolled or LoopKind.Vector)
            return body.Unrolled(trips, carries);
        Count(2 * trips);
        if (Exchanges(loop.Body))
            body += new KernelChain(2 * BarrierLatency, 0, 2, 0);
        return body.Looped(trips, carries, Waits(loop.Body));
    }

    // A condition on the thread alone says who takes part; any other, how often.
    private KernelChain Walk(If test)
    {
        var free = test.Cond.Nodes().OfType<Var>().Distinct().ToList();
        bool data = test.Cond.Nodes().Any(n => n is Load);
        if (!data && free.All(v => v == _thread))
        {
            var all = _active;
            _active = all.Where(t => Holds(test.Cond, t));
            var then = _active.Warps > 0 ? Walk(test.Then) : default;
            _active = all.Where(t => !Holds(test.Cond, t));
            var otherwise = test.Else is not null && _active.Warps > 0 ? Walk(test.Else) : default;
            _active = all;
            return KernelChain.Longer(then, otherwise);
        }
        Count(1);
        double share = data ? 1 : Math.Clamp(_values.Mean(test.Cond, [.. _around, .. _loops]), 0, 1);
        double outer = _share;
        _share = outer * share;
        var yes = share * Walk(test.Then);
        _share = outer * (1 - share);
        var no = test.Else is null ? default : (1 - share) * Walk(test.Else);
        _share = outer;
        return yes + no;
    }

    private bool Holds(Expr condition, int thread)
    {
        _values.Set(_thread, thread);
        return _values.Of(condition) != 0;
    }

    private KernelChain Stores(ImmutableArray<Store> stores)
    {
        double operations = stores.Sum(s => Operations(s.Value));
        double rate = stores.Any(s => s.Value.Type == DType.Float64) ? 2 : 1;
        Count(operations * rate);
        double memory = 0;
        foreach (
            var load in stores.SelectMany(s => s.Value.Loads().Concat(s.Indices.SelectMany(i => i.Loads()))).Distinct()
        )
        {
            Access(load.Buffer, load.Indices);
            memory = Math.Max(memory, Latency(load.Buffer));
        }
        foreach (var store in stores)
            Access(store.Buffer, store.Indices);
        double depth = operations <= 2 ? operations : 1 + Math.Log2(operations);
        return new(ArithmeticLatency * depth, memory, Math.Max(1, operations), 0);
    }

    private KernelChain Walk(LaneReduce reduce)
    {
        double steps = Math.Log2(Math.Max(2, reduce.Width));
        double combine = Math.Max(1, reduce.Reducer.Result.Sum(Operations));
        double instructions = steps * (reduce.Outputs.Length + combine);
        Count(instructions);
        SharedCycles += steps * reduce.Outputs.Length * Times * _active.Warps;
        return new(steps * (ShuffleLatency + ArithmeticLatency * combine), 0, instructions, 0);
    }

    private KernelChain Walk(Call call)
    {
        var intrinsic = call.Intrinsic;
        double products = intrinsic.Meaning.IsReduction
            ? intrinsic.Meaning.Axes.Aggregate(1.0, (n, a) => n * ((a.Extent as IntImm)?.Value ?? 1))
            : 0;
        if (products == 0)
        {
            // A load of operands: each lane names a row of 16 bytes.
            for (int i = 1; i < call.Buffers.Length; i++)
                Access(call.Buffers[i], call.Origins[i], 16 / call.Buffers[i].Type.Size());
            return new(0, SharedLatency, 1, 0);
        }
        bool warpgroup = WarpgroupMatmuls.Is(intrinsic);
        double cycles = products / TensorRate(intrinsic.Operands[1].Type, warpgroup);
        double executions = Times * _active.Warps * GpuInfo.WarpSize / intrinsic.Lanes;
        TensorCycles += cycles * executions;
        Count(1);
        if (warpgroup)
        {
            // Both operands are read from shared memory.
            double bytes = intrinsic.Operands.Skip(1).Sum(o => Elements(o) * o.Type.Size());
            SharedCycles += bytes / SharedBytesPerCycle * executions;
            return new(0, 0, Math.Max(cycles, bytes / SharedBytesPerCycle), 0);
        }
        // A warp has the tensor core of one of four schedulers.
        return new(0, 0, 4 * cycles, 0);
    }

    /// <summary>
    /// Multiply-adds a cycle and multiprocessor that are reached at the highest clock: of bfloat16 and float16 2,048 on Hopper
    /// and 1,024 before by the data sheets. The best libraries get 78 per cent through wgmma, since the clock falls, and mma.sync
    /// some 60 of these on Hopper (cuBLAS 716 to 795 TFLOP/s of 1,070 on H100).
    /// </summary>
    private double TensorRate(DType type, bool warpgroup)
    {
        double peak = (_gpu.Major >= 9 ? 2048 : 1024) * (type.Size() == 2 ? 1 : 0.5);
        return peak
            * (
                _gpu.Major < 9 ? 0.85
                : warpgroup ? 0.78
                : 0.47
            );
    }

    private const double SharedBytesPerCycle = 128;

    private KernelChain Walk(DeviceOp op)
    {
        MovesRegisters |= op.Instruction.MovesRegisters;
        double issues = op.Instruction.Issues;
        switch (op.Queue, op.Step)
        {
            case (DeviceQueue.Copies, QueueStep.Begin):
                // One instruction reads and writes.
                foreach (var (o, access) in op.Accesses)
                    Access(o.Buffer, o.Place, o.Elements, instructions: access == OperandAccess.Read);
                return new(0, 0, issues, 0);
            case (DeviceQueue.Copies, QueueStep.Wait):
                return Issued(issues) with
                {
                    Arithmetic = BarrierLatency,
                    Copies = MemoryLatency / (op.Numbers[0] + 1),
                };
            case (DeviceQueue.Barriers, QueueStep.Wait):
                double slots = Math.Max(1, Elements(op.Operands[0].Buffer));
                return Issued(issues) with { Arithmetic = BarrierLatency, Copies = BulkLatency / slots };
            case (DeviceQueue.Products, QueueStep.Wait):
                return Issued(issues) with { Arithmetic = op.Numbers[0] == 0 ? WarpgroupDrain : 0 };
            default:
                foreach (var (o, _) in op.Accesses.Where(a => a.Access == OperandAccess.ReadBox))
                    Box(o);
                return Issued(issues);
        }
    }

    private void Box(DeviceOperand box)
    {
        double bytes = box.Elements * (double)box.Buffer.Type.Size();
        double times = Times * Math.Max(1, _active.Threads);
        Traffic[box.Buffer] = Traffic.GetValueOrDefault(box.Buffer) + bytes * times;
        SharedCycles += bytes / SharedBytesPerCycle * times;
    }

    private void Access(Buffer buffer, ImmutableArray<Expr> place, long elements = 0, bool instructions = true)
    {
        if (buffer.Scope is Scope.Register or Scope.Fragment or Scope.Stack)
            return;
        // Lanes of a vector loop, or neighbours that the statement names.
        var vector = elements == 0 && _loops is [.., { Kind: LoopKind.Vector } last] ? last : null;
        long width = elements > 0 ? elements : vector?.ConstantExtent ?? 1;
        var access = WarpAccess.Of(buffer, place, _active.FirstWarp, _thread, vector?.Var, width, _values);
        double times = Executions(place) / (vector is null ? 1 : width) * _active.Warps;
        if (instructions)
            Instructions += access.Instructions * times;
        if (buffer.Scope == Scope.Shared)
            SharedCycles += access.BankCycles * times;
        else
            Traffic[buffer] = Traffic.GetValueOrDefault(buffer) + access.Sectors * SectorBytes * times;
    }

    private const double SectorBytes = 32;

    /// <summary>How often a statement is executed by each thread that takes part.</summary>
    private double Times => _trips.Aggregate(_share, (n, t) => n * t);

    // How often an access is made: a compiler keeps what does not change in the innermost loops, and in unrolled ones.
    private double Executions(ImmutableArray<Expr> place)
    {
        double times = _share;
        bool inside = false;
        for (int i = _loops.Count - 1; i >= 0; i--)
        {
            bool depends = _loops[i].Kind == LoopKind.Vector || place.Any(e => e.Uses(_loops[i].Var));
            bool rolled = _loops[i].Kind is not (LoopKind.Unrolled or LoopKind.Vector);
            if (depends || (inside && rolled))
                times *= _trips[i];
            inside |= depends && rolled;
        }
        return times;
    }

    private void Count(double instructions) => Instructions += instructions * Times * _active.Warps;

    private KernelChain Issued(double instructions)
    {
        Count(instructions);
        return new(0, 0, instructions, 0);
    }

    private static double Latency(Buffer buffer) =>
        buffer.Scope switch
        {
            Scope.Register or Scope.Fragment or Scope.Stack => 0,
            Scope.Shared => SharedLatency,
            _ => MemoryLatency,
        };

    // Whether an iteration reads what the one before wrote: a sum in one place.
    private static bool Carries(For loop) =>
        loop
            .Body.Nodes()
            .OfType<Store>()
            .Any(s => !s.Indices.Any(i => i.Uses(loop.Var)) && s.Value.Loads().Any(l => l.Buffer == s.Buffer));

    private static bool Waits(Stmt body) =>
        body.Nodes().Any(s => s is Barrier or DeviceOp { Step: QueueStep.Wait }) || Exchanges(body);

    // Whether a barrier will come between what is written to shared memory and its use.
    private static bool Exchanges(Stmt body) => body.Nodes().Any(s => s is Store { Buffer.Scope: Scope.Shared });

    private static double Operations(Expr e)
    {
        double own = e switch
        {
            // Special-function units share the work: only a power takes several of them.
            Apply a => Math.Max(1, Math.Round(a.Function.Cost / 40)) * FunctionOperations,
            Unary { Kind: > UnaryOp.Abs } => FunctionOperations,
            Binary { Kind: BinaryOp.Div } => FunctionOperations,
            // A product that is added is one operation.
            Binary { Kind: BinaryOp.Mul } b when b.Type != DTypes.Index => 0.5,
            Binary { Kind: BinaryOp.Add or BinaryOp.Sub } b when b.Type != DTypes.Index => HasProduct(b) ? 0.5 : 1,
            Unary or Select or Fma or Cast => 1,
            Binary b when b.Type != DTypes.Index => 1,
            _ => 0.0,
        };
        // The places of loads are added up once for many of them.
        return e is Load ? 0 : own + e.Children().Sum(Operations);
    }

    private static bool HasProduct(Binary sum) =>
        sum.A is Binary { Kind: BinaryOp.Mul } || sum.B is Binary { Kind: BinaryOp.Mul };

    private static double Elements(Buffer buffer) =>
        buffer.Shape.Aggregate(1.0, (n, e) => n * ((e as IntImm)?.Value ?? 1));

    /// <summary>Threads that take part in a statement.</summary>
    private sealed record Active(ImmutableArray<int> Numbers)
    {
        public int Threads => Numbers.Length;

        /// <summary>Warps of which any thread takes part.</summary>
        public int Warps { get; } = Numbers.Select(t => t / GpuInfo.WarpSize).Distinct().Count();

        /// <summary>Those of the first such warp.</summary>
        public IReadOnlyList<int> FirstWarp { get; } =
        [.. Numbers.TakeWhile(t => t / GpuInfo.WarpSize == Numbers[0] / GpuInfo.WarpSize)];

        public static Active All(int threads) => new([.. Enumerable.Range(0, threads)]);

        public Active Where(Func<int, bool> holds) => new([.. Numbers.Where(holds)]);
    }
}
