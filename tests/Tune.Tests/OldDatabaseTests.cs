using System.Runtime.CompilerServices;
using Picograd.TuneDb;

namespace Picograd.Tests;

/// <summary>
/// Databases that versions before the text of problems and the compiler's version by its code wrote, one of each provider: softmax
/// and tanh, tuned for one thread of another machine.
/// </summary>
public sealed class OldDatabaseTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Copy(string name, [CallerFilePath] string own = "")
    {
        File.Copy(Path.Combine(Path.GetDirectoryName(own)!, name), _folder[name]);
        return _folder[name];
    }

    [Theory]
    [InlineData("Version1.litedb")]
    [InlineData("Version3.sqlite")]
    public void Their_records_are_set_aside_with_a_sentence_until_they_are_certified_again(string name)
    {
        string file = Copy(name);
        using (var store = TuneDatabase.Open(file, TuneDbMode.ReadOnly))
        {
            Assert.Empty(store.Verify().Problems);
            Assert.Equal(
                ["softmax rows=5 cols=7", "tanh n=33"],
                store.All().Select(r => r.Spec).Order(StringComparer.Ordinal)
            );
            Assert.All(
                store.All(),
                r => Assert.Equal(("", "1", true), (r.ProblemText, r.Key.CompilerVersion, r.Certified))
            );
        }
        Assert.Contains(
            "2 are of another version of the compiler and not served; 'tune db certify' checks and times them again",
            ToolRun.Of("db", "list", "--db", file).Succeeded()
        );
        Assert.Contains("default", ToolRun.Of("show", "tanh", "n=33", "--threads", "1", "--db", file).Succeeded());

        // As if they were of this machine.
        string fingerprint = Tune.TargetsCommand.Cpu().Fingerprint(1);
        using (var store = TuneDatabase.Open(file))
        {
            foreach (var record in store.All())
            {
                store.Put(record with { Key = record.Key with { Target = fingerprint } }, force: true);
                if (record.Key.Target != fingerprint)
                    store.Remove(record.Key, record.Certified);
            }
        }
        string told = ToolRun.Of("db", "certify", "--db", file).Out;
        Assert.Contains("softmax rows=5 cols=7: ", told);
        Assert.Contains("tanh n=33: ", told);
        Assert.DoesNotContain("left waiting: ", told);
        using var after = TuneDatabase.Open(file, TuneDbMode.ReadOnly);
        Assert.NotEmpty(after.All());
        Assert.All(
            after.All(),
            r =>
                Assert.Equal(
                    (CompilerVersion.Cpu, true),
                    (r.Key.CompilerVersion, r.ProblemText.StartsWith("algorithm ", StringComparison.Ordinal))
                )
        );
    }
}
