using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Search.Measurement;

/// <summary>
/// Memory for the arguments of a kernel: each lies between two guard zones whose bytes are known, so that a write
/// outside is noticed (unless they are left out), and can be moved to the worst alignment that kernels of the target allow. Where the target's memory is its
/// own, large arguments are made and compared there (<see cref="DeviceWork"/>), and others pass through a copy in main memory.
/// </summary>
internal sealed unsafe class ArgumentMemory : IDisposable
{
    private const int MostGuardBytes = 4096;
    private const byte GuardByte = 0xA5;

    /// <summary>What a thread fills or copies before it takes the next.</summary>
    private const long Stretch = 4 << 20;

    /// <summary>Below it one thread is enough.</summary>
    private const long FewBytes = 16 << 20;

    /// <summary>Of samples, where in the target's memory their places are kept.</summary>
    private const int MostPlaces = 8;

    // Alignments are at most so many bytes.
    private const int MostOffset = 64;

    private readonly ITuningTarget _target;
    private readonly (nint Block, long Bytes, nint Base, long Length, nint Host)[] _arguments;
    private readonly int?[] _replaced;
    private readonly bool[] _isBorrowed;
    private readonly DeviceWork? _device;
    private readonly List<(OutputSample Sample, nint Places, long Bytes)> _places = [];
    private byte[] _gathered = [];
    private readonly int _guardBytes;
    private nint* _addresses;

