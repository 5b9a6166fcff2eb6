namespace Picograd.Tests;

public class TuneKeyTests
{
    [Fact]
    public void Hash_is_the_same_on_every_machine_and_in_every_release()
    {
        // A change of these values orphans every database in use.
        Assert.Equal("4fae5bd3d8ae5ede1a978ee7e090dea7", SampleRecords.Key().Hash);
        Assert.Equal("ae44dd8cba6ac55bc38d722029ce3be8", SampleRecords.Key().FamilyHash);
    }

    [Fact]
    public void Every_part_changes_the_hash_and_all_but_the_shapes_change_the_family()
    {
        var key = SampleRecords.Key();
        TuneKey[] others =
        [
            key with
            {
                Structure = "0",
            },
            key with
            {
                DTypes = "0",
            },
            key with
            {
                Layouts = "0",
            },
            key with
            {
                Target = "0",
            },
            key with
            {
                CompilerVersion = "0",
            },
            key with
            {
                Policy = "0",
            },
        ];
        foreach (var other in others)
        {
            Assert.NotEqual(key.Hash, other.Hash);
            Assert.NotEqual(key.FamilyHash, other.FamilyHash);
            Assert.False(key.SameFamily(other));
        }

        var near = key with { Shapes = "m=1,n=2,k=3" };
        Assert.NotEqual(key.Hash, near.Hash);
        Assert.Equal(key.FamilyHash, near.FamilyHash);
        Assert.True(key.SameFamily(near));
    }

    [Theory]
    [InlineData("a b")]
    [InlineData("")]
    [InlineData(" leading and trailing ")]
    [InlineData("line\nshapes m=1\r\t\\n")]
    [InlineData("\u0001\u0085\u2028é😀")]
    public void Text_form_reads_back(string value)
    {
        var key = SampleRecords.Key() with { Target = value, Policy = value };
        Assert.Equal(key, TuneKey.Parse(key.ToText()));
        Assert.Equal(7, key.ToText().Count(c => c == '\n'));
    }

    [Fact]
    public void Values_cannot_run_into_each_other()
    {
        var key = SampleRecords.Key();
        Assert.NotEqual(
            (key with { DTypes = "a\nlayouts b", Layouts = "c" }).Hash,
            (key with { DTypes = "a", Layouts = "b\nlayouts c" }).Hash
        );
    }

    [Theory]
    [InlineData("", "a key has 7 lines")]
    [InlineData("a\nb\nc\nd\ne\nf\ng\n", "must begin with 'structure', but begins with 'a'")]
    public void Other_text_is_refused(string text, string reason) =>
        Assert.Contains(reason, Assert.Throws<FormatException>(() => TuneKey.Parse(text)).Message);

    [Theory]
    [InlineData("m=256,n=3072", "m=256,n=3072", 0.0)]
    [InlineData("m=256,n=3072", "m=512,n=1536", 1.3862943611198906)]
    [InlineData("n=256", "n<=256", 0)]
    [InlineData("n<=256", "n=7", 0)]
    [InlineData("n<=256", "n=512", 0.6931471805599453)]
    public void Distance_is_the_sum_of_logarithms(string a, string b, double distance) =>
        Assert.Equal(distance, (Shaped(a).LogDistance(Shaped(b)))!.Value, 12);

    [Theory]
    [InlineData("m=256,n=3072", "m=256")]
    [InlineData("m=256,n=3072", "n=256,m=3072")]
    [InlineData("n=256", "n=zero")]
    [InlineData("n=256", "n=0")]
    public void Other_names_are_not_near(string a, string b) => Assert.Null(Shaped(a).LogDistance(Shaped(b)));

    private static TuneKey Shaped(string shapes) => SampleRecords.Key() with { Shapes = shapes };
}
