using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules.Gpu;
using Xunit;

namespace Picograd.Tests.Gpu;

/// <summary>
/// Banks of shared memory (32 of 4 bytes) that the warps of tensor-core products meet: ldmatrix reads 8 rows of 16
/// bytes at a time, single loads 4 rows of 8 words, copies 128 neighbouring bytes. Each must lie in all banks.
/// </summary>
public class BankTests
{
    private const int Banks = 32;

    [Theory]
    [InlineData(32, 16)]
    [InlineData(64, 16)]
    [InlineData(128, 16)]
    [InlineData(256, 16)]
    [InlineData(512, 16)]
    [InlineData(1024, 16)]
    [InlineData(64, 32)]
    [InlineData(128, 32)]
    [InlineData(256, 32)]
    [InlineData(512, 32)]
    [InlineData(1024, 32)]
    public void SwizzledColumnsAndRowsAreFreeOfConflicts(long row, long run)
    {
        var swizzle = ByteSwizzle.ForColumns(row, run)!.Value;
        const long rows = 32;
        Assert.Equal(
            rows * row,
            Enumerable.Range(0, (int)(rows * row)).Select(at => swizzle.Apply(at)).Distinct().Count()
        );
        long together = Banks * 4 / run;
        for (long first = 0; first < rows; first += together)
        {
            for (long column = 0; column < row; column += run)
                Assert.True(IsFree(Column(first, column)), $"rows from {first}, byte {column}: {swizzle}");
        }
        // Copies of 4, 8 and 16 bytes a thread, as many threads as make 128 bytes, neighbours to neighbours.
        for (long at = 0; at < rows * row; at += Banks * 4)
            Assert.True(IsFree(Enumerable.Range(0, Banks * 4).Select(i => swizzle.Apply(at + i))));
        // Without it, or with one bit less, columns meet.
        Assert.False(IsFree(Enumerable.Range(0, (int)together).SelectMany(r => Bytes(r * row))));
        var less = swizzle with { Bits = swizzle.Bits - 1 };
        Assert.False(IsFree(Enumerable.Range(0, (int)together).SelectMany(r => Bytes(r * row).Select(less.Apply))));

        IEnumerable<long> Column(long from, long column) =>
            Enumerable
                .Range(0, (int)together)
                .SelectMany(r => Bytes((from + r) * row + column).Select(at => swizzle.Apply(at)));

        IEnumerable<long> Bytes(long at) => Enumerable.Range(0, (int)run).Select(i => at + i);
    }

    [Theory]
    [InlineData(96, 16)]
    [InlineData(16, 16)]
    [InlineData(32, 32)]
    [InlineData(1 << 15, 16)]
    public void NoSwizzleWhereItWouldNotHelp(long row, long run) => Assert.Null(ByteSwizzle.ForColumns(row, run));

    [Fact]
    public void RowsOfTensorCoresHaveTheirOwn()
    {
        foreach (int row in new[] { 32, 64, 128 })
            Assert.Equal(ByteSwizzle.OfRow(row), ByteSwizzle.ForColumns(row, 16));
        Assert.Equal(new ByteSwizzle(3, 4, 4), ByteSwizzle.ForColumns(256, 16));
    }

    [Theory]
    [InlineData("dtype=bf16", "bm=64 bn=64 wm=32 wn=32 bk=32", "64b", "128b")]
    [InlineData("dtype=f16 tb=1", "bm=64 bn=64 wm=32 wn=32 bk=16", "32b", "32b")]
    [InlineData("dtype=bf16 ta=1", "bm=128 bn=256 wm=64 wn=64 bk=64", "bits=3,base=4,shift=4", "bits=3,base=4,shift=5")]
    [InlineData("tf32=1 tb=1", "bm=64 bn=64 wm=32 wn=32 bk=32", "128b", "128b")]
    [InlineData("tf32=1", "bm=64 bn=64 wm=32 wn=32 bk=16", "64b", "bits=2,base=5,shift=3")]
    [InlineData("dtype=bf16", "bm=64 bn=96 wm=32 wn=48 bk=32", "64b", null)]
    public void TilesOfTheRuleAreFreeOfConflicts(string options, string knobs, string a, string? b)
    {
        var lowered = GpuRuns.Lowered(Nest(options, $"{knobs} stages=3 swizzle=1"));
        var buffers = Tiles(lowered);
        Assert.Equal(a, buffers[0].Swizzle?.ToString());
        Assert.Equal(b, buffers[1].Swizzle?.ToString());
        foreach (var buffer in buffers)
        {
            bool single =
                buffer.Type == DType.Float32
                && (buffer == buffers[1] && !options.Contains("tb", StringComparison.Ordinal));
            Assert.True(IsFree(Slots(buffer, single ? 4 : 8, single ? 32 : 16)), $"{buffer}");
        }
        // Padding instead is as good and takes more.
        var padded = Tiles(GpuRuns.Lowered(Nest(options, $"{knobs} stages=3 swizzle=0")));
        Assert.All(padded, p => Assert.Null(p.Swizzle));
        Assert.True(buffers.Sum(Size) < padded.Sum(Size));
        var plain = Tiles(GpuRuns.Lowered(Nest(options, $"{knobs} stages=3 swizzle=0 pad=0")));
        Assert.False(IsFree(Slots(plain[1], 8, 16)));
    }

