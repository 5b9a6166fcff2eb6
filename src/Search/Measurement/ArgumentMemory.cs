using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules;

namespace Picograd.Search;

/// <summary>
/// Memory for the arguments of a kernel: each lies between two guard zones whose bytes are known, so that a write
/// outside is noticed (unless they are left out), and can be moved to the worst alignment that kernels of the target allow. Where the target's memory is its
/// own, what is written and read passes through a copy in main memory.
/// </summary>
internal sealed unsafe class ArgumentMemory : IDisposable
{
    private const int MostGuardBytes = 4096;
    private const byte GuardByte = 0xA5;

    /// <summary>What a thread fills or copies before it takes the next.</summary>
    private const long Stretch = 4 << 20;

    /// <summary>Below it one thread is enough.</summary>
    private const long FewBytes = 16 << 20;

    // Alignments are at most so many bytes.
    private const int MostOffset = 64;

    private readonly ITuningTarget _target;
    private readonly (nint Block, long Bytes, nint Base, long Length, nint Host)[] _arguments;
    private readonly int?[] _replaced;
    private readonly int _guardBytes;
    private nint* _addresses;

    /// <param name="algorithm">Whose arguments.</param>
    /// <param name="target">Whose memory.</param>
    /// <param name="guarded">False: without guard zones, so that every argument begins where a tensor's would.</param>
    public ArgumentMemory(Algorithm algorithm, ITuningTarget target, bool guarded = true)
    {
        _target = target;
        _guardBytes = guarded ? MostGuardBytes : 0;
        Arguments = [.. algorithm.Arguments];
        Inputs = algorithm.Inputs.Length;
        _replaced =
        [
            .. algorithm.Arguments.Select(a =>
                algorithm.ReplacedBy(a) is { } input ? algorithm.Inputs.IndexOf(input) : (int?)null
            ),
        ];
        _arguments = new (nint, long, nint, long, nint)[Arguments.Count];
        _addresses = (nint*)NativeMemory.Alloc((nuint)Math.Max(1, Arguments.Count), (nuint)sizeof(nint));
        try
        {
            for (int i = 0; i < Arguments.Count; i++)
            {
                long length = TypedMemory.Bytes(Arguments[i]);
                long bytes = length + 2 * _guardBytes + (guarded ? MostOffset : 0);
                nint block = target.Allocate(bytes);
                nint start = block + _guardBytes;
                _arguments[i] = (block, bytes, start, length, start);
                _addresses[i] = start;
                if (!target.IsHostMemory)
                    _arguments[i].Host = (nint)NativeMemory.Alloc((nuint)Math.Max(1, length));
            }
            FillGuards();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public IReadOnlyList<Buffer> Arguments { get; }

    public int Inputs { get; }

    /// <summary>As kernels take them.</summary>
    public nint* Addresses => _addresses;

    /// <summary>Bytes of all arguments.</summary>
    public long TotalBytes => _arguments.Sum(a => a.Length);

    /// <summary>
    /// Moves the arguments to the worst alignment that kernels of the target allow, or back to that of tensors. What they hold
    /// is then undefined.
    /// </summary>
    public void Align(bool worst)
    {
        if (_guardBytes == 0)
            throw new InvalidOperationException("memory without guard zones stays where it is");
        for (int i = 0; i < _arguments.Length; i++)
        {
            bool sameAsHost = _arguments[i].Host == _arguments[i].Base;
            int offset = worst ? _target.Backend.Target.AlignmentOf(Arguments[i].Type) : 0;
            nint start = _arguments[i].Block + _guardBytes + offset;
            _arguments[i].Base = start;
            _addresses[i] = start;
            if (sameAsHost)
                _arguments[i].Host = start;
        }
        FillGuards();
    }

    public void SetInputs(IReadOnlyDictionary<Buffer, NDArray> inputs)
    {
        for (int i = 0; i < Inputs; i++)
        {
            var (_, _, start, length, host) = _arguments[i];
            TypedMemory.Write(Arguments[i], inputs[Arguments[i]], host);
            if (host != start)
                _target.Write(start, host, length);
        }
    }

    /// <summary>The first input that is a pattern and does not hold it any more; null for none. Others are not looked at.</summary>
    public int? FirstChangedPattern(IReadOnlyDictionary<Buffer, NDArray> inputs)
    {
        for (int i = 0; i < Inputs; i++)
        {
            if (
                inputs[Arguments[i]] is { IsPattern: true } pattern
                && !PatternMemory.Equals(Arguments[i], pattern, Contents(i))
            )
                return i;
        }
        return null;
    }

    /// <summary>Copies all arguments, outputs too, from memory of the same algorithm that this process can read.</summary>
    public void CopyFrom(ArgumentMemory other)
    {
        for (int i = 0; i < _arguments.Length; i++)
            Copy(_arguments[i].Base, other._arguments[i].Base, _arguments[i].Length);
    }

    private void Copy(nint to, nint from, long bytes)
    {
        if (!_target.IsHostMemory || bytes < FewBytes)
            _target.Write(to, from, bytes);
        else
            ParallelStretches.Copy(to, from, bytes);
    }

    private void Fill(nint to, byte value, long bytes)
    {
        if (!_target.IsHostMemory || bytes < FewBytes)
            _target.Fill(to, value, bytes);
        else
        {
            ParallelStretches.Each(
                bytes,
                Stretch,
                (first, end) => NativeMemory.Fill((void*)(to + (nint)first), (nuint)(end - first), value)
            );
        }
    }

    /// <summary>
    /// Fills the outputs with bytes of no right answer (a NaN in every float type), so that what is not written shows; those that
    /// are changed in place get the elements of the input that they replace.
    /// </summary>
    public void PoisonOutputs()
    {
        for (int i = Inputs; i < Arguments.Count; i++)
        {
            if (_replaced[i] is { } input)
                Copy(_addresses[i], Contents(input), _arguments[i].Length);
            else
                Fill(_addresses[i], 0xFF, _arguments[i].Length);
        }
    }

    /// <summary>Where in main memory an argument now is as kernels left it; good until the next call.</summary>
    public nint Contents(int argument)
    {
        var (_, _, start, length, host) = _arguments[argument];
        if (host != start)
            _target.Read(start, host, length);
        return host;
    }

    /// <summary>What an argument holds now, in a number; see <see cref="MemoryDigest"/>.</summary>
    public ulong DigestOf(int argument) => MemoryDigest.Of(Contents(argument), _arguments[argument].Length);

    /// <summary>What all outputs hold now.</summary>
    public ulong[] OutputDigests() => [.. Enumerable.Range(Inputs, Arguments.Count - Inputs).Select(DigestOf)];

    /// <summary>Bytes of an argument.</summary>
    public long LengthOf(int argument) => _arguments[argument].Length;

    /// <summary>The argument around which a guard zone was written to; null when all are whole.</summary>
    public string? BrokenGuard()
    {
        for (int i = 0; i < _arguments.Length; i++)
        {
            var (block, bytes, start, length, _) = _arguments[i];
            if (IsBroken(block, start - block))
                return $"wrote before the start of {Arguments[i].Name}";
            if (IsBroken(start + (nint)length, block + bytes - start - length))
                return $"wrote beyond the end of {Arguments[i].Name}";
        }
        return null;
    }

    /// <summary>
    /// The strided output between whose elements something was written since <see cref="PoisonOutputs"/>; null for none.
    /// </summary>
    public string? BrokenGap()
    {
        for (int i = Inputs; i < Arguments.Count; i++)
        {
            if (Arguments[i].Strides.IsDefault)
                continue;
            // The elements as they were before, so that what differs is between them.
            using var image = new ByteImage(Contents(i), _arguments[i].Length);
            nint now = image.Address;
            var before = _replaced[i] is { } input ? Contents(input) : 0;
            var offsets = new TypedMemory.Offsets(Arguments[i]);
            int size = Arguments[i].Type.Size();
            long count = Arguments[i].Shape.Aggregate(1L, (n, e) => n * ((IntImm)e).Value);
            for (long element = 0; element < count; element++)
            {
                nint at = (nint)(offsets.Of(element) * size);
                var place = new Span<byte>((void*)(now + at), size);
                if (before == 0)
                    place.Fill(0xFF);
                else
                    new ReadOnlySpan<byte>((void*)(before + at), size).CopyTo(place);
            }
            if (before == 0 ? !image.IsAll(0xFF) : !image.Equals(before))
                return $"wrote between the elements of {Arguments[i].Name}";
        }
        return null;
    }

    /// <summary>Makes the guard zones whole again.</summary>
    public void FillGuards()
    {
        foreach (var (block, bytes, start, length, _) in _arguments)
        {
            _target.Fill(block, GuardByte, start - block);
            _target.Fill(start + (nint)length, GuardByte, block + bytes - start - length);
        }
    }

    public void Dispose()
    {
        for (int i = 0; i < _arguments.Length; i++)
        {
            var (block, bytes, start, _, host) = _arguments[i];
            if (host != start)
                NativeMemory.Free((void*)host);
            if (block != 0)
                _target.Free(block, bytes);
            _arguments[i] = default;
        }
        NativeMemory.Free(_addresses);
        _addresses = null;
        GC.SuppressFinalize(this);
    }

    private bool IsBroken(nint zone, long bytes)
    {
        if (_target.IsHostMemory)
            return new ReadOnlySpan<byte>((void*)zone, (int)bytes).ContainsAnyExcept(GuardByte);
        Span<byte> copy = stackalloc byte[2 * MostGuardBytes];
        fixed (byte* to = copy)
            _target.Read(zone, (nint)to, bytes);
        return copy[..(int)bytes].ContainsAnyExcept(GuardByte);
    }
}
