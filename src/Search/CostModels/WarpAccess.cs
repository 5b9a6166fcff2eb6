using System.Collections.Immutable;
using System.Numerics;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Search.CostModels;

/// <summary>
/// What one access of a warp costs, found by computing the places of its lanes: 32-byte sectors of device memory, turns of
/// the banks of shared memory, instructions.
/// </summary>
internal readonly record struct WarpAccess(double Instructions, double Sectors, double BankCycles)
{
    private const int SectorBytes = 32;
    private const int Banks = 32;
    private const int MostVectorBytes = 16;

    /// <param name="buffer">What is accessed.</param>
    /// <param name="place">Of the first element that a lane touches.</param>
    /// <param name="lanes">Numbers of the threads of one warp that take part.</param>
    /// <param name="thread">The thread's variable.</param>
    /// <param name="vector">Loop over the elements that a lane touches; null for neighbours from the first on.</param>
    /// <param name="width">How many those are.</param>
    /// <param name="values">Of all other variables.</param>
    public static WarpAccess Of(
        Buffer buffer,
        ImmutableArray<Expr> place,
        IReadOnlyList<int> lanes,
        Var thread,
        Var? vector,
        long width,
        IndexValues values
    )
    {
        int size = buffer.Type.Size();
        long step = size;
        values.Set(thread, lanes[0]);
        if (vector is not null && width > 1)
        {
            values.Set(vector, 1);
            long second = Offset(buffer, place, values);
            values.Set(vector, 0);
            step = (second - Offset(buffer, place, values)) * size;
        }
        bool together = Math.Abs(step) == size && size * width % 4 == 0;
        var sectors = new HashSet<long>();
        var turns = new Turns();
        double bank = 0;
        // Neighbours are one access of up to 16 bytes a lane, which the banks serve in as few turns as they hold; others follow one another.
        for (long v = 0; v < width; v++)
        {
            foreach (int lane in lanes)
            {
                values.Set(thread, lane);
                long at = Offset(buffer, place, values) * size + v * step;
                at = buffer.Swizzle?.Apply(at) ?? at;
                sectors.Add(at >> BitOperations.Log2(SectorBytes));
                turns.Add(at >> 2);
            }
            if (!together || v + 1 == width)
            {
                bank += turns.Most;
                turns = new Turns();
            }
        }
        double instructions = together ? Math.Ceiling((double)size * width / MostVectorBytes) : width;
        return new WarpAccess(instructions, sectors.Count, step == 0 ? bank / width : bank);
    }

    private static long Offset(Buffer buffer, ImmutableArray<Expr> place, IndexValues values)
    {
        if (buffer.Panel is { } panel)
            return InPanels(buffer, place, panel, values);
        long at = 0;
        long stride = 1;
        for (int d = place.Length - 1; d >= 0; d--)
        {
            long step = buffer.Strides.IsDefault ? stride : buffer.Strides[d];
            at += Math.Clamp(values.Of(place[d]), 0, 1L << 32) * step;
            stride *= Extent(buffer.Shape[d]);
        }
        return at;
    }

    // So many columns of all rows, then the next.
    private static long InPanels(Buffer buffer, ImmutableArray<Expr> place, long panel, IndexValues values)
    {
        int last = place.Length - 1;
        long column = Math.Clamp(values.Of(place[last]), 0, 1L << 32);
        long rows = Extent(buffer.Shape[last - 1]);
        long row = Math.Clamp(values.Of(place[last - 1]), 0, 1L << 32);
        long at = (column / panel * rows + row) * panel + column % panel;
        long stride = rows * Extent(buffer.Shape[last]);
        for (int d = last - 2; d >= 0; d--)
        {
            at += Math.Clamp(values.Of(place[d]), 0, 1L << 32) * stride;
            stride *= Extent(buffer.Shape[d]);
        }
        return at;
    }

    private static long Extent(Expr extent) => Math.Clamp(extent is IntImm e ? e.Value : 1024, 1, 1L << 32);

    /// <summary>How many words of one bank are wanted at once.</summary>
    private sealed class Turns
    {
        private readonly HashSet<long> _words = [];
        private readonly int[] _banks = new int[Banks];

        public int Most { get; private set; }

        public void Add(long word)
        {
            if (_words.Add(word))
                Most = Math.Max(Most, ++_banks[(int)(((word % Banks) + Banks) % Banks)]);
        }
    }
}
