using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.InteropServices;
using Iced.Intel;
using FlowControl = Iced.Intel.FlowControl;

namespace Picograd.Tune;

/// <summary>
/// The machine code that .NET's JIT made of a DynamicMethod, decoded in memory. The runtime tells neither its address nor
/// its length: the address is found through the method's handle and the jumps that lead from there to the code, the end
/// by following the control flow.
/// </summary>
internal static unsafe class NativeCode
{
    private const int MostInstructions = 200_000;
    private const int MostJumps = 8;

    /// <summary>The instructions in the order of their addresses.</summary>
    /// <exception cref="FailureException">The code cannot be found or decoded on this system; says why.</exception>
    public static IReadOnlyList<Instruction> Of(DynamicMethod method)
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            throw new FailureException(
                $"--asm can only decode x64 code, but this process runs on {RuntimeInformation.ProcessArchitecture}."
            );
        }
        return Decode(Follow(EntryOf(method)));
    }

    private static ulong EntryOf(DynamicMethod method)
    {
        // There is no public way to a DynamicMethod's handle; the JIT has compiled it already, so this only looks.
        var descriptor = typeof(DynamicMethod).GetMethod(
            "GetMethodDescriptor",
            BindingFlags.Instance | BindingFlags.NonPublic
        );
        if (descriptor?.Invoke(method, null) is not RuntimeMethodHandle handle)
            throw new FailureException("--asm cannot find the code of a generated method in this version of .NET.");
        return (ulong)handle.GetFunctionPointer();
    }

    /// <summary>From the address that callers use, through the runtime's stubs, to the code.</summary>
    private static ulong Follow(ulong address)
    {
        for (int i = 0; i < MostJumps; i++)
        {
            var decoder = Decoder.Create(64, new MemoryReader(address));
            decoder.IP = address;
            decoder.Decode(out var instruction);
            if (instruction.FlowControl == FlowControl.UnconditionalBranch)
                address = instruction.NearBranchTarget;
            else if (instruction is { FlowControl: FlowControl.IndirectBranch, IsIPRelativeMemoryOperand: true })
                address = *(ulong*)instruction.IPRelativeMemoryAddress;
            else
                return address;
        }
        throw new FailureException("--asm cannot find the code of a generated method behind the runtime's stubs.");
    }

    private static List<Instruction> Decode(ulong start)
    {
        var found = new List<Instruction>();
        var decoder = Decoder.Create(64, new MemoryReader(start));
        decoder.IP = start;
        ulong furthest = start;
        while (found.Count < MostInstructions)
        {
            decoder.Decode(out var instruction);
            if (instruction.IsInvalid)
                throw new FailureException("--asm came upon bytes that are no instruction.");
            found.Add(instruction);
            bool isJump = instruction.FlowControl is FlowControl.ConditionalBranch or FlowControl.UnconditionalBranch;
            if (isJump && instruction.NearBranchTarget > furthest)
                furthest = instruction.NearBranchTarget;
            bool falls =
                instruction.FlowControl
                is not (
                    FlowControl.Return
                    or FlowControl.UnconditionalBranch
                    or FlowControl.IndirectBranch
                    or FlowControl.Interrupt
                    or FlowControl.Exception
                );
            // Nothing jumps beyond here, and nothing runs on from here.
            if (!falls && instruction.NextIP > furthest)
                return found;
        }
        throw new FailureException($"--asm gave up after {MostInstructions} instructions without an end.");
    }

    private sealed class MemoryReader(ulong address) : CodeReader
    {
        private byte* _next = (byte*)address;

        public override int ReadByte() => *_next++;
    }
}
