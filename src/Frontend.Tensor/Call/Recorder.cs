using System.Runtime.CompilerServices;

namespace Picograd.Calls;

/// <summary>
/// A call that was written down: what was called, with which attributes, on which operands. It holds their memory.
/// </summary>
/// <param name="Operator">What was called.</param>
/// <param name="Words">Its attributes.</param>
/// <param name="Operands">Inputs, then outputs, as they lie in memory; null where one is missing or is a number.</param>
/// <param name="Numbers">Operands that are numbers, as bytes at a place that does not move; null where one is a tensor.</param>
internal sealed unsafe record RecordedCall(Operator Operator, long[] Words, Tensor?[] Operands, byte[]?[] Numbers)
{
    /// <summary>What it read.</summary>
    public IEnumerable<Tensor> Inputs => Operands.Take(Operator.Words.Inputs).OfType<Tensor>();

    /// <summary>What it wrote.</summary>
    public IEnumerable<Tensor> Outputs => Operands.Skip(Operator.Words.Inputs).OfType<Tensor>();

    /// <summary>The instance, <c>tanh n=6400</c>.</summary>
    public string Spec => Operator.Words.Text(Words);

    /// <summary>Writes a call down.</summary>
    public static RecordedCall Of(scoped ref OpCall call)
    {
        var operands = new Tensor?[call.Operands];
        var numbers = new byte[]?[call.Operands];
        for (int i = 0; i < operands.Length; i++)
        {
            // Held by a tensor of its own: what is disposed stays, and results that would be swapped into a place are copied there.
            operands[i] = call[i]?.Alias(call[i]!.Layout).Keep();
            if (call.Cell(i) is { Bytes: > 0 } cell)
            {
                numbers[i] = GC.AllocateUninitializedArray<byte>(cell.Bytes, pinned: true);
                new ReadOnlySpan<byte>((void*)cell.At, cell.Bytes).CopyTo(numbers[i]);
            }
        }
        return new(call.Operator, call.Words.ToArray(), operands, numbers);
    }

    /// <summary>Runs it again: reads what its inputs hold now, and overwrites its outputs.</summary>
    [SkipLocalsInit]
    public void Replay()
    {
        var call = new OpCall(Operator, stackalloc long[OpCall.MostWords]);
        for (int i = 0; i < Operands.Length; i++)
        {
            if (Operands[i] is { } tensor)
                call.Place(tensor);
            else if (Numbers[i] is { } number)
                call.Cell(Unsafe.AsPointer(ref number[0]), number.Length);
            else
                call.Skip();
        }
        Words.CopyTo(call.Free);
        call.Head = Words[0];
        call.Run(Words.Length);
    }
}

/// <summary>
/// Runs the calls of a thread as usual and writes them down. Elements that a program reads or sets, indices that it looks at, and
/// moves between devices are no calls.
/// </summary>
internal sealed class Recorder : Executor, IDisposable
{
    private readonly List<RecordedCall> _calls = [];
    private readonly HashSet<Storage> _born = [];

    /// <summary>What was called so far, in order.</summary>
    public IReadOnlyList<RecordedCall> Calls => _calls;

    /// <summary>Memory that was made meanwhile.</summary>
    public IReadOnlySet<Storage> BornStorages => _born;

    public override void Born(Storage storage) => _born.Add(storage);

    public override void Run(scoped ref OpCall call)
    {
        _calls.Add(RecordedCall.Of(ref call));
        call.Start();
    }

    /// <summary>Lets go of the operands.</summary>
    public void Dispose()
    {
        foreach (var call in _calls)
        {
            foreach (var operand in call.Operands)
                operand?.Dispose();
        }
        _calls.Clear();
        _born.Clear();
    }
}
