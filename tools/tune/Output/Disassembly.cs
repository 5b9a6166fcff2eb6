using System.Globalization;
using Iced.Intel;

namespace Picograd.Tune;

/// <summary>Instructions as text in Intel's syntax, with labels where something jumps to.</summary>
internal static class Disassembly
{
    public static void Write(TextWriter to, IReadOnlyList<Instruction> code)
    {
        ulong start = code[0].IP;
        ulong end = code[^1].NextIP;
        var labels = code.Where(i =>
                i.FlowControl is FlowControl.ConditionalBranch or FlowControl.UnconditionalBranch
                && i.NearBranchTarget >= start
                && i.NearBranchTarget < end
            )
            .Select(i => i.NearBranchTarget)
            .Distinct()
            .Order()
            .Select((address, number) => (address, name: string.Create(CultureInfo.InvariantCulture, $"L{number}")))
            .ToDictionary(l => l.address, l => l.name);
        var formatter = new IntelFormatter(new Labels(labels))
        {
            Options =
            {
                FirstOperandCharIndex = 10,
                HexPrefix = "0x",
                HexSuffix = "",
            },
        };
        var text = new StringOutput();
        foreach (var instruction in code)
        {
            if (labels.TryGetValue(instruction.IP, out string? label))
                to.WriteLine($"{label}:");
            formatter.Format(instruction, text);
            to.WriteLine($"  {instruction.IP - start:x4}  {text.ToStringAndReset()}");
        }
    }

    [System.Diagnostics.CodeAnalysis.SuppressMessage(
        "Roslynator",
        "RCS1242",
        Justification = "The interface passes the instruction by reference."
    )]
    private sealed class Labels(Dictionary<ulong, string> names) : ISymbolResolver
    {
        public bool TryGetSymbol(
            in Instruction instruction,
            int operand,
            int instructionOperand,
            ulong address,
            int addressSize,
            out SymbolResult symbol
        )
        {
            symbol = names.TryGetValue(address, out string? name) ? new SymbolResult(address, name) : default;
            return name is not null;
        }
    }
}
