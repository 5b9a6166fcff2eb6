using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>
/// Where the shared buffers of a kernel lie in its dynamic shared memory. Buffers share space where all threads meet
/// after the last use of the one and before the first use of the other.
/// </summary>
internal sealed class SharedLayout
{
    private const long Alignment = 16;

    private readonly Dictionary<Buffer, long> _offsets = new(ReferenceEqualityComparer.Instance);

    public SharedLayout(ParsedKernel kernel, GpuInfo gpu)
    {
        var lifetimes = kernel.Shared.Select(b => new Lifetime(b, kernel.Body)).ToList();
        // Those of strict alignment first: nothing is lost between them.
        foreach (var lifetime in lifetimes.OrderByDescending(l => l.Align))
        {
            var others = lifetimes.Where(o => _offsets.ContainsKey(o.Buffer) && !o.Apart(lifetime)).ToList();
            long at = others
                .Select(o => RoundUp(_offsets[o.Buffer] + o.Bytes, lifetime.Align))
                .Prepend(0)
                .Order()
                .First(start =>
                    others.All(o =>
                        start + lifetime.Bytes <= _offsets[o.Buffer] || start >= _offsets[o.Buffer] + o.Bytes
                    )
                );
            _offsets[lifetime.Buffer] = at;
            Bytes = Math.Max(Bytes, at + lifetime.Bytes);
        }
        if (Bytes > gpu.SharedBytesPerBlock)
            throw new LoweringException(
                "shared-too-large",
                $"a block needs {Bytes} bytes of shared memory for {string.Join(", ", kernel.Shared.Select(b => b.Name))}, and {gpu.Architecture} has {gpu.SharedBytesPerBlock}"
            );
    }

    /// <summary>Bytes of a block.</summary>
    public long Bytes { get; }

    /// <summary>Byte at which a buffer starts.</summary>
    public long OffsetOf(Buffer buffer) => _offsets[buffer];

    private static long RoundUp(long value, long to) => (value + to - 1) / to * to;

    /// <summary>The statements at the top of a kernel between which a buffer is used.</summary>
    private sealed class Lifetime
    {
        private readonly HashSet<int> _barriers = [];

        public Lifetime(Buffer buffer, Stmt body)
        {
            Buffer = buffer;
            long size =
                buffer.ConstantSize()
                ?? throw new LoweringException(
                    "shared-not-constant",
                    $"{buffer} is in shared memory, and its size is not constant"
                );
            Align = Math.Max(Alignment, buffer.Swizzle?.Alignment ?? 1);
            Bytes = RoundUp(Math.Max(1, size) * buffer.Type.Size(), Align);
            var items = Top(body);
            for (int i = 0; i < items.Length; i++)
            {
                if (items[i] is Barrier { Scope: BarrierScope.Block })
                    _barriers.Add(i);
                if (!new KernelBuffers(items[i]).All.Contains(buffer))
                    continue;
                First = Math.Min(First, i);
                Last = i;
            }
        }

        public Buffer Buffer { get; }

        public long Align { get; }

        public long Bytes { get; }

        private int First { get; } = int.MaxValue;

        private int Last { get; } = -1;

        public bool Apart(Lifetime other)
        {
            var (early, late) = Last < other.First ? (this, other) : (other, this);
            return _barriers.Any(b => early.Last < b && b < late.First);
        }

        private static ImmutableArray<Stmt> Top(Stmt body) =>
            body switch
            {
                Seq q => [.. q.Items.SelectMany(i => Top(i))],
                Allocate a => Top(a.Body),
                _ => [body],
            };
    }
}
