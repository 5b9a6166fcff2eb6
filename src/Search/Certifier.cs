using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.Search.Measurement;
using Picograd.TuneDb;

namespace Picograd.Search;

/// <summary>
/// The check that every winner must pass before it is stored. The kernel runs on inputs of normal numbers, of a wide
/// range of magnitudes, of numbers that cancel, of ones beside 2^24 (sums, scans) and of extremes (functions of elements), with arguments at 64-byte alignment and at the least that kernels of the target take (one element on the CPU),
/// between guard zones; outputs too large to evaluate whole are sampled, and all their elements are compared with those of
/// another schedule (<see cref="IndependentCheck"/>); every checked element must lie within the a-priori bound of the float64 evaluator
/// (<see cref="Algorithms.Evaluation.BoundRules"/>: k·u·Σ|a||b| for a dot product of length k, blocks of blocks from 1,024 on); inputs must be left as they
/// were; repeated runs must give equal bits. The trace is also replayed on a ragged shape nearby (every dimension
/// one less, of large operators smaller), which dispatch may do, and must be right there as well. Of arguments beyond 64 MiB
/// and of kernels beyond 30 ms one kind of inputs is run at the least alignment and up to five times, the others once. Where
/// loops are parallel the bits must be those of other numbers of threads too.
/// </summary>
/// <param name="problem">What the kernel computes.</param>
/// <param name="target">Where it runs.</param>
/// <param name="seed">Of the inputs.</param>
/// <param name="maxPoints">
/// Points of stages evaluated for each kind of input: outputs that need more are sampled as
/// <see cref="Algorithms.Evaluation.SampledEvaluator"/> says. The default keeps a certification near two seconds.
/// </param>
public sealed unsafe class Certifier(Problem problem, ITuningTarget target, int seed, double maxPoints = 8e6)
{
    /// <summary>
    /// Arguments beyond it take longer to write and compare than most kernels to run, and some checks are made on one kind of
    /// inputs only.
    /// </summary>
    private const long LargeBytes = 64 << 20;

    /// <summary>Runs on equal inputs, the first included, whose bits are compared, unless they are long.</summary>
    private const int StabilityRuns = 5;

    /// <summary>
    /// What the further runs on one kind of input may take; there is always one. A product of 2048³ would otherwise run
    /// twenty times, two seconds and more.
    /// </summary>
    private const double StabilityMilliseconds = 150;

    /// <summary>Memory of the problem's arguments to use instead of new one; what it holds is lost.</summary>
    internal ArgumentMemory? Memory { get; init; }

    /// <summary>What the outputs' bits must be on all kinds of inputs; null where they may be any within the bound.</summary>
    internal PinnedBits? Pinned { get; init; }

    /// <summary>Makes what is run of a nest; of one over symbolic extents a kernel at the problem's.</summary>
    internal Func<IBackend, LoopNest, ICompiledKernel> Compile { get; init; } =
        (backend, nest) => backend.Compile(nest);

    /// <summary>Compiles and checks a nest of the problem's algorithm. Never throws for what the nest does wrong.</summary>
    public Certification Certify(LoopNest nest)
    {
        try
        {
            using var kernel = Compile(target.Backend, nest);
            RequireServable(nest, kernel);
            return Certify(kernel, nest);
        }
        catch (NoReferenceException e)
        {
            return Certification.Fault($"its right answers cannot be had: {e.Message}");
        }
        catch (TraceException e)
        {
            return Failed(0, $"would not be served: {e.Message.Split('\n')[0]}");
        }
        catch (Exception e) when (e is LoweringException or ScheduleException or InvalidProgramException)
        {
            return Failed(0, $"does not compile: {e.Message}") with { IsRefused = true };
        }
        // Whatever else a kernel or its compilation throws, a division by zero say, must not end the search that asks.
        // A target that is lost is another matter: whoever asks must get a new process.
        catch (Exception e) when (e is not (OutOfMemoryException or TargetException { IsLost: true }))
        {
            return Failed(0, $"does not run: {e.GetType().Name}: {e.Message}");
        }
    }

