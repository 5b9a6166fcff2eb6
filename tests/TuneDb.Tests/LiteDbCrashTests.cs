namespace Picograd.Tests;

/// <summary>
/// Every place where a change of a LiteDB file can be cut off, by a killed process or by a power cut: the file is then the one
/// before or the one after the change, for whoever reads it and for whoever writes next.
/// </summary>
public sealed class LiteDbCrashTests
{
    private const string Path = "/nowhere/tune.litedb";
    private const int Schema = 1;

    // Each is cut off at some fifty places.
    private const int Changes = 12;

    private sealed record Operation(long Offset, byte[]? Bytes, bool IsFlush = false)
    {
        /// <summary>Without bytes and no flush: the length is set to the offset.</summary>
        public static Operation Flush => new(0, null, true);
    }

    /// <summary>A file in memory that remembers what was done to it.</summary>
    private sealed class Memory(byte[] bytes) : PageDevice
    {
        public MemoryStream Bytes { get; } = Stream(bytes);

        public List<Operation> Done { get; } = [];

        public override long Length => Bytes.Length;

        public override int Read(long offset, Span<byte> bytes)
        {
            Bytes.Position = offset;
            return Bytes.Read(bytes);
        }

        public override void Write(long offset, ReadOnlySpan<byte> bytes)
        {
            Done.Add(new Operation(offset, bytes.ToArray()));
            Bytes.Position = offset;
            Bytes.Write(bytes);
        }

        public override void SetLength(long length)
        {
            Done.Add(new Operation(length, null));
            Bytes.SetLength(length);
        }

        public override void Flush() => Done.Add(Operation.Flush);

        public override void Dispose() { }

        private static MemoryStream Stream(byte[] bytes)
        {
            var stream = new MemoryStream();
            stream.Write(bytes);
            return stream;
        }
    }

    private static byte[] After(byte[] before, IEnumerable<Operation> operations)
    {
        var memory = new Memory(before);
        foreach (var operation in operations.Where(o => !o.IsFlush))
        {
            if (operation.Bytes is { } bytes)
            {
                memory.Write(operation.Offset, bytes);
            }
            else
            {
                memory.SetLength(operation.Offset);
            }
        }

        return memory.Bytes.ToArray();
    }

    /// <summary>All documents, by name, as text; null for a file without pages.</summary>
    private static string? State(byte[] bytes)
    {
        using var memory = new Memory(bytes);
        var pages = PageFile.Open(memory, Path, Schema);
        if (pages.Count == 0)
        {
            return null;
        }

        for (var number = 0L; number < pages.Count; number++)
        {
            pages.Read(number);
        }

        var reader = new PageReader(pages, Path);
        reader.RequireOwn(Collections.All);
        return string.Join(
            '\n',
            Collections.All.SelectMany(c =>
                reader.Range(c, "").Select(f => $"{c} {f.Text(Fields.Id)} {f.Number("n")} {f.Text("text").Length}")
            )
        );
    }

    private static List<Operation> Change(ref byte[] file, Random random, int index, bool fold)
    {
        using var memory = new Memory(file);
        var pages = PageFile.Open(memory, Path, Schema);
        using (var change = new LiteDbChange(pages, Path, Schema))
        {
            var count = random.Next(1, 12);
            for (var i = 0; i < count; i++)
            {
                var collection = Collections.All[random.Next(Collections.All.Length)];
                var id = $"{random.Next(60):D3}";
                if (random.Next(4) == 0)
                {
                    change.Remove(collection, [id]);
                }
                else
                {
                    change.Put(
                        collection,
                        new Fields
                        {
                            [Fields.Id] = id,
                            ["n"] = (long)index,
                            ["text"] = new string('x', random.Next(3) == 0 ? random.Next(30_000) : random.Next(900)),
                        }
                    );
                }
            }

            change.Commit();
        }

        if (fold)
        {
            pages.Fold();
        }

        file = memory.Bytes.ToArray();
        return memory.Done;
    }

    /// <summary>What a killed process may leave: all of some operations and of the next one some blocks of 4 KiB.</summary>
    private static IEnumerable<List<Operation>> Kills(List<Operation> all)
    {
        for (var count = 0; count <= all.Count; count++)
        {
            yield return all[..count];
            if (count < all.Count && all[count].Bytes is { } bytes)
            {
                for (var part = 4096; part < bytes.Length; part += 4096)
                {
                    yield return [.. all[..count], all[count] with { Bytes = bytes[..part] }];
                }
            }
        }
    }

    /// <summary>What a power cut may leave: all up to a flush, and of what follows any blocks of 4 KiB.</summary>
    private static IEnumerable<List<Operation>> PowerCuts(List<Operation> all, Random random, int each)
    {
        for (var cut = 0; cut < each; cut++)
        {
            var end = random.Next(all.Count + 1);
            var safe = end == 0 ? 0 : all.FindLastIndex(end - 1, o => o.IsFlush) + 1;
            var left = all[..safe];
            foreach (var operation in all[left.Count..end])
            {
                if (operation.Bytes is null)
                {
                    if (random.Next(2) == 0)
                    {
                        left.Add(operation);
                    }

                    continue;
                }

                for (var at = 0; at < operation.Bytes.Length; at += 4096)
                {
                    if (random.Next(2) == 0)
                    {
                        var block = operation.Bytes[at..Math.Min(at + 4096, operation.Bytes.Length)];
                        left.Add(new Operation(operation.Offset + at, block));
                    }
                }
            }

            yield return left;
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_change_that_is_cut_off_anywhere_was_made_or_was_not(int seed)
    {
        var random = new Random(seed);
        byte[] file = [];
        string? before = null;
        var (kills, cuts, made) = (0, 0, 0);
        for (var index = 0; index < Changes; index++)
        {
            var start = file;
            var all = Change(ref file, random, index, fold: random.Next(5) == 0);
            var after = State(file);
            foreach (var left in Kills(all))
            {
                kills++;
                made += Check(After(start, left), before, after, random, index) ? 1 : 0;
            }

            foreach (var left in PowerCuts(all, random, each: 20))
            {
                cuts++;
                Check(After(start, left), before, after, random, index);
            }

            before = after;
        }

        Assert.InRange(made, kills / 10, kills * 9 / 10);
        Assert.Equal(Changes * 20, cuts);
    }

    private static bool Check(byte[] left, string? before, string? after, Random random, int index)
    {
        var state = State(left);
        Assert.True(
            state == before || state == after,
            "the file is neither the one before nor the one after the change"
        );
        // Whoever writes next builds on that, and a kill within that is as harmless.
        if (random.Next(8) == 0)
        {
            var next = left;
            var more = Change(ref next, random, index + 1000, fold: random.Next(2) == 0);
            var then = State(next);
            foreach (var again in Kills(more).Where(_ => random.Next(10) == 0))
            {
                var found = State(After(left, again));
                Assert.True(found == state || found == then, "the file is neither of the two after the second kill");
            }
        }

        return state == after;
    }
}
