using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Runtime;
using Picograd.Schedules.Backend;

namespace Picograd.Tune;

/// <summary>Arguments of an operator in memory as models have it, with inputs that are valid for it.</summary>
internal sealed unsafe class OperatorMemory : IDisposable
{
    // Timings depend on no values, so a long tensor repeats this many different ones; a prime, so that rows differ.
    private const int DistinctValues = 65_521;

    private readonly ITuningTarget _target;
    private readonly (nint Address, long Bytes)[] _buffers;
    private readonly nint* _addresses;

    /// <param name="spec">The instance.</param>
    /// <param name="target">Whose memory; null for the CPU's.</param>
    public OperatorMemory(Problem spec, ITuningTarget? target = null)
    {
        _target = target ?? new CpuTuningTarget(TargetsCommand.Cpu(), 1);
        var algorithm = spec.Algorithm;
        _buffers = [.. algorithm.Arguments.Select(a => (_target.Allocate(Bytes(a)), Bytes(a)))];
        _addresses = (nint*)NativeMemory.Alloc((nuint)_buffers.Length, (nuint)sizeof(nint));
        Inputs = algorithm.Inputs.Length;
        var random = new Random(1);
        for (int i = 0; i < _buffers.Length; i++)
        {
            _addresses[i] = _buffers[i].Address;
            var buffer = algorithm.Arguments[i];
            // Outputs too: the pages are then there before the clock runs.
            var domain = i < Inputs ? spec.DomainOf(buffer) : InputDomain.Any;
            if (_target.IsHostMemory)
            {
                Fill(buffer, (byte*)_addresses[i], domain, random);
                continue;
            }
            FillTarget(buffer, _buffers[i], domain, random);
        }
    }

    /// <summary>Base addresses of the algorithm's arguments, inputs first.</summary>
    public nint* Addresses => _addresses;

    public int Inputs { get; }

    public IReadOnlyList<nint> AddressList => [.. _buffers.Select(b => b.Address)];

    /// <summary>Refuses instances whose tensors the machine's memory does not hold; of a range the largest counts.</summary>
    /// <exception cref="UsageException">Names the instance, what it takes and what there is.</exception>
    public static void RequireRoom(Problem spec)
    {
        long room = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2;
        Int128 bytes = 0;
        var largest = spec.IsRange ? spec.At([.. spec.Algorithm.Parameters.Select(p => p.Max)]) : spec;
        foreach (var argument in largest.Algorithm.Arguments)
            bytes += Bytes(argument);
        if (bytes > room)
        {
            throw new UsageException(
                $"{spec}: its tensors take {Figures.Bytes((long)bytes)}, but at most {Figures.Bytes(room)}, half of this machine's memory, are allowed."
            );
        }
    }

    public void Dispose()
    {
        foreach (var (address, bytes) in _buffers)
            _target.Free(address, bytes);
        NativeMemory.Free(_addresses);
    }

    private static long Bytes(Buffer buffer) => buffer.ConstantSize()!.Value * buffer.Type.Size();

    // The different values are written once; the target copies them, twice as many each time.
    private void FillTarget(Buffer buffer, (nint Address, long Bytes) memory, InputDomain domain, Random random)
    {
        long distinct = Math.Min(memory.Bytes, DistinctValues * buffer.Type.Size());
        using var host = CpuBuffer.Rent(distinct);
        int size = buffer.Type.Size();
        for (long i = 0; i < distinct / size; i++)
            Write(buffer.Type, host.Pointer + i * size, domain, random);
        _target.Write(memory.Address, host.Address, distinct);
        for (long done = distinct; done < memory.Bytes; done *= 2)
            _target.Copy(memory.Address + (nint)done, memory.Address, Math.Min(done, memory.Bytes - done));
    }

    private static void Fill(Buffer buffer, byte* to, InputDomain domain, Random random)
    {
        long count = buffer.ConstantSize()!.Value;
        int size = buffer.Type.Size();
        long distinct = Math.Min(count, DistinctValues);
        for (long i = 0; i < distinct; i++)
            Write(buffer.Type, to + i * size, domain, random);
        for (long done = distinct; done < count; done += distinct)
            NativeMemory.Copy(to, to + done * size, (nuint)(Math.Min(distinct, count - done) * size));
    }

    private static void Write(DType type, byte* to, InputDomain domain, Random random)
    {
        var info = type.Info();
        if (info.Kind == DTypeKind.Float)
            info.Write(to, 0, Real(domain, random));
        else if (info.Kind == DTypeKind.Bool)
            info.WriteBits(to, 0, random.Next(2));
        else
            info.WriteBits(to, 0, info.Signed ? Whole(domain, random) : Math.Abs(Whole(domain, random)));
    }

    // Never near zero or huge, so that no operator meets denormal numbers or infinities.
    private static double Real(InputDomain domain, Random random)
    {
        double size = 0.05 + 0.9 * random.NextDouble();
        return domain.Kind switch
        {
            DomainKind.Positive or DomainKind.Probability => size,
            DomainKind.Negative => -size,
            _ => random.Next(2) == 0 ? size : -size,
        };
    }

    private static long Whole(InputDomain domain, Random random) =>
        domain.Kind == DomainKind.Index ? random.NextInt64(domain.Limit) : 1 + random.Next(100);
}
