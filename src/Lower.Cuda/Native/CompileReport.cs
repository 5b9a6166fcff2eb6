using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Picograd.Lower.Cuda.Passes;

namespace Picograd.Lower.Cuda.Native;

/// <summary>What the assembler says of one kernel.</summary>
/// <param name="Kernel">Name of the function.</param>
/// <param name="Registers">Of one thread.</param>
/// <param name="SharedBytes">Static shared memory of a block.</param>
/// <param name="StackBytes">Local memory of a thread: arrays indexed at run time, spills.</param>
/// <param name="SpillStoreBytes">Registers stored to local memory for want of room.</param>
/// <param name="SpillLoadBytes">And loaded again.</param>
public sealed record KernelReport(
    string Kernel,
    int Registers,
    int SharedBytes,
    int StackBytes,
    int SpillStoreBytes,
    int SpillLoadBytes
)
{
    public int SpillBytes => SpillStoreBytes + SpillLoadBytes;

    public override string ToString() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Kernel}: {Registers} registers, {SpillBytes} bytes spilled, {StackBytes} bytes of stack, {SharedBytes} bytes of static shared memory"
        );
}

/// <summary>What the compiler's log holds, read.</summary>
/// <param name="Kernels">In the order of the log; empty where the assembler was not reached.</param>
/// <param name="Problems">Prune reasons by name with the line of the log; empty for a kernel worth timing.</param>
public sealed partial record CompileReport(
    ImmutableArray<KernelReport> Kernels,
    ImmutableArray<(string Reason, string Line)> Problems
)
{
    /// <summary>wgmma runs one at a time, since its accumulators are touched before the wait.</summary>
    public const string WgmmaSerialised = "wgmma-serialised";

    /// <summary>setmaxnreg was ignored: the bounds of the launch are missing.</summary>
    public const string RegisterLimitIgnored = "register-limit-ignored";

    /// <summary>The assembler found no registers for it.</summary>
    public const string RegisterAllocation = "register-allocation";

    /// <summary>More static shared memory than a block may have.</summary>
    public const string SharedTooLarge = "shared-too-large";

    /// <summary>Most registers of a thread in any kernel; 0 where none is known.</summary>
    public int Registers => Kernels.Select(k => k.Registers).DefaultIfEmpty(0).Max();

    /// <summary>Bytes spilled, stores and loads, of all kernels.</summary>
    public int SpillBytes => Kernels.Sum(k => k.SpillBytes);

    /// <summary>Reads a log of NVRTC with <c>--ptxas-options=-v</c>.</summary>
    public static CompileReport Parse(string log)
    {
        var kernels = ImmutableArray.CreateBuilder<KernelReport>();
        var problems = ImmutableArray.CreateBuilder<(string, string)>();
        KernelReport? open = null;
        foreach (string line in log.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (Entry().Match(line) is { Success: true } entry)
            {
                Close();
                open = new KernelReport(entry.Groups[1].Value, 0, 0, 0, 0, 0);
            }
            else if (open is not null && Frame().Match(line) is { Success: true } frame)
            {
                open = open with
                {
                    StackBytes = Number(frame, 1),
                    SpillStoreBytes = Number(frame, 2),
                    SpillLoadBytes = Number(frame, 3),
                };
            }
            else if (open is not null && Used().Match(line) is { Success: true } used)
            {
                var shared = Shared().Match(line);
                open = open with { Registers = Number(used, 1), SharedBytes = shared.Success ? Number(shared, 1) : 0 };
            }
            if (Problem(line) is { } reason)
                problems.Add((reason, line));
        }
        Close();
        return new CompileReport(kernels.ToImmutable(), problems.ToImmutable());

        void Close()
        {
            if (open is not null)
                kernels.Add(open);
            open = null;
        }
    }

    /// <summary>The name under which the search counts what a line of the log complains of; null for others.</summary>
    /// <remarks>
    /// C7508: setmaxnreg ignored; C7510: potential loss of performance, wgmma serialised around a function call; C7511: wgmma
    /// serialised; C7600: register allocation failed.
    /// </remarks>
    private static string? Problem(string line) =>
        line switch
        {
            _ when line.Contains("C7508", StringComparison.Ordinal) => RegisterLimitIgnored,
            _ when line.Contains("C7510", StringComparison.Ordinal) => WgmmaSerialised,
            _ when line.Contains("C7511", StringComparison.Ordinal) => WgmmaSerialised,
            _ when line.Contains("wgmma.mma_async instructions are serialized", StringComparison.Ordinal) =>
                WgmmaSerialised,
            _ when line.Contains("C7600", StringComparison.Ordinal) => RegisterAllocation,
            _ when line.Contains("Register allocation failed", StringComparison.OrdinalIgnoreCase) =>
                RegisterAllocation,
            _ when line.Contains("uses too much shared data", StringComparison.OrdinalIgnoreCase) => SharedTooLarge,
            _ => null,
        };

    private static int Number(Match match, int group) =>
        int.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex("Compiling entry function '([^']+)'")]
    private static partial Regex Entry();

    [GeneratedRegex(@"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")]
    private static partial Regex Frame();

    [GeneratedRegex(@"Used (\d+) registers")]
    private static partial Regex Used();

    [GeneratedRegex(@"(\d+) bytes smem")]
    private static partial Regex Shared();
}
