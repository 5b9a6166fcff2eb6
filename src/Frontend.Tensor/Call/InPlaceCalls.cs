using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Picograd.Dispatch;
using Picograd.Lower.Cpu.Runtime;

namespace Picograd.Calls;

/// <summary>
/// Calls of element-wise operators on processors that replace some of their inputs, many at once: steps of an optimizer for all
/// parameters. They are cut into stretches of <see cref="Stretch"/> elements, which threads share whatever tensors they are of. A
/// stretch's results go to memory that stays in the cache, and from there to the places of what they replace, once all of it is read
/// (schedules may read an element again after its result is stored): one element is read and written once, where results in memory of
/// their own are fetched before they are written (SGD of ResNet-18, 1 thread: 3.4 ms so, 1.9 in stretches; Adam of 150 vectors of 32 to
/// 96 elements one by one 66 us).
/// </summary>
internal sealed unsafe class InPlaceCalls
{
    /// <summary>Elements that a kernel is started for.</summary>
    public const int Stretch = 8192;

    /// <summary>Elements of one tensor from which it is worth it.</summary>
    public const long Long = 1 << 16;

    // From so many elements on they are shared by threads, as those of one kernel would be.
    private const long Shared = 1 << 15;

    // A bit for some storages each, set where one of them takes part in the next run: almost none does twice, and who might is looked at closely.
    private readonly ulong[] _met = new ulong[512];

    // Whether memory of it may be known by other storages, too.
    private bool _hasForeign;

    private readonly List<Call> _calls = [];
    private readonly List<nint> _pointers = [];
    private readonly List<Tensor> _tensors = [];
    private byte[] _cells = GC.AllocateArray<byte>(1 << 10, pinned: true);
    private int _cellBytes;
    private long _stretches;
    private long _elements;
    private int _mostOutputs;
    private int _threads;

    // Of results, as long as there are steps to do.
    private CpuBuffer? _memory;

    /// <summary>
    /// One call. Its addresses are those of inputs, 0 for the numbers at <paramref name="Cell"/>; output j replaces input Replaced[j].
    /// </summary>
    private readonly record struct Call(
        DispatchedKernel? Whole,
        DispatchedKernel? Rest,
        long Elements,
        int ElementSize,
        int First,
        int Inputs,
        int Cell,
        byte[] Replaced,
        long FirstStretch
    )
    {
        /// <summary>Whether results may be written to their places at once.</summary>
        public bool WholeInPlace { get; } = MayReplace(Whole, Replaced);

        /// <inheritdoc cref="WholeInPlace"/>
        public bool RestInPlace { get; } = MayReplace(Rest, Replaced);

        // A kernel that began with its class's code may go on with other code.
        private static bool MayReplace(DispatchedKernel? kernel, byte[] replaced) =>
            kernel is { Members: null, Unguarded: null, Guards.IsEmpty: true } && kernel.Schedule.MayReplace(replaced);
    }

    public bool IsEmpty => _calls.Count == 0;

    /// <summary>Adds a call whose kernels are known; it runs with the next <see cref="Run"/>.</summary>
    /// <param name="whole">The kernel of a whole stretch; null where there is none.</param>
    /// <param name="rest">The kernel of what is left; null for nothing.</param>
    /// <param name="operands">The inputs in order, null for the numbers.</param>
    /// <param name="cell">The numbers; empty for none.</param>
    /// <param name="replaced">For each output the input whose place it takes.</param>
    /// <param name="threads">That may share the work.</param>
    public void Add(
        DispatchedKernel? whole,
        DispatchedKernel? rest,
        ReadOnlySpan<Tensor?> operands,
        ReadOnlySpan<byte> cell,
        byte[] replaced,
        int threads
    )
    {
        var target = operands[replaced[0]]!;
        // Calls of one run have no order.
        if (!IsEmpty && DependsOnEarlier(operands, replaced))
            Run();
        int first = _pointers.Count;
        foreach (var operand in operands)
        {
            _pointers.Add(operand?.Address ?? 0);
            if (operand is null)
                continue;
            _tensors.Add(operand);
            Meet(operand.Storage);
            _hasForeign |= operand.Storage.IsForeign;
        }
        _calls.Add(
            new(
                whole,
                rest,
                target.NumElements,
                target.ElementSize,
                first,
                operands.Length,
                Keep(cell),
                replaced,
                _stretches
            )
        );
        _stretches += (target.NumElements + Stretch - 1) / Stretch;
        _elements += target.NumElements;
        _mostOutputs = Math.Max(_mostOutputs, replaced.Length);
        _threads = threads;
        foreach (byte input in replaced)
            operands[input]!.Storage.Version++;
    }

    // Whether it reads what an earlier call of the run replaces, or replaces what one reads. Most share no storage with others.
    private bool DependsOnEarlier(ReadOnlySpan<Tensor?> operands, byte[] replaced)
    {
        for (int k = 0; k < operands.Length; k++)
        {
            if (operands[k] is not { } operand)
                continue;
            var storage = operand.Storage;
            if (!HasMet(storage) && !(storage.IsForeign && _hasForeign))
                continue;
            nint begin = operand.Address;
            nint end = begin + (nint)(operand.NumElements * operand.ElementSize);
            bool isReplaced = replaced.Contains((byte)k);
            foreach (var call in _calls)
            {
                nint length = (nint)(call.Elements * call.ElementSize);
                for (int i = 0; i < call.Inputs; i++)
                {
                    nint other = _pointers[call.First + i];
                    if (
                        other != 0
                        && other < end
                        && begin < other + length
                        && (isReplaced || call.Replaced.Contains((byte)i))
                    )
                        return true;
                }
            }
        }
        return false;
    }

