using System.Runtime.InteropServices;
using Picograd.Calls;
using Picograd.Dispatch;
using Picograd.Schedules.Backend;

namespace Picograd.Graphs;

internal sealed unsafe partial class CompiledProgram
{
    private readonly DeviceRuntime[] _runtimes;
    private readonly int[] _writtenOutside;
    private readonly (Leaf Leaf, int Place)[] _leafEnds;
    private readonly int[] _resultPlaces;
    private readonly List<Storage> _given = [];

    /// <param name="recorded">A program that was recorded twice alike.</param>
    /// <param name="partition">Which calls run together.</param>
    public CompiledProgram(RecordedProgram recorded, IPartition partition)
    {
        Recorded = recorded;
        var steps = ProgramPasses.Shorten(recorded);
        var units = Units(steps, ProgramPasses.Stays(recorded).ToHashSet(), partition);
        // When each block is first and last touched.
        var first = new Dictionary<Block, int>();
        var last = new Dictionary<Block, int>();
        var writtenAt = new Dictionary<Block, int>();
        for (int i = 0; i < units.Count; i++)
        {
            foreach (var operand in units[i].Operands)
            {
                if (operand.Operand.Block is not { } block)
                    continue;
                first.TryAdd(block, i);
                last[block] = i;
                if (operand.IsWritten)
                    writtenAt.TryAdd(block, i);
            }
        }
        int lastLook = units.FindLastIndex(u => u.Host is ScanStep or ValueStep or NumbersStep);
        var stays = ProgramPasses.Stays(recorded).ToHashSet();
        var pieces = new Dictionary<Block, int>();
        var resultBlocks = recorded.Results.Select(r => r.Block).OfType<Block>().ToHashSet();
        _rotation = new(
            recorded.Swaps,
            // What no call writes has to be there from the beginning.
            b => b.Contents is null ? first.GetValueOrDefault(b, -1) : -1,
            b => last.GetValueOrDefault(b, -1),
            lastLook,
            resultBlocks.Contains,
            pieces
        );
        // Places: from outside, and what stays.
        var places = new List<Place>();
        var placeOf = new Dictionary<Block, int>();
        int PlaceOf(Block block)
        {
            if (placeOf.TryGetValue(block, out int known))
                return known;
            placeOf.Add(block, places.Count);
            places.Add(
                new(block)
                {
                    Piece = pieces.GetValueOrDefault(block, -1),
                    Leaf = recorded.Leaves.FirstOrDefault(l => ReferenceEquals(l.Made, block)),
                    IsShared = recorded.Leaves.Count(l => ReferenceEquals(l.Made, block)) > 1,
                    Contents = block.IsOutside ? null : block.Contents,
                }
            );
            return places.Count - 1;
        }
        foreach (var block in first.Keys.Where(b => b.IsOutside).Concat(stays))
            PlaceOf(block);
        // What the host wrote lies beside if it stays as it is, else it is written anew in each run.
        var inner = first.Keys.Where(b => !placeOf.ContainsKey(b)).ToList();
        var lifetimes = new List<(Block, int, int)>();
        var constants = new Dictionary<Block, DeviceMemory>();
        foreach (var block in inner)
        {
            if (block.Contents is null || writtenAt.ContainsKey(block))
            {
                lifetimes.Add((block, block.Contents is null ? first[block] : -1, last[block]));
                continue;
            }
            var memory = Kept(block.Runtime, block.Bytes);
            fixed (byte* from = block.Contents)
            {
                if (block.Bytes > 0)
                    block.Runtime.Write(memory.Address, (nint)from, block.Bytes);
            }
            constants.Add(block, memory);
        }
        var arenas = lifetimes.Select(l => l.Item1.Runtime).Distinct().ToList();
        if (arenas.Count > 1)
            throw new GraphException("a program that computes on several devices is not compiled");
        _plan = new MemoryPlan(lifetimes);
        _arena = arenas.Count == 0 ? null : arenas[0].Rent(_plan.Bytes);
        _initial =
        [
            .. lifetimes
                .Where(l => l.Item1.Contents is not null)
                .Select(l => (l.Item1.Runtime, _arena!.Address + (nint)_plan.OffsetOf(l.Item1), l.Item1.Contents!)),
        ];
        // Arguments.
        int count = units.Sum(u => u.Operands.Count);
        _arguments = (nint*)NativeMemory.AllocZeroed((nuint)Math.Max(count, 1), (nuint)sizeof(nint));
        long cellBytes = units.Sum(u => u.Operands.Sum(o => o.Operand.Number is { } n ? Rounded(n.Length) : 0));
        _cells = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(cellBytes, 8), 64);
        var patches = new List<Patch>();
        var nodes = new List<Node>();
        Node? host = null;
        var live = new Dictionary<NumbersStep, Node>();
        // In the order of the recording, in which the host makes them, whatever order groups have.
        var lives = new List<(Node Maker, int Order, (Operator, nint, int) Cell)>();
        var order = new Dictionary<CallStep, int>(ReferenceEqualityComparer.Instance);
        foreach (var step in steps.OfType<CallStep>())
            order.Add(step, order.Count);
        int next = 0;
        byte* cell = _cells;
        foreach (var unit in units)
        {
            int begin = next;
            var operandPlaces = new List<int>();
            var numbers = new List<(int, nint, int)>();
            var draws = new List<(Draw, nint, nint)>();
            var drawn = new List<nint>();
            foreach (var (operand, call, _, _) in unit.Operands)
            {
                int place = -1;
                if (operand.Number is { } number)
                {
                    number.CopyTo(new Span<byte>(cell, number.Length));
                    _arguments[next] = (nint)cell;
                    if (!unit.Runtime!.Device.IsCpu)
                        numbers.Add((next, (nint)cell, number.Length));
                    if (call?.Live is { } source && live.TryGetValue(source, out var maker))
                        lives.Add((maker, order[call], (call.Operator, (nint)cell, number.Length)));
                    if (call?.Draw is not null)
                        drawn.Add((nint)cell);
                    cell += Rounded(number.Length);
                }
                else if (placeOf.TryGetValue(operand.Block!, out place))
                {
                    patches.Add(new(next, place, operand.Offset));
                }
                else
                {
                    place = -1;
                    nint address = constants.TryGetValue(operand.Block!, out var memory)
                        ? memory.Address
                        : _arena!.Address + (nint)_plan.OffsetOf(operand.Block!);
                    _arguments[next] = address + (nint)operand.Offset;
                }
                operandPlaces.Add(place);
                next++;
            }
            if (unit.Group is { Calls: [{ Draw: { } draw }] })
                draws.Add((draw, drawn[0], drawn[1]));
            host = new Node
            {
                Group = unit.Group,
                Host = unit.Host,
                Runtime = unit.Runtime,
                Kernel = unit.Kernel,
                First = begin,
                Arguments = [.. unit.Operands.Select(o => o.Operand)],
                Places = [.. operandPlaces],
                Numbers = [.. numbers],
                Draws = [.. draws],
            };
            if (unit.Host is NumbersStep step)
                live.Add(step, host);
            nodes.Add(host);
        }
        foreach (var made in lives.GroupBy(l => l.Maker))
            made.Key.Cells = [.. made.OrderBy(l => l.Order).Select(l => l.Cell)];
        (_nodes, _patches, _places) = ([.. nodes], [.. patches], [.. places]);
        _bases = new nint[_places.Length];
        // What is changed where it lies is put back where the host finds something else afterwards.
        _backups = [.. writtenAt.Where(w => w.Key.IsOutside && w.Value < lastLook).Select(w => placeOf[w.Key])];
        _backupMemory = new DeviceMemory?[_backups.Length];
        foreach (var block in writtenAt.Keys.Where(b => b.IsOutside))
            places[placeOf[block]].IsWritten = true;
        _writtenOutside = [.. writtenAt.Keys.Where(b => b.IsOutside).Select(b => placeOf[b])];
        _leafEnds =
        [
            .. recorded
                .Leaves.Where(l => l.Made is not null || (l.After is null && (l.Drops || l.Before is not null)))
                .Select(l => (l, l.Made is { } made ? placeOf[made] : -1)),
        ];
        _resultPlaces = [.. recorded.Results.Select(r => r.Block is { } b ? PlaceOf(b) : -1)];
        _results = new Tensor[recorded.Results.Length];
        _runtimes = [.. units.Select(u => u.Runtime).OfType<DeviceRuntime>().Distinct()];
        _contexts = [.. _runtimes.Select(r => r.Context)];
    }

    ~CompiledProgram()
    {
        NativeMemory.Free(_arguments);
        NativeMemory.AlignedFree(_cells);
    }

    /// <summary>Gives its memory back.</summary>
    public void Free()
    {
        _arena?.Dispose();
        foreach (var memory in _kept)
            memory.Dispose();
        foreach (var memory in _backupMemory)
            memory?.Dispose();
        Array.Clear(_backupMemory);
        _rotation.Free();
    }

    private static int Rounded(int bytes) => (bytes + 63) / 64 * 64;

    private DeviceMemory Kept(DeviceRuntime runtime, long bytes)
    {
        var memory = runtime.Rent(bytes);
        _kept.Add(memory);
        return memory;
    }

    private readonly record struct UnitOperand(Operand Operand, CallStep? Call, bool IsWritten, int Place);

    // What becomes a node.
    private sealed record Unit(KernelGroup? Group, Step? Host, DispatchedKernel? Kernel, DeviceRuntime? Runtime)
    {
        public List<UnitOperand> Operands { get; } = [];
    }

    private static List<Unit> Units(List<Step> steps, HashSet<Block> stays, IPartition partition)
    {
        var units = new List<Unit>();
        for (int i = 0; i < steps.Count; )
        {
            int end = i;
            while (end < steps.Count && steps[end] is CallStep)
                end++;
            if (end > i)
            {
                var after = steps.Skip(end).SelectMany(Read).ToHashSet();
                var calls = steps.Take(end).Skip(i).Cast<CallStep>().ToList();
                foreach (var group in partition.Of(calls, b => b.IsOutside || stays.Contains(b) || after.Contains(b)))
                    AddGroup(units, group);
                i = end;
                continue;
            }
            var unit = new Unit(null, steps[i], null, null);
            foreach (var block in Looked(steps[i]))
                unit.Operands.Add(new(block, null, false, -1));
            units.Add(unit);
            i++;
        }
        return units;
    }

    private static IEnumerable<Block> Read(Step step) =>
        step is CallStep call ? call.Reads.Select(r => r.Block!) : Looked(step).Select(o => o.Block!);

    private static IEnumerable<Operand> Looked(Step step) =>
        step switch
        {
            ScanStep scan => [scan.Operand],
            ValueStep value => [value.Operand],
            _ => [],
        };

    private static void AddGroup(List<Unit> units, KernelGroup group)
    {
        var runtime = group.Calls[0].Runtime;
        if (group.Joined is { } problem)
        {
            var kernel = runtime.Context.Resolve(problem);
            var joined = new Unit(group, null, kernel, runtime);
            int inputs = problem.Algorithm.Inputs.Length;
            foreach (var argument in group.Arguments)
                joined.Operands.Add(
                    new(argument.Operand, argument.Call, joined.Operands.Count >= inputs, argument.Place)
                );
            units.Add(joined);
            return;
        }
        foreach (var call in group.Calls)
        {
            var context = runtime.Context;
            var kernel = context.Table.Find(call.Words) ?? context.Miss(call.Operator.Words, call.Words);
            var unit = new Unit(new KernelGroup([call]), null, kernel, runtime);
            for (int i = 0; i < call.Operands.Length; i++)
            {
                if (call.Operands[i] is { Block: null, Number: null })
                    continue;
                unit.Operands.Add(new(call.Operands[i], call, i >= call.Inputs, i));
            }
            units.Add(unit);
        }
    }
}