    /// <param name="algorithm">Whose arguments.</param>
    /// <param name="target">Whose memory.</param>
    /// <param name="guarded">False: without guard zones, so that every argument begins where a tensor's would.</param>
    /// <param name="within">
    /// Memory of another algorithm on the target to use where an argument fits into that of the same number: pages that are new
    /// take longer to get than most kernels to run. What it holds is lost, and it must not be disposed of before.
    /// </param>
    public ArgumentMemory(Algorithm algorithm, ITuningTarget target, bool guarded = true, ArgumentMemory? within = null)
    {
        _target = target;
        _device = DeviceWork.Of(target);
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
        _isBorrowed = new bool[Arguments.Count];
        _addresses = (nint*)NativeMemory.Alloc((nuint)Math.Max(1, Arguments.Count), (nuint)sizeof(nint));
        try
        {
            for (int i = 0; i < Arguments.Count; i++)
            {
                long length = TypedMemory.Bytes(Arguments[i]);
                long bytes = length + 2 * _guardBytes + (guarded ? MostOffset : 0);
                bool fits = within is not null && i < within._arguments.Length && bytes <= within._arguments[i].Bytes;
                nint block = fits ? within!._arguments[i].Block : target.Allocate(bytes);
                _isBorrowed[i] = fits;
                nint start = block + _guardBytes;
                _arguments[i] = (block, bytes, start, length, target.IsHostMemory ? start : 0);
                _addresses[i] = start;
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
            int offset = worst ? _target.Backend.Target.AlignmentOf(Arguments[i].Type) : 0;
            nint start = _arguments[i].Block + _guardBytes + offset;
            _arguments[i].Base = start;
            _addresses[i] = start;
            if (_device is null)
                _arguments[i].Host = start;
        }
        FillGuards();
    }

    public void SetInputs(IReadOnlyDictionary<Buffer, NDArray> inputs)
    {
        for (int i = 0; i < Inputs; i++)
        {
            var (_, _, start, length, _) = _arguments[i];
            var array = inputs[Arguments[i]];
            if (array.IsPattern && IsOnDevice(i))
            {
                _device!.WritePattern(Arguments[i], array, start);
                continue;
            }
            nint host = Mirror(i);
            TypedMemory.Write(Arguments[i], array, host);
            if (host != start)
                _target.Write(start, host, length);
        }
    }

    /// <summary>
    /// What inputs now hold, to ask <see cref="FirstChangedInput"/> later; null for patterns, which main memory is compared with
    /// itself.
    /// </summary>
    public ulong?[] InputDigests(IReadOnlyDictionary<Buffer, NDArray> inputs) =>
        [
            .. Enumerable
                .Range(0, Inputs)
                .Select(i => inputs[Arguments[i]].IsPattern && !IsOnDevice(i) ? null : (ulong?)DigestOf(i)),
        ];

    /// <summary>The first input that does not hold any more what was set; null for none.</summary>
    /// <param name="inputs">What was set.</param>
    /// <param name="before">What <see cref="InputDigests"/> said then.</param>
    public int? FirstChangedInput(IReadOnlyDictionary<Buffer, NDArray> inputs, ulong?[] before)
    {
        for (int i = 0; i < Inputs; i++)
        {
            bool same = before[i] is { } digest
                ? DigestOf(i) == digest
                : PatternMemory.Equals(Arguments[i], inputs[Arguments[i]], Contents(i));
            if (!same)
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
            _target.Copy(to, from, bytes);
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
                Copy(_addresses[i], _addresses[input], _arguments[i].Length);
            else
                Fill(_addresses[i], 0xFF, _arguments[i].Length);
        }
    }

    /// <summary>Has the system hand out the memory of outputs, which for 256 MiB takes 30 to 500 ms.</summary>
    public void TouchOutputs()
    {
        for (int i = Inputs; i < Arguments.Count; i++)
            Fill(_addresses[i], 0xFF, _arguments[i].Length);
    }

    /// <summary>Where in main memory an argument now is as kernels left it; good until the next call.</summary>
    public nint Contents(int argument)
    {
        var (_, _, start, length, _) = _arguments[argument];
        nint host = Mirror(argument);
        if (host != start)
            _target.Read(start, host, length);
        return host;
    }

    /// <summary>
    /// The elements of a sample of an argument, as numbers by their number in the sample; good until the next call of anything
    /// here.
    /// </summary>
    public Func<int, double> ElementsOf(int argument, OutputSample sample)
    {
        var type = Arguments[argument].Type;
        var positions = sample.Positions;
        var offsets = new TypedMemory.Offsets(Arguments[argument]);
        long bytes = (long)positions.Length * type.Size();
        if (!IsOnDevice(argument) || bytes > _arguments[argument].Length / 4)
        {
            nint address = Contents(argument);
            return i => TypedMemory.Read(type, address, offsets.Of(positions[i]));
        }
        if (_gathered.Length < bytes)
            _gathered = new byte[bytes];
        var gathered = _gathered;
        fixed (byte* to = gathered)
        {
            _device!.Gather(
                type,
                _addresses[argument],
                _arguments[argument].Length / type.Size(),
                PlacesOf(sample, offsets),
                positions.Length,
                (nint)to
            );
        }
        return i =>
        {
            fixed (byte* from = gathered)
                return TypedMemory.Read(type, (nint)from, i);
        };
    }

    /// <summary>One element of the target's memory.</summary>
    /// <param name="type">Of it.</param>
    /// <param name="address">Its own.</param>
    public double ElementAt(DType type, nint address)
    {
        if (_device is null)
            return TypedMemory.Read(type, address, 0);
        long word = 0;
        _target.Read(address, (nint)(&word), type.Size());
        return TypedMemory.Read(type, (nint)(&word), 0);
    }

    /// <summary>Keeps a part of what an argument now holds.</summary>
    /// <param name="argument">Which.</param>
    /// <param name="from">First element of its memory.</param>
    /// <param name="elements">How many.</param>
    /// <exception cref="OutOfMemoryException">There is no room for it.</exception>
    public ArgumentImage Keep(int argument, long from, long elements)
    {
        int size = Arguments[argument].Type.Size();
        var image = new ArgumentImage(_target, argument, from, elements, elements * size);
        Copy(image.Address, _addresses[argument] + (nint)(from * size), elements * size);
        return image;
    }

    /// <summary>Where an argument differs most from what it held; places are elements of its memory.</summary>
    public IReadOnlyList<Difference> Differences(ArgumentImage image)
    {
        var type = Arguments[image.Argument].Type;
        nint now = _addresses[image.Argument] + (nint)(image.From * type.Size());
        if (IsOnDevice(image.Argument))
            return Shifted(_device!.Differences(type, image.Address, now, image.Elements));
        if (_device is null)
            return Shifted(MemoryDifferences.Of(type, image.Address, now, image.Elements));
        using var before = new ByteImage(_target, image.Address, image.Elements * type.Size());
        using var after = new ByteImage(_target, now, image.Elements * type.Size());
        return Shifted(MemoryDifferences.Of(type, before.Address, after.Address, image.Elements));

        IReadOnlyList<Difference> Shifted(IReadOnlyList<Difference> found) =>
            [.. found.Select(d => d with { Place = d.Place + image.From })];
    }

    /// <summary>What an argument holds now, in a number; see <see cref="MemoryDigest"/>.</summary>
    public ulong DigestOf(int argument) =>
        IsOnDevice(argument)
            ? _device!.Digest(_addresses[argument], _arguments[argument].Length)
            : MemoryDigest.Of(Contents(argument), _arguments[argument].Length);

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
            if (IsOnDevice(i) && HasBrokenGapOnDevice(i) is { } isBroken)
            {
                if (isBroken)
                    return $"wrote between the elements of {Arguments[i].Name}";
                continue;
            }
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

    // Null where the device has no room for a copy.
    private bool? HasBrokenGapOnDevice(int output)
    {
        nint? held = _replaced[output] is { } input ? _addresses[input] : null;
        try
        {
            return _device!.GapDigest(Arguments[output], _addresses[output])
                != _device.GapDigest(Arguments[output], held);
        }
        catch (OutOfMemoryException)
        {
            return null;
        }
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
            var (block, bytes, _, _, host) = _arguments[i];
            if (_device is not null)
                NativeMemory.Free((void*)host);
            if (block != 0 && !_isBorrowed[i])
                _target.Free(block, bytes);
            _arguments[i] = default;
        }
        foreach (var (_, places, bytes) in _places)
            _target.Free(places, bytes);
        _places.Clear();
        NativeMemory.Free(_addresses);
        _addresses = null;
        GC.SuppressFinalize(this);
    }

    /// <summary>Whether an argument is worked on where it lies, by kernels.</summary>
    private bool IsOnDevice(int argument) => _device is not null && _arguments[argument].Length >= _device.LeastBytes;

    /// <summary>Main memory for an argument: its own, or a copy whose contents are undefined.</summary>
    private nint Mirror(int argument)
    {
        ref var of = ref _arguments[argument];
        if (of.Host == 0)
            of.Host = (nint)NativeMemory.Alloc((nuint)Math.Max(1, of.Length));
        return of.Host;
    }

    /// <summary>Places of a sample in the target's memory, which are the same for every candidate.</summary>
    private nint PlacesOf(OutputSample sample, TypedMemory.Offsets offsets)
    {
        int known = _places.FindIndex(p => ReferenceEquals(p.Sample, sample));
        if (known >= 0)
            return _places[known].Places;
        if (_places.Count == MostPlaces)
        {
            _target.Free(_places[0].Places, _places[0].Bytes);
            _places.RemoveAt(0);
        }
        long[] places = [.. sample.Positions.Select(offsets.Of)];
        long bytes = (long)places.Length * sizeof(long);
        nint memory = _target.Allocate(bytes);
        _places.Add((sample, memory, bytes));
        fixed (long* from = places)
            _target.Write(memory, (nint)from, bytes);
        return memory;
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
