using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Schedules.Backend;

namespace Picograd.Graphs;

/// <summary>
/// Runs the calls of a function as usual and writes down the program that they are: which memory each reads and writes, what was there
/// before, what the host did in between, and what stays.
/// </summary>
internal sealed unsafe class ProgramRecorder : Executor
{
    private readonly List<Step> _steps = [];
    private readonly List<Block> _met = [];

    // What each piece of memory is now: pieces serve again, and storages change theirs.
    private readonly Dictionary<DeviceMemory, Block> _blocks = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Storage, Block> _before = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<Storage> _swapped = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<Block> _hostMade = [];
    private readonly Dictionary<Tensor, Leaf> _leaves = new(ReferenceEqualityComparer.Instance);
    private readonly List<Leaf> _inOrder = [];

    // Tensors from outside, and whether leaves among them required gradients before; those whose marks were changed likewise.
    private readonly Dictionary<Tensor, bool?> _outsiders = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Tensor, bool> _marked = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<Block> _liveMade = [];
    private readonly List<(Generator Generator, long Start)> _generators = [];
    private readonly List<(Module Module, bool Training)> _modes = [];
    private readonly Tensor[] _arguments;
    private readonly Storage[] _storages;
    private readonly long[] _begins;
    private readonly bool _withLines;
    private Draw? _draw;
    private NumbersStep? _numbers;
    private bool _isLive;

    /// <param name="arguments">Of the function.</param>
    /// <param name="withLines">Whether to look up the lines of the program, which takes some 50 us a call.</param>
    public ProgramRecorder(Tensor[] arguments, bool withLines)
    {
        _withLines = withLines;
        _arguments = arguments;
        _storages = [.. arguments.Select(a => a.Storage)];
        _begins = [.. arguments.Select(a => a.Layout.Offset * a.ElementSize)];
        for (int i = 0; i < arguments.Length; i++)
        {
            var storage = _storages[i];
            if (_before.ContainsKey(storage))
                continue;
            var block = new Block(storage.Length, storage.Runtime)
            {
                Kind = BlockKind.Argument,
                Argument = i,
                Storage = storage,
            };
            _before.Add(storage, block);
            _blocks[storage.Memory] = block;
        }
    }

    /// <summary>Why the function is no program; null as long as it is one.</summary>
    public string? Refusal { get; private set; }

    public override void Run(scoped ref OpCall call)
    {
        var op = call.Operator;
        int inputs = op.Words.Inputs;
        var operands = new Operand[call.Operands];
        for (int i = 0; i < operands.Length; i++)
        {
            if (call[i] is { } tensor)
            {
                operands[i] = i < inputs ? Reads(tensor) : default;
            }
            else if (call.Cell(i) is { Bytes: > 0 } cell)
            {
                byte[] number = new ReadOnlySpan<byte>((void*)cell.At, cell.Bytes).ToArray();
                operands[i] = new(null, 0, 0, null, default, number);
            }
        }
        for (int i = inputs; i < operands.Length; i++)
        {
            if (call[i] is { } tensor)
                operands[i] = Writes(tensor, IsScattered(op));
        }
        if (_numbers is not null)
            AddToNumbers(op, operands, inputs);
        _steps.Add(
            new CallStep(op, call.Words.ToArray(), operands, call.Runtime, Line())
            {
                Draw = _draw,
                Live = _isLive ? _numbers : null,
            }
        );
        (_draw, _isLive) = (null, false);
        call.Start();
    }

    // A step of an optimizer is known by the numbers of its calls: beside those, it may make states and put results where they belong.
    private void AddToNumbers(Operator op, Operand[] operands, int inputs)
    {
        bool IsOfStep(Operand o) => o.Block is null || _liveMade.Contains(o.Block);
        if (_isLive)
            _liveMade.UnionWith(operands.Skip(inputs).Select(o => o.Block).OfType<Block>());
        else if (!operands.Take(inputs).All(IsOfStep))
            Refuse(
                $"{_numbers!.Numbers.Title} computes with {op.Title}{At(UserLine.Here())}, whose numbers are not known apart; call Step outside"
            );
    }

    // A copy into a strided view leaves out what lies between.
    private static bool IsScattered(Operator op) => op.Name == "copy";

    public override void Born(Storage storage) =>
        _blocks[storage.Memory] = new Block(storage.Length, storage.Runtime) { Kind = BlockKind.Temporary };

    public override void Swaps(Storage storage)
    {
        Of(storage);
        _swapped.Add(storage);
    }

    public override void HostWrites(Tensor tensor)
    {
        var block = Of(tensor.Storage);
        if (block.Kind != BlockKind.Temporary || block.Number >= 0)
            Refuse(
                $"the host writes to memory that calls read{At(UserLine.Here())}; compute it with tensors, or before"
            );
        else
            _hostMade.Add(block);
    }

