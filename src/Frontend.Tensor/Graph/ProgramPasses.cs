using System.Text;

namespace Picograd.Graphs;

/// <summary>What makes a recorded program shorter without changing a bit of what it computes.</summary>
internal static class ProgramPasses
{
    /// <summary>
    /// The steps that are left: looks at indices of arguments first, no call twice on the same values, and none whose results nobody reads.
    /// </summary>
    public static List<Step> Shorten(RecordedProgram program) =>
        WithoutUnread(program, WithoutRepeated(program, LooksFirst(program)));

    // So that a call that is refused has not changed anything yet.
    private static List<Step> LooksFirst(RecordedProgram program)
    {
        bool IsEarly(Step step) =>
            step
                is ScanStep { Operand: { Version: 0, Block.IsOutside: true } }
                    or ValueStep { Operand: { Version: 0, Block.IsOutside: true } };
        return [.. program.Steps.Where(IsEarly), .. program.Steps.Where(s => !IsEarly(s))];
    }

    // Kernels give the same bits for the same bits, so the results of an equal call serve.
    private static List<Step> WithoutRepeated(RecordedProgram program, List<Step> steps)
    {
        var writes = new Dictionary<Block, int>();
        foreach (var write in steps.OfType<CallStep>().SelectMany(c => c.Writes))
            writes[write.Block!] = writes.GetValueOrDefault(write.Block!) + 1;
        var stays = Stays(program).ToHashSet();
        bool IsOnce(Operand o) =>
            o.IsWhole && o.Block!.Kind == BlockKind.Temporary && writes[o.Block] == 1 && !stays.Contains(o.Block);
        var known = new Dictionary<string, CallStep>();
        var same = new Dictionary<Block, Block>();
        Operand Renamed(Operand o) =>
            o.Block is { } block && same.TryGetValue(block, out var other) ? o with { Block = other } : o;
        var left = new List<Step>();
        foreach (var step in steps)
        {
            switch (step)
            {
                case CallStep call:
                    var renamed = call with { Operands = [.. call.Operands.Select(Renamed)] };
                    if (call.Draw is null && call.Live is null && call.Writes.All(IsOnce))
                    {
                        string key = KeyOf(renamed);
                        if (known.TryGetValue(key, out var before))
                        {
                            foreach (var (mine, other) in call.Writes.Zip(before.Writes))
                                same[mine.Block!] = other.Block!;
                            continue;
                        }
                        known.Add(key, renamed);
                    }
                    left.Add(renamed);
                    break;
                case ScanStep scan:
                    left.Add(scan with { Operand = Renamed(scan.Operand) });
                    break;
                case ValueStep value:
                    left.Add(value with { Operand = Renamed(value.Operand) });
                    break;
                default:
                    left.Add(step);
                    break;
            }
        }
        return left;
    }

    private static string KeyOf(CallStep call)
    {
        var text = new StringBuilder();
        text.Append(call.Operator.Id).Append(':').AppendJoin(',', call.Words);
        foreach (var operand in call.Operands.Take(call.Inputs))
        {
            text.Append(';');
            if (operand.Number is { } number)
                text.Append(Convert.ToHexString(number));
            else if (operand.Block is { } block)
                text.Append(block.Number).Append('v').Append(operand.Version).Append('+').Append(operand.Offset);
        }
        return text.ToString();
    }

    private static List<Step> WithoutUnread(RecordedProgram program, List<Step> steps)
    {
        var read = Stays(program).ToHashSet();
        var left = new List<Step>();
        for (int i = steps.Count - 1; i >= 0; i--)
        {
            switch (steps[i])
            {
                case CallStep call when !call.Writes.Any(w => w.Block!.IsOutside || read.Contains(w.Block)):
                    continue;
                case CallStep call:
                    read.UnionWith(call.Reads.Select(r => r.Block!));
                    break;
                case ScanStep scan:
                    read.Add(scan.Operand.Block!);
                    break;
                case ValueStep value:
                    read.Add(value.Operand.Block!);
                    break;
            }
            left.Add(steps[i]);
        }
        left.Reverse();
        return left;
    }

    /// <summary>Blocks that somebody sees after the program.</summary>
    public static IEnumerable<Block> Stays(RecordedProgram program) =>
        program
            .Results.Select(r => r.Block)
            .Concat(program.Leaves.Select(l => l.Made))
            .Concat(program.Swaps.Select(s => s.After))
            .OfType<Block>();
}
