using Picograd.Search;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>Improvements that wait for certification. The clock is the test's.</summary>
public sealed class WaitingTests : IDisposable
{
    private static readonly TuneTask Task = new(
        Machine.Task("matmul m=32 n=48 k=40").Problem,
        new PaperTarget(PaperTarget.Info)
    );

    private readonly FakeClock _clock = new();
    private readonly MemoryTuneStore _store = new();

    public void Dispose() => _store.Dispose();

    private sealed class Recorder(Action<TuneProgress> then) : IProgress<TuneProgress>
    {
        public void Report(TuneProgress value) => then(value);
    }

    private sealed class KilledException : Exception;

    private SyntheticRunner Runner(Func<Candidate, Certification>? certifying = null, double certifySeconds = 0.1) =>
        new(c => 1 + c.Hash % 97 / 10.0, 1, noisy: false)
        {
            Clock = _clock,
            CertifyTime = TimeSpan.FromSeconds(certifySeconds),
            Certifying = certifying ?? (_ => new Certification(0.1, true, true)),
        };

    private TuneResult Tune(
        SyntheticRunner runner,
        Action<TuneProgress>? then = null,
        CancellationToken cancel = default
    ) =>
        Tuner.Tune(
            Task,
            new TuneOptions
            {
                Budget = SearchBudget.Seconds(4),
                Store = _store,
                Rules = [new TileRule()],
                Settings = new SearchSettings { Clock = _clock },
                Runner = _ => runner,
            },
            new Recorder(then ?? (_ => { })),
            cancel
        );

    private void TuneUntilKilled() =>
        Assert.Throws<KilledException>(() =>
            Tune(
                Runner(),
                p =>
                {
                    if (p.Phase is Phases.Race or Phases.Certify)
                        throw new KilledException();
                }
            )
        );

    [Fact]
    public void ARunThatIsKilledLeavesWhatItFoundUnserved()
    {
        TuneUntilKilled();
        var waiting = Assert.Single(_store.All());
        Assert.False(waiting.Certified);
        Assert.False(waiting.IsServable);
        Assert.StartsWith("not certified yet", waiting.Certification.Detail);
        Assert.True(waiting.Speedup > 1);
        Assert.Null(_store.FindExact(Task.Key));
        Assert.Empty(_store.FindNear(Task.Key, 9));
        // Exports hold what is certified.
        var text = new StringWriter();
        Assert.Equal(0, _store.Export(text));
        Assert.Equal(1, _store.Export(text, includeUncertified: true));
    }

    [Fact]
    public void TheNextRunCertifiesIt()
    {
        TuneUntilKilled();
        var waiting = Assert.Single(_store.All());
        var result = Tune(Runner());
        Assert.Equal(PutOutcome.Added, result.Stored);
        var stored = Assert.Single(_store.All());
        Assert.True(stored.IsServable);
        Assert.True(stored.Milliseconds <= waiting.Milliseconds);
    }

    [Fact]
    public void WhatIsFoundWrongIsTakenAway()
    {
        TuneUntilKilled();
        string wrong = Assert.Single(_store.All()).Trace;
        Tune(Runner(c => new Certification(0.1, c.TraceText != wrong, c.TraceText != wrong)));
        Assert.DoesNotContain(_store.All(), r => r.Trace == wrong);
        Assert.DoesNotContain(_store.All(), r => !r.Certified);
    }

    [Fact]
    public void ARunWithoutTimeToCertifyKeepsTheServedRecord()
    {
        var first = Tune(Runner());
        var served = _store.FindExact(Task.Key);
        Assert.NotNull(served);
        // A better one turns up, whose check does not end.
        var better = new SyntheticRunner(
            c => c.TraceText == served.Trace ? 2 : 0.5 + c.Hash % 97 / 10.0,
            2,
            noisy: false
        )
        {
            Clock = _clock,
            CertifyTime = TimeSpan.FromSeconds(60),
        };
        var result = Tune(better);
        Assert.True(result.IsWaiting);
        Assert.Equal(served, _store.FindExact(Task.Key));
        Assert.Equal(2, _store.All().Count);
    }

    [Fact]
    public void WhatOthersLeftWaitingStays()
    {
        // Imported, and said to be faster than anything here.
        TuneUntilKilled();
        var imported = Assert.Single(_store.All()) with { Milliseconds = 1e-3, Origin = TuneOrigin.Imported };
        _store.Put(imported, force: true);
        TuneUntilKilled();
        Assert.Equal(1e-3, Assert.Single(_store.All()).Milliseconds);
        Tune(Runner(_ => new Certification(0.1, false, true)));
        Assert.Equal(1e-3, Assert.Single(_store.All()).Milliseconds);
    }

    [Fact]
    public void ARunThatIsInterruptedBeforeItMetWhatWaitsLeavesIt()
    {
        TuneUntilKilled();
        var waiting = Assert.Single(_store.All());
        var result = Tune(Runner(), cancel: new CancellationToken(canceled: true));
        Assert.True(result.DefaultStands);
        Assert.Equal(PutOutcome.Added, result.Stored);
        Assert.Equal(waiting, Assert.Single(_store.All(), r => !r.Certified));
        Tune(Runner());
        Assert.True(Assert.Single(_store.All()).Milliseconds <= waiting.Milliseconds);
    }

    [Fact]
    public void WhatAnotherProcessLeftMeanwhileStays()
    {
        TuneUntilKilled();
        var other = Assert.Single(_store.All()) with { Milliseconds = 1e-3, Trace = "another" };
        bool put = false;
        Tune(
            Runner(),
            p =>
            {
                if (p.Phase == Phases.Certify && !put)
                {
                    put = true;
                    _store.Put(other, force: true);
                }
            }
        );
        Assert.True(put);
        Assert.Equal(other, Assert.Single(_store.All(), r => !r.Certified));
    }

    [Fact]
    public void AFasterWinnerThatAnotherProcessStoredMeanwhileStays()
    {
        Tune(Runner());
        var served = _store.FindExact(Task.Key)!;
        var other = served with { Milliseconds = 1e-3, Trace = "another" };
        var better = new SyntheticRunner(
            c => c.TraceText == served.Trace ? 20 : 0.5 + c.Hash % 97 / 10.0,
            2,
            noisy: false
        )
        {
            Clock = _clock,
        };
        bool put = false;
        var result = Tune(
            better,
            p =>
            {
                if (p.Phase == Phases.Certify && !put)
                {
                    put = true;
                    _store.Put(other, force: true);
                }
            }
        );
        Assert.True(put);
        Assert.Equal(other, _store.FindExact(Task.Key));
        Assert.Equal(PutOutcome.Kept, result.Stored);
    }
}
