using System.Diagnostics;
using System.Globalization;
using Picograd.Models;

namespace Picograd.Tune;

/// <summary>Trains the character model and tells how it goes.</summary>
internal sealed class Training
{
    private const double Rate = 0.1;
    private const int Reports = 5;
    private const int StepsInSample = 20;
    private const int Words = 10;

    private readonly CharDataset _data;
    private readonly CharMlp _model;
    private readonly SGD _optimizer;
    private readonly int _seed;
    private ulong _draw;

    public Training(CharDataset data, int seed)
    {
        _data = data;
        _seed = seed;
        _model = new CharMlp(data.Vocabulary, seed: seed);
        _optimizer = new SGD(_model.Parameters, Rate);
        _draw = (ulong)seed;
    }

    public CharMlp Model => _model;

    /// <summary>Trains; the last quarter at a tenth of the rate, so that the weights settle.</summary>
    public void Run(int steps, TextWriter to, CancellationToken cancel)
    {
        var clock = Stopwatch.StartNew();
        int last = 0;
        for (int step = 1; step <= steps && !cancel.IsCancellationRequested; step++)
        {
            _optimizer.Lr = step > steps * 3 / 4 ? Rate / 10 : Rate;
            Step();
            if (step % Math.Max(1, steps / Reports) == 0)
            {
                double each = clock.Elapsed.TotalMilliseconds / (step - last);
                to.WriteLine($"  step {step}: dev loss {Loss()} nats, {Figures.Time(each)} a step");
                // Evaluating is no part of the steps that follow.
                clock.Restart();
                last = step;
            }
        }
    }

    /// <summary>Median milliseconds of one step with the kernels that dispatch uses now.</summary>
    public double TimeStep(double seconds)
    {
        _optimizer.Lr = Rate / 10;
        for (int i = 0; i < StepsInSample; i++)
            Step();
        var samples = new List<double>();
        long start = Stopwatch.GetTimestamp();
        while (samples.Count < 5 || Stopwatch.GetElapsedTime(start).TotalSeconds < seconds)
        {
            long begin = Stopwatch.GetTimestamp();
            for (int i = 0; i < StepsInSample; i++)
                Step();
            samples.Add(Stopwatch.GetElapsedTime(begin).TotalMilliseconds / StepsInSample);
        }
        samples.Sort();
        return samples[samples.Count / 2];
    }

    /// <summary>New words of the trained model.</summary>
    public IEnumerable<string> Samples()
    {
        var generator = new Generator(_seed);
        return Enumerable.Range(0, Words).Select(_ => _model.Sample(_data, generator)).ToList();
    }

    private void Step()
    {
        using var scope = Tensor.Scope();
        var (contexts, targets) = _data.Train.Batch(_model.Options.Batch, ref _draw);
        _model.Step(contexts, targets, _optimizer);
    }

    private string Loss() => _model.Loss(_data.Dev).ToString("0.000", CultureInfo.InvariantCulture);
}
