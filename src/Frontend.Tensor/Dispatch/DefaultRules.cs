using System.Globalization;
using Picograd.Algorithms;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;

namespace Picograd.Dispatch;

/// <summary>What dispatch uses when nothing else was asked for: the library's rules and this machine's processor.</summary>
internal static class DefaultRules
{
    private static readonly Lazy<CpuTarget> Machine = new(CpuTarget.Detect);

    /// <summary>The environment variable that names the number of threads of programs that do not.</summary>
    public const string ThreadsVariable = "PICOGRAD_NUM_THREADS";

    /// <summary>The environment variable that says what results depend on.</summary>
    public const string DeterminismVariable = "PICOGRAD_DETERMINISM";

    /// <summary>What results depend on where the program says nothing.</summary>
    /// <exception cref="InvalidOperationException">The variable is neither free nor pinned.</exception>
    public static Determinism Determinism =>
        Environment.GetEnvironmentVariable(DeterminismVariable) switch
        {
            null or "" or "free" => Determinism.Free,
            "pinned" => Determinism.Pinned,
            var other => throw new InvalidOperationException(
                $"The environment variable {DeterminismVariable} is '{other}', but must be 'free' or 'pinned'."
            ),
        };

    /// <summary>The number of threads where the program names none: the variable's, else that of physical cores.</summary>
    /// <exception cref="InvalidOperationException">The variable is no whole number that this machine allows.</exception>
    public static int Threads
    {
        get
        {
            string? text = Environment.GetEnvironmentVariable(ThreadsVariable);
            if (string.IsNullOrEmpty(text))
                return Machine.Value.Cores;
            return
                int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int threads)
                && threads >= 1
                && threads <= Environment.ProcessorCount
                ? threads
                : throw new InvalidOperationException(
                    $"The environment variable {ThreadsVariable} is '{text}', but this machine allows 1 to {Environment.ProcessorCount}."
                );
        }
    }

    public static LoopNest Rule(Algorithm algorithm, TargetInfo target) => DefaultSchedule.For(algorithm, target);

    public static IBackend Backend(int threads) => new CpuBackend(Machine.Value, threads);
}