    // Dispatch replays the stored text, under limits.
    private void RequireServable(LoopNest nest, ICompiledKernel kernel)
    {
        var algorithm = IsOpen(nest) ? nest.Algorithm : problem.Algorithm;
        Trace.Parse(Trace.Of(nest).ToString()).Replay(algorithm, ReplayLimits.OfSearch);
        ReplayLimits.Standard.CheckWorkspace(algorithm, kernel.WorkspaceBytes);
    }

    // Over symbolic extents: the shapes where it may be replayed are its own, and checked as such.
    private static bool IsOpen(LoopNest nest) => !nest.Algorithm.Parameters.IsEmpty;

    /// <summary>Checks a compiled kernel; with its nest, its trace on a ragged shape too.</summary>
    public Certification Certify(ICompiledKernel kernel, LoopNest? nest = null)
    {
        double worst = 0;
        using var own = Memory is null ? new ArgumentMemory(problem.Algorithm, target) : null;
        var memory = Memory ?? own!;
        bool isLong = memory.TotalBytes > LargeBytes;
        InputKind[] kinds = [.. problem.CertificationKinds];
        int fewest = StabilityRuns;
        string beside = "";
        ulong[] bits = [];
        var neighbour = nest is null || IsOpen(nest) ? null : RaggedShape.Near(problem);
        // Inputs and right answers of the next kind, or of the neighbour, are made while the kernel runs on those of this one.
        var next = Task.Run(() => MakeReference(kinds[0]));
        // What is not needed any more must not disturb what comes after the certification.
        using var end = new AtEnd(() => Task.WhenAny(next).Wait());
        for (int k = 0; k < kinds.Length; k++)
        {
            var kind = kinds[k];
            var reference = Made(next);
            if (k + 1 < kinds.Length)
            {
                var following = kinds[k + 1];
                next = Task.Run(() => MakeReference(following));
            }
            else if (neighbour is not null)
            {
                next = Task.Run(() => new Reference(neighbour, InputKind.Normal, seed, maxPoints / 4));
            }
            // What the numbers are decides nothing about where a kernel reads and writes: where checks take long, one kind is
            // run at the least alignment, and inputs are looked at after it only.
            if (k == 0 || !isLong)
            {
                memory.Align(worst: true);
                if (Wrong(kernel, reference, memory, ref worst, checksInputs: true) is { } misaligned)
                    return Failed(worst, $"at the least alignment: {misaligned}");
                memory.Align(worst: false);
            }
            if (Wrong(kernel, reference, memory, ref worst, checksInputs: k == 0 || !isLong) is { } wrong)
                return Failed(worst, wrong);
            if (k == 0 || !isLong)
            {
                bits = memory.OutputDigests();
                if (Pinned is not null && !Pinned.Of(memory).AsSpan().SequenceEqual(bits))
                    return Failed(worst, $"gives other bits than the pinned order ({kind} inputs)");
                if (!IsBitStable(kernel, memory, bits, out int runs))
                    return Failed(worst, $"repeated runs differ in bits ({kind} inputs)", bitStable: false);
                fewest = Math.Min(fewest, runs);
                isLong |= runs < StabilityRuns;
            }
            // Other numbers of threads run on the inputs that are there then.
            else if (k == kinds.Length - 1)
            {
                bits = memory.OutputDigests();
            }
            if (k == 0 && nest is not null && reference.IsSample)
            {
                (string? differing, beside) = new IndependentCheck(problem, target).Run(
                    kernel,
                    nest,
                    reference,
                    memory,
                    bits
                );
                if (differing is not null)
                    return Failed(worst, differing);
                beside = $"; {beside}";
            }
        }
        if (nest is not null && BitsWithOtherThreads(nest, memory, bits) is { } threads)
            return Failed(
                worst,
                $"gives other bits with {threads} thread{(threads == 1 ? "" : "s")}",
                bitStable: false
            );
        string ragged = "no ragged shape";
        if (nest is not null && neighbour is not null)
        {
            (string? wrong, ragged) = CheckRagged(Trace.Of(nest), neighbour, next, memory);
            if (wrong is not null)
                return Failed(worst, $"replayed on {neighbour}: {wrong}");
        }
        return new Certification(
            worst,
            Ok: true,
            BitStable: true,
            $"{string.Join(", ", problem.CertificationKinds)} inputs, aligned and not; {fewest} equal runs; {ragged}{beside}"
        );
    }

