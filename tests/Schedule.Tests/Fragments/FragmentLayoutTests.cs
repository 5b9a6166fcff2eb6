using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Intrinsics;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Fragments;

public class FragmentLayoutTests
{
    /// <summary>What the PTX manual prints, layout by layout: (lane, register) to (row, column), with g = lane / 4, t = lane % 4.</summary>
    private static readonly Dictionary<
        string,
        (FragmentLayout Layout, int Rows, int Columns, Func<int, int, (int, int)> Place)
    > Manual = new()
    {
        ["C"] = (FragmentLayouts.C, 16, 8, (l, r) => (G(l) + 8 * (r >= 2 ? 1 : 0), 2 * T(l) + (r & 1))),
        ["A32"] = (
            FragmentLayouts.A32,
            16,
            8,
            (l, r) =>
                r switch
                {
                    0 => (G(l), T(l)),
                    1 => (G(l) + 8, T(l)),
                    2 => (G(l), T(l) + 4),
                    _ => (G(l) + 8, T(l) + 4),
                }
        ),
        ["B32"] = (FragmentLayouts.B32, 8, 8, (l, r) => (T(l) + (r == 0 ? 0 : 4), G(l))),
        ["A16"] = (
            FragmentLayouts.A16,
            16,
            16,
            (l, i) => (i is 0 or 1 or 4 or 5 ? G(l) : G(l) + 8, 2 * T(l) + (i & 1) + (i >= 4 ? 8 : 0))
        ),
        ["B16"] = (FragmentLayouts.B16, 16, 8, (l, i) => (2 * T(l) + (i & 1) + (i >= 2 ? 8 : 0), G(l))),
        ["B32Pair"] = (FragmentLayouts.B32Pair, 8, 16, (l, r) => (T(l) + 4 * (r & 1), G(l) + 8 * (r >> 1))),
        ["B16Pair"] = (
            FragmentLayouts.B16Pair,
            16,
            16,
            (l, i) => (2 * T(l) + (i & 1) + 8 * ((i >> 1) & 1), G(l) + 8 * (i >> 2))
        ),
        ["WgmmaC64"] = (FragmentLayouts.WgmmaC(64), 64, 64, Wgmma),
        ["WgmmaC8"] = (FragmentLayouts.WgmmaC(8), 64, 8, Wgmma),
        ["WgmmaC256"] = (FragmentLayouts.WgmmaC(256), 64, 256, Wgmma),
        ["WgmmaA16"] = (
            FragmentLayouts.WgmmaA16,
            64,
            16,
            (l, i) => (16 * (l >> 5) + G(l & 31) + 8 * ((i >> 1) & 1), 8 * (i >> 2) + 2 * T(l) + (i & 1))
        ),
        ["WgmmaA32"] = (
            FragmentLayouts.WgmmaA32,
            64,
            8,
            (l, i) => (16 * (l >> 5) + G(l & 31) + 8 * (i & 1), T(l) + 4 * (i >> 1))
        ),
    };

    public static TheoryData<string> Names => [.. Manual.Keys];

    /// <summary>Lane that gives the address of a row of a matrix, as "matrix j, row r: stored row, stored column".</summary>
    public static TheoryData<string, int, int, int[]> AddressRows =>
        new()
        {
            // name, stored rows, stored columns, then of matrices 0 … the first row and column
            { "ldmatrix.a.x4.bf16", 16, 16, [0, 0, 8, 0, 0, 8, 8, 8] },
            { "ldmatrix.a.x4.trans.bf16", 16, 16, [0, 0, 0, 8, 8, 0, 8, 8] },
            { "ldmatrix.b.x2.bf16", 8, 16, [0, 0, 0, 8] },
            { "ldmatrix.b.x4.f16", 16, 16, [0, 0, 0, 8, 8, 0, 8, 8] },
            { "ldmatrix.b.x2.trans.f16", 16, 8, [0, 0, 8, 0] },
            { "ldmatrix.b.x4.trans.bf16", 16, 16, [0, 0, 8, 0, 0, 8, 8, 8] },
            { "ldmatrix.a.x4.tf32", 16, 8, [0, 0, 8, 0, 0, 4, 8, 4] },
            { "ldmatrix.b.x2.tf32", 8, 8, [0, 0, 0, 4] },
            { "ldmatrix.b.x4.tf32", 16, 8, [0, 0, 0, 4, 8, 0, 8, 4] },
        };

