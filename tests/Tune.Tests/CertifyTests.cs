using System.Text.Json;
using Picograd.Lower.Cpu.Machine;
using Picograd.Search;
using Picograd.Search.Measurement;
using Picograd.Tune;
using Picograd.TuneDb;

namespace Picograd.Tests;

/// <summary>What was imported or merged: certified in one go, or foreign.</summary>
public sealed class CertifyTests(CertifyTests.TwoWinners winners) : IClassFixture<CertifyTests.TwoWinners>, IDisposable
{
    private const string Product = "matmul m=8 n=16 k=8";
    private const string Function = "tanh n=100";

    // Of the product: one loop after the other, one element at a time.
    private const string OneByOne = "picograd-trace 1\ninputs A, B\nstage C(m, n, k)\n";

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Other => _folder["other"];

    /// <summary>A database with two winners, certified here; made once.</summary>
    public sealed class TwoWinners : IDisposable
    {
        private readonly TempFolder _folder = new();

        public TwoWinners()
        {
            string specs = _folder.Write("specs", $"{Product}\n{Function}\n");
            ToolRun.Of("run", specs, "--budget", "16trials", "--db", Db).Succeeded();
        }

        public string Db => _folder["db"];

        public void Dispose() => _folder.Dispose();
    }

    private string Tuned()
    {
        File.Copy(winners.Db, _folder["db"]);
        return _folder["db"];
    }

    /// <summary>Its records, changed, in the other database as merging leaves them.</summary>
    private void Take(string from, Func<TuneRecord, TuneRecord> change)
    {
        using var store = TuneDatabase.Open(from, TuneDbMode.ReadOnly);
        using var other = TuneDatabase.Open(Other);
        foreach (var record in store.All())
            other.Put(change(record) with { Certified = false, Origin = TuneOrigin.Imported });
    }

    private List<TuneRecord> Records()
    {
        using var store = TuneDatabase.Open(Other, TuneDbMode.ReadOnly);
        return [.. store.All()];
    }

    [Fact]
    public void What_was_merged_waits_and_is_certified_in_one_go()
    {
        string merged = ToolRun.Of("db", "merge", Tuned(), "--db", Other).Succeeded();
        Assert.Contains("2 records wait for certification on this machine: 'tune db certify' does them all", merged);
        Assert.DoesNotContain("foreign", merged);
        Assert.All(Records(), r => Assert.False(r.Certified));

        string text = ToolRun.Of("db", "certify", "--db", Other).Succeeded();
        Assert.Matches($@"\[1/2\] {Product}: (certified|no faster)", text);
        Assert.Matches($@"\[2/2\] {Function}: (certified|no faster)", text);
        Assert.Contains(" 0 refused, 0 left waiting", text);
        var records = Records();
        Assert.Equal([Product, Function], records.Select(r => r.Spec).Order(StringComparer.Ordinal));
        Assert.All(records, r => Assert.True(r.IsServable));
        Assert.Equal(
            "nothing waits for certification on this machine",
            ToolRun.Of("db", "certify", "--db", Other).Succeeded().Trim()
        );
    }

    [Theory]
    [InlineData("merge")]
    [InlineData("import")]
    public void Taking_over_and_certifying_are_one_command_if_wanted(string command)
    {
        string from = Tuned();
        if (command == "import")
            ToolRun.Of("db", "export", from = _folder["text"], "--db", _folder["db"]).Succeeded();
        string text = ToolRun.Of("db", command, from, "--certify", "--db", Other).Succeeded();
        Assert.Contains("2 records added", text);
        Assert.Contains("[2/2]", text);
        Assert.All(Records(), r => Assert.True(r.IsServable));
    }

    [Fact]
    public void Records_of_other_machines_are_foreign()
    {
        string db = Tuned();
        Take(db, r => r with { Key = r.Key with { Target = "cpu;x64;another;sse;fma;l1=32k;l2=1m;threads=1" } });
        string listed = ToolRun.Of("db", "list", "--db", Other).Succeeded();
        Assert.Contains("waiting, foreign, imported", listed);
        var rows = ToolRun
            .Of("db", "list", "--json", "--db", Other)
            .Succeeded()
            .TrimEnd()
            .Split('\n')
            .Select(l => JsonDocument.Parse(l).RootElement);
        Assert.All(rows, r => Assert.True(r.GetProperty("foreign").GetBoolean()));
        string text = ToolRun.Of("db", "certify", "--db", Other).Succeeded();
        Assert.Contains("nothing waits for certification on this machine", text);
        Assert.Contains("2 records are foreign, for other machines, and left as they are", text);
        Assert.Equal(2, Records().Count);
        string merged = ToolRun.Of("db", "merge", Other, "--db", db).Succeeded();
        Assert.Contains("2 records are foreign: for other machines", merged);
        Assert.DoesNotContain("foreign", ToolRun.Of("db", "list", "--operator", "exp", "--db", db).Succeeded());
    }