    // What the evaluator or the making of inputs throws says nothing about the kernel.
    private static Reference Made(Task<Reference> making)
    {
        try
        {
            return making.GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            throw new NoReferenceException(e);
        }
    }

    private Reference MakeReference(InputKind kind) => new(problem, kind, seed + (int)kind, maxPoints);

    private static string? Wrong(
        ICompiledKernel kernel,
        Reference reference,
        ArgumentMemory memory,
        ref double worst,
        bool checksInputs
    )
    {
        memory.SetInputs(reference.Inputs);
        memory.PoisonOutputs();
        var before = checksInputs ? memory.InputDigests(reference.Inputs) : null;
        kernel.Run(memory.Addresses, null);
        if (memory.BrokenGuard() is { } broken)
            return broken;
        if (memory.BrokenGap() is { } gap)
            return gap;
        if (before is not null && memory.FirstChangedInput(reference.Inputs, before) is { } changed)
            return $"changed its input {memory.Arguments[changed].Name}";
        var (ratio, wrong) = reference.Check(memory);
        worst = Math.Max(worst, ratio);
        return wrong;
    }

    private static bool IsBitStable(ICompiledKernel kernel, ArgumentMemory memory, ulong[] bits, out int runs)
    {
        long start = RunningTime.GetTimestamp();
        for (runs = 1; runs < StabilityRuns; runs++)
        {
            if (runs > 1 && RunningTime.Since(start).TotalMilliseconds > StabilityMilliseconds)
                break;
            memory.PoisonOutputs();
            kernel.Run(memory.Addresses, null);
            if (!bits.AsSpan().SequenceEqual(memory.OutputDigests()))
                return false;
        }
        return true;
    }

    /// <summary>
    /// A number of threads with which the nest, compiled for it, gives outputs of other digests; null where there is
    /// none. Where no loop is parallel the code is the same.
    /// </summary>
    private int? BitsWithOtherThreads(LoopNest nest, ArgumentMemory memory, ulong[] bits)
    {
        if (nest.Loops.All(l => l.Kind != LoopKind.Parallel))
            return null;
        foreach (var backend in target.OtherThreads)
        {
            using var kernel = Compile(backend, nest);
            memory.PoisonOutputs();
            kernel.Run(memory.Addresses, null);
            if (!bits.AsSpan().SequenceEqual(memory.OutputDigests()))
                return backend.Target.Threads;
        }
        return null;
    }

    private (string? Wrong, string Note) CheckRagged(
        Trace trace,
        Problem neighbour,
        Task<Reference> reference,
        ArgumentMemory memory
    )
    {
        try
        {
            return CheckRagged(trace.ReplayNear(neighbour.Algorithm).Nest, neighbour, reference, memory);
        }
        catch (ReplayLimitException)
        {
            // Dispatch refuses it there as well.
            return (null, $"is beyond the limits on {neighbour}");
        }
    }

    private (string? Wrong, string Note) CheckRagged(
        LoopNest? replayed,
        Problem neighbour,
        Task<Reference> making,
        ArgumentMemory larger
    )
    {
        if (replayed is not { } nest)
            return (null, $"does not replay on {neighbour}");
        try
        {
            using var kernel = target.Backend.Compile(nest);
            using var memory = new ArgumentMemory(neighbour.Algorithm, target, within: larger);
            double worst = 0;
            var reference = Made(making);
            return (Wrong(kernel, reference, memory, ref worst, checksInputs: true), $"right on {neighbour}");
        }
        catch (Exception e) when (e is LoweringException or ScheduleException)
        {
            // Dispatch then falls back to the default schedule, so this costs speed there and nothing else.
            return (null, $"does not compile on {neighbour}");
        }
    }

    private sealed class NoReferenceException(Exception cause)
        : Exception($"{cause.GetType().Name}: {cause.Message.Split('\n')[0]}", cause);

    private sealed class AtEnd(Action act) : IDisposable
    {
        public void Dispose() => act();
    }

    // A ratio beyond all numbers is kept as the largest: stores hold finite ones.
    private static Certification Failed(double worst, string detail, bool bitStable = true) =>
        new(double.IsFinite(worst) ? worst : double.MaxValue, Ok: false, bitStable, detail);
}
