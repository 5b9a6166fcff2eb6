using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Dispatch;
using Picograd.Schedules.Backend;

namespace Picograd.Graphs;

/// <summary>
/// A recorded program made ready: kernels are chosen, memory is planned, addresses are written down. A run looks up where the memory
/// from outside lies now, lets the host make its numbers, and starts the kernels. Not for several threads at once.
/// </summary>
internal sealed unsafe partial class CompiledProgram
{
    private readonly DispatchContext[] _contexts;
    private readonly Node[] _nodes;
    private readonly MemoryPlan _plan;
    private readonly DeviceMemory? _arena;
    private readonly List<DeviceMemory> _kept = [];

    // Where things lie in this run: blocks from outside, then blocks that are made to stay.
    private readonly Place[] _places;
    private readonly nint[] _bases;

    // Addresses of all arguments of all kernels, and which of them are somewhere else in each run.
    private readonly nint* _arguments;
    private readonly Patch[] _patches;
    private readonly byte* _cells;

    private readonly (DeviceRuntime Runtime, nint To, byte[] Contents)[] _initial;

    // Places whose memory is put back where a run is refused, and copies of it: as much as this run's storages have.
    private readonly int[] _backups;
    private readonly DeviceMemory?[] _backupMemory;
    private readonly List<ILiveNumbers> _repeated = [];
    private readonly Rotation _rotation;

    private readonly record struct Patch(int Argument, int Place, long Offset);

    // A block that has its own memory in each run.
    private sealed class Place(Block block)
    {
        public Block Block => block;

        // What has it at the end, of blocks that are made to stay.
        public Storage? Storage;

        // Whether calls of the program write where it lies, whose versions come only at the end.
        public bool IsWritten;

        // Whether that was made for this run.
        public bool IsNew;

        // Of a gradient that is made: whose.
        public Leaf? Leaf;

        // Whether it is the gradient of several leaves.
        public bool IsShared;

        // Of what takes the place of another storage's memory: which of the rotation's pieces.
        public int Piece = -1;

        public byte[]? Contents;
    }

    /// <summary>A kernel with its arguments, or work of the host.</summary>
    internal sealed class Node
    {
        public required KernelGroup? Group { get; init; }
        public Step? Host { get; init; }
        public DispatchedKernel? Kernel { get; init; }
        public DeviceRuntime? Runtime { get; init; }

        /// <summary>The first of its arguments among those of all.</summary>
        public int First { get; init; }

        public Operand[] Arguments { get; init; } = [];

        /// <summary>Of each argument, which place it is; −1 for one in the arena.</summary>
        public int[] Places { get; init; } = [];

        /// <summary>Numbers, on devices that have no access to main memory: argument, where, bytes.</summary>
        public (int Argument, nint At, int Bytes)[] Numbers { get; init; } = [];

        /// <summary>Draws: where the numbers are.</summary>
        public (Draw Draw, nint Seed, nint At)[] Draws { get; init; } = [];

        /// <summary>Of numbers of the host: the cells that take them, in order.</summary>
        public (Operator Operator, nint At, int Bytes)[] Cells { get; set; } = [];

        /// <summary>Milliseconds of timed runs together.</summary>
        public double Time { get; set; }

        public string Title =>
            Group is { } group ? string.Join(" + ", group.Calls.Select(c => c.Spec)) : Host!.ToString();
    }

    /// <summary>What was recorded.</summary>
    public RecordedProgram Recorded { get; }

    /// <summary>Groups and work of the host, in order.</summary>
    public IReadOnlyList<Node> Nodes => _nodes;

    public MemoryPlan Plan => _plan;

    /// <summary>Runs so far.</summary>
    public long Runs { get; private set; }

    /// <summary>Runs that were timed.</summary>
    public long TimedRuns { get; private set; }

    /// <summary>Bytes that it holds: arena, constants, spare memory.</summary>
    public long BytesHeld =>
        _plan.Bytes + _kept.Sum(k => k.Length) + _backupMemory.Sum(k => k?.Length ?? 0) + _rotation.Bytes;

    /// <summary>Whether the kernels are those that calls would find now.</summary>
    public bool IsCurrent
    {
        get
        {
            for (int i = 0; i < _contexts.Length; i++)
            {
                if (!ReferenceEquals(_contexts[i], _runtimes[i].Context))
                    return false;
            }
            return true;
        }
    }

    /// <summary>Runs it. Returns the results, or null where the host found something else than was recorded: nothing is changed then.</summary>
    /// <param name="arguments">Which the guards let through.</param>
    /// <param name="isTimed">Whether to time each kernel.</param>
    public Tensor[]? Run(Tensor[] arguments, bool isTimed)
    {
        bool done = false;
        _repeated.Clear();
        Begin(arguments);
        try
        {
            done = Start(isTimed);
        }
        finally
        {
            if (!done)
                Undo(arguments);
        }
        if (!done)
            return null;
        Runs++;
        TimedRuns += isTimed ? 1 : 0;
        return End(arguments);
    }