    [Fact]
    public void Records_whose_target_names_the_number_of_cores_become_records_of_this_machine()
    {
        Take(
            Tuned(),
            r => r with { Key = r.Key with { Target = r.Key.Target.Replace("threads=", "cores=96;threads=") } }
        );
        Assert.Contains("[2/2]", ToolRun.Of("db", "certify", "--db", Other).Succeeded());
        var target = CpuTarget.Detect();
        Assert.All(Records(), r => Assert.Equal(target.Fingerprint(target.Cores), r.Key.Target));
        Assert.All(Records(), r => Assert.True(r.IsServable));
    }

    [Fact]
    public void What_cannot_be_decided_is_left_waiting_and_said_so()
    {
        Take(
            Tuned(),
            r =>
                r.Spec == Product
                    ? r with
                    {
                        Trace = "picograd-trace 1\ninputs X\nstage Y(i)\n",
                    }
                    : r with
                    {
                        Key = r.Key with { Policy = "cold" },
                    }
        );
        var run = ToolRun.Of("db", "certify", "--db", Other);
        Assert.Equal(1, run.Code);
        Assert.Contains($"{Product}: left waiting: the trace does not fit", run.Out);
        Assert.Contains($"{Function}: left waiting: it was measured in another way", run.Out);
        Assert.Contains("0 certified, 0 no faster than what is there, 0 refused, 2 left waiting", run.Out);
        Assert.Equal(2, Records().Count);
    }

    [Fact]
    public void A_slow_record_gives_way_to_the_default_schedule()
    {
        Take(Tuned(), r => r.Spec == Product ? r with { Trace = OneByOne } : r);
        string text = ToolRun.Of("db", "certify", "--operator", "matmul", "--db", Other).Succeeded();
        Assert.Contains($"[1/1] {Product}: no faster than the default schedule here, and removed", text);
        var stored = Assert.Single(Records(), r => r.Spec == Product);
        Assert.True(stored.IsServable);
        Assert.False(Assert.Single(Records(), r => r.Spec == Function).Certified);
    }

    [Fact]
    public void What_an_interrupt_kept_from_running_stays()
    {
        Take(Tuned(), r => r.Spec == Product ? r with { Trace = OneByOne } : r);
        var waiting = Assert.Single(Records(), r => r.Spec == Product);
        var console = new ToolConsole(TextWriter.Null, TextWriter.Null, false, new CancellationToken(canceled: true));
        using (var run = new TuningRun(console, Other, TuneTargets.ThreadsOf(waiting.Key.Target)!.Value, seed: 0))
            Assert.Equal("left waiting: interrupted", new CertificationRun(console, Other, 0).Certify(run, waiting));
        Assert.Contains(waiting, Records());
    }

    [Theory]
    [InlineData(true, "left waiting: internal error, InvalidOperationException: as the test asked")]
    [InlineData(false, "left waiting: it, or what it is compared with, could not be timed (internal-error)")]
    public void An_error_of_the_program_says_nothing_about_a_record(bool throws, string verdict)
    {
        Take(Tuned(), r => r);
        var waiting = Assert.Single(Records(), r => r.Spec == Product);
        var console = new ToolConsole(TextWriter.Null, TextWriter.Null, false, CancellationToken.None);
        using (
            var run = new TuningRun(console, Other, TuneTargets.ThreadsOf(waiting.Key.Target)!.Value, seed: 0)
            {
                Wrap = inner => new Broken(inner, throws),
            }
        )
        {
            string said = new CertificationRun(console, Other, 0).Certify(run, waiting);
            Assert.True(said == verdict || said == "left waiting: as the test asked", said);
        }
        Assert.Contains(waiting, Records());
    }

    /// <summary>A runner that certifies nothing.</summary>
    private sealed class Broken(ICandidateRunner inner, bool throws) : ICandidateRunner
    {
        public IReadOnlyList<Measured> Measure(IReadOnlyList<Candidate> c, double best, CancellationToken cancel) =>
            inner.Measure(c, best, cancel);

        public double Prepare(TimeSpan? limit = null) => inner.Prepare(limit);

        public RaceTimes Race(IReadOnlyList<Candidate> c, RacePlan plan, CancellationToken cancel) =>
            inner.Race(c, plan, cancel);

        public Certification Certify(Candidate candidate, TimeSpan? limit = null) =>
            throws
                ? throw new InvalidOperationException("as the test asked")
                : Certification.Fault("as the test asked");

        public void Dispose() => inner.Dispose();
    }

    [Fact]
    public void A_database_that_is_not_there_is_not_made()
    {
        ToolRun.Of("db", "certify", "--db", Other).Refused("does not exist");
        Assert.False(File.Exists(Other));
    }
}