    [Theory]
    [MemberData(nameof(Names))]
    public void PlacesAreThoseOfTheManual(string name)
    {
        var (layout, rows, columns, place) = Manual[name];
        Assert.Equal((rows, columns), (layout.Rows, layout.Columns));
        Assert.Null(FirstDifference(layout, place));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void BothDirectionsAreInverse(string name)
    {
        var layout = Manual[name].Layout;
        var seen = new HashSet<(int, int)>();
        for (int lane = 0; lane < layout.Lanes; lane++)
        {
            for (int register = 0; register < layout.Registers; register++)
            {
                var (row, column) = layout.ElementAt(lane, register);
                Assert.InRange(row, 0, layout.Rows - 1);
                Assert.InRange(column, 0, layout.Columns - 1);
                Assert.True(seen.Add((row, column)), $"({row}, {column}) is held twice");
                Assert.Equal((lane, register), layout.HolderOf(row, column));
                Assert.Equal(row, Number(layout.RowOf(lane, register)));
                Assert.Equal(column, Number(layout.ColumnOf(lane, register)));
                Assert.Equal(lane, Number(layout.LaneOf(row, column)));
                Assert.Equal(register, Number(layout.RegisterOf(row, column)));
            }
        }
        Assert.Equal(layout.Rows * layout.Columns, seen.Count);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void EveryOtherLayoutDiffersFromTheManual(string name)
    {
        var (layout, _, _, place) = Manual[name];
        int legal = 0;
        foreach (var mutant in Mutants(layout))
        {
            legal++;
            Assert.NotNull(FirstDifference(mutant, place));
        }
        Assert.True(legal > 0);
    }

    [Theory]
    [MemberData(nameof(AddressRows))]
    public void LanesGiveTheRowsOfTheMatricesInOrder(string name, int rows, int columns, int[] matrices)
    {
        var intrinsic = IntrinsicLibrary.All[name];
        var layout = intrinsic.LayoutOf(1)!;
        Assert.Equal((rows, columns), (layout.Rows, layout.Columns));
        Assert.Equal(16, layout.Registers * intrinsic.Operands[1].Type.Size());
        for (int lane = 0; lane < layout.Lanes; lane++)
        {
            int matrix = lane / 8;
            var expected = (matrices[2 * matrix] + lane % 8, matrices[2 * matrix + 1]);
            Assert.Equal(expected, layout.ElementAt(lane, 0));
        }
        Assert.Equal(matrices.Length / 2 * 8, layout.Lanes);
    }

    /// <summary>
    /// ldmatrix as the manual says it, on the addresses and the fragment that are declared: register j of a lane gets
    /// of matrix j row g, elements 2t and 2t+1 (of 16 bits), with .trans column g, rows 2t and 2t+1.
    /// </summary>
    [Fact]
    public void LoadsFillTheFragmentThatTheyDeclare()
    {
        foreach (var load in TensorCores.Loads)
        {
            var (fragment, addresses) = (load.LayoutOf(0)!, load.LayoutOf(1)!);
            bool trans = load.Name.Contains("trans", StringComparison.Ordinal);
            int perWord = 4 / load.Operands[1].Type.Size();
            var meant = load.Meaning.Values.OfType<Load>().Single().Indices;
            bool straight = meant[0] == load.Meaning.Axes[0].Var;
            for (int lane = 0; lane < 32; lane++)
            {
                for (int register = 0; register < fragment.Registers; register++)
                {
                    int matrix = register / perWord;
                    int second = perWord * (lane % 4) + register % perWord;
                    var (rowInMatrix, columnInMatrix) = trans ? (second, lane / 4) : (lane / 4, second);
                    var (row, column) = addresses.ElementAt(8 * matrix + rowInMatrix, columnInMatrix);
                    var loaded = straight ? (row, column) : (column, row);
                    Assert.Equal(loaded, fragment.ElementAt(lane, register));
                }
            }
        }
    }

    [Fact]
    public void PairsExtendSingleTiles()
    {
        Assert.True(FragmentLayouts.B16Pair.Extends(FragmentLayouts.B16));
        Assert.True(FragmentLayouts.B32Pair.Extends(FragmentLayouts.B32));
        Assert.True(FragmentLayouts.WgmmaC(64).Extends(FragmentLayouts.WgmmaC(8)));
        Assert.True(FragmentLayouts.C.Extends(FragmentLayouts.C));
        Assert.False(FragmentLayouts.B16.Extends(FragmentLayouts.B16Pair));
        Assert.False(FragmentLayouts.A16.Extends(FragmentLayouts.A32));
    }

    [Fact]
    public void TwoAccumulatorsSideBySideAreAnOperand()
    {
        // Rounded to 16 bits, C of columns 0–7 and 8–15 is A of the next product: no lane has to ask another.
        var pair = new FragmentLayout("two", FragmentLayouts.C.Lane, [.. FragmentLayouts.C.Register, new(2, 0, 8)]);
        Assert.Equal(FragmentLayouts.A16, pair);
    }

    [Fact]
    public void HolesAndOverlapsAreRefused()
    {
        var hole = Assert.Throws<ArgumentException>(() => new FragmentLayout("x", [new(4, 1, 0)], [new(2, 8, 0)]));
        Assert.Equal("layout x: a digit steps 8 rows where 4 is the next step that is not covered", hole.Message);
        Assert.Throws<ArgumentException>(() => new FragmentLayout("x", [new(4, 1, 0)], [new(2, 1, 0)]));
        Assert.Throws<ArgumentException>(() => new FragmentLayout("x", [new(4, 1, 1)], []));
        Assert.Throws<ArgumentOutOfRangeException>(() => FragmentLayouts.WgmmaC(12));
    }

    // Two digits with their steps exchanged, a digit cut in two, two digits in the other order: whatever is still a layout.
    private static IEnumerable<FragmentLayout> Mutants(FragmentLayout layout)
    {
        var digits = layout.Lane.Concat(layout.Register).ToImmutableArray();
        int lanes = layout.Lane.Length;
        for (int i = 0; i < digits.Length; i++)
        {
            for (int j = i + 1; j < digits.Length; j++)
            {
                var exchanged = digits.SetItem(i, digits[j]).SetItem(j, digits[i]);
                if (exchanged.SequenceEqual(digits))
                    continue;
                yield return new("m", [.. exchanged.Take(lanes)], [.. exchanged.Skip(lanes)]);
            }
            var (extent, row, column) = digits[i];
            if (extent > 2)
            {
                // The digit's own bits the other way round.
                FragmentDigit low = new(2, row, column);
                FragmentDigit high = new(extent / 2, 2 * row, 2 * column);
                ImmutableArray<FragmentDigit> turned = [.. digits[..i], high, low, .. digits[(i + 1)..]];
                int cut = lanes + (i < lanes ? 1 : 0);
                if (extent % 2 == 0)
                    yield return new("m", [.. turned.Take(cut)], [.. turned.Skip(cut)]);
            }
        }
    }

    private static (int Lane, int Register)? FirstDifference(FragmentLayout layout, Func<int, int, (int, int)> place)
    {
        for (int lane = 0; lane < layout.Lanes; lane++)
        {
            for (int register = 0; register < layout.Registers; register++)
            {
                if (layout.ElementAt(lane, register) != place(lane, register))
                    return (lane, register);
            }
        }
        return null;
    }

    private static (int, int) Wgmma(int lane, int r) =>
        (16 * (lane >> 5) + G(lane & 31) + 8 * ((r >> 1) & 1), 8 * (r >> 2) + 2 * T(lane) + (r & 1));

    private static int G(int lane) => (lane >> 2) & 7;

    private static int T(int lane) => lane & 3;

    private static long Number(Expr e) =>
        Assert.IsType<IntImm>(Simplifier.Simplify(e, ImmutableDictionary<Var, Interval>.Empty)).Value;
}
