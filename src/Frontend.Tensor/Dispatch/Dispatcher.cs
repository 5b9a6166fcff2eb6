using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Dispatch.Online;
using Picograd.Dispatch.Profiles;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.TuneDb;

namespace Picograd.Dispatch;

/// <summary>Makes a back end for a number of threads.</summary>
public delegate IBackend BackendFactory(int threads);

/// <summary>The schedule of an algorithm by rules, without tuning.</summary>
public delegate LoopNest DefaultScheduleRule(Algorithm algorithm, TargetInfo target);

/// <summary>
/// Chooses and keeps the kernel of every operator instance: a tuned record of exactly this instance, else one of a near
/// shape replayed with its factors inferred again, else the default schedule. A record that cannot be used costs speed
/// and a note, never an error. After the first call of an instance a dispatch is a look-up in a table.
/// </summary>
public static class Dispatcher
{
    private static readonly Lock Gate = new();
    private static DispatchContext? s_current;

    // 0 until the program names a number.
    private static int s_threads;

    // Null until the program names one.
    private static Determinism? s_determinism;

    /// <summary>
    /// Told, once, in one sentence, that the user's database cannot be read and that models run on default schedules. Writes
    /// to standard error unless set.
    /// </summary>
    public static Action<string> OnWarning { get; set; } =
        sentence => Console.Error.WriteLine($"picograd: {PlainText.Of(sentence)}");

    /// <summary>
    /// Number of threads that kernels may use. At first it is <see cref="DefaultNumThreads"/>.
    /// </summary>
    public static int NumThreads => Volatile.Read(ref s_current)?.Threads ?? Threads;

    /// <summary>
    /// Number of threads of a program that names none: that of the environment variable PICOGRAD_NUM_THREADS, else that of the
    /// physical cores that the process may use, as in PyTorch.
    /// </summary>
    /// <exception cref="InvalidOperationException">The variable is no whole number that this machine allows.</exception>
    public static int DefaultNumThreads => DefaultRules.Threads;

    /// <summary>
    /// Sends everything through a store and a back end from now on; kernels made before are forgotten.
    /// </summary>
    /// <param name="store">Where tuned records are looked up; null for none.</param>
    /// <param name="backend">The back end; its target says how many threads kernels may use.</param>
    /// <param name="rule">Default schedules; null for those of the library.</param>
    public static void Use(ITuneLookup? store, IBackend backend, DefaultScheduleRule? rule = null)
    {
        ArgumentNullException.ThrowIfNull(backend);
        Use(store, _ => backend, backend.Target.Threads, rule);
    }

    /// <inheritdoc cref="Use(ITuneLookup?, IBackend, DefaultScheduleRule?)"/>
    /// <param name="store">Where tuned records are looked up; null for none.</param>
    /// <param name="backends">Makes the back end, again after each change of the number of threads.</param>
    /// <param name="threads">Number of threads that kernels may use.</param>
    /// <param name="rule">Default schedules; null for those of the library.</param>
    public static void Use(ITuneLookup? store, BackendFactory backends, int threads, DefaultScheduleRule? rule = null)
    {
        ArgumentNullException.ThrowIfNull(backends);
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        lock (Gate)
        {
            s_threads = threads;
            Volatile.Write(
                ref s_current,
                new DispatchContext(
                    store,
                    backends,
                    threads,
                    rule ?? DefaultRules.Rule,
                    CpuRuntime.Instance,
                    determinism: Determinism
                )
            );
        }
    }

    internal static void Use(DispatchContext context)
    {
        lock (Gate)
        {
            s_threads = context.Threads;
            Volatile.Write(ref s_current, context);
        }
    }

    /// <summary>
    /// Sends everything of a GPU through a store and a back end from now on; kernels made before are forgotten.
    /// <see cref="Refresh"/> goes back to the defaults.
    /// </summary>
    /// <param name="device">A GPU.</param>
    /// <param name="store">Where tuned records are looked up; null for none.</param>
    /// <param name="backend">The back end.</param>
    /// <param name="rule">Default schedules; null for those of the library.</param>
    /// <exception cref="ArgumentException">The device is the CPU.</exception>
    /// <exception cref="InvalidOperationException">This machine has no such device; says what is missing.</exception>
    public static void UseOn(Device device, ITuneLookup? store, IBackend backend, DefaultScheduleRule? rule = null)
    {
        ArgumentNullException.ThrowIfNull(backend);
        if (device.IsCpu)
            throw new ArgumentException("device is cpu; Use is for the CPU, UseOn for GPUs.", nameof(device));
        var runtime = Gpus.Of(device.Index);
        runtime.Use(new DispatchContext(store, _ => backend, 1, rule ?? DefaultRules.Rule, runtime));
    }

    /// <summary>
    /// Back to the defaults: the tuned records of the user's database (PICOGRAD_TUNEDB names another) and of the library,
    /// and kernels for this processor.
    /// </summary>
    public static void UseDefaults() => Volatile.Write(ref s_current, null);

    /// <summary>Forgets every kernel, so that records tuned meanwhile are found.</summary>
    public static void Refresh()
    {
        lock (Gate)
        {
            if (s_current is { } now)
                Volatile.Write(ref s_current, now.WithThreads(now.Threads));
        }
        Gpus.Refresh();
    }

