using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Compose;
using Picograd.Algorithms.Operators;

namespace Picograd.Graphs;

/// <summary>Calls that patterns join into one algorithm (<see cref="Grouping"/>), each group a problem of its own.</summary>
internal sealed class JoiningPartition : IPartition
{
    public static readonly JoiningPartition Instance = new();

    // As many as kernels take.
    private const int MostArguments = 16;

    public IReadOnlyList<KernelGroup> Of(IReadOnlyList<CallStep> calls, Func<Block, bool> isNeeded)
    {
        // Dependencies are told by places of operands, which move where one is missing.
        if (calls.Count < 2 || !calls.All(IsWhole))
            return EachByItself.Instance.Of(calls, isNeeded);
        var program = new Translation(calls, isNeeded);
        var groups = new List<KernelGroup>();
        foreach (var (numbers, joined) in Grouping.Of(program.Group, MostArguments, program.MayJoin))
        {
            ImmutableArray<CallStep> members = [.. numbers.Select(i => calls[i])];
            groups.Add(
                joined is null || program.Overlaps(joined)
                    ? new KernelGroup(members)
                    : new KernelGroup(members)
                    {
                        Joined = joined.Problem,
                        Arguments = [.. joined.Inputs.Concat(joined.Outputs).Select(program.Argument)],
                    }
            );
        }
        return groups;
    }

    private static bool IsWhole(CallStep call) =>
        call.Operands.Count(o => o is not { Block: null, Number: null })
        == OperatorSpec.Parse(call.Spec).Problem.Algorithm.Arguments.Length;

    // Calls as those of a group: blocks and numbers are its values.
    private sealed class Translation
    {
        private readonly List<GroupValue> _values = [];
        private readonly List<GroupArgument> _arguments = [];
        private readonly Dictionary<Block, int> _blocks = [];
        private readonly HashSet<int> _apart = [];

        public Translation(IReadOnlyList<CallStep> calls, Func<Block, bool> isNeeded)
        {
            var all = new List<GroupCall>();
            for (int i = 0; i < calls.Count; i++)
                all.Add(Translated(calls[i], i));
            Group = new(
                "group",
                [.. _values],
                [.. all],
                [.. _blocks.Where(b => isNeeded(b.Key)).Select(b => b.Value).Order()]
            );
        }

        public CallGroup Group { get; }

        public bool MayJoin(int call) => !_apart.Contains(call);

        public GroupArgument Argument(int value) => _arguments[value];

        // A kernel that reads what it writes elsewhere may read it again afterwards.
        public bool Overlaps(JoinedGroup joined)
        {
            for (int i = 0; i < joined.Outputs.Length; i++)
            {
                if (joined.Inputs.Contains(joined.Outputs[i]) && !joined.IsInPlace(i))
                    return true;
            }
            return false;
        }

        private GroupCall Translated(CallStep call, int number)
        {
            var problem = OperatorSpec.Parse(call.Spec).Problem;
            var arguments = problem.Algorithm.Arguments;
            int[] present =
            [
                .. Enumerable
                    .Range(0, call.Operands.Length)
                    .Where(i => call.Operands[i] is not { Block: null, Number: null }),
            ];
            // Random numbers come from a place that the run knows; and what has no device memory to be told apart is no value.
            if (call.Draw is not null || present.Length != arguments.Length || !call.Runtime.Device.IsCpu)
                _apart.Add(number);
            var operands = new List<GroupOperand>();
            for (int i = 0; i < arguments.Length && i < present.Length; i++)
            {
                var operand = call.Operands[present[i]];
                int size = arguments[i].Type.Size();
                if (operand.Block is not { } block)
                {
                    operands.Add(new(_values.Count));
                    _values.Add(new(arguments[i].Type, [operand.Number!.Length / size]));
                    _arguments.Add(new(operand, call, present[i]));
                    continue;
                }
                if (!_blocks.TryGetValue(block, out int value))
                {
                    value = _values.Count;
                    _blocks.Add(block, value);
                    bool isNew = block.Kind == BlockKind.Temporary && present[i] >= call.Inputs && operand.Version == 1;
                    _values.Add(new(operand.Type, DimsOf(block, operand, size)) { IsNew = isNew });
                    _arguments.Add(new(operand with { Offset = 0 }));
                }
                // Seen as another dtype, or before an argument's first element: a call by itself.
                if (
                    _values[value].Type != operand.Type
                    || operand.Type != arguments[i].Type
                    || operand.Offset % size != 0
                )
                    _apart.Add(number);
                if (block.Kind == BlockKind.Argument && !operand.Layout!.IsContiguous || operand.Offset < 0)
                    _apart.Add(number);
                operands.Add(new(value, operand.Offset / size));
            }
            return new(problem, [.. operands]);
        }

        private static ImmutableArray<long> DimsOf(Block block, Operand operand, int size) =>
            operand.IsWhole || (block.Kind == BlockKind.Argument && operand.Layout!.IsContiguous && operand.Offset == 0)
                ? [.. operand.Layout!.Sizes]
                : [block.Bytes / size];
    }
}