    public override void HostReads(Tensor tensor)
    {
        var block = Of(tensor.Storage);
        if (block is { Kind: BlockKind.Constant, Version: 0 } || _hostMade.Contains(block))
            return;
        if (tensor is { DType: DType.Bool, NumElements: 1, Device.IsMeta: false })
        {
            byte value;
            tensor.Runtime.Read(tensor.Address, (nint)(&value), 1);
            _steps.Add(new ValueStep(Reads(tensor), value, Line()));
            return;
        }
        Refuse(
            $"the host looks at the elements of a {tensor.DType.Name()} tensor of shape {tensor.Layout}{At(UserLine.Here())}: a "
                + "compiled function repeats calls, not the program between them. Return the tensor and look at it outside, choose with "
                + "Tensor.Where, or compile the parts before and after"
        );
    }

    public override void Scans(Tensor indices, IndexScan scan)
    {
        var here = indices;
        if (!here.Device.IsCpu)
        {
            HostReads(here);
            return;
        }
        bool found = IndexCheck.Look(
            here.Address,
            here.NumElements,
            scan.What,
            scan.Limit,
            scan.Wraps,
            scan.Ignored,
            here.Layout
        );
        _steps.Add(new ScanStep(Reads(here), scan, found, Line()));
    }

    public override void AsksForGrad(Tensor of, bool drops)
    {
        if (_leaves.ContainsKey(of))
            return;
        // What was changed in place has memory that was made here, too.
        if (Of(of.Storage).Kind == BlockKind.Temporary && !_before.ContainsKey(of.Storage))
            return;
        var before = of.GradUntold;
        var leaf = new Leaf(Array.IndexOf(_arguments, of), of)
        {
            Drops = drops,
            Before = before,
            RequiresGrad = _marked.TryGetValue(of, out bool was) ? was : of.IsMarked,
        };
        _leaves.Add(of, leaf);
        _inOrder.Add(leaf);
        if (before is null || drops)
            return;
        var block = Of(before.Storage);
        if (block.Kind == BlockKind.Captured)
            (block.Kind, block.Leaf) = (BlockKind.Gradient, leaf);
    }

    public override void Marks(Tensor tensor) => _marked.TryAdd(tensor, tensor.IsMarked);

    public override void AsksForMode(object module)
    {
        var asked = (Module)module;
        if (!_modes.Exists(m => ReferenceEquals(m.Module, asked)))
            _modes.Add((asked, asked.IsTraining));
    }

    public override void Draws(Generator generator, long at)
    {
        int known = _generators.FindIndex(g => ReferenceEquals(g.Generator, generator));
        if (known < 0)
        {
            known = _generators.Count;
            _generators.Add((generator, at));
        }
        _draw = new(generator, at - _generators[known].Start);
    }

    public override bool BeginNumbers(ILiveNumbers numbers)
    {
        _numbers = new(numbers);
        _steps.Add(_numbers);
        return true;
    }

    public override void EndNumbers() => _numbers = null;

    public override bool TakesNumbers(Operator op, ReadOnlySpan<byte> cells)
    {
        _isLive = true;
        return false;
    }

    public override void Refuses(string what) => Refuse($"{what}{At(UserLine.Here())}");

    /// <summary>The program, when the function has returned.</summary>
    /// <param name="results">What it returned.</param>
    /// <param name="made">Knows what tensors it made.</param>
    public RecordedProgram Finish(IReadOnlyList<Tensor> results, TensorScope made)
    {
        var swaps = new List<Swapped>();
        foreach (var (storage, before) in _before)
        {
            if (!_swapped.Contains(storage))
                continue;
            var after = Of(storage);
            if (ReferenceEquals(after, before))
                continue;
            if (after.IsOutside)
                Refuse("two tensors from outside have changed places");
            swaps.Add(new(before, Stays(after)));
        }
        // What the function made and left behind.
        var passed = new HashSet<Leaf>(ReferenceEqualityComparer.Instance);
        foreach (var leaf in _inOrder)
        {
            if (leaf.Tensor.IsDisposed || made.Holds(leaf.Tensor))
            {
                if (!_met.Exists(b => ReferenceEquals(b.Leaf, leaf)))
                    passed.Add(leaf);
                continue;
            }
            leaf.After = leaf.Tensor.GradUntold;
            if (leaf.After is { } after && !ReferenceEquals(after, leaf.Before))
            {
                leaf.Made = Stays(Of(after.Storage));
                if (leaf.Made.IsOutside)
                    Refuse("a gradient lies in memory of a tensor from outside");
            }
        }
        if (_met.Where(b => !b.IsOutside).Select(b => b.Runtime).Distinct().Skip(1).Any())
            Refuse("it computes on several devices; compile the parts of each");
        Result[] kept = [.. results.Select(Kept)];
        return new()
        {
            Steps = [.. _steps],
            Blocks = _met,
            Results = kept,
            Swaps = [.. swaps.OrderBy(s => s.Before.Number)],
            Leaves = [.. _inOrder.Where(l => !passed.Contains(l))],
            Moves = [.. _generators.Select(g => new Draw(g.Generator, g.Generator.Position - g.Start))],
            Modes = [.. _modes],
            Outsiders =
            [
                .. _outsiders
                    .Where(o => !o.Key.IsDisposed && !made.Holds(o.Key))
                    .Select(o => new Outsider(new(o.Key), o.Key.Storage, o.Value)),
            ],
            Marks =
            [
                .. _marked
                    .Where(m => !m.Key.IsDisposed && m.Key.IsMarked != m.Value && !made.Holds(m.Key))
                    .Select(m => new Mark(Array.IndexOf(_arguments, m.Key), m.Key, m.Key.IsMarked)),
            ],
            Arguments = _storages,
        };
    }