    /// <summary>Number of threads that kernels may use from now on.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Less than 1 or more than the machine has.</exception>
    public static void SetNumThreads(int threads)
    {
        if (threads < 1 || threads > Environment.ProcessorCount)
            throw new ArgumentOutOfRangeException(
                nameof(threads),
                $"SetNumThreads: threads is {threads}, but this machine allows 1 to {Environment.ProcessorCount}."
            );
        lock (Gate)
        {
            s_threads = threads;
            if (s_current is { } now && now.Threads != threads)
                Volatile.Write(ref s_current, now.WithThreads(threads));
        }
    }

    /// <summary>
    /// What results of processors depend on. At first what the environment variable PICOGRAD_DETERMINISM says, <c>free</c> or
    /// <c>pinned</c>, and free where it says nothing.
    /// </summary>
    public static Determinism Determinism => s_determinism ?? DefaultRules.Determinism;

    /// <summary>What results of processors depend on from now on; kernels made before are forgotten.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Neither free nor pinned.</exception>
    public static void SetDeterminism(Determinism determinism)
    {
        if (!Enum.IsDefined(determinism))
            throw new ArgumentOutOfRangeException(
                nameof(determinism),
                $"SetDeterminism: determinism is {determinism}, but must be {nameof(Dispatch.Determinism.Free)} or {nameof(Dispatch.Determinism.Pinned)}."
            );
        lock (Gate)
        {
            s_determinism = determinism;
            if (s_current is { } now)
                Volatile.Write(ref s_current, now.With(now.Threads, determinism));
        }
    }

    /// <summary>The target that kernels of the CPU are compiled for.</summary>
    public static TargetInfo Target => Current.Backend.Target;

    /// <summary>The target that kernels of a device are compiled for.</summary>
    public static TargetInfo TargetOf(Device device) => DeviceRuntime.Of(device).Context.Backend.Target;

    /// <summary>The kernel that a problem, an operator instance say, runs on.</summary>
    public static DispatchedKernel Resolve(Problem problem, Device device = default)
    {
        ArgumentNullException.ThrowIfNull(problem);
        return DeviceRuntime.Of(device).Context.Resolve(problem);
    }

    /// <summary>How an operator instance is run and why, in a few lines: source, notes, trace.</summary>
    /// <exception cref="OperatorSpecException">The text is not an operator instance.</exception>
    public static string Explain(string spec, Device device = default)
    {
        var kernel = Resolve(OperatorSpec.Parse(spec), device);
        var lines = new List<string> { $"{kernel.Spec}: {kernel.SourceName} on {TargetOf(device).Fingerprint}" };
        lines.AddRange(kernel.Notes.Select(note => $"  {note}"));
        if (kernel.GuardFailures > 0)
            lines.Add($"  guards did not hold in {kernel.GuardFailures} calls, which ran on the default schedule");
        lines.AddRange(kernel.Nest.Trace.Select(step => $"  | {step}"));
        return string.Join('\n', lines);
    }

    /// <summary>What dispatch has done so far on the CPU with this store and back end.</summary>
    public static DispatchStatistics Statistics => Current.Statistics;

    /// <summary>What dispatch has done so far on a device.</summary>
    public static DispatchStatistics StatisticsOf(Device device) => DeviceRuntime.Of(device).Context.Statistics;

    /// <summary>
    /// The operators that ran since <see cref="StartRecording"/>, or since the first where the environment variable
    /// PICOGRAD_PROFILE names a file: with counts, times and where their kernels came from, longest first. Empty where nothing is
    /// recorded.
    /// </summary>
    public static IReadOnlyList<RecordedOperator> Recorded => Recording.Recorded;

    /// <summary>
    /// Records every operator from now on, until <see cref="StopRecording"/>; what was recorded before is forgotten. Kernels are
    /// made again. A recorded call takes about 70 ns more on the CPU, and is waited for on a GPU; where nothing is recorded, a
    /// call takes what it always takes.
    /// </summary>
    public static void StartRecording()
    {
        if (Recording.Start())
            Refresh();
    }

    /// <summary>Records no more; <see cref="Recorded"/> keeps what was.</summary>
    public static void StopRecording()
    {
        if (Recording.Stop())
            Refresh();
    }

    internal static DispatchContext Current => Volatile.Read(ref s_current) ?? MakeDefault();

    private static int Threads => s_threads is > 0 and var named ? named : DefaultNumThreads;

    private static DispatchContext MakeDefault()
    {
        lock (Gate)
        {
            if (s_current is { } now)
                return now;
            WarmStart.Begin(() => Threads);
            var made = new DispatchContext(
                OnlineTuning.OpenStore(),
                DefaultRules.Backend,
                Threads,
                DefaultRules.Rule,
                CpuRuntime.Instance,
                determinism: Determinism
            );
            Volatile.Write(ref s_current, made);
            return made;
        }
    }
}

/// <summary>Counts of a dispatcher's choices.</summary>
/// <param name="Kernels">Kernels now kept: one for each operator instance, or for a class of shapes that share one.</param>
/// <param name="Exact">Of these on a tuned record of their own.</param>
/// <param name="Near">Of these on a record of a near shape.</param>
/// <param name="Default">Of these on a default schedule.</param>
/// <param name="RecordsRefused">Records found that could not be used; the notes of the kernels say why.</param>
public readonly record struct DispatchStatistics(int Kernels, int Exact, int Near, int Default, int RecordsRefused);
