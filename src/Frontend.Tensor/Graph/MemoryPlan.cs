namespace Picograd.Graphs;

/// <summary>
/// Where what lives only within a program lies: pieces of one arena, the same piece for blocks that are never needed at the same time.
/// </summary>
internal sealed class MemoryPlan
{
    // As the pool of memory has it: whole lines, and whole pages from a page on, so that rows of large blocks begin alike.
    private const long Line = 64;
    private const long Page = 4096;

    private readonly Dictionary<Block, long> _offsets = [];

    /// <param name="lifetimes">Blocks with the first and the last group that touches each.</param>
    public MemoryPlan(IReadOnlyCollection<(Block Block, int First, int Last)> lifetimes)
    {
        // Large ones first, each as low as it fits (Pisarchyk and Lee, 2020).
        var placed = new List<(long From, long To, int First, int Last)>();
        foreach (
            var (block, first, last) in lifetimes
                .OrderByDescending(l => l.Block.Bytes)
                .ThenBy(l => l.First)
                .ThenBy(l => l.Block.Number)
        )
        {
            long bytes = Rounded(block.Bytes);
            long at = 0;
            foreach (var other in placed.Where(p => p.First <= last && first <= p.Last).OrderBy(p => p.From))
            {
                if (other.From >= at + bytes)
                    break;
                at = Math.Max(at, other.To);
                at = Aligned(at, block.Bytes);
            }
            placed.Add((at, at + bytes, first, last));
            _offsets.Add(block, at);
            Bytes = Math.Max(Bytes, at + bytes);
        }
        WithoutReuse = lifetimes.Sum(l => Rounded(l.Block.Bytes));
        var changes = new SortedDictionary<int, long>();
        foreach (var (block, first, last) in lifetimes)
        {
            changes[first] = changes.GetValueOrDefault(first) + block.Bytes;
            changes[last + 1] = changes.GetValueOrDefault(last + 1) - block.Bytes;
        }
        long now = 0;
        foreach (var (_, change) in changes)
            LeastPossible = Math.Max(LeastPossible, now += change);
    }

    /// <summary>Of the arena.</summary>
    public long Bytes { get; }

    /// <summary>If every block had its own memory.</summary>
    public long WithoutReuse { get; }

    /// <summary>What is needed at once at most, whatever the plan.</summary>
    public long LeastPossible { get; }

    /// <summary>Blocks in the arena.</summary>
    public int Count => _offsets.Count;

    public bool Has(Block block) => _offsets.ContainsKey(block);

    /// <summary>Bytes from the begin of the arena.</summary>
    public long OffsetOf(Block block) => _offsets[block];

    private static long Rounded(long bytes) => (Math.Max(bytes, 1) + Line - 1) / Line * Line;

    private static long Aligned(long at, long bytes) =>
        bytes >= Page ? (at + Page - 1) / Page * Page : (at + Line - 1) / Line * Line;
}