    private void Meet(Storage storage)
    {
        int bit = BitOf(storage);
        _met[bit >> 6] |= 1UL << bit;
    }

    private bool HasMet(Storage storage)
    {
        int bit = BitOf(storage);
        return (_met[bit >> 6] >> bit & 1) != 0;
    }

    // One of 2^15, by the upper bits of a product with the golden ratio; memory begins at multiples of 64 bytes.
    private static int BitOf(Storage storage) => (int)(((ulong)storage.Address >> 6) * 0x9E37_79B9_7F4A_7C15 >> 49);

    // Calls one after another have mostly the same numbers.
    private int Keep(ReadOnlySpan<byte> cell)
    {
        if (cell.IsEmpty)
            return -1;
        int last = _cellBytes - Aligned(cell.Length);
        if (last >= 0 && cell.SequenceEqual(_cells.AsSpan(last, cell.Length)))
            return last;
        if (_cellBytes + Aligned(cell.Length) > _cells.Length)
        {
            byte[] more = GC.AllocateArray<byte>(2 * (_cellBytes + Aligned(cell.Length)), pinned: true);
            _cells.CopyTo(more, 0);
            _cells = more;
        }
        int at = _cellBytes;
        cell.CopyTo(_cells.AsSpan(at));
        _cellBytes += Aligned(cell.Length);
        return at;
    }

    private static int Aligned(int bytes) => (bytes + 63) & ~63;

    /// <summary>Runs what was added since the last time.</summary>
    public void Run()
    {
        if (IsEmpty)
            return;
        int threads = _elements >= Shared ? _threads : 1;
        long room = (long)_mostOutputs * Room;
        try
        {
            if (_memory is null || _memory.Length < threads * room)
            {
                _memory?.Dispose();
                _memory = CpuBuffer.Rent(threads * room);
            }
            var handle = GCHandle.Alloc(this);
            long* context = stackalloc long[3];
            (context[0], context[1], context[2]) = (GCHandle.ToIntPtr(handle), _memory.Address, room);
            try
            {
                WorkerPool.Run(&Run, context, _stretches, threads, false);
            }
            finally
            {
                handle.Free();
            }
        }
        finally
        {
            GC.KeepAlive(_tensors);
            _calls.Clear();
            _pointers.Clear();
            _tensors.Clear();
            (_cellBytes, _stretches, _elements, _mostOutputs) = (0, 0, 0, 0);
            Array.Clear(_met);
            _hasForeign = false;
        }
    }

    // Bytes for one output of a stretch, the lines between keep outputs from the same sets of the cache.
    private const int Room = Stretch * sizeof(double) + 256;

    private static void Run(long* context, long begin, long end, long worker)
    {
        var calls = (InPlaceCalls)GCHandle.FromIntPtr((nint)context[0]).Target!;
        calls.Run(begin, end, (byte*)context[1] + worker * context[2]);
    }

    [SkipLocalsInit]
    private void Run(long begin, long end, byte* results)
    {
        var all = CollectionsMarshal.AsSpan(_calls);
        var pointers = CollectionsMarshal.AsSpan(_pointers);
        nint* arguments = stackalloc nint[OpCall.MostOperands];
        for (int i = First(all, begin); i < all.Length && all[i].FirstStretch < end; i++)
        {
            ref readonly var call = ref all[i];
            long stretches = (call.Elements + Stretch - 1) / Stretch;
            long from = Math.Max(begin - call.FirstStretch, 0);
            long to = Math.Min(end - call.FirstStretch, stretches);
            for (long s = from; s < to; s++)
            {
                long count = Math.Min(Stretch, call.Elements - s * Stretch);
                long offset = s * Stretch * call.ElementSize;
                for (int k = 0; k < call.Inputs; k++)
                {
                    arguments[k] = pointers[call.First + k] is not 0 and var at
                        ? at + (nint)offset
                        : Marshal.UnsafeAddrOfPinnedArrayElement(_cells, call.Cell);
                }
                bool inPlace = count == Stretch ? call.WholeInPlace : call.RestInPlace;
                for (int j = 0; j < call.Replaced.Length; j++)
                    arguments[call.Inputs + j] = inPlace
                        ? arguments[call.Replaced[j]]
                        : (nint)(results + (long)j * Room);
                (count == Stretch ? call.Whole! : call.Rest!).Run(arguments);
                for (int j = 0; !inPlace && j < call.Replaced.Length; j++)
                {
                    Unsafe.CopyBlockUnaligned(
                        (void*)arguments[call.Replaced[j]],
                        results + (long)j * Room,
                        (uint)(count * call.ElementSize)
                    );
                }
            }
        }
    }

    // The call that a stretch is of.
    private static int First(ReadOnlySpan<Call> all, long stretch)
    {
        int low = 0;
        int high = all.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (all[middle].FirstStretch <= stretch)
                low = middle;
            else
                high = middle - 1;
        }
        return low;
    }
}