    private void Begin(Tensor[] arguments)
    {
        _rotation.Begin(this, arguments);
        for (int i = 0; i < _places.Length; i++)
        {
            var place = _places[i];
            _bases[i] = place.Block.IsOutside ? Outside(place.Block, arguments) : Made(place, arguments);
        }
        foreach (var patch in _patches)
            _arguments[patch.Argument] = _bases[patch.Place] + (nint)patch.Offset;
        foreach (var (runtime, to, contents) in _initial)
        {
            fixed (byte* from = contents)
                runtime.Write(to, (nint)from, contents.Length);
        }
        for (int i = 0; i < _backups.Length; i++)
        {
            var block = _places[_backups[i]].Block;
            var storage = StorageOf(block, arguments);
            if (_backupMemory[i]?.Length != storage.Length)
            {
                _backupMemory[i]?.Dispose();
                _backupMemory[i] = block.Runtime.Rent(storage.Length);
            }
            block.Runtime.Copy(storage.Address, _backupMemory[i]!.Address, storage.Length);
        }
    }

    internal static Storage StorageOf(Block block, Tensor[] arguments) =>
        block.Kind switch
        {
            BlockKind.Argument => arguments[block.Argument].Storage,
            BlockKind.Gradient => LeafOf(block.Leaf!, arguments).GradUntold!.Storage,
            _ => block.Storage!,
        };

    private static Tensor LeafOf(Leaf leaf, Tensor[] arguments) =>
        leaf.Argument >= 0 ? arguments[leaf.Argument] : leaf.Tensor;

    private nint Outside(Block block, Tensor[] arguments)
    {
        var storage = StorageOf(block, arguments);
        if (block.Kind != BlockKind.Argument)
            return storage.Address;
        var argument = arguments[block.Argument];
        return storage.Address + (nint)(argument.Layout.Offset * argument.ElementSize);
    }

    private nint Made(Place place, Tensor[] arguments)
    {
        var block = place.Block;
        nint address = AddressOf(place, arguments);
        if (place.Contents is { } contents)
        {
            fixed (byte* from = contents)
                block.Runtime.Write(address, (nint)from, contents.Length);
        }
        return address;
    }

    private nint AddressOf(Place place, Tensor[] arguments)
    {
        if (place.Piece >= 0)
            return _rotation.Address(place.Piece);
        var block = place.Block;
        (place.Storage, place.IsNew) = (null, false);
        // A gradient that is dropped at the beginning, and that nobody else has, is written over.
        if (
            place is { Leaf: { Drops: true } leaf, IsShared: false, Contents: null }
            && LeafOf(leaf, arguments)
                is { IsGradSeen: false, GradUntold: { GradHolders: 1, IsView: false, IsContiguous: true } old }
            && old.Storage is { Owners: 1, IsForeign: false } storage
            && storage.Length == block.Bytes
        )
            place.Storage = storage;
        else
            (place.Storage, place.IsNew) = (Storage.Allocate(block.Bytes, block.Runtime), true);
        return place.Storage.Address;
    }

    private bool Start(bool isTimed)
    {
        foreach (var node in _nodes)
        {
            if (node.Kernel is { } kernel)
            {
                long began = isTimed ? node.Runtime!.BeginCall() : 0;
                Run(node, kernel);
                if (isTimed)
                    node.Time += node.Runtime!.EndCall(began);
            }
            else if (!Look(node))
                return false;
        }
        return true;
    }

    private void Run(Node node, DispatchedKernel kernel)
    {
        foreach (var (draw, seed, at) in node.Draws)
        {
            *(long*)seed = draw.Generator.Seed;
            *(long*)at = draw.Generator.Position + draw.Offset;
        }
        foreach (var (argument, at, bytes) in node.Numbers)
            _arguments[argument] = node.Runtime!.Cells(at, bytes);
        nint* arguments = _arguments + node.First;
        if (kernel.Packing is not { } packing || !TryRunPacked(node, kernel, packing, arguments))
            kernel.Run(arguments);
    }

    // As calls do it: on kept copies of what is from outside and does not change.
    private bool TryRunPacked(Node node, DispatchedKernel kernel, OperandPacking packing, nint* arguments)
    {
        int operands = packing.Operands;
        for (int i = 0; i < operands; i++)
        {
            int input = packing.Input(i);
            int place = node.Places[input];
            if (place < 0 || _places[place] is not { Block: { Kind: BlockKind.Captured } block, IsWritten: false })
                continue;
            var storage = block.Storage!;
            if (storage.IsForeign)
                continue;
            if (
                kernel.TryRunPacked(
                    packing,
                    i,
                    storage,
                    arguments[input] - storage.Address,
                    storage.Version,
                    storage.Length,
                    arguments
                )
            )
            {
                storage.MayBePacked();
                return true;
            }
        }
        return false;
    }

