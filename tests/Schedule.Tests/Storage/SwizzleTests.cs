using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Xunit;
using static Picograd.Tests.Storage.StorageFixtures;

namespace Picograd.Tests.Storage;

public class SwizzleTests
{
    [Fact]
    public void EveryAccessMovesTheSameWay()
    {
        var s = new Schedule(CopyThenMatmul(9, 5, 32));
        s.Swizzle("A.c", chunk: 4, bits: 3);
        Assert.Equal("m, k ^ m % 8 * 4", string.Join(", ", s.Nest.Block("A.c").Indices));
        Assert.Equal("A.c[m, k ^ m % 8 * 4] * B[k, n]", s.Nest.Block("C").Values[0].ToString());
        Agrees(s.Nest);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 3)]
    [InlineData(4, 2)]
    [InlineData(16, 1)]
    public void PlacesArePermutedWithinARow(long chunk, int bits)
    {
        var s = new Schedule(CopyThenMatmul(9, 5, 96));
        s.Swizzle("A.c", chunk, bits);
        var block = s.Nest.Block("A.c");
        var column = block.Indices[1];
        for (long row = 0; row < 9; row++)
        {
            var places = new HashSet<long>();
            for (long k = 0; k < 96; k++)
            {
                var at = new Dictionary<Var, Expr> { [block.Axes[0].Var] = row, [block.Axes[1].Var] = k };
                long place = Value(column.Substitute(at));
                Assert.InRange(place, 0, 95);
                Assert.Equal(((k / chunk) ^ (row % (1 << bits))) * chunk + k % chunk, place);
                places.Add(place);
            }
            Assert.Equal(96, places.Count);
        }
        Agrees(s.Nest);
    }

    [Fact]
    public void RowMayBeAnotherDimension()
    {
        var s = new Schedule(CopyThenMatmul(8, 5, 12));
        s.TransformLayout("A.c", "m,k->k,m/4,m%4");
        s.Swizzle("A.c", chunk: 1, bits: 2, row: 0);
        Assert.Equal("k, m0, m1 ^ k % 4", string.Join(", ", s.Nest.Block("A.c").Indices));
        Agrees(s.Nest);
    }

    [Fact]
    public void RegionStaysVisible()
    {
        // Which group of chunks an access is in can still be read off the index: rows can be cut into tiles.
        var s = new Schedule(CopyThenMatmul(9, 5, 96));
        s.Swizzle("A.c", chunk: 4, bits: 3);
        s.Split("C.k", 32);
        var loops = s.Nest.LoopsAround(s.Nest.Block("C"));
        var ranges = s.Nest.Ranges(loops);
        ranges[s.Nest.Loop("C.k.o").Var] = Interval.Point(1);
        var index = Lowered(s.Nest, "C").Values[0].Loads().First().Indices[1];
        Assert.Equal(new Interval(32, 63), Interval.Of(index, ranges));
    }

    [Fact]
    public void RefusalsSayWhy()
    {
        var s = new Schedule(CopyThenMatmul(9, 5, 24));
        Refused(s, "swizzle A.c 4 3", "chunk · 2^bits = 32 does not divide 24", "fewer bits");
        Refused(s, "swizzle A.c 3 1", "chunk 3 is not a power of two", "1, 2, 4, 8");
        Refused(s, "swizzle A.c 4 1 row=1", "row=1 is not a dimension before the last", "0 to 0");
        Refused(s, "swizzle A.c 4 9", "argument 3 is 9", "1 to 5");
        Refused(s, "swizzle A 4 1", "A is an argument");
    }

    // Evaluates an expression without variables; constants are folded but for exclusive-or.
    private static long Value(Expr e) =>
        e switch
        {
            IntImm i => i.Value,
            Binary { Kind: BinaryOp.BitXor } b => Value(b.A) ^ Value(b.B),
            Binary { Kind: BinaryOp.Add } b => Value(b.A) + Value(b.B),
            _ => throw new InvalidOperationException($"{e} is not constant"),
        };
}
