using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules;

namespace Picograd.Search;

/// <summary>
/// Memory for the arguments of a kernel: each lies between two guard zones whose bytes are known, so that a write
/// outside is noticed, optionally at the worst alignment that the calling convention allows (that of its element).
/// </summary>
internal sealed unsafe class ArgumentMemory : IDisposable
{
    private const int GuardBytes = 4096;
    private const byte GuardByte = 0xA5;

    private readonly ITuningTarget _target;
    private readonly (nint Block, long Bytes, nint Base, long Length)[] _arguments;
    private nint* _addresses;

    public ArgumentMemory(Algorithm algorithm, ITuningTarget target, bool misaligned = false)
    {
        _target = target;
        Arguments = [.. algorithm.Arguments];
        Inputs = algorithm.Inputs.Length;
        _arguments = new (nint, long, nint, long)[Arguments.Count];
        _addresses = (nint*)NativeMemory.Alloc((nuint)Math.Max(1, Arguments.Count), (nuint)sizeof(nint));
        for (int i = 0; i < Arguments.Count; i++)
        {
            long length = TypedMemory.Bytes(Arguments[i]);
            long bytes = length + 2 * GuardBytes;
            nint block = target.Allocate(bytes);
            nint start = block + GuardBytes + (misaligned ? Arguments[i].Type.Size() : 0);
            _arguments[i] = (block, bytes, start, length);
            _addresses[i] = start;
        }
        FillGuards();
    }

    public IReadOnlyList<Buffer> Arguments { get; }

    public int Inputs { get; }

    /// <summary>As kernels take them.</summary>
    public nint* Addresses => _addresses;

    /// <summary>Bytes of all arguments.</summary>
    public long TotalBytes => _arguments.Sum(a => a.Length);

    public nint Address(int argument) => _addresses[argument];

    public void SetInputs(IReadOnlyDictionary<Buffer, NDArray> inputs)
    {
        for (int i = 0; i < Inputs; i++)
            TypedMemory.Write(Arguments[i], inputs[Arguments[i]], _addresses[i]);
    }

    /// <summary>Fills the outputs with bytes of no right answer (a NaN in every float type), so that what is not written shows.</summary>
    public void PoisonOutputs()
    {
        for (int i = Inputs; i < Arguments.Count; i++)
            NativeMemory.Fill((void*)_addresses[i], (nuint)_arguments[i].Length, 0xFF);
    }

    /// <summary>The bytes of an argument.</summary>
    public ReadOnlySpan<byte> Bytes(int argument) =>
        new((void*)_addresses[argument], checked((int)_arguments[argument].Length));

    /// <summary>The argument around which a guard zone was written to; null when all are whole.</summary>
    public string? BrokenGuard()
    {
        for (int i = 0; i < _arguments.Length; i++)
        {
            var (block, bytes, start, length) = _arguments[i];
            var before = new ReadOnlySpan<byte>((void*)block, (int)(start - block));
            var after = new ReadOnlySpan<byte>((void*)(start + length), (int)(block + bytes - start - length));
            if (before.ContainsAnyExcept(GuardByte))
                return $"wrote before the start of {Arguments[i].Name}";
            if (after.ContainsAnyExcept(GuardByte))
                return $"wrote beyond the end of {Arguments[i].Name}";
        }
        return null;
    }

    /// <summary>Makes the guard zones whole again.</summary>
    public void FillGuards()
    {
        foreach (var (block, bytes, start, length) in _arguments)
        {
            new Span<byte>((void*)block, (int)(start - block)).Fill(GuardByte);
            new Span<byte>((void*)(start + length), (int)(block + bytes - start - length)).Fill(GuardByte);
        }
    }

    public void Dispose()
    {
        for (int i = 0; i < _arguments.Length; i++)
        {
            if (_arguments[i].Block != 0)
                _target.Free(_arguments[i].Block, _arguments[i].Bytes);
            _arguments[i] = default;
        }
        NativeMemory.Free(_addresses);
        _addresses = null;
        GC.SuppressFinalize(this);
    }
}