    private bool Look(Node node)
    {
        switch (node.Host)
        {
            case NumbersStep numbers:
                var taker = _taker ??= new NumberTaker();
                taker.Begin(node.Cells);
                numbers.Numbers.Save();
                _repeated.Add(numbers.Numbers);
                try
                {
                    using (taker.Enter())
                    using (Tensor.NoGrad())
                        numbers.Numbers.Repeat();
                }
                catch (OtherCallException)
                {
                    return false;
                }
                return taker.IsDone;
            case ScanStep scan:
                var found = IndexCheck.Look(
                    AddressOf(node),
                    scan.Operand.Layout!.Count,
                    scan.Scan.What,
                    scan.Scan.Limit,
                    scan.Scan.Wraps,
                    scan.Scan.Ignored,
                    scan.Operand.Layout
                );
                return found == scan.Found;
            case ValueStep value:
                byte now;
                value.Operand.Block!.Runtime.Read(AddressOf(node), (nint)(&now), 1);
                return now == value.Value;
            default:
                throw new InvalidOperationException($"There is no such step as {node.Host}.");
        }
    }

    private nint AddressOf(Node node) => _arguments[node.First];

    private void Undo(Tensor[] arguments)
    {
        for (int i = 0; i < _backups.Length; i++)
        {
            var block = _places[_backups[i]].Block;
            var storage = StorageOf(block, arguments);
            block.Runtime.Copy(_backupMemory[i]!.Address, storage.Address, storage.Length);
        }
        for (int i = _repeated.Count - 1; i >= 0; i--)
            _repeated[i].Restore();
        foreach (var place in _places)
        {
            if (place is { IsNew: true, Storage: { } made })
                made.Release();
            (place.Storage, place.IsNew) = (null, false);
        }
    }

    private Tensor[] End(Tensor[] arguments)
    {
        foreach (var place in _places)
            place.IsNew = false;
        foreach (int place in _writtenOutside)
            StorageOf(_places[place].Block, arguments).Version++;
        _rotation.End();
        foreach (var move in Recorded.Moves)
        {
            if (move.Offset != 0)
                move.Generator.Go(move.Generator.Seed, move.Generator.Position + move.Offset);
        }
        _given.Clear();
        using var off = Tensor.NoGrad();
        foreach (var (leaf, place) in _leafEnds)
        {
            var tensor = LeafOf(leaf, arguments);
            if (place < 0)
            {
                tensor.ZeroGrad_();
                continue;
            }
            var storage = _places[place].Storage!;
            if (tensor.GradUntold is { } old && ReferenceEquals(old.Storage, storage))
            {
                storage.Version++;
                continue;
            }
            tensor.ZeroGrad_();
            // Leaves may have one tensor for their gradient.
            bool isFirst = !_given.Contains(storage);
            if (isFirst)
                _given.Add(storage);
            else
                storage.AddOwner();
            tensor.SetGrad(new Tensor(storage, leaf.After!.Layout, leaf.After.DType, isView: !isFirst));
        }
        foreach (var mark in Recorded.Marks)
            (mark.Argument >= 0 ? arguments[mark.Argument] : mark.Tensor).RequiresGrad_(mark.After);
        var results = _results;
        for (int i = 0; i < results.Length; i++)
            results[i] = ResultOf(Recorded.Results[i], _resultPlaces[i], arguments);
        return results;
    }

    private Tensor ResultOf(Result result, int place, Tensor[] arguments)
    {
        if (result.Argument >= 0)
            return arguments[result.Argument];
        var at = _places[place];
        var storage =
            at.Block.IsOutside ? StorageOf(at.Block, arguments)
            : at.Piece >= 0 ? _rotation.Owner(at.Piece)
            : at.Storage!;
        var layout = result.Layout;
        if (at.Block.Kind == BlockKind.Argument && arguments[at.Block.Argument] is var argument)
        {
            long moved = argument.Layout.Offset * argument.ElementSize / result.Type.Size();
            if (moved != 0)
                layout = new Layout(layout.Sizes, layout.Strides, layout.Offset + moved);
        }
        bool isFirst = !at.Block.IsOutside && at.Piece < 0 && at.Leaf is null && !_given.Contains(storage);
        if (isFirst)
            _given.Add(storage);
        else
            storage.AddOwner();
        var made = new Tensor(storage, layout, result.Type, isView: !isFirst);
        return result.RequiresGrad ? made.RequiresGrad_() : made;
    }

    // The same in every run; the caller takes what is in it.
    private readonly Tensor[] _results;
    private NumberTaker? _taker;

    // Takes the numbers of an optimizer without its calls.
    private sealed class NumberTaker : Executor
    {
        private (Operator Operator, nint At, int Bytes)[] _cells = [];
        private int _next;
        private bool _fits;

        public bool IsDone => _fits && _next == _cells.Length;

        public void Begin((Operator, nint, int)[] cells) => (_cells, _next, _fits) = (cells, 0, true);

        public override bool TakesNumbers(Operator op, ReadOnlySpan<byte> cells)
        {
            if (
                _next == _cells.Length
                || !ReferenceEquals(_cells[_next].Operator, op)
                || _cells[_next].Bytes != cells.Length
            )
            {
                _fits = false;
                return true;
            }
            cells.CopyTo(new Span<byte>((void*)_cells[_next++].At, cells.Length));
            return true;
        }

        // Its results would be nothing: the step is another one than the recorded.
        public override void Run(scoped ref OpCall call) => throw new OtherCallException();
    }

    private sealed class OtherCallException : Exception;
}