    [Theory]
    [InlineData("matmul m=4096 n=4096 k=4096 dtype=bf16", 1)]
    [InlineData("matmul m=4096 n=4096 k=4096 tf32=1", 1)]
    [InlineData("matmul m=64 n=64 k=16 dtype=bf16 tb=1", 0)]
    public void DefaultIsWhatTakesLess(string spec, long swizzle)
    {
        var algorithm = OperatorSpec.Parse(spec).Build();
        Assert.Equal(swizzle, new GpuTensorMatmulRule().Defaults(algorithm, Targets.H100)["swizzle"]);
    }

    // The bytes of every slot, of all groups of rows and all places: each group in turn must be free, so the first that
    // is not is what is returned.
    private static IEnumerable<long> Slots(Algorithms.Buffer buffer, int rows, int run)
    {
        var shape = buffer.Shape.Select(e => ((IntImm)e).Value).ToArray();
        int size = buffer.Type.Size();
        List<long> bytes = [];
        for (long slot = 0; slot < shape[0]; slot++)
        for (long row = 0; row < shape[^2]; row += rows)
        for (long column = 0; column < shape[^1]; column += run / size)
        {
            bytes = [];
            for (int r = 0; r < rows; r++)
            {
                Expr[] index = [.. Enumerable.Repeat((Expr)0, shape.Length)];
                (index[0], index[^2], index[^1]) = (slot, row + r, column);
                long at =
                    ((IntImm)Simplifier.Simplify(buffer.Offset([.. index]), new Dictionary<Var, Interval>())).Value
                    * size;
                for (int i = 0; i < run; i++)
                    bytes.Add(buffer.Swizzle?.Apply(at + i) ?? at + i);
            }
            if (!IsFree(bytes))
                return bytes;
        }
        return bytes;
    }

    private static bool IsFree(IEnumerable<long> bytes)
    {
        var words = bytes.Select(at => at / 4).Distinct().ToList();
        return words.Select(w => w % Banks).Distinct().Count() == words.Count;
    }

    private static long Size(Algorithms.Buffer buffer) =>
        buffer.Strides.IsDefault
            ? buffer.Shape.Aggregate(1L, (n, e) => n * ((IntImm)e).Value)
            : buffer.Strides[0] * ((IntImm)buffer.Shape[0]).Value;

    private static Algorithms.Buffer[] Tiles(LoopNest nest) =>
        [
            .. nest
                .Body.Nodes()
                .OfType<Allocate>()
                .Select(x => x.Buffer)
                .Where(x => x.Scope == Scope.Shared)
                .OrderBy(x => x.Name, StringComparer.Ordinal),
        ];

    private static LoopNest Nest(string options, string knobs)
    {
        var algorithm = OperatorSpec.Parse($"matmul m=512 n=768 k=512 {options}").Build();
        var rule = new GpuTensorMatmulRule();
        var choices = new Dictionary<string, long>(rule.Defaults(algorithm, Targets.H100));
        foreach (string[] knob in knobs.Split(' ').Select(k => k.Split('=')))
            choices[knob[0]] = long.Parse(knob[1], System.Globalization.CultureInfo.InvariantCulture);
        return rule.Apply(algorithm, Targets.H100, choices);
    }
}
