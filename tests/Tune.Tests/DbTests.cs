using System.Text.Json;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;

namespace Picograd.Tests;

/// <summary><c>tune db</c> on databases that the tests write themselves.</summary>
public sealed class DbTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Db => _folder["db"];

    [Fact]
    public void List_shows_every_record_by_target()
    {
        Put("matmul m=8 n=8 k=8", 0.5);
        Put("sum rows=9 cols=7 axis=1", 0.25);
        string text = ToolRun.Of("db", "list", "--db", Db).Succeeded();
        Assert.Contains("2 records", text);
        Assert.Contains(CpuTarget.Detect().Fingerprint(1), text);
        Assert.Contains("matmul m=8 n=8 k=8", text);
        Assert.Contains("500 µs", text);
        Assert.Contains("2.00x", text);
        string only = ToolRun.Of("db", "list", "--db", Db, "--operator", "sum", "--json").Succeeded();
        var row = JsonDocument.Parse(Assert.Single(only.TrimEnd().Split('\n'))).RootElement;
        Assert.Equal("sum rows=9 cols=7 axis=1", row.GetProperty("spec").GetString());
        Assert.Equal(0.25, row.GetProperty("ms").GetDouble());
        Assert.True(row.GetProperty("certified").GetBoolean());
    }

    [Fact]
    public void Show_prints_the_trace_and_why_the_provenance()
    {
        Put("matmul m=8 n=8 k=8", 0.5);
        string shown = ToolRun.Of("db", "show", "matmul", "m=8", "n=8", "k=8", "--db", Db).Succeeded();
        Assert.Contains("picograd-trace 1\n", shown);
        Assert.Contains("certified", shown);
        string why = ToolRun.Of("db", "why", "matmul m=8 n=8 k=8", "--db", Db).Succeeded();
        foreach (
            string part in new[]
            {
                "budget 3s, seed 7, 42 candidates, stopped by plateau",
                "error 0.25 of the bound",
                "same bits every run",
                "served         yes",
                "2 timed",
                "added",
            }
        )
            Assert.Contains(part, why);
    }

    [Fact]
    public void Show_and_why_of_an_operator_without_a_record_fail_and_say_how_to_make_one()
    {
        Put("matmul m=8 n=8 k=8", 0.5);
        foreach (string command in new[] { "show", "why" })
        {
            var run = ToolRun.Of("db", command, "tanh n=5", "--db", Db);
            Assert.Equal(1, run.Code);
            Assert.Contains("has no record of tanh n=5; 'tune op tanh n=5' makes one", run.Error);
        }
    }

    [Fact]
    public void Winners_travel_as_text_and_wait_for_certification_where_they_arrive()
    {
        Put("matmul m=8 n=8 k=8", 0.5);
        Assert.Contains("wrote 1 record", ToolRun.Of("db", "export", _folder["text"], "--db", Db).Succeeded());
        Assert.Equal(File.ReadAllText(_folder["text"]), ToolRun.Of("db", "export", "--db", Db).Succeeded());
        string imported = ToolRun.Of("db", "import", _folder["text"], "--db", _folder["other"]).Succeeded();
        Assert.Contains("1 records added", imported);
        Assert.Contains("waiting, imported", ToolRun.Of("db", "list", "--db", _folder["other"]).Succeeded());
        Assert.Contains("1 records added", ToolRun.Of("db", "merge", Db, "--db", _folder["third"]).Succeeded());
        Assert.Contains("waiting, imported", ToolRun.Of("db", "list", "--db", _folder["third"]).Succeeded());
        Assert.Contains("1 sound records, 1 of them certified", ToolRun.Of("db", "verify", "--db", Db).Succeeded());
    }

    [Fact]
    public void Prune_removes_what_it_is_told()
    {
        Put("matmul m=8 n=8 k=8", 0.5);
        Assert.Contains(
            "removed 0 records, 0 entries of the history, 2 entries of the log, 0 compiled kernels",
            ToolRun.Of("db", "prune", "--candidates", "--db", Db).Succeeded()
        );
        Assert.Contains(
            "1 records",
            ToolRun.Of("db", "prune", "--older-than", "0", "--db", Db).Succeeded().Replace("removed ", "")
        );
        Assert.Contains("0 records", ToolRun.Of("db", "list", "--db", Db).Succeeded());
    }

    [Fact]
    public void Copy_moves_everything_to_another_provider_and_back()
    {
        Put("matmul m=8 n=8 k=8", 0.5);
        Put("tanh n=9", 0.25);
        string sqlite = "sqlite:" + _folder["moved"];
        string text = ToolRun.Of("db", "copy", Db, sqlite).Succeeded();
        Assert.Contains("copied 2 records, 2 entries of the history", text);
        Assert.Equal((byte)'S', File.ReadAllBytes(_folder["moved"])[0]);
        // By address or by its contents.
        foreach (string address in new[] { sqlite, _folder["moved"] })
            Assert.Contains("2 records", ToolRun.Of("db", "list", "--db", address).Succeeded());
        ToolRun.Of("db", "list", "--db", "litedb:" + _folder["moved"]).Refused("is not a LiteDB database");
        ToolRun.Of("db", "copy", Db, sqlite).Refused("exists already");
        ToolRun.Of("db", "copy", sqlite, "oracle:there").Refused("there is no provider 'oracle'");
        ToolRun
            .Of("db", "list", "--db", "oracle:there")
            .Refused("the address of the tune database begins with 'oracle:', but there is no provider 'oracle'");
        ToolRun.Of("db", "copy", sqlite, "litedb:" + _folder["back"]).Succeeded();
        string exported = ToolRun.Of("db", "export", "--db", _folder["back"]).Succeeded();
        Assert.Equal(ToolRun.Of("db", "export", "--db", Db).Succeeded(), exported);
        ToolRun.Of("db", "merge", sqlite, "--db", _folder["back"]).Succeeded();
    }

    [Fact]
    public void A_damaged_file_is_told_by_verify_and_copied_as_far_as_it_goes()
    {
        for (int n = 1; n <= 40; n++)
            Put($"tanh n={n}", 0.25);
        byte[] bytes = File.ReadAllBytes(Db);
        // In a page with records, of which this is a value's name.
        bytes[bytes.AsSpan().LastIndexOf("family\0"u8) + 20] ^= 1;
        File.WriteAllBytes(_folder["damaged"], bytes);
        var verified = ToolRun.Of("db", "verify", "--db", _folder["damaged"]);
        Assert.Equal(1, verified.Code);
        Assert.Contains("does not match its checksum", verified.Out);
        Assert.Contains("'tune db copy'", verified.Error);
        ToolRun.Of("db", "list", "--db", _folder["damaged"]).Refused(_folder["damaged"], "'tune db copy'");
        var copied = ToolRun.Of("db", "copy", _folder["damaged"], _folder["copy"]);
        Assert.Equal(1, copied.Code);
        Assert.Contains("were damaged and are not in the copy", copied.Error);
        Assert.Contains("sound records", ToolRun.Of("db", "verify", "--db", _folder["copy"]).Succeeded());
    }

    [Theory]
    [InlineData("list")]
    [InlineData("verify")]
    [InlineData("export")]
    public void A_missing_file_is_one_sentence(string command) =>
        ToolRun.Of("db", command, "--db", _folder["missing"]).Refused(_folder["missing"], "does not exist");

    [Fact]
    public void A_foreign_a_truncated_and_a_newer_file_are_each_one_sentence()
    {
        string foreign = _folder.Write("foreign", "these are the words of another application, not a database of ours");
        ToolRun.Of("db", "list", "--db", foreign).Refused(foreign, "not");
        ToolRun.Of("show", "matmul m=8 n=8 k=8", "--db", foreign).Refused(foreign);
        Put("matmul m=8 n=8 k=8", 0.5);
        byte[] whole = File.ReadAllBytes(Db);
        File.WriteAllBytes(_folder["cut"], whole[..(whole.Length / 2)]);
        ToolRun.Of("db", "list", "--db", _folder["cut"]).Refused(_folder["cut"]);
        // LiteDB keeps the application's version at byte 76; a page with 255 at bytes 14 to 17 has no checksum.
        whole[76] = 0x7f;
        whole.AsSpan(14, 4).Fill(255);
        File.WriteAllBytes(_folder["newer"], whole);
        ToolRun.Of("db", "list", "--db", _folder["newer"]).Refused(_folder["newer"], "newer");
        ToolRun.Of("db", "list", "--db", _folder[""]).Refused("directory");
        ToolRun.Of("db", "merge", Db, "--db", Db).Refused("cannot be merged into itself");
        ToolRun.Of("db", "import", foreign, "--db", Db).Refused(foreign);
    }

    private void Put(string text, double milliseconds)
    {
        var spec = OperatorSpec.Parse(text);
        var key = TuneKeys.Of(spec, new CpuBackend(CpuTarget.Detect(), 1).Target);
        var now = DateTime.UtcNow;
        using var store = TuneDatabase.Open(Db);
        store.Put(
            new TuneRecord
            {
                Key = key,
                Spec = spec.ToString(),
                Trace = Trace.Of(InitialNest.Of(spec.Build())).ToString(),
                Milliseconds = milliseconds,
                DefaultMilliseconds = 2 * milliseconds,
                Samples = [milliseconds],
                Certification = new Certification(0.25, true, true),
                Provenance = new Provenance(now, "test machine", 7, "3s", 42, "plateau", "10", "0.1.0"),
                Certified = true,
            }
        );
        for (int i = 0; i < 2; i++)
            store.AppendCandidate(new TuneCandidate(key, "run", "hash", null, "timed", 1, now));
    }
}
