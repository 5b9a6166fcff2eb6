using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;

namespace Picograd.Search.Measurement;

/// <summary>Inputs and the right answers (all, or a sample of them) with bounds, to hold a kernel's outputs against.</summary>
internal sealed class Reference
{
    /// <summary>Elements that a thread checks before it takes the next.</summary>
    private const int Stretch = 1 << 14;
    private const long FarBytes = 64 << 20;

    private readonly IReadOnlyList<OutputSample> _samples;

    /// <param name="problem">What is computed.</param>
    /// <param name="kind">Which numbers the inputs are.</param>
    /// <param name="seed">Of the inputs and of the choice of samples.</param>
    /// <param name="maxPoints">Evaluate about so many points; see <see cref="SampledEvaluator"/>.</param>
    public Reference(Problem problem, InputKind kind, int seed, double maxPoints)
    {
        Problem = problem;
        Kind = kind;
        Inputs = problem.MakeInputs(seed, kind);
        _samples = SampledEvaluator.Run(problem.Algorithm, Inputs, maxPoints, seed);
    }

    public Problem Problem { get; }

    public InputKind Kind { get; }

    public IReadOnlyDictionary<Buffer, NDArray> Inputs { get; }

    /// <summary>Whether only a part of the outputs was evaluated.</summary>
    public bool IsSample =>
        _samples.Sum(s => s.Positions.LongLength) < Problem.Algorithm.Outputs.Sum(o => ElementsOf(o));

    /// <summary>
    /// Largest error of the outputs now in memory, in units of the bound (at most 1 is right, infinite where there is no
    /// finite bound to speak of), and the first element that is wrong, if any.
    /// </summary>
    public (double Ratio, string? Wrong) Check(ArgumentMemory memory)
    {
        double worst = 0;
        string? wrong = null;
        foreach (var sample in _samples)
        {
            int argument = memory.Inputs + sample.Output;
            var (ratio, found) = Check(sample, memory.Arguments[argument], memory.ElementsOf(argument, sample));
            worst = Math.Max(worst, ratio);
            wrong ??= found;
        }
        return (worst, wrong);
    }

    /// <summary>The same of one sample of one output.</summary>
    /// <param name="sample">Right answers for these inputs.</param>
    /// <param name="buffer">The output.</param>
    /// <param name="elements">What was computed, by the number of an element in the sample.</param>
    public (double Ratio, string? Wrong) Check(OutputSample sample, Buffer buffer, Func<int, double> elements)
    {
        double worst = 0;
        int wrong = int.MaxValue;
        var sync = new Lock();
        // Of 262,144 elements, far apart in memory, one thread takes 25 ms. Of those that are near, threads that were
        // woken up would cost the kernels that are timed next more than they save here.
        bool isFar = ElementsOf(buffer) * buffer.Type.Size() >= FarBytes;
        ParallelStretches.Each(
            sample.Positions.Length,
            isFar ? Stretch : int.MaxValue,
            (from, to) =>
            {
                double most = 0;
                int first = int.MaxValue;
                for (int i = (int)from; i < (int)to; i++)
                {
                    double ratio = sample.Expected.ErrorInBounds(i, elements(i));
                    if (ratio > most)
                        most = ratio;
                    if (ratio > 1)
                        first = Math.Min(first, i);
                }
                lock (sync)
                {
                    worst = Math.Max(worst, most);
                    wrong = Math.Min(wrong, first);
                }
            }
        );
        return (
            worst,
            wrong == int.MaxValue
                ? null
                : FormattableString.Invariant(
                    $"{buffer.Name} at row-major position {sample.Positions[wrong]} is {elements(wrong):R}, right is {sample.Expected.Value.At(wrong):R} ± {sample.Expected.Bound[wrong]:R} ({Kind} inputs)"
                )
        );
    }

    private static long ElementsOf(Buffer buffer) => buffer.Shape.Aggregate(1L, (n, e) => n * ((IntImm)e).Value);
}