    private Result Kept(Tensor result)
    {
        int argument = Array.IndexOf(_arguments, result);
        return argument >= 0
            ? new(null, argument, result.Layout, result.DType, result.Runtime, RequiresGrad: false)
            : Kept(Stays(Of(result.Storage)), result);
    }

    private Result Kept(Block block, Tensor result)
    {
        var layout = result.Layout;
        long begin = BeginOf(block);
        if (begin != 0)
            layout = new Layout(layout.Sizes, layout.Strides, layout.Offset - begin / result.ElementSize);
        return new(block, -1, layout, result.DType, result.Runtime, result.IsMarked);
    }

    // What no call met has what the host wrote, or nothing.
    private Block Stays(Block block)
    {
        Meet(block, mayBeWhole: false);
        return block;
    }

    private Block Of(Storage storage)
    {
        var memory = storage.Memory;
        if (_blocks.TryGetValue(memory, out var block))
            return block;
        block = new Block(storage.Length, storage.Runtime)
        {
            Kind = BlockKind.Captured,
            Storage = storage,
            WasForeign = storage.IsForeign,
        };
        _blocks.Add(memory, block);
        _before.TryAdd(storage, block);
        return block;
    }

    private Operand Reads(Tensor tensor)
    {
        var block = Of(tensor.Storage);
        Notes(tensor, block);
        // What nobody wrote, as far as is known, the host did.
        if (block is { Kind: BlockKind.Temporary, Number: < 0 })
            _hostMade.Add(block);
        Meet(block, mayBeWhole: false);
        return Operand(tensor, block);
    }

    private void Notes(Tensor tensor, Block block)
    {
        if (block.Kind == BlockKind.Captured && !_outsiders.ContainsKey(tensor))
            _outsiders.Add(
                tensor,
                _marked.TryGetValue(tensor, out bool was) ? was
                    : tensor.HasNoHistory ? tensor.IsMarked
                    : null
            );
    }

    /// <summary>Tensors from outside that were changed.</summary>
    public IEnumerable<Tensor> Changed =>
        _outsiders.Keys.Where(t => !t.IsDisposed && (_swapped.Contains(t.Storage) || Of(t.Storage).Version > 0));

    private Operand Writes(Tensor tensor, bool scattered)
    {
        var block = Of(tensor.Storage);
        Notes(tensor, block);
        var operand = Operand(tensor, block);
        Meet(block, !scattered && operand.IsWhole);
        block.Version++;
        return operand with { Version = block.Version };
    }

    // Bytes of memory before an argument's first element, which differ from call to call.
    private long BeginOf(Block block) => block.Kind == BlockKind.Argument ? _begins[block.Argument] : 0;

    private Operand Operand(Tensor tensor, Block block) =>
        new(
            block,
            block.Version,
            tensor.Layout.Offset * tensor.ElementSize - BeginOf(block),
            tensor.Layout,
            tensor.DType,
            null
        );

    // The first time: gives it a number, and keeps what the host has written by now unless it is about to be overwritten.
    private void Meet(Block block, bool mayBeWhole)
    {
        if (block.Number >= 0)
            return;
        block.Number = _met.Count;
        _met.Add(block);
        if (!_hostMade.Remove(block) || mayBeWhole)
            return;
        block.Kind = BlockKind.Constant;
        var memory = _blocks.First(b => ReferenceEquals(b.Value, block)).Key;
        byte[] contents = new byte[block.Bytes];
        fixed (byte* to = contents)
        {
            if (contents.Length > 0)
                block.Runtime.Read(memory.Address, (nint)to, contents.Length);
        }
        block.Contents = contents;
    }

    private string Line() => _withLines ? UserLine.Here() : "";

    private static string At(string line) => line.Length == 0 ? "" : $" at {line}";

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Refuse(string why)
    {
        Refusal ??= why;
        OnRefusal?.Invoke(why);
    }

    /// <summary>Told of a refusal where it happens.</summary>
    public Action<string>? OnRefusal { get; init; }
}
